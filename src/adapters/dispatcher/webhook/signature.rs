//! Signatures as Standard Webhooks has them (<https://www.standardwebhooks.com>): HMAC-SHA256 over the id, the time and the body.

use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use ring::hmac;

use crate::secret::Secret;
use crate::state::Timestamp;

/// The header with the message's id, the same in every attempt.
pub(super) const ID: &str = "webhook-id";
/// The header with the time of the attempt, in seconds.
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signature.
pub(super) const SIGNATURE: &str = "webhook-signature";

/// The least bytes of a secret; the standard asks for 24 to 64.
const LEAST: usize = 24;

/// Some providers leave the padding of a secret out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Signs messages with one secret.
pub(super) struct Signer(hmac::Key);

impl Signer {
    /// Takes a secret as it is, or `whsec_` and base64. The error is a sentence without the secret.
    pub(super) fn new(secret: &Secret) -> Result<Self, String> {
        let key = match secret.reveal().strip_prefix("whsec_") {
            Some(text) => BASE64.decode(text).map_err(|_| {
                "the webhook's secret begins with `whsec_`, but is no base64 after that; copy it again".to_owned()
            })?,
            None => secret.reveal().as_bytes().to_vec(),
        };
        if key.len() < LEAST {
            return Err(format!(
                "the webhook's secret has {} bytes, and anybody could guess one of fewer than {LEAST}; make one with \
                 `echo whsec_$(openssl rand -base64 32)`",
                key.len()
            ));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// What stands in [`SIGNATURE`].
    pub(super) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{}.", at.0).as_bytes());
        context.update(body);
        format!("v1,{}", BASE64.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};

    use super::*;

    /// Of the standard's own documentation.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn sign(secret: &str, id: &str, at: i64, body: &[u8]) -> String {
        Signer::new(&Secret::new(secret)).unwrap().sign(id, Timestamp(at), body)
    }

    #[test]
    fn a_signature_is_that_of_the_standards_example() {
        let signature = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_may_be_written_as_it_is() {
        let raw = "0123456789abcdef0123456789abcdef";
        let encoded = format!("whsec_{}", BASE64.encode(raw));
        assert_eq!(sign(raw, "a", 1, b"b"), sign(&encoded, "a", 1, b"b"));
        assert_eq!(sign(raw, "a", 1, b"b"), sign(encoded.trim_end_matches('='), "a", 1, b"b"));
    }

    #[test]
    fn a_secret_that_is_none_is_refused_and_not_repeated() {
        for (secret, wanted) in [("whsec_canary!", "no base64"), ("canary", "6 bytes"), ("whsec_Y2FuYXJ5", "6 bytes")] {
            let why = Signer::new(&Secret::new(secret)).err().unwrap();
            assert!(why.contains(wanted) && !why.contains("canary!") && !why.contains("Y2Fu"), "{why}");
        }
    }

    /// The standard's own library for Python, from `scripts/install-tools.sh`.
    fn python() -> Option<PathBuf> {
        let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".tools/python/bin/python");
        let has = Command::new(&python).args(["-c", "import standardwebhooks"]).stderr(Stdio::null()).status();
        has.is_ok_and(|status| status.success()).then_some(python)
    }

    const VERIFY: &str = "
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
for line in sys.stdin:
    message = json.loads(line)
    headers = {'webhook-id': message['id'], 'webhook-timestamp': message['at'], 'webhook-signature': message['signature']}
    try:
        Webhook(message['secret']).verify(message['body'], headers)
        print('good')
    except WebhookVerificationError as error:
        print('bad')
";

    #[test]
    fn the_standards_own_library_accepts_our_signatures() {
        let Some(python) = python() else {
            eprintln!("SKIPPED: standardwebhooks for Python is not in .tools; run scripts/install-tools.sh");
            return;
        };
        let now = crate::adapters::clock::now().0;
        let mut lines = String::new();
        for (body, tamper) in [("{}", ""), (r#"{"id": "Bolt € 😀 $5"}"#, ""), ("{}", " "), ("", "")] {
            let signature = sign(SECRET, "sr-5feceb66ffc86f38", now, body.as_bytes());
            let message = serde_json::json!({
                "secret": SECRET, "id": "sr-5feceb66ffc86f38", "at": now.to_string(), "signature": signature,
                "body": format!("{body}{tamper}"),
            });
            lines.push_str(&format!("{message}\n"));
        }
        let mut child = Command::new(python);
        let mut child = child.args(["-c", VERIFY]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        // What is empty is no JSON, which the library reads after it has found the signature good.
        let said = String::from_utf8(out.stdout).unwrap();
        assert!(said.starts_with("good\ngood\nbad\n"), "{said}");
    }
}
