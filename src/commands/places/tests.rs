use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::adapters::publication::{ManifestSource, MemoryTarget, Stored, Version};
use crate::manifest::edition::tests::Library;

fn publishable(assets: &[(&str, u32)]) -> Publishable {
    let mut settings = Settings::default();
    settings.exports.data_package = Some(serde_json::from_str("{}").unwrap());
    let manifest = Library::of(assets).manifest;
    let habits = std::iter::once(Habits::Followed);
    Publishable::new(manifest, settings, Vec::new(), (Timestamp(0), None), habits).unwrap()
}

/// Puts files at a place, and a root whose bytes these are.
async fn put(target: &MemoryTarget, root: &[u8], files: &[(&str, &[u8])]) {
    let expected = target.root().await.unwrap().map(|stored| stored.version);
    let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    let update = Update { expected, files, root: root.to_vec(), removed: Vec::new(), summary: Summary::default() };
    target.publish(&update).await.unwrap();
}

/// A place without a root that has these files.
struct Rootless(MemoryTarget);

#[async_trait]
impl ManifestSource for Rootless {
    fn place(&self) -> String {
        "rootless".to_owned()
    }

    async fn root(&self) -> Result<Option<Stored>, PublicationError> {
        Ok(None)
    }

    async fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PublicationError> {
        self.0.read(name, limit).await
    }
}

#[async_trait]
impl PublishTarget for Rootless {
    async fn list(&self) -> Result<BTreeMap<String, u64>, PublicationError> {
        self.0.list().await
    }

    async fn publish(&self, update: &Update) -> Result<(), PublicationError> {
        let expected = self.0.root().await?.map(|stored| stored.version);
        self.0.publish(&Update { expected, ..update.clone() }).await
    }
}

#[tokio::test]
async fn a_file_of_others_with_the_name_of_an_export_is_not_replaced() {
    let (place, wanted) = (Rootless(MemoryTarget::default()), publishable(&[("a", 1)]));
    put(&place.0, b"", &[("datapackage.json", b"theirs")]).await;
    let said = wanted.bring_into_step(&place).await.unwrap_err().to_string();
    assert!(said.contains("a file datapackage.json that Stockroom has not made"), "{said}");
    assert_eq!(place.read("datapackage.json", 100).await, Ok(Some(b"theirs".to_vec())));
}

#[tokio::test]
async fn an_export_that_a_killed_run_has_left_is_replaced_by_that_of_another_library() {
    let place = Rootless(MemoryTarget::default());
    publishable(&[("a", 1)]).bring_into_step(&place).await.unwrap();
    let left = place.read("datapackage.json", 1 << 20).await.unwrap();
    publishable(&[("a", 1), ("b", 1)]).bring_into_step(&place).await.unwrap();
    assert_ne!(place.read("datapackage.json", 1 << 20).await.unwrap(), left);
    // Without the list that names it nobody knows whose it is.
    put(&place.0, b"", &[("datapackage.json", b"theirs")]).await;
    assert!(publishable(&[("c", 1)]).bring_into_step(&place).await.is_err());
}

