//! What a downstream must show before those that need it are told: its run, its health.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// A length of time, written `90s`, `15m` or `2h`; six hours at most, as a job on GitHub lasts no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Period(Duration);

/// The longest period, in seconds.
const LONGEST: u64 = 6 * 60 * 60;

impl Period {
    /// As a duration.
    pub fn duration(self) -> Duration {
        self.0
    }

    const fn minutes(minutes: u64) -> Self {
        Self(Duration::from_secs(minutes * 60))
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let unit = |unit: char, seconds: u64| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(seconds).filter(|seconds| (1..=LONGEST).contains(seconds))
        };
        let seconds = unit('s', 1).or_else(|| unit('m', 60)).or_else(|| unit('h', 3_600));
        let seconds = seconds.filter(|_| text.starts_with(|c: char| c.is_ascii_digit()));
        seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or_else(|| {
            format!("{text:?} is no length of time that can be waited: write `90s`, `15m` or `2h`, six hours at most")
        })
    }
}

impl JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[1-9][0-9]{0,4}[smh]$",
            "description": "A length of time: `90s`, `15m` or `2h`; six hours at most."
        })
    }
}

/// How the run that a delivery begins is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "WaitForm")]
pub struct Wait {
    /// How long at most.
    pub timeout: Period,
    /// The conclusions with which it counts as passed.
    pub conclusions: Vec<Passing>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum WaitForm {
    /// How long at most.
    Short(Period),
    /// With more to say.
    Long(LongWait),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WaitDetails")]
struct LongWait {
    /// How long at most: `15m`.
    timeout: Period,
    /// The conclusions with which the run counts as passed; `success` alone when this is left out.
    #[serde(default = "success")]
    #[schemars(length(min = 1))]
    conclusions: Vec<Passing>,
}

fn success() -> Vec<Passing> {
    vec![Passing::Success]
}

impl From<WaitForm> for Wait {
    fn from(form: WaitForm) -> Self {
        match form {
            WaitForm::Short(timeout) => Self { timeout, conclusions: success() },
            WaitForm::Long(LongWait { timeout, conclusions }) => Self { timeout, conclusions },
        }
    }
}

/// A conclusion of a run that may count as passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Passing {
    /// It did what it should.
    Success,
    /// It says neither.
    Neutral,
    /// It had nothing to do.
    Skipped,
}

impl Passing {
    /// As GitHub writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Neutral => "neutral",
            Self::Skipped => "skipped",
        }
    }
}

impl Wait {
    /// Whether a run with this conclusion has passed.
    pub fn passes(&self, conclusion: &str) -> bool {
        self.conclusions.iter().any(|passing| passing.as_str() == conclusion)
    }
}

/// An address that tells how a downstream is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(from = "HealthForm")]
pub struct Health {
    /// The address.
    pub url: String,
    /// The status that it must answer with.
    pub status: u16,
    /// Where in its JSON the value is that must be the right one; none where the status is enough.
    pub pointer: Option<String>,
    /// What the value must be.
    pub equals: HealthValue,
    /// How long at most until it is well.
    pub timeout: Period,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum HealthForm {
    /// The address, which must answer 200.
    Short(String),
    /// With more to say.
    Long(LongHealth),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HealthDetails")]
struct LongHealth {
    /// The address.
    url: String,
    /// The status that it must answer with; 200 when this is left out.
    #[serde(default = "ok")]
    #[schemars(range(min = 100, max = 599))]
    status: u16,
    /// Where in its JSON the value is that must be the right one: a JSON Pointer such as `/manifest/digest`.
    pointer: Option<String>,
    /// What the value there must be; `manifest-digest` when this is left out.
    #[serde(default)]
    equals: HealthValue,
    /// How long at most until it is well; `5m` when this is left out.
    #[serde(default = "five_minutes")]
    timeout: Period,
}

/// What a downstream must show that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HealthValue {
    /// The `digest` of the manifest that it was told of.
    #[default]
    ManifestDigest,
    /// The commit that it was told of.
    Commit,
}

fn ok() -> u16 {
    200
}

fn five_minutes() -> Period {
    Period::minutes(5)
}

impl From<HealthForm> for Health {
    fn from(form: HealthForm) -> Self {
        match form {
            HealthForm::Short(url) => {
                Self { url, status: ok(), pointer: None, equals: HealthValue::default(), timeout: five_minutes() }
            }
            HealthForm::Long(LongHealth { url, status, pointer, equals, timeout }) => {
                Self { url, status, pointer, equals, timeout }
            }
        }
    }
}

/// What becomes of the others when a downstream fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Those that need it are not told.
    #[default]
    Stop,
    /// Those that need it are told all the same.
    Continue,
    /// Those that were told, and are linked with it by `needs`, get what they had before.
    Rollback,
}
