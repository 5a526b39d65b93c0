//! Looks at a publication as a whole: every document, every digest, and the files themselves where that is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::pull::{Progress, admit, read, sum};
use crate::adapters::download::probe;
use crate::adapters::publication::{ManifestSource, PublicationError, Web};
use crate::adapters::stop::{Stop, Stopped};
use crate::ids::Sha256Hex;
use crate::manifest::format::{FileRef, Root};
use crate::manifest::signature::{PublicKey, SignatureError};
use crate::mirror::admission::refuse_expired;
use crate::mirror::documents::{Document, Flaw, flaw};
use crate::mirror::proof::Proof;

/// How many requests are under way at once.
const AT_ONCE: usize = 8;
/// The root, for what is said of it.
const ROOT: &str = "manifest.json";

/// What somebody wants to know of a publication.
pub struct Question<'q> {
    /// The SHA-256 of the root of the edition that is looked at; none for the newest one.
    pub edition: Option<Sha256Hex>,
    /// The key that must have signed it, if any.
    pub key: Option<PublicKey>,
    /// Whether the assets' files are fetched too.
    pub files: bool,
    /// The time now, in seconds since 1970.
    pub now: i64,
    /// Who watches.
    pub watch: &'q (dyn Fn(Progress) + Sync),
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verified {
    /// The root, where it can be read.
    pub root: Option<Root>,
    /// All else.
    pub proof: Proof,
    /// How many of the assets' files were fetched.
    pub fetched: usize,
    /// The id of the key that has signed the root, where one was asked for.
    pub signed_by: Option<String>,
}

/// Looks at everything. An error says that the publication cannot be reached; what is wrong with it is no error.
pub async fn verify(
    source: Arc<dyn ManifestSource>,
    web: &Web,
    question: &Question<'_>,
    stop: &Stop,
) -> anyhow::Result<Verified> {
    let mut verified = Verified::default();
    let admitted = match admit(&*source, question.edition.as_ref(), question.key.as_ref()).await {
        Ok(admitted) => admitted,
        Err(error) => match told(&error) {
            Some(problem) => {
                verified.proof.note(problem);
                return Ok(verified);
            }
            None => return Err(error),
        },
    };
    let (root, proof) = (admitted.root, &mut verified.proof);
    proof.documents += 1;
    if let Err(refusal) = refuse_expired(&root, question.now) {
        proof.note(flaw(ROOT, format!("may not be relied on any more: {refusal}")));
    }
    let look = Look { source, watch: question.watch, stop };
    if let Some(list) = proof.take_list(&root, look.one(&Document::from(&root.shards)).await?.as_deref()) {
        let shards = list.collections.iter().flat_map(|(name, shards)| shards.iter().map(move |shard| (name, shard)));
        let shards: Vec<_> = shards.collect();
        let wants = shards.iter().map(|(_, shard)| Document::from(*shard)).collect();
        let came = look.all(wants).await?;
        for (name, shard) in shards {
            proof.take_shard(name, shard, came.get(&shard.path).and_then(Option::as_deref));
        }
        proof.compare(&root);
    }
    look.around(&root, proof).await?;
    if question.files {
        verified.fetched = look.files(web, proof).await?;
    }
    (verified.signed_by, verified.root) = (admitted.signed_by, Some(root));
    Ok(verified)
}

/// What an error says is wrong with the publication; none where it cannot be reached.
fn told(error: &anyhow::Error) -> Option<Flaw> {
    let is_signature = error.chain().any(|cause| cause.is::<SignatureError>());
    let found = error.chain().find_map(|cause| cause.downcast_ref::<Flaw>()).cloned();
    found.or_else(|| is_signature.then(|| flaw(ROOT, format!("is not signed as it should be: {}", error.root_cause()))))
}

/// A way to look at documents.
struct Look<'l> {
    source: Arc<dyn ManifestSource>,
    watch: &'l (dyn Fn(Progress) + Sync),
    stop: &'l Stop,
}

