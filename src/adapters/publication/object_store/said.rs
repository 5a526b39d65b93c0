//! What a store said, as a sentence with what to do.

use object_store::Error;

use super::credentials::wanted;
use crate::manifest::settings::bucket::{BucketAddress, Cloud};

/// How much of a foreign text is shown, in characters.
const SHOWN: usize = 200;

/// What kind of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The keys are wrong, or too old.
    Keys,
    /// The keys are right and may not do this.
    Permission,
    /// There is no such bucket, or it lies elsewhere.
    Bucket,
    /// The store does not know conditional writes.
    Condition,
    /// Anything else.
    Other,
}

/// Tells refusals apart by the codes that the clouds document.
pub(super) fn refusal(error: &Error) -> Refusal {
    let text = error.to_string();
    let says = |codes: &[&str]| codes.iter().any(|code| text.contains(code));
    if says(&[
        "NoSuchBucket",
        "ContainerNotFound",
        "PermanentRedirect",
        "AuthorizationHeaderMalformed",
        "without LOCATION",
    ]) {
        Refusal::Bucket
    } else if says(&[
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "AuthenticationFailed",
        "RequestTimeTooSkewed",
        "invalid_grant",
    ]) || matches!(error, Error::Unauthenticated { .. })
    {
        Refusal::Keys
    } else if matches!(error, Error::PermissionDenied { .. }) {
        Refusal::Permission
    } else if matches!(error, Error::NotImplemented { .. } | Error::NotSupported { .. })
        || says(&["<Code>NotImplemented</Code>", "501 Not Implemented"])
    {
        Refusal::Condition
    } else {
        Refusal::Other
    }
}

/// The sentence for people: what went wrong and what to do.
pub(super) fn sentence(error: &Error, address: &BucketAddress) -> String {
    let (bucket, said) = (&address.bucket, detail(error));
    match (refusal(error), address.cloud) {
        (Refusal::Bucket, Cloud::S3) => format!(
            "there is no bucket {bucket:?} at this server and in this region ({said}). Create it, or correct its name, \
             AWS_REGION or AWS_ENDPOINT_URL"
        ),
        (Refusal::Bucket, _) => format!("there is no bucket {bucket:?} ({said}). Create it, or correct its name"),
        (Refusal::Keys, cloud) => format!(
            "the store does not accept the credentials ({said}). Set {} anew, from a key that is in force",
            wanted(cloud)
        ),
        (Refusal::Permission, Cloud::S3) => format!(
            "the credentials may not do this ({said}). Grant them s3:ListBucket on the bucket {bucket:?}, and s3:GetObject, \
             s3:PutObject and s3:DeleteObject on what is in it"
        ),
        (Refusal::Permission, Cloud::Google) => format!(
            "the credentials may not do this ({said}). Grant the service account the role Storage Object User on the bucket \
             {bucket:?}"
        ),
        (Refusal::Permission, Cloud::Azure) => format!(
            "the credentials may not do this ({said}). Grant them the role Storage Blob Data Contributor on the container \
             {bucket:?}"
        ),
        (Refusal::Condition, _) => format!(
            "the store cannot write a file on the condition that nobody else has ({said}). Use one that can, or write \
             `last_writer_wins: true` beside `object_store` if only one workflow ever publishes there"
        ),
        (Refusal::Other, _) => said,
    }
}

/// The store's own words: the code and the message of its answer, or what became of the request. Never an address, as that may
/// hold what opens the bucket.
fn detail(error: &Error) -> String {
    let text = error.to_string();
    let part = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        Some(rest.split_once(&format!("</{tag}>"))?.0.to_owned())
    };
    if let Some(code) = part("Code") {
        return shown(&part("Message").map_or_else(|| code.clone(), |message| format!("{code}: {message}")));
    }
    let mut status = None;
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        if let Some((_, after)) = source.to_string().split_once("status code: ") {
            let end = after.find(": ").unwrap_or(after.len());
            status = after.get(..end).map(|status| format!("the server answered {status}"));
        }
        innermost = source;
    }
    match (status, error) {
        (Some(status), _) => shown(&status),
        (None, Error::NotFound { .. }) => "it is not there".to_owned(),
        (None, Error::NotImplemented { .. } | Error::NotSupported { .. }) => "not implemented".to_owned(),
        (None, _) => shown(&innermost.to_string()),
    }
}

/// A foreign text on one line, cut.
fn shown(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN + 1).collect();
    let clean = clean.trim().to_owned();
    match clean.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", clean.get(..at).unwrap_or_default()),
        None => clean,
    }
}
