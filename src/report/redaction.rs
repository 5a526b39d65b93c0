//! Keeps secrets out of everything that is written.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::workflow_command::{escape_data, escape_property};
use crate::secret::tokens::masked;

/// What stands where a secret was.
pub const REDACTED: &str = "***";

/// A shorter text is no secret: redacting it would tear holes into ordinary words and into JSON.
const SHORTEST: usize = 4;
/// A line of a key file, or a piece of base64, that is shorter gives nothing away and would hit ordinary words.
const SHORTEST_PIECE: usize = 8;
/// A secret that is shorter could be an ordinary word in capitals.
const SHORTEST_CASED: usize = 16;

const UNRESERVED_KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The texts that must not be shown, in every form in which they could appear.
#[derive(Clone, Default)]
pub struct Secrets {
    secrets: Vec<String>,
    forms: Vec<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({REDACTED})")
    }
}

impl Secrets {
    /// Redacts this text from now on; gives whether that is new and long enough to be a secret.
    pub fn add(&mut self, secret: &str) -> bool {
        let secret = secret.trim();
        if secret.len() < SHORTEST || self.secrets.iter().any(|known| known == secret) {
            return false;
        }
        self.secrets.push(secret.to_owned());
        self.forms.extend(forms(secret));
        self.forms.sort_unstable();
        self.forms.dedup();
        true
    }

    /// The text with `***` in place of every secret, and of all that looks like one.
    ///
    /// Where two secrets overlap, all that either covers goes.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.known(text) {
            Cow::Borrowed(text) => masked(text),
            Cow::Owned(text) => Cow::Owned(masked(&text).into_owned()),
        }
    }

    fn known<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut covered: Vec<(usize, usize)> = self.forms.iter().flat_map(|form| occurrences(text, form)).collect();
        if covered.is_empty() {
            return Cow::Borrowed(text);
        }
        covered.sort_unstable();
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for (from, to) in covered {
            // An occurrence that begins inside the last one only prolongs it.
            if from >= end {
                out.push_str(text.get(end..from).unwrap_or(""));
                out.push_str(REDACTED);
            }
            end = end.max(to);
        }
        out.push_str(text.get(end..).unwrap_or(""));
        Cow::Owned(out)
    }
}

fn occurrences<'a>(text: &'a str, form: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + text.get(from..)?.find(form)?;
        from = at + form.chars().next().map_or(1, char::len_utf8);
        Some((at, at + form.len()))
    })
}

fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        escape_data(secret),
        escape_property(secret),
        serde_json::Value::from(secret).to_string().trim_matches('"').to_owned(),
    ];
    for set in [NON_ALPHANUMERIC, UNRESERVED_KEPT] {
        let encoded = utf8_percent_encode(secret, set).to_string();
        forms.push(lower_hex(&encoded));
        forms.push(encoded);
    }
    let bytes = secret.bytes();
    forms.push(bytes.clone().fold(String::new(), |all, byte| all + &format!("%{byte:02X}")));
    forms.push(bytes.fold(String::new(), |all, byte| all + &format!("%{byte:02x}")));
    forms.extend([hex::encode(secret), hex::encode_upper(secret)]);
    if secret.len() >= SHORTEST_CASED {
        forms.extend([secret.to_uppercase(), secret.to_lowercase()]);
    }
    forms.extend(secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_PIECE).map(str::to_owned));
    forms.extend([STANDARD_NO_PAD, URL_SAFE_NO_PAD].map(|engine| engine.encode(secret)));
    forms.extend(base64_forms(secret).filter(|piece| piece.len() >= SHORTEST_PIECE));
    forms
}

fn lower_hex(encoded: &str) -> String {
    let mut digits = 0;
    let lower = |c: char| {
        let part_of_escape = digits > 0;
        digits = if c == '%' { 2 } else { usize::saturating_sub(digits, 1) };
        if part_of_escape { c.to_ascii_lowercase() } else { c }
    };
    encoded.chars().map(lower).collect()
}

/// The secret in base64, alone or in the middle of a longer text such as `user:SECRET`: what stands in the text depends
/// on how many bytes came before, modulo three, and the characters that mix it with its neighbours are left out.
fn base64_forms(secret: &str) -> impl Iterator<Item = String> + '_ {
    [(0, 0), (1, 2), (2, 3)].into_iter().flat_map(move |(before, mixed_at_start)| {
        let bytes = [&[0, 0][..before], secret.as_bytes()].concat();
        let mixed_at_end = usize::from(!bytes.len().is_multiple_of(3));
        [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].into_iter().filter_map(move |engine| {
            let encoded = engine.encode(&bytes);
            encoded.get(mixed_at_start..encoded.len().saturating_sub(mixed_at_end)).map(str::to_owned)
        })
    })
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    use super::*;

    fn secrets(all: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        for secret in all {
            secrets.add(secret);
        }
        secrets
    }

    #[test]
    fn a_secret_in_hexadecimal_digits_or_capitals_is_one_still() {
        let mut secrets = Secrets::default();
        secrets.add("ghp_canary0123456789");
        let bytes = "ghp_canary0123456789".bytes();
        let percent: String = bytes.map(|byte| format!("%{byte:02x}")).collect();
        for form in [
            percent.clone(),
            percent.to_uppercase(),
            hex::encode("ghp_canary0123456789"),
            "GHP_CANARY0123456789".into(),
        ] {
            assert_eq!(secrets.redact(&format!("a {form} b")), "a *** b");
        }
    }

    #[test]
    fn every_form_of_a_secret_is_redacted() {
        let secret = "gh?/s_1:2%3+\"ü~~~";
        let secrets = secrets(&[secret]);
        let shown = |text: String| secrets.redact(&text).into_owned();
        assert_eq!(shown(format!("a {secret} b")), "a *** b");
        assert_eq!(shown(serde_json::json!([secret]).to_string()), r#"["***"]"#);
        assert_eq!(shown(escape_property(secret)), "***");
        assert_eq!(shown(utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string()), "***");
        assert_eq!(shown(lower_hex(&utf8_percent_encode(secret, UNRESERVED_KEPT).to_string())), "***");
    }

    #[test]
    fn overlapping_secrets_leave_no_rest() {
        assert_eq!(secrets(&["abcdef", "defghi"]).redact("-abcdefghi-"), "-***-");
        assert_eq!(secrets(&["aaaa"]).redact("-aaaaaa-"), "-***-");
        assert_eq!(secrets(&["abcd"]).redact("abcdabcd"), "******");
    }

    #[test]
    fn a_key_file_is_redacted_line_by_line() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n";
        assert_eq!(secrets(&[key]).redact("got kqhkiG9w0BAQEF"), "got ***");
    }

    #[test]
    fn what_is_too_short_is_no_secret() {
        let mut secrets = Secrets::default();
        assert!(!secrets.add("  ") && !secrets.add("abc") && secrets.add("abcd") && !secrets.add("abcd\n"));
        assert_eq!(format!("{secrets:?}"), "Secrets(***)");
    }

    proptest! {
        #[test]
        fn base64_of_a_text_around_a_secret_does_not_show_it(
            secret in "[a-zA-Z0-9_/+-]{12,40}", before in "[a-z:]{0,5}", after in "[a-z]{0,5}"
        ) {
            let secrets = secrets(&[&secret]);
            let whole = format!("{before}{secret}{after}");
            for encoded in [STANDARD.encode(&whole), URL_SAFE.encode(&whole)] {
                prop_assert!(secrets.redact(&encoded).contains(REDACTED), "{} in {}", secret, encoded);
            }
        }
    }
}