impl Look<'_> {
    async fn one(&self, document: &Document) -> Result<Option<Vec<u8>>, PublicationError> {
        read(&*self.source, document).await
    }

    async fn file(&self, reference: &FileRef) -> Result<Option<Vec<u8>>, PublicationError> {
        self.one(&Document::from(reference)).await
    }

    /// Several documents at once, by their names.
    async fn all(&self, mut wants: Vec<Document>) -> anyhow::Result<BTreeMap<String, Option<Vec<u8>>>> {
        let (all, all_bytes) = (wants.len(), sum(wants.iter().map(|want| want.bytes)));
        let (mut came, mut bytes, mut under_way) = (BTreeMap::new(), 0, JoinSet::new());
        loop {
            self.stop.asked().map_or(Ok(()), |signal| Err(Stopped(signal)))?;
            while under_way.len() < AT_ONCE {
                let Some(want) = wants.pop() else { break };
                let source = Arc::clone(&self.source);
                under_way.spawn(async move {
                    let came = read(&*source, &want).await;
                    (want, came)
                });
            }
            let Some(one) = under_way.join_next().await else { return Ok(came) };
            let (want, one) = one?;
            bytes = sum([bytes, want.bytes]);
            came.insert(want.path, one?);
            (self.watch)(Progress { what: "parts of the manifest", done: came.len(), all, bytes, all_bytes });
        }
    }

    /// Everything that the root names beside the shards.
    async fn around(&self, root: &Root, proof: &mut Proof) -> anyhow::Result<()> {
        if let Some(index) = &root.index {
            proof.take_index(index, self.file(index).await?.as_deref());
        }
        let kept = proof.take_updated(&root.updated, self.file(&root.updated).await?.as_deref());
        // The deltas of the root's chain that the publisher keeps; those before them went when they were too many.
        let mut to = root.digest.clone();
        for (index, delta) in
            root.delta.iter().chain(kept.iter().skip_while(|one| Some(*one) == root.delta.as_ref())).enumerate()
        {
            let document = Document::from(delta);
            match document.refuse_unusable() {
                Ok(()) => proof.take_delta(delta, &to, index == 0, self.one(&document).await?.as_deref()),
                Err(problem) => proof.note(problem),
            }
            to.clone_from(&delta.from);
        }
        if let Some(findings) = &root.findings {
            proof.take_other(findings, self.file(findings).await?.as_deref());
        }
        if let Some(exports) = &root.exports {
            for file in proof.take_exports(exports, self.file(exports).await?.as_deref()) {
                proof.take_export(&file, self.file(&file).await?.as_deref());
            }
        }
        Ok(())
    }

    /// Fetches and hashes the assets' files; how many.
    async fn files(&self, web: &Web, proof: &mut Proof) -> anyhow::Result<usize> {
        let mut left: Vec<_> = proof.files().clone().into_iter().rev().collect();
        let (all, all_bytes) = (left.len(), sum(left.iter().map(|(_, file)| file.bytes)));
        let (mut done, mut bytes, mut under_way, mut problems) = (0, 0, JoinSet::new(), BTreeMap::new());
        loop {
            self.stop.asked().map_or(Ok(()), |signal| Err(Stopped(signal)))?;
            while under_way.len() < AT_ONCE {
                let Some((url, file)) = left.pop() else { break };
                let web = web.clone();
                under_way.spawn(async move {
                    let found = probe(&web, &url, file.bytes).await;
                    (url, file, found)
                });
            }
            let Some(one) = under_way.join_next().await else { break };
            let (url, file, found) = one?;
            (done, bytes) = (done + 1, sum([bytes, file.bytes]));
            (self.watch)(Progress { what: "files", done, all, bytes, all_bytes });
            let why = match found {
                Err(why) => why,
                Ok((sha256, size)) if size != file.bytes => {
                    format!("has {size} bytes, and the manifest says {}; its SHA-256 is {sha256}", file.bytes)
                }
                Ok((sha256, _)) if sha256.as_str() != file.sha256 => {
                    format!("is not what the manifest says: its SHA-256 is {sha256}, and should be {}", file.sha256)
                }
                Ok(_) => continue,
            };
            problems.insert(url, why);
        }
        for (url, why) in problems {
            proof.note(flaw(&url, why));
        }
        Ok(done)
    }
}
