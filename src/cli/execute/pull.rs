//! Carries out `pull` and `verify`, which need no library.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};

use super::{Ending, Execution};
use crate::adapters::clock;
use crate::adapters::mirror_folder::MirrorFolder;
use crate::adapters::stop::Stop;
use crate::cli::console::Console;
use crate::cli::environment::Environment;
use crate::cli::wiring::source::web;
use crate::cli::words::Format;
use crate::cli::words::pull::{PullWords, VerifyWords};
use crate::commands::pull::{Progress, Wish, begin, collections, pull};
use crate::commands::verify::{Question, verify};
use crate::event::Announced;
use crate::manifest::files::root_in;
use crate::manifest::signature::PublicKey;
use crate::mirror::admission::Allowed;
use crate::mirror::choice::Choice;
use crate::mirror::outcome::Outcome;
use crate::mirror::request::Request;
use crate::mirror::source::address_like;
use crate::report::pull as pulling;
use crate::report::verify as verifying;

/// How often a log hears how far it is.
const NOW_AND_THEN: Duration = Duration::from_secs(20);

impl Execution<'_> {
    /// Brings a folder to the state of a manifest.
    pub(super) async fn pull(&self, words: &PullWords) -> anyhow::Result<Ending> {
        let allowed = if words.allow_older { Allowed::Anything } else { Allowed::Forward };
        self.pull_from(Request::parse(&words.source, words.allow_http)?, words, allowed).await
    }

    /// Pulls as an event asks for it, in a downstream repository.
    ///
    /// A rollback asks for one edition by the digest of its root, and that one alone is taken back to without a flag. Where the
    /// repository says itself where the manifest is, the event has no say in that.
    pub(super) async fn pull_announced(&self, announced: Option<&Announced>) -> anyhow::Result<Ending> {
        let told = announced.and_then(|announced| announced.manifest.as_deref());
        let words = self.asked_pull(told)?;
        let mut request = Request::parse(&words.source, words.allow_http)?;
        let is_rollback = announced.is_some_and(|announced| announced.rollback);
        if is_rollback && request.edition.is_none() {
            let told = told.and_then(|address| address.rsplit_once('/'));
            request.edition = told.and_then(|(_, name)| root_in(name));
        }
        let allowed = match &request.edition {
            Some(_) if is_rollback => Allowed::Back,
            None if is_rollback => {
                self.console
                    .talk("the event takes back what was told, and names no edition: the newest one is pulled\n");
                Allowed::Forward
            }
            _ => Allowed::Forward,
        };
        self.pull_from(request, &words, allowed).await
    }

    async fn pull_from(&self, request: Request, words: &PullWords, allowed: Allowed) -> anyhow::Result<Ending> {
        let shown_request = request.shown();
        let Request { source, edition } = request;
        let key = self.key(words.key.as_deref())?;
        let choice = Choice { collections: collections(&words.collections), files: words.files.clone() };
        if let Some(address) = words.output.to_str().and_then(address_like) {
            return Err(anyhow!(
                "-o {address:?} looks like an address, and pull writes into a folder of this machine alone: name one, such as -o \
                 assets"
            ));
        }
        let output = self.folder.join(&words.output);
        let shown = output.display().to_string();
        let web = web(&source, words.allow_http, self.environment, &self.stop)?;
        let begun = begin(MirrorFolder::at(&output))?;
        let known = begun.known(&source.to_string()).filter(|_| edition.is_none());
        let place = self.reading(&source, &web, known)?;
        let (last, now) = (Mutex::new(Instant::now()), clock::now().0);
        let watch = |progress: Progress| self.watch(&last, progress);
        let wish = Wish {
            shown: source.to_string(),
            choice,
            key,
            edition,
            allowed,
            keeps_going: words.keep_going,
            now,
            watch: &watch,
        };
        let pulled = pull(begun, place, &web, &wish, &self.stop).await;
        self.console.end_progress();
        let pulled = pulled.with_context(|| format!("{shown} was not brought to the state of {shown_request}"))?;
        match words.format {
            Format::Human => self.console.text(&pulling::human(&pulled, &shown, self.style())),
            Format::Json => self.console.json(&pulling::json(&pulled)),
        }
        let values = [
            ("command", "pull".to_owned()),
            ("changed", (pulled.outcome != Outcome::Unchanged).to_string()),
            ("manifest-digest", pulled.root.digest.clone()),
            ("manifest-path", shown),
        ];
        self.settled(self.set_outputs(&values));
        Ok(if pulled.outcome == Outcome::Partial { Ending::Partial } else { Ending::Done })
    }

    /// Looks at a publication as a whole.
    pub(super) async fn verify(&self, words: &VerifyWords) -> anyhow::Result<Ending> {
        let request = Request::parse(&words.source, words.allow_http)?;
        let shown = request.shown();
        let Request { source, edition } = request;
        let key = self.key(words.key.as_deref())?;
        let web = web(&source, words.allow_http, self.environment, &self.stop)?;
        let place = self.reading(&source, &web, None)?;
        let (last, now) = (Mutex::new(Instant::now()), clock::now().0);
        let watch = |progress: Progress| self.watch(&last, progress);
        let question = Question { edition, key, files: words.files, now, watch: &watch };
        let verified = verify(place, &web, &question, &self.stop).await;
        self.console.end_progress();
        let verified = verified?;
        let told = verifying::Told {
            source: &shown,
            root: verified.root.as_ref(),
            proof: &verified.proof,
            fetched: verified.fetched,
            signed_by: verified.signed_by.as_deref(),
        };
        match words.format {
            Format::Human => self.console.text(&verifying::human(&told, self.style())),
            Format::Json => self.console.json(&verifying::json(&told)),
        }
        let valid = verified.proof.problems.is_empty();
        self.settled(self.set_outputs(&[("command", "verify".to_owned()), ("valid", valid.to_string())]));
        Ok(if valid { Ending::Done } else { Ending::Findings })
    }

    pub(super) fn surroundings(&self) -> (&Environment, &Console, &Stop) {
        (self.environment, self.console, &self.stop)
    }

    /// What the environment asks to be pulled, where the action is in a downstream repository; `manifest` is the address that
    /// the event names.
    fn asked_pull(&self, manifest: Option<&str>) -> anyhow::Result<PullWords> {
        let get = |name| self.environment.get(name).map(str::to_owned);
        let source = match (get("STOCKROOM_SOURCE"), manifest) {
            (Some(source), _) => source,
            (None, Some(address)) if address.starts_with("https://") => address.to_owned(),
            (None, Some(_)) => {
                return Err(anyhow!(
                    "the event names a manifest that is not to be had over https; name it as `source`"
                ));
            }
            (None, None) => {
                return Err(anyhow!("name the manifest as the input `source`: the event does not say where it is"));
            }
        };
        let output = get("STOCKROOM_OUTPUT").ok_or_else(|| anyhow!("name the folder as the input `output`"))?;
        let files = get("STOCKROOM_FILES").unwrap_or_default().parse().map_err(|why: String| anyhow!(why))?;
        Ok(PullWords {
            source,
            output: PathBuf::from(output),
            files,
            collections: Vec::new(),
            key: get("STOCKROOM_VERIFICATION_KEY"),
            allow_older: false,
            allow_http: false,
            keep_going: false,
            format: Format::Human,
        })
    }

    /// A public key, or what is in the file of that name.
    pub(super) fn key(&self, text: Option<&str>) -> anyhow::Result<Option<PublicKey>> {
        // The action says by an empty input that there is no key.
        let Some(text) = text.filter(|text| !text.is_empty()).map(str::trim) else { return Ok(None) };
        if text.is_empty() {
            return Err(anyhow!(
                "the key is blank, and without one nothing would be verified: name one, or leave it out"
            ));
        }
        if let Ok(key) = PublicKey::parse(text) {
            return Ok(Some(key));
        }
        let read = std::fs::read_to_string(self.folder.join(text));
        let text = read.map_err(|error| {
            anyhow!("--key {text:?} is neither a public key of minisign nor a file that holds one: {error}")
        })?;
        Ok(Some(PublicKey::parse(&text)?))
    }

    /// Shows how far it is: to a person at once, in a log now and then.
    fn watch(&self, last: &Mutex<Instant>, progress: Progress) {
        let Progress { what, done, all, bytes, all_bytes } = progress;
        let percent = bytes.saturating_mul(100).checked_div(all_bytes).unwrap_or(100);
        let line = format!("{done} of {all} {what}, {percent} % of {} kB", all_bytes.div_ceil(1000));
        if self.console.has_terminal() {
            let full = usize::try_from(percent.min(100) / 5).unwrap_or_default();
            self.console.progress(&format!("[{}{}] {line}", "#".repeat(full), "-".repeat(20 - full)));
        } else if let Ok(mut last) = last.lock()
            && last.elapsed() >= NOW_AND_THEN
        {
            *last = Instant::now();
            self.console.talk(&format!("{line}\n"));
        }
    }
}
