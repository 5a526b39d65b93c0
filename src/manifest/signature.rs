//! Signatures of a root as minisign makes and verifies them, by its legacy algorithm: Ed25519 over the bytes themselves, which
//! a browser can verify too.
//!
//! A key has no password: whoever holds the secret of a workflow holds the key (`minisign -G -W`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::files::signature_of;
use crate::ids::Sha256Hex;
use crate::secret::Secret;

/// The algorithm's mark: Ed25519 over the bytes, not over a hash of them.
const LEGACY: &[u8; 2] = b"Ed";
/// The mark of a signature over a hash of the bytes, which minisign makes unless it is told otherwise.
const HASHED: &[u8; 2] = b"ED";
/// No password was mixed into the key.
const UNENCRYPTED: &[u8; 2] = &[0, 0];
/// The longest file that is looked at: a real one has a few hundred bytes.
const MAX_FILE: usize = 8 << 10;

/// Why a key or a signature cannot be used. The texts hold nothing of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// What was given is no such file.
    #[error("{what} is not what minisign writes: {why}")]
    Malformed {
        /// What it should be, with its article.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The secret key is protected by a password.
    #[error(
        "the signing key is protected by a password, which nobody is there to type; make one with `minisign -G -W`"
    )]
    Encrypted,
    /// The two halves of the secret key do not belong together.
    #[error("the signing key is damaged: its public half is not that of its secret half")]
    Damaged,
    /// The signature is over a hash of the bytes.
    #[error("it was made over a hash of the bytes; sign with `minisign -S -l`, which every verifier understands")]
    Hashed,
    /// It was made with another key.
    #[error("it was made with the key {found}, not with the key {wanted}")]
    OtherKey {
        /// The id of the key that made it.
        found: String,
        /// The id of the key that was asked for.
        wanted: String,
    },
    /// There is none.
    #[error("{0} is not there, and --key asks for it")]
    Absent(String),
    /// The bytes are not those that were signed.
    #[error("the bytes are not those that were signed")]
    Wrong,
}

fn malformed(what: &'static str, why: &'static str) -> SignatureError {
    SignatureError::Malformed { what, why }
}

/// The key that signs roots. It is never printed.
pub struct SigningKey {
    id: [u8; 8],
    pair: Ed25519KeyPair,
}

/// The key that signatures are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: [u8; 8],
    key: [u8; 32],
}

/// A signature that has been read, and not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    id: [u8; 8],
    signature: [u8; 64],
    trusted_comment: String,
    comment_signature: [u8; 64],
}

/// The line of base64 in a file of comments and one such line, or in that line alone.
fn payload(what: &'static str, text: &str) -> Result<Vec<u8>, SignatureError> {
    if text.len() > MAX_FILE {
        return Err(malformed(what, "it is too long"));
    }
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.contains("comment:"));
    let line = line.ok_or_else(|| malformed(what, "it has no line of base64"))?;
    STANDARD.decode(line).map_err(|_| malformed(what, "its line is not base64"))
}

/// The `N` bytes at `at`.
fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// A key's id as minisign shows it.
fn shown(id: [u8; 8]) -> String {
    hex::encode_upper(u64::from_le_bytes(id).to_be_bytes())
}

impl SigningKey {
    /// Reads the secret key that `minisign -G -W` writes: the file, or its second line alone.
    pub fn parse(secret: &Secret) -> Result<Self, SignatureError> {
        const WHAT: &str = "the signing key";
        let bytes = payload(WHAT, secret.reveal())?;
        let fields = || Some((part::<2>(&bytes, 0)?, part::<2>(&bytes, 2)?, part::<8>(&bytes, 54)?));
        let (algorithm, derivation, id) = fields()
            .filter(|_| bytes.len() == 158)
            .ok_or_else(|| malformed(WHAT, "its line is too short or too long"))?;
        if &algorithm != LEGACY {
            return Err(malformed(WHAT, "its algorithm is not Ed25519"));
        }
        if &derivation != UNENCRYPTED {
            return Err(SignatureError::Encrypted);
        }
        let (seed, public) = (bytes.get(62..94), bytes.get(94..126));
        let (seed, public) = seed.zip(public).ok_or(SignatureError::Damaged)?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(|_| SignatureError::Damaged)?;
        Ok(Self { id, pair })
    }

