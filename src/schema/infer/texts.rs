//! What texts that stand at one place of many records look like.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

/// How many different texts are told apart.
pub(super) const MAX_DISTINCT: usize = 64;
/// How long a text may be that is one of a few, in bytes.
const MAX_CHOICE: usize = 80;
/// How long a slug may be, in bytes.
const MAX_SLUG: usize = 200;

/// A JSON Schema pattern of words of small letters and digits, joined by hyphens.
pub(super) const SLUG: &str = "^[a-z0-9]+(-[a-z0-9]+)*$";
/// A JSON Schema pattern of versions such as `1.2.0`.
pub(super) const DOTTED: &str = "^[0-9]+(\\.[0-9]+)+$";
/// A JSON Schema pattern of versions such as `v1.2.0`.
pub(super) const V_DOTTED: &str = "^v[0-9]+(\\.[0-9]+)+$";

type Precheck = fn(&str) -> bool;

/// A format that is told of texts which all have it.
struct Format {
    name: &'static str,
    /// Tells quickly that a text has not got it, and is stricter than the validator where that is lenient.
    may_be: Precheck,
    validator: Validator,
}

/// In the order in which they are preferred. They are asked as `check` asks them, so that no record can break its own.
static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(|| {
    let kinds: [(&'static str, Precheck); 6] = [
        ("date-time", |text| text.len() >= 20 && text.starts_with(|c: char| c.is_ascii_digit())),
        ("date", |text| text.len() == 10 && text.starts_with(|c: char| c.is_ascii_digit())),
        ("uri", |text| text.len() <= 4096 && text.contains("://")),
        ("email", |text| text.len() <= 320 && text.contains('@') && text.contains('.')),
        ("uuid", |text| text.len() == 36),
        ("ipv4", |text| text.len() <= 15 && text.starts_with(|c: char| c.is_ascii_digit())),
    ];
    let make = |(name, may_be)| {
        let options = jsonschema::options().offline().with_draft(Draft::Draft202012).should_validate_formats(true);
        let validator = options.build(&json!({ "format": name })).ok()?;
        Some(Format { name, may_be, validator })
    };
    kinds.into_iter().filter_map(make).collect()
});

/// The texts at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) seen: u64,
    pub(super) empty: u64,
    /// How often each was seen; nothing once there are too many, or one too long.
    pub(super) choices: Option<BTreeMap<String, u64>>,
    /// A bit for each format that all of them have.
    formats: u8,
    slugs: u64,
    dotted: u64,
    v_dotted: u64,
}

impl Default for Texts {
    fn default() -> Self {
        let choices = Some(BTreeMap::new());
        Self { seen: 0, empty: 0, choices, formats: u8::MAX, slugs: 0, dotted: 0, v_dotted: 0 }
    }
}

impl Texts {
    /// Takes a text in.
    pub(super) fn see(&mut self, text: &str) {
        self.seen += 1;
        self.empty += u64::from(text.is_empty());
        self.slugs += u64::from(is_slug(text));
        self.dotted += u64::from(is_dotted(text));
        self.v_dotted += u64::from(text.strip_prefix('v').is_some_and(is_dotted));
        if self.formats != 0 {
            self.formats &= formats_of(text, self.formats);
        }
        if let Some(choices) = &mut self.choices {
            if let Some(count) = choices.get_mut(text) {
                *count += 1;
            } else if text.len() <= MAX_CHOICE && choices.len() < MAX_DISTINCT {
                choices.insert(text.to_owned(), 1);
            } else {
                self.choices = None;
            }
        }
    }

    /// Takes in all that others have seen.
    pub(super) fn merge(&mut self, other: Self) {
        self.seen += other.seen;
        self.empty += other.empty;
        self.formats &= other.formats;
        self.slugs += other.slugs;
        self.dotted += other.dotted;
        self.v_dotted += other.v_dotted;
        self.choices = match (self.choices.take(), other.choices) {
            (Some(mut ours), Some(theirs)) => {
                theirs.into_iter().for_each(|(text, count)| *ours.entry(text).or_default() += count);
                Some(ours).filter(|ours| ours.len() <= MAX_DISTINCT)
            }
            _ => None,
        };
    }

    /// The format that all of at least this many texts have.
    pub(super) fn format(&self, least: u64) -> Option<&'static str> {
        let mut formats = FORMATS.iter().enumerate();
        let found = formats.find(|(bit, _)| self.formats & (1 << bit) != 0).map(|(_, format)| format.name);
        found.filter(|_| self.seen >= least)
    }

    /// Whether all are dates, with or without a time of the day.
    pub(super) fn are_moments(&self) -> bool {
        matches!(self.format(1), Some("date-time" | "date"))
    }

    /// Whether all match [`SLUG`].
    pub(super) fn are_slugs(&self) -> bool {
        self.slugs == self.seen
    }

    /// The pattern of versions that all match.
    pub(super) fn version_pattern(&self) -> Option<&'static str> {
        match self.seen {
            seen if seen == self.dotted => Some(DOTTED),
            seen if seen == self.v_dotted => Some(V_DOTTED),
            _ => None,
        }
    }

    /// How many different texts there are at least.
    pub(super) fn variety(&self) -> usize {
        self.choices.as_ref().map_or(MAX_DISTINCT + 1, BTreeMap::len)
    }
}

/// Those of the wanted formats that the text has.
fn formats_of(text: &str, wanted: u8) -> u8 {
    let mut found = 0;
    for (bit, format) in FORMATS.iter().enumerate() {
        let bit = 1 << bit;
        if wanted & bit != 0 && (format.may_be)(text) && format.validator.is_valid(&Value::from(text)) {
            found |= bit;
        }
    }
    found
}

fn is_slug(text: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= MAX_SLUG && text.split('-').all(is_word)
}

fn is_dotted(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.len() <= MAX_SLUG && text.contains('.') && text.split('.').all(is_number)
}