#[tokio::test]
async fn a_manifest_of_another_kind_stays_and_what_is_left_of_ours_does_not() {
    let (place, wanted) = (MemoryTarget::default(), publishable(&[("a", 1)]));
    for theirs in [&br#"{"short_name": "a web app"}"#[..], br#"{"version": "1.0", "manifest_version": 3}"#, b"[]"] {
        put(&place, theirs, &[]).await;
        let said = wanted.bring_into_step(&place).await.unwrap_err().to_string();
        assert!(said.contains("the manifest.json there is not Stockroom's"), "{said}");
    }
    put(&place, br#"{"version": 99}"#, &[]).await;
    let said = wanted.bring_into_step(&place).await.unwrap_err().to_string();
    assert!(said.contains("has version 99"), "{said}");
    // What lies around it says that it was ours.
    let shard = format!("shard-{}.json", Sha256Hex::of(b"x"));
    put(&place, b"", &[(&shard, b"x")]).await;
    for ours in [&b""[..], b"{\"version\": 1", br#"{"version": 1}"#] {
        put(&place, ours, &[]).await;
        wanted.bring_into_step(&place).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_written_to_a_place_that_could_not_be_read() {
    let (place, wanted) = (MemoryTarget::default(), publishable(&[("a", 1)]));
    let why = PublicationError::Unusable { place: "memory".to_owned(), what: "read", why: "no answer".to_owned() };
    let given = wanted.publish_or_yield(&place, &Found::unread(why.clone())).await;
    assert_eq!((given, place.root().await), (Err(why), Ok(None)));
}

/// A place whose root promises whatever it likes; how much was asked for of each file is kept.
struct Boastful {
    root: Vec<u8>,
    asked: Mutex<Vec<u64>>,
}

#[async_trait]
impl ManifestSource for Boastful {
    fn place(&self) -> String {
        "boastful".to_owned()
    }

    async fn root(&self) -> Result<Option<Stored>, PublicationError> {
        Ok(Some(Stored { bytes: self.root.clone(), version: Version("1".to_owned()) }))
    }

    async fn read(&self, _: &str, limit: u64) -> Result<Option<Vec<u8>>, PublicationError> {
        self.asked.lock().unwrap().push(limit);
        Ok(None)
    }
}

#[async_trait]
impl PublishTarget for Boastful {
    async fn list(&self) -> Result<BTreeMap<String, u64>, PublicationError> {
        Ok(BTreeMap::new())
    }

    async fn publish(&self, _: &Update) -> Result<(), PublicationError> {
        Ok(())
    }
}

#[tokio::test]
async fn no_more_is_read_than_may_be_whatever_a_place_promises() {
    let (place, wanted) = (MemoryTarget::default(), publishable(&[("a", 1)]));
    wanted.bring_into_step(&place).await.unwrap();
    let mut root: Root = serde_json::from_slice(&place.root().await.unwrap().unwrap().bytes).unwrap();
    let endless = |file: &mut crate::manifest::format::FileRef| file.bytes = crate::manifest::format::MOST_NUMBER;
    endless(&mut root.shards);
    endless(&mut root.updated);
    root.exports.iter_mut().for_each(endless);
    let place = Boastful { root: serde_json::to_vec(&root).unwrap(), asked: Mutex::default() };
    let found = wanted.look(&place).await.unwrap();
    assert!(found.held.is_some_and(|held| held.list.is_none() && held.lines.is_none()));
    let asked = std::mem::take(&mut *place.asked.lock().unwrap());
    assert!(asked.len() == 4 && asked.iter().all(|limit| *limit <= 256 << 20), "{asked:?}");
    // And nothing that is not beside the root.
    for file in [&mut root.shards, &mut root.updated] {
        file.path = "../../dev/stdin".to_owned();
    }
    root.exports = None;
    let place = Boastful { root: serde_json::to_vec(&root).unwrap(), ..place };
    wanted.look(&place).await.unwrap();
    assert_eq!(place.asked.into_inner().unwrap().len(), 1, "the publisher's own list alone");
}

/// Roots with numbers that nobody can carry on.
mod numbers {
    use super::super::*;
    use crate::adapters::publication::{ManifestSource as _, MemoryTarget};
    use crate::manifest::edition::tests::Library;

    fn publishable(price: u32) -> Publishable {
        let library = Library::of(&[("a", price)]);
        let habits = [Habits::Followed].into_iter();
        Publishable::new(library.manifest, library.settings, Vec::new(), (Timestamp(0), None), habits).unwrap()
    }

    #[tokio::test]
    async fn a_root_with_numbers_beyond_all_is_refused_and_not_replaced_by_the_first_edition() {
        for (field, beyond) in [("seq", "9007199254740992"), ("seq", "18446744073709552000"), ("bytes", "1e300")] {
            let target = MemoryTarget::default();
            publishable(1).bring_into_step(&target).await.unwrap();
            let stored = target.root().await.unwrap().unwrap();
            let text = String::from_utf8(stored.bytes).unwrap();
            let (head, rest) = text.split_once(&format!("\"{field}\":")).unwrap();
            let (_, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap());
            let root = format!("{head}\"{field}\":{beyond}{tail}").into_bytes();
            let (files, removed) = (BTreeMap::new(), Vec::new());
            let summary = Summary { title: String::new(), seconds: None };
            let update = Update { expected: Some(stored.version), files, root: root.clone(), removed, summary };
            target.publish(&update).await.unwrap();
            let told = publishable(2).bring_into_step(&target).await.unwrap_err().to_string();
            assert!(told.contains("cannot be understood, so it is not replaced"), "{told}");
            assert_eq!(target.root().await.unwrap().unwrap().bytes, root);
        }
    }
}
