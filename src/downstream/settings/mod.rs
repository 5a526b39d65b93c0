//! One entry of `downstreams` in stockroom.yml.

mod access;
mod concern;
mod gates;
mod problems;
mod receivers;

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Receiver;
use crate::ids::{CollectionName, DownstreamName, RepoSlug};
use crate::secret::SecretRef;

pub use access::{App, AppId, Credentials, DispatchSettings, OnLoop};
pub use gates::{Health, HealthValue, OnFailure, Passing, Period, Wait};
pub use problems::{Problem, problems};
pub use receivers::{GitLab, Webhook};

/// A downstream, as it is to be served.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Form")]
pub struct Settings {
    /// What takes its deliveries.
    pub receiver: Receiver,
    /// Which changes concern it.
    pub when: When,
    /// The versions of schemas that it can read.
    pub accepts: Option<Accepts>,
    /// The downstreams that must have theirs before this one is told.
    pub needs: Vec<DownstreamName>,
    /// How long the run that a delivery begins is waited for; none where it is not.
    pub wait: Option<Wait>,
    /// What must be seen of it after a delivery.
    pub health: Option<Health>,
    /// What becomes of the others when it fails.
    pub on_failure: OnFailure,
    /// What it is told beside: templates, by the keys of `extra` in the envelope.
    pub payload: BTreeMap<String, Value>,
    /// The token for its server; for GitLab the one that reads pipelines.
    pub token: Option<SecretRef>,
    /// The GitHub App in whose name it is told, in place of a token.
    pub app: Option<App>,
    /// The base of its API, where that is another GitHub's.
    pub api: Option<String>,
    /// Where its outcome is shown on the library's commit.
    pub report: Vec<ReportTo>,
}

/// A repository or service that builds on this library and wants to hear when it changes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Downstream")]
struct Form {
    /// The repository on GitHub, as `owner/name`. Every downstream has this, or `webhook`, or `gitlab`.
    #[schemars(with = "Option<String>", regex(pattern = r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$"))]
    repo: Option<RepoSlug>,
    /// The type of the `repository_dispatch` event that is sent to it, 1 to 100 characters: `asset-updated` when this is
    /// left out.
    #[schemars(length(min = 1, max = 100))]
    event: Option<String>,
    /// The file of a workflow there that is started by `workflow_dispatch`, in place of sending an event, such as
    /// `rebuild.yml`. It needs the inputs `correlation_id` and `envelope`, and one for each key of `payload`.
    #[schemars(length(min = 1, max = 255))]
    workflow: Option<String>,
    /// The branch or tag whose workflow is started; the default branch when this is left out.
    #[serde(rename = "ref")]
    #[schemars(length(min = 1, max = 255))]
    reference: Option<String>,
    /// An address that gets the envelope as a signed POST (Standard Webhooks).
    webhook: Option<Webhook>,
    /// A project on GitLab whose pipeline is triggered.
    gitlab: Option<GitLab>,
    /// Which changes concern it; all of them when this is left out.
    #[serde(default)]
    when: When,
    /// The versions of schemas that it can read: one range for all, or a range for each schema by name. A record beyond it
    /// is an error.
    accepts: Option<Accepts>,
    /// The downstreams that must have theirs before this one is told.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    needs: Vec<DownstreamName>,
    /// Waits for the run that a delivery begins, so long at most: `15m`, or with more to say an object. The run's name must
    /// hold the correlation id.
    wait: Option<Wait>,
    /// An address that must tell, after a delivery, that all is well: a URL, or with more to say an object.
    health: Option<Health>,
    /// What becomes of the others when it fails. `stop`: those that need it are not told. `continue`: they are. `rollback`:
    /// those that were told, and that it is linked with by `needs`, get what they had before.
    #[serde(default)]
    on_failure: OnFailure,
    /// What it is told beside the change, as `extra` in the envelope: any values; texts are templates such as
    /// `{{ delta.counts.added }}`.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 20))]
    payload: BTreeMap<String, Value>,
    /// The token for that repository: it needs `contents: write` there (`actions: write` for a workflow), and
    /// `actions: read` to be waited for. The job's own `GITHUB_TOKEN` cannot reach it. `${{ env.STOCKROOM_TOKEN }}` when
    /// neither this nor an app is named. For GitLab a token that may read pipelines.
    token: Option<SecretRef>,
    /// A GitHub App that is installed there, in place of a token.
    app: Option<App>,
    /// The base of the API where the repository is on another GitHub than the library: `https://HOST/api/v3`.
    #[schemars(length(min = 1, max = 2000))]
    api: Option<String>,
    /// Shows how it went on the library's own commit: as a commit status, a deployment, or both.
    #[serde(default)]
    report: Vec<ReportTo>,
}

/// Which changes concern a downstream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DownstreamWhen")]
pub struct When {
    /// The collections that it reads; all of them when this is left out.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>", length(min = 1))]
    pub collections: Option<Vec<CollectionName>>,
    /// Globs for the files that it reads, records and others, from the library's root.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub paths: Option<Vec<String>>,
    /// JSON Pointers to the values in records that it reads; a part may be `*`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub pointers: Option<Vec<String>>,
}

/// The versions of schemas that a downstream can read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Accepts {
    /// One range for all schemas of what concerns it.
    All(String),
    /// A range for each of these schemas; others do not matter.
    Each(BTreeMap<String, String>),
}

/// A place on the library's commit that shows how a downstream took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReportTo {
    /// A commit status `stockroom/NAME`.
    CommitStatus,
    /// A deployment to the environment NAME.
    Deployment,
}

impl JsonSchema for Settings {
    fn schema_name() -> Cow<'static, str> {
        Form::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Form::json_schema(generator)
    }
}

impl TryFrom<Form> for Settings {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        let receiver = receivers::receiver(&form)?;
        let Form { when, accepts, needs, wait, health, on_failure, payload, token, app, api, report, .. } = form;
        if token.is_some() && app.is_some() && !matches!(receiver, Receiver::Pipeline { .. }) {
            return Err("a downstream is told with a `token` or by an `app`, not with both".to_owned());
        }
        Ok(Self { receiver, when, accepts, needs, wait, health, on_failure, payload, token, app, api, report })
    }
}

impl Settings {
    /// What lets us in: its own token or app, else the app of all, else the usual token.
    pub fn credentials(&self, all: &DispatchSettings) -> Credentials {
        match (&self.token, self.app.as_ref().or(all.app.as_ref())) {
            (Some(token), _) => Credentials::Token(token.clone()),
            (None, Some(app)) => Credentials::App(app.clone()),
            (None, None) => Credentials::Token(SecretRef::to_variable("STOCKROOM_TOKEN")),
        }
    }
}

#[cfg(test)]
mod tests;
