//! Why a release was not read or written, in sentences.

use crate::adapters::http::HttpError;

/// What a release that takes nothing more leaves to do.
const ELSEWHERE: &str = "publish the manifest to a `branch` or an `object_store` too, which can always be written; or attach it \
                         while the release is a draft, and publish the release then";

/// Why it was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Another root is there.
    Moved,
    /// Refused, and nothing was changed that somebody reads.
    Refused(String),
    /// It cannot be read or written, and nobody knows how far it came.
    Unusable(String),
}

impl Trouble {
    /// No answer.
    pub(super) fn away(error: &HttpError) -> Self {
        Self::Unusable(format!("GitHub cannot be reached: {error}"))
    }

    /// An answer that says no; `said` is what GitHub says, led by a colon.
    pub(super) fn of(status: u16, said: &str) -> Self {
        if said.to_lowercase().contains("immutable") {
            return Self::immutable();
        }
        Self::Refused(match status {
            401 => {
                format!("GitHub does not know the token (401{said}); give the input `github-token` one that is valid")
            }
            403 | 404 => format!(
                "the token may not do that ({status}{said}): give the job `permissions: contents: write`, and the input \
                 `github-token` the token"
            ),
            422 => format!("GitHub refuses it (422{said})"),
            _ => format!("GitHub answers {status}{said}"),
        })
    }

    /// The release is closed.
    pub(super) fn immutable() -> Self {
        Self::Refused(format!("the release is immutable: GitHub takes no assets for it any more. So {ELSEWHERE}"))
    }

    /// There is no such release.
    pub(super) fn absent(tag: &str) -> Self {
        Self::Refused(format!(
            "there is no release of the tag {tag}, or the token may not see it; make the release first, and give the job \
             `permissions: contents: write`"
        ))
    }
}
