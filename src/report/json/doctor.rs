//! `doctor --format json`, version 1.

use schemars::JsonSchema;
use serde::Serialize;

use crate::diagnosis::{Diagnosis, Health};

/// How everything is that a run needs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom doctor, version 1")]
struct DoctorV1<'a> {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u8,
    /// The worst of the services' statuses.
    overall: HealthV1,
    /// Everything that was looked at, in that order.
    services: Vec<ServiceV1<'a>>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Service")]
struct ServiceV1<'a> {
    /// Its name: `configuration`, `git`, `token/VARIABLE`, a target's as `status` has it, and so on.
    name: &'a str,
    /// How it is.
    status: HealthV1,
    /// What was found, and what to do next, in a sentence.
    message: &'a str,
}

/// `healthy`: a run can rely on it; `degraded`: a run works, and something will be left out or is about to break;
/// `unhealthy`: a run that needs it fails.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Health")]
enum HealthV1 {
    Healthy,
    Degraded,
    Unhealthy,
}

impl From<Health> for HealthV1 {
    fn from(health: Health) -> Self {
        match health {
            Health::Healthy => Self::Healthy,
            Health::Degraded => Self::Degraded,
            Health::Unhealthy => Self::Unhealthy,
        }
    }
}

/// The diagnosis as pretty JSON with a final line break.
pub fn render(diagnosis: &Diagnosis) -> String {
    let services = diagnosis.services.iter().map(|service| ServiceV1 {
        name: &service.name,
        status: service.conclusion.health.into(),
        message: &service.conclusion.message,
    });
    super::pretty(&DoctorV1 { version: 1, overall: diagnosis.overall().into(), services: services.collect() })
}

/// The JSON Schema of [`render`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(DoctorV1<'_>).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::doctor::tests::mixed;

    #[test]
    fn the_document_follows_its_schema() {
        let document: serde_json::Value = serde_json::from_str(&render(&mixed())).unwrap();
        let validator = jsonschema::options().offline().build(&schema()).unwrap();
        assert!(validator.is_valid(&document) && !validator.is_valid(&serde_json::json!({ "version": 1 })));
        assert_eq!(
            (&document["overall"], &document["services"][1]["status"]),
            (&"unhealthy".into(), &"degraded".into())
        );
    }
}