    /// The file with the signature of these bytes: its name and what it holds. The same bytes give the same file.
    pub fn sign(&self, root: &[u8]) -> (String, Vec<u8>) {
        let comment = format!("stockroom manifest, root {}", Sha256Hex::of(root));
        let signature = self.pair.sign(root);
        let line = STANDARD.encode([LEGACY.as_slice(), &self.id, signature.as_ref()].concat());
        let of_comment = self.pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        let text = format!(
            "untrusted comment: signature of the root of a Stockroom manifest\n{line}\ntrusted comment: {comment}\n{}\n",
            STANDARD.encode(of_comment.as_ref())
        );
        (signature_of(root), text.into_bytes())
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        let key = self.pair.public_key().as_ref().try_into().unwrap_or([0; 32]);
        PublicKey { id: self.id, key }
    }
}

impl PublicKey {
    /// Reads a public key: the file that `minisign -G` writes, or its second line alone.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        const WHAT: &str = "the public key";
        let bytes = payload(WHAT, text)?;
        let fields = || Some((part::<2>(&bytes, 0)?, part::<8>(&bytes, 2)?, part::<32>(&bytes, 10)?));
        match fields().filter(|_| bytes.len() == 42) {
            Some((algorithm, id, key)) if &algorithm == LEGACY => Ok(Self { id, key }),
            Some(_) => Err(malformed(WHAT, "its algorithm is not Ed25519")),
            None => Err(malformed(WHAT, "its line is too short or too long")),
        }
    }

    /// The key's id, as minisign shows it.
    pub fn id(&self) -> String {
        shown(self.id)
    }

    /// The key as the one line that `minisign -P` and `--key` take.
    pub fn line(&self) -> String {
        STANDARD.encode([LEGACY.as_slice(), &self.id, &self.key].concat())
    }

    /// Whether this signature is this key's, and of these bytes.
    pub fn verify(&self, root: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        if signature.id != self.id {
            return Err(SignatureError::OtherKey { found: shown(signature.id), wanted: self.id() });
        }
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        let comment = [signature.signature.as_slice(), signature.trusted_comment.as_bytes()].concat();
        let is_right = key.verify(root, &signature.signature).is_ok()
            && key.verify(&comment, &signature.comment_signature).is_ok();
        if is_right { Ok(()) } else { Err(SignatureError::Wrong) }
    }
}

impl Signature {
    /// Reads a `.minisig` file.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        const WHAT: &str = "the signature";
        if bytes.len() > MAX_FILE {
            return Err(malformed(WHAT, "it is too long"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed(WHAT, "it is not text"))?;
        let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
        let [first, line, comment, of_comment] = lines.as_slice() else {
            return Err(malformed(WHAT, "it has not four lines"));
        };
        let comment = comment.strip_prefix("trusted comment: ").filter(|_| first.starts_with("untrusted comment: "));
        let comment = comment.ok_or_else(|| malformed(WHAT, "its comments are missing"))?;
        let decode = |line: &str| STANDARD.decode(line).map_err(|_| malformed(WHAT, "a line of it is not base64"));
        let (line, of_comment) = (decode(line)?, decode(of_comment)?);
        let fields =
            || Some((part::<2>(&line, 0)?, part::<8>(&line, 2)?, part::<64>(&line, 10)?, part::<64>(&of_comment, 0)?));
        let whole = fields().filter(|_| line.len() == 74 && of_comment.len() == 64);
        match whole {
            Some((algorithm, id, signature, comment_signature)) if &algorithm == LEGACY => {
                Ok(Self { id, signature, trusted_comment: comment.to_owned(), comment_signature })
            }
            Some((algorithm, ..)) if &algorithm == HASHED => Err(SignatureError::Hashed),
            Some(_) => Err(malformed(WHAT, "its algorithm is not Ed25519")),
            None => Err(malformed(WHAT, "a line of it is too short or too long")),
        }
    }
}

#[cfg(test)]
mod tests;
