//! A folder that takes the deliveries while there is no token: each as the body of the request that would be sent.

use std::path::PathBuf;

use async_trait::async_trait;

use super::{Dispatch, DispatchError, Dispatcher, Outcome, Progress, RunRef, Search, Sighting};
use crate::adapters::whole_file;
use crate::downstream::Receiver;
use crate::state::Timestamp;

/// Writes `FOLDER/NAME/CORRELATION.json`.
#[derive(Debug, Clone)]
pub struct OutboxDispatcher {
    folder: PathBuf,
    receiver: Receiver,
}

impl OutboxDispatcher {
    /// An outbox for this receiver in this folder, which is made when the first delivery comes.
    pub fn new(folder: impl Into<PathBuf>, receiver: Receiver) -> Self {
        Self { folder: folder.into(), receiver }
    }

    fn path(&self, dispatch: &Dispatch) -> Result<PathBuf, DispatchError> {
        let (name, id) = (dispatch.downstream.as_str(), dispatch.correlation.as_str());
        for part in [name, id] {
            let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            if !plain || part.is_empty() || part.starts_with('.') {
                return Err(DispatchError::Refused { why: format!("{part:?} cannot be part of a file's name") });
            }
        }
        Ok(self.folder.join(name).join(format!("{id}.json")))
    }
}

#[async_trait]
impl Dispatcher for OutboxDispatcher {
    async fn deliver(&self, dispatch: &Dispatch) -> Result<Outcome, DispatchError> {
        let path = self.path(dispatch)?;
        let body = self.receiver.body(&dispatch.envelope);
        let written = whole_file::write(&path, format!("{body:#}\n").as_bytes());
        written.map_err(|error| DispatchError::Unavailable {
            why: format!("{} cannot be written: {error}", path.display()),
        })?;
        Ok(Outcome::Delivered { place: path.display().to_string(), run: None })
    }

    async fn find(&self, dispatch: &Dispatch, _: Timestamp) -> Result<Search, DispatchError> {
        let path = self.path(dispatch)?;
        let found = Sighting { place: path.display().to_string(), run: None, progress: Progress::Still };
        Ok(if path.is_file() { Search::Found(found) } else { Search::Absent { others: 0 } })
    }

    async fn look(&self, _: &RunRef) -> Result<Sighting, DispatchError> {
        Err(DispatchError::Refused { why: "nothing runs in a folder".to_owned() })
    }

    fn is_remote(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::conformance;
    use super::*;
    use crate::ids::{DownstreamName, RepoSlug};

    fn outbox(folder: &Path) -> OutboxDispatcher {
        let repo = RepoSlug::parse("org/website").unwrap();
        OutboxDispatcher::new(folder, Receiver::Event { repo, event: "asset-updated".into() })
    }

    #[tokio::test]
    async fn an_outbox_is_a_dispatcher() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = outbox(folder.path());
        let holds = || fs::read_dir(folder.path().join("website")).unwrap().count();
        conformance::run(&outbox, holds).await;
    }

    #[tokio::test]
    async fn a_file_is_the_body_of_the_request() {
        let folder = tempfile::tempdir().unwrap();
        outbox(folder.path()).deliver(&conformance::dispatch("sr-1")).await.unwrap();
        let text = fs::read_to_string(folder.path().join("website/sr-1.json")).unwrap();
        insta::assert_snapshot!(text, @r#"
    {
      "client_payload": {
        "correlation_id": "sr-1",
        "version": 1
      },
      "event_type": "asset-updated"
    }
    "#);
    }

    #[tokio::test]
    async fn a_name_cannot_lead_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut dispatch = conformance::dispatch("sr-1");
        dispatch.downstream = DownstreamName::new("..");
        let refused = outbox(&folder.path().join("out")).deliver(&dispatch).await;
        assert!(matches!(refused, Err(DispatchError::Refused { .. })), "{refused:?}");
        assert!(!folder.path().join("sr-1.json").exists());
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = outbox(file.path()).deliver(&conformance::dispatch("sr-1")).await.unwrap_err();
        assert!(error.to_string().contains("cannot be written"), "{error}");
    }
}
