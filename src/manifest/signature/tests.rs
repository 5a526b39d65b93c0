use proptest::prelude::*;

use super::*;

/// A pair that `minisign -G -W` made for these tests, and a signature that `minisign -S -l` made with it.
const SECRET: &str = "untrusted comment: minisign encrypted secret key\n\
    RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAhMCNsqZW0qenJH3buFobyMhcWwswiO8wW1cqNnzxp9huZzz9TKdykGhC2iqgo0YvD1qlJapicvKuMzC5eUP5iXwg9XSqZLSYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
const PUBLIC: &str = "RWSEwI2yplbSp2hC2iqgo0YvD1qlJapicvKuMzC5eUP5iXwg9XSqZLSY";
const MADE: &str = "untrusted comment: signature from minisign secret key\n\
    RWSEwI2yplbSpxSQQYMOdstxBLzEGRxXUnRHXpLoYS7dUtHRzeYT3TyxQZeokolLuDsncuXUc5p7qsEslVljvaV4GGmEurxMRQA=\n\
    trusted comment: stockroom manifest root, sha256 abc\n\
    PcGidHRU8Q/M8O7k6pdXZUkw2rznQa2JDJgkAkITULm4+jU4qrOJEc0G0qrgGJ+HtwvIr7mQh+NxTJpvbOACDA==\n";

fn signing() -> SigningKey {
    SigningKey::parse(&Secret::new(SECRET)).unwrap()
}

fn public() -> PublicKey {
    PublicKey::parse(PUBLIC).unwrap()
}

#[test]
fn what_minisign_has_signed_is_verified() {
    let made = Signature::parse(MADE.as_bytes()).unwrap();
    assert_eq!(public().verify(b"hi\n", &made), Ok(()));
    assert_eq!(public().verify(b"ho\n", &made), Err(SignatureError::Wrong));
    let forged = MADE.replace("sha256 abc", "sha256 abd");
    let forged = Signature::parse(forged.as_bytes()).unwrap();
    assert_eq!(public().verify(b"hi\n", &forged), Err(SignatureError::Wrong), "the comment is signed too");
}

#[test]
fn a_signature_is_the_same_for_the_same_bytes_and_is_verified_with_the_public_half() {
    let (name, bytes) = signing().sign(b"root\n");
    assert_eq!(name, format!("root-{}.minisig", Sha256Hex::of(b"root\n")));
    assert_eq!(signing().sign(b"root\n"), (name, bytes.clone()));
    assert_eq!(signing().public(), public());
    assert_eq!(public().verify(b"root\n", &Signature::parse(&bytes).unwrap()), Ok(()));
}

#[test]
fn keys_are_read_with_and_without_their_comment_and_told_by_their_id() {
    assert_eq!(SigningKey::parse(&Secret::new(SECRET.lines().nth(1).unwrap())).unwrap().public(), public());
    assert_eq!(PublicKey::parse(&format!("untrusted comment: minisign public key\r\n{PUBLIC}\r\n")).unwrap(), public());
    assert_eq!((public().id().as_str(), public().line().as_str()), ("A7D256A6B28DC084", PUBLIC));
}

#[test]
fn a_key_that_cannot_be_used_is_told_why_without_being_shown() {
    let line = SECRET.lines().nth(1).unwrap();
    let bytes = STANDARD.decode(line).unwrap();
    let with = |at: usize, value: u8| {
        let mut changed = bytes.clone();
        changed[at] = value;
        SigningKey::parse(&Secret::new(STANDARD.encode(changed))).err().unwrap()
    };
    assert_eq!(with(2, b'S'), SignatureError::Encrypted);
    assert_eq!((with(70, 1), with(100, 1)), (SignatureError::Damaged, SignatureError::Damaged));
    for bad in ["", "not base64!", &line[..40], PUBLIC] {
        let error = SigningKey::parse(&Secret::new(bad)).err().unwrap();
        assert!(matches!(error, SignatureError::Malformed { .. }), "{bad:?}");
        assert!(bad.is_empty() || !error.to_string().contains(bad));
    }
    for bad in ["", "RW", line, &PUBLIC.replace("RWS", "RUS")] {
        assert!(matches!(PublicKey::parse(bad), Err(SignatureError::Malformed { .. })), "{bad:?}");
    }
}

#[test]
fn a_signature_of_another_kind_or_key_is_refused_by_name() {
    let hashed = MADE.replacen("RWSE", "RUSE", 1);
    assert_eq!(Signature::parse(hashed.as_bytes()), Err(SignatureError::Hashed));
    let other = PublicKey { id: [7; 8], ..public() };
    let refused = other.verify(b"hi\n", &Signature::parse(MADE.as_bytes()).unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), "it was made with the key A7D256A6B28DC084, not with the key 0707070707070707");
    for bad in [&b"\xff\xfe"[..], b"", b"<html>\n<body>\n<p>\n</html>", &MADE.as_bytes()[..150], &[b'a'; 9000]] {
        assert!(matches!(Signature::parse(bad), Err(SignatureError::Malformed { .. })));
    }
}

proptest! {
    #[test]
    fn one_changed_bit_anywhere_in_the_signature_is_noticed(line in 0..2_usize, at in 0..64_usize, bit in 0..8_u32) {
        let mut made = Signature::parse(MADE.as_bytes()).unwrap();
        let changed = if line == 0 { &mut made.signature[at] } else { &mut made.comment_signature[at] };
        *changed ^= 1 << bit;
        prop_assert_eq!(public().verify(b"hi\n", &made), Err(SignatureError::Wrong));
    }

    #[test]
    fn no_text_is_a_panic(text in "(untrusted comment: .{0,9}\n)?.{0,120}(\n.{0,80}){0,3}") {
        let _ = (Signature::parse(text.as_bytes()), PublicKey::parse(&text), SigningKey::parse(&Secret::new(text)));
    }
}
