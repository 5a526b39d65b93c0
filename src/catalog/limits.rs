//! How much one record may ask for before it counts as an attack.
//!
//! What stockroom.yml says is as hostile as a pull request: each limit has a bound that no configuration goes beyond.

use schemars::JsonSchema;
use serde::Deserialize;

use super::read::MAX_VALUES;

/// What one record may cost. The depth of its arrays and objects is limited to 64 for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How large its file may be, in bytes; 16 MiB when this is left out.
    #[schemars(range(min = 1, max = 67_108_864))]
    pub record_bytes: u64,
    /// How many values it may hold, YAML aliases counted as often as they are used; 500,000 when this is left out.
    #[schemars(range(min = 1, max = 500_000))]
    pub values: usize,
    /// How many findings are told of it; 100 when this is left out.
    #[schemars(range(min = 1, max = 1_000))]
    pub findings: usize,
    /// How many seconds it may take to check; 10 when this is left out.
    #[schemars(range(min = 1, max = 120))]
    pub seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { record_bytes: 16 * 1024 * 1024, values: MAX_VALUES, findings: 100, seconds: 10 }
    }
}
