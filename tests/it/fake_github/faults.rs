//! What can go wrong between a client and GitHub, on demand.

/// One fault; it befalls one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "not every test asks for all of it")]
pub enum Fault {
    /// 429 with `Retry-After`; nothing is done.
    TooMany {
        /// In seconds.
        retry_after: u64,
    },
    /// 403 for the secondary rate limit, with `Retry-After` if it is told; nothing is done.
    Secondary {
        /// In seconds.
        retry_after: Option<u64>,
    },
    /// 500; nothing is done.
    ErrorBefore,
    /// 500, though it is done.
    ErrorAfter,
    /// 502 with a page, as GitHub's own front door sends it; nothing is done.
    BadGateway,
    /// The connection ends without an answer; nothing is done.
    ResetBefore,
    /// The connection ends without an answer, though it is done.
    ResetAfter,
    /// No answer ever comes, though it is done.
    HangAfter,
    /// No answer ever comes; nothing is done.
    HangBefore,
    /// It is done, and the answer comes half a second later.
    Slow,
    /// It is done, and the answer comes when the test lets it go.
    HoldAfter,
    /// It is done, and the answer breaks off in the middle of its body.
    Truncated,
    /// 422 with a message that repeats the request's `Authorization`; nothing is done.
    Echo,
    /// 502 to an upload, of which an asset without content is left.
    Starter,
    /// A page in HTML with status 200, as a proxy sends it; nothing is done.
    HtmlPage,
}

impl Fault {
    /// Whether the request takes effect in spite of it.
    pub fn is_after_effect(self) -> bool {
        matches!(
            self,
            Self::ErrorAfter
                | Self::ResetAfter
                | Self::HangAfter
                | Self::HoldAfter
                | Self::Slow
                | Self::Truncated
                | Self::Starter
        )
    }
}
