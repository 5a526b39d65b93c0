//! The private key of a GitHub App: read from what people paste, and used to sign who we are.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;

use crate::secret::Secret;

/// A clock that is ahead of GitHub's would make a token of the future, which it refuses.
const BEFORE: i64 = 60;
/// GitHub takes none that is valid for more than ten minutes.
const VALID: i64 = 540;

const FROM_WHERE: &str =
    "take the .pem file that GitHub gave when the key was made, or make a new one on the app's page";

/// Signs for one app.
pub struct AppKey {
    id: String,
    pair: RsaKeyPair,
}

impl AppKey {
    /// The key of the app with this id. The error is a sentence in which no part of the key stands.
    ///
    /// What secrets suffer on their way is mended: line ends written as `\n`, turned into spaces or lost, and base64 around
    /// the whole.
    pub fn new(id: &str, key: &Secret) -> Result<Self, String> {
        let wrong = |what: &str| format!("the private key of the GitHub App {id} {what}; {FROM_WHERE}");
        let text = key.reveal();
        let text = match text.contains("-----BEGIN") {
            true => text.to_owned(),
            false => {
                let bare: String = text.split_whitespace().collect();
                let bytes = STANDARD.decode(bare).map_err(|_| wrong("is no PEM file"))?;
                String::from_utf8(bytes).map_err(|_| wrong("is no PEM file"))?
            }
        };
        let (label, body) =
            section(&text).ok_or_else(|| wrong("is not whole: its first or its last line is missing"))?;
        let bare: String = body.replace("\\r", "").replace("\\n", "").split_whitespace().collect();
        let der = STANDARD.decode(bare).map_err(|_| wrong("is damaged: it is not base64 between its lines"))?;
        let pair = match label {
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der),
            "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der),
            "ENCRYPTED PRIVATE KEY" => return Err(wrong("is encrypted")),
            "PUBLIC KEY" | "RSA PUBLIC KEY" => return Err(wrong("is its public key")),
            _ => return Err(wrong("is a key of another kind than GitHub's (RSA)")),
        };
        let pair = pair.map_err(|_| wrong("is damaged, or no RSA key of at least 2048 bits"))?;
        Ok(Self { id: id.to_owned(), pair })
    }

    /// The app's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A token that says for ten minutes from `now`, in seconds since 1970, that we are the app.
    pub fn sign(&self, now: i64) -> Result<Secret, String> {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(json!({"alg": "RS256", "typ": "JWT"}));
        let claims = part(json!({"iat": now - BEFORE, "exp": now + VALID, "iss": self.id}));
        let signed = format!("{head}.{claims}");
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let sign = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature);
        sign.map_err(|_| format!("the private key of the GitHub App {} does not sign; {FROM_WHERE}", self.id))?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// The label and the content of the first section of a PEM file.
fn section(text: &str) -> Option<(&str, &str)> {
    let (label, rest) = text.split_once("-----BEGIN ")?.1.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    Some((label, body))
}

#[cfg(test)]
pub(super) mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    /// A key that was made for these tests and opens nothing, as PKCS#8.
    const DER: &[u8] = include_bytes!("fixture/app-key.der");
    /// Before the PKCS#1 form of a key of 2048 bits, PKCS#8 has this many bytes.
    const AROUND: usize = 26;

    fn pem(label: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    pub(in super::super) fn pkcs8() -> String {
        pem("PRIVATE KEY", DER)
    }

    fn pkcs1() -> String {
        pem("RSA PRIVATE KEY", &DER[AROUND..])
    }

    fn key(text: &str) -> Result<AppKey, String> {
        AppKey::new("1234", &Secret::new(text))
    }

    /// The claims of a token, once its signature is verified.
    pub(in super::super) fn verified(token: &str) -> Value {
        let pair = key(&pkcs8()).unwrap().pair;
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public().as_ref().to_vec());
        public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let parts: Vec<Value> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        assert_eq!(parts[0], json!({"alg": "RS256", "typ": "JWT"}));
        parts[1].clone()
    }

    #[test]
    fn the_key_may_come_as_secrets_come() {
        let (pkcs1, pkcs8) = (pkcs1(), pkcs8());
        let forms = [
            pkcs8.clone(),
            pkcs1.clone(),
            pkcs1.replace('\n', "\\n"),
            pkcs1.replace('\n', "\\r\\n"),
            pkcs8.replace('\n', "\r\n"),
            pkcs8.replace('\n', " "),
            pkcs8.replace('\n', ""),
            format!("Bag Attributes\n  friendlyName: key\n{pkcs8}"),
            STANDARD.encode(&pkcs1),
        ];
        for form in forms {
            let token = key(&form).unwrap().sign(1_700_000_000).unwrap();
            let wanted = json!({"iat": 1_699_999_940, "exp": 1_700_000_540, "iss": "1234"});
            assert_eq!(verified(token.reveal()), wanted, "{form}");
        }
    }

    #[test]
    fn a_broken_key_is_a_sentence_without_the_key() {
        let (pkcs1, pkcs8) = (pkcs1(), pkcs8());
        let label = |from: &str, to: &str| pkcs8.replace(from, to);
        let forms = [
            ("", "is not whole"),
            ("nothing", "is no PEM file"),
            ("-----BEGIN PRIVATE KEY-----\nMIIE", "is not whole"),
            (&pkcs8[..400], "is not whole"),
            (&pkcs1.replace("MII", "!!!"), "not base64"),
            (&pkcs8.replace("MII", "AAA"), "damaged, or no RSA key"),
            (&label("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "is encrypted"),
            (&label("PRIVATE KEY", "PUBLIC KEY"), "public key"),
            (&label("PRIVATE KEY", "OPENSSH PRIVATE KEY"), "another kind"),
            (&label("PRIVATE KEY", "RSA PRIVATE KEY"), "damaged, or no RSA key"),
        ];
        for (form, part) in forms {
            let told = key(form).err().unwrap();
            assert!(told.contains(part) && told.contains("1234") && told.contains(".pem"), "{told}");
            assert!(!told.contains("MIIE") && !told.contains("nothing"), "{told}");
        }
    }
}
