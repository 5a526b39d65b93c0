//! With whom a library is connected, by its configuration alone.

use crate::config::Config;
use crate::downstream::{
    self, Accepts, Credentials, DispatchSettings, Health, HealthValue, OnFailure, Period, Receiver, ReportTo, When,
};
use crate::ids::DownstreamName;
use crate::manifest::settings::Place;
use crate::report::connections::{Connection, Connections, SecretUse};
use crate::report::phrase::Phrase;
use crate::schema::source::Source;
use crate::secret::Endpoint;
use crate::state::{Carry, Kind};

/// What this configuration connects its library with.
pub(super) fn of(config: &Config) -> Connections {
    let downstreams =
        config.settings.downstreams.iter().map(|(name, of)| connection(name, of, &config.settings.dispatch)).collect();
    let mut secrets = secrets(config);
    secrets.sort();
    Connections {
        config: config.path.to_string(),
        downstreams,
        places: config.settings.manifest.publish.iter().filter_map(place).collect(),
        sources: sources(config),
        secrets,
    }
}

fn connection(name: &DownstreamName, settings: &downstream::Settings, all: &DispatchSettings) -> Connection {
    let mut facts = vec![("Concerned by", concerned(&settings.when))];
    let mut add = |what, value: Phrase| facts.push((what, value));
    match &settings.accepts {
        None => {}
        Some(Accepts::All(range)) => add("Accepts", Phrase::foreign(range).and(" of every schema")),
        Some(Accepts::Each(ranges)) => {
            let ranges = ranges.iter().map(|(schema, range)| format!("{schema} {range}"));
            add("Accepts", Phrase::list(ranges));
        }
    }
    match &settings.wait {
        None => add("Waits", Phrase::words("for nothing: it is told, and what comes of that is its own matter")),
        Some(wait) => {
            let passing = Phrase::list(wait.conclusions.iter().map(|passing| passing.as_str()));
            let until = Phrase::words("for the run, ").with(period(wait.timeout)).and(" at most; it must end with ");
            add("Waits", until.then(passing));
        }
    }
    if let Some(health) = &settings.health {
        add("Health", gate(health));
    }
    let failure = match settings.on_failure {
        OnFailure::Stop => "those that need it are not told",
        OnFailure::Continue => "those that need it are told all the same",
        OnFailure::Rollback => "those that were told, and are linked with it by `needs`, get what they had before",
    };
    add("When it fails", Phrase::words(failure));
    if !settings.payload.is_empty() {
        add("Told beside the change", Phrase::list(settings.payload.keys()));
    }
    if let Some(api) = &settings.api {
        add("API", Phrase::foreign(api));
    }
    match settings.credentials(all) {
        Credentials::App(app) if settings.receiver.repo().is_some() => {
            add("Let in as", Phrase::words("the GitHub App ").with(app.id.to_string()));
        }
        Credentials::Token(token) if settings.receiver.repo().is_some() => {
            add("Let in by", Phrase::words("the token in ").with(token.variable()));
        }
        _ => {}
    }
    let shown = settings.report.iter().map(|report| match report {
        ReportTo::CommitStatus => format!("stockroom/{name}"),
        ReportTo::Deployment => format!("deployment to {name}"),
    });
    if !settings.report.is_empty() {
        add("Shown on the commit", Phrase::list(shown));
    }
    Connection {
        name: name.to_string(),
        place: settings.receiver.place(),
        receiver: receiver(&settings.receiver),
        needs: settings.needs.iter().map(ToString::to_string).collect(),
        facts,
    }
}

fn receiver(receiver: &Receiver) -> Phrase {
    match receiver {
        Receiver::Event { event, .. } => Phrase::words("a `repository_dispatch` event of the type ").with(event),
        Receiver::Workflow { workflow, reference, .. } => {
            let told = Phrase::words("the workflow ").with(workflow).and(" by `workflow_dispatch`");
            match reference {
                Some(reference) => told.and(" on ").with(reference),
                None => told.and(" on the default branch"),
            }
        }
        Receiver::Webhook { secret, .. } => {
            Phrase::words("a POST that is signed (Standard Webhooks) with ").with(secret.variable())
        }
        Receiver::Pipeline(project) => Phrase::words("a pipeline on GitLab, on ").with(&project.reference),
    }
}

fn concerned(when: &When) -> Phrase {
    let mut told = match &when.collections {
        None => Phrase::words("every collection"),
        Some(collections) => Phrase::words("the collections ").then(Phrase::list(collections)),
    };
    if let Some(paths) = &when.paths {
        told = told.and("; the files ").then(Phrase::list(paths));
    }
    if let Some(pointers) = &when.pointers {
        told = told.and("; the values ").then(Phrase::list(pointers));
    }
    told
}

fn gate(health: &Health) -> Phrase {
    let mut told = Phrase::foreign(&health.url).and(" must answer ").with(health.status.to_string());
    if let Some(pointer) = &health.pointer {
        let value = match health.equals {
            HealthValue::ManifestDigest => " must be the manifest's digest",
            HealthValue::Commit => " must be the commit",
        };
        told = told.and(", and ").with(pointer).and(value);
    }
    told.and(", within ").with(period(health.timeout))
}

/// A period as it is written in stockroom.yml.
fn period(period: Period) -> String {
    match period.duration().as_secs() {
        seconds if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

fn place(publish: &crate::manifest::settings::Publish) -> Option<(Phrase, Phrase)> {
    let place = match publish.place()? {
        Place::Folder(folder) => Phrase::words("the folder ").with(folder),
        Place::Branch { branch, folder: "", .. } => Phrase::words("the branch ").with(branch),
        Place::Branch { branch, folder, .. } => {
            Phrase::words("the folder ").with(folder).and(" of the branch ").with(branch)
        }
        Place::Release => Phrase::words("each release"),
        Place::ObjectStore(bucket) => Phrase::words("the bucket ").with(bucket.address),
    };
    Some((place, publish.root_address().map(Phrase::foreign).unwrap_or_default()))
}

fn sources(config: &Config) -> Vec<(&'static str, Phrase)> {
    let settings = &config.settings;
    let schemas = match Source::parse(&settings.schemas.source) {
        Ok(Source::Folder(folder)) if folder.is_empty() => Phrase::words("this repository"),
        Ok(Source::Folder(folder)) => Phrase::words("the folder ").with(folder),
        Ok(Source::GitHub(at)) => Phrase::words("the repository ").with(at.to_string()),
        Ok(Source::Web(file)) => Phrase::words("the download ").with(file.url),
        Err(_) => Phrase::foreign(&settings.schemas.source),
    };
    let state = match (settings.state.kind, settings.state.carry) {
        (Kind::Sqlite, Carry::None) => Phrase::words("a SQLite file in the clone"),
        (Kind::Sqlite, Carry::Auto) => Phrase::words("a SQLite file in the clone, carried by ")
            .with("refs/stockroom/state")
            .and(" on GitHub Actions"),
        (Kind::Sqlite, Carry::Ref) => {
            Phrase::words("a SQLite file in the clone, carried by ").with("refs/stockroom/state")
        }
        (Kind::Postgres, _) => Phrase::words("the PostgreSQL schema ").with(&settings.state.schema),
    };
    let mut sources = vec![("schemas", schemas), ("state", state)];
    if settings.embed.is_some() {
        // There is one kind of store and one provider; another one makes this stop to compile where it must be told.
        let embedded = Phrase::words("a SQLite file beside the state, with the model in the program itself");
        sources.push(("vector index", embedded));
    }
    sources
}

fn secrets(config: &Config) -> Vec<SecretUse> {
    let settings = &config.settings;
    let mut secrets = Vec::new();
    let mut add =
        |variable: &str, of: String, needs| secrets.push(SecretUse { variable: variable.to_owned(), of, needs });
    for (name, downstream) in &settings.downstreams {
        let of = format!("downstreams.{name}");
        match &downstream.receiver {
            Receiver::Webhook { url, secret } => {
                add(secret.variable(), of.clone(), "the secret that signs the deliveries; the receiver has it too");
                if let Endpoint::Secret(url) = url {
                    add(url.variable(), of, "the address of the webhook");
                }
            }
            Receiver::Pipeline(project) => {
                add(project.trigger.variable(), of.clone(), "a trigger token of the project's pipelines");
                if let Some(token) = &downstream.token {
                    add(token.variable(), of, "a token with `read_api` that finds pipelines");
                }
            }
            Receiver::Event { .. } => {
                let (variable, needs) = let_in(downstream, &settings.dispatch, TOKEN_FOR_EVENTS, APP_FOR_EVENTS);
                add(&variable, of, needs);
            }
            Receiver::Workflow { .. } => {
                let (variable, needs) = let_in(downstream, &settings.dispatch, TOKEN_FOR_WORKFLOWS, APP_FOR_WORKFLOWS);
                add(&variable, of, needs);
            }
        }
        if !downstream.report.is_empty() {
            add("STOCKROOM_GITHUB_TOKEN", format!("downstreams.{name}.report"), report_needs(&downstream.report));
        }
    }
    if let Some(slack) = &settings.notify.slack {
        add(slack.webhook.variable(), "notify.slack".to_owned(), "the address of an incoming webhook of Slack");
    }
    if let Some(token) = &settings.schemas.token {
        add(
            token.variable(),
            "schemas.source".to_owned(),
            "a token with *Contents: read* on the registry's repository",
        );
    }
    if let Some(key) = &settings.manifest.sign {
        add(key.variable(), "manifest.sign".to_owned(), "the secret key of minisign that signs each root");
    }
    if settings.state.kind == Kind::Postgres {
        add(
            settings.state.url.variable(),
            "state.url".to_owned(),
            "the address of the database, with user and password",
        );
    }
    let buckets = settings.manifest.publish.iter().filter_map(|publish| publish.object_store.as_deref());
    for address in buckets {
        let (variable, needs) = match address.split_once("://").map(|(scheme, _)| scheme) {
            Some("gs") => ("GOOGLE_SERVICE_ACCOUNT", "a service account that may read, write and delete there"),
            Some("az") => (
                "AZURE_STORAGE_ACCOUNT_NAME",
                "an account, with its key or what else Azure takes, that may write there",
            ),
            _ => ("AWS_ACCESS_KEY_ID", "a key, with AWS_SECRET_ACCESS_KEY, that may read, write and delete there"),
        };
        add(variable, address.to_owned(), needs);
    }
    secrets
}

const TOKEN_FOR_EVENTS: &str = "a token with *Contents: write* on its repository; *Actions: read* finds runs";
const APP_FOR_EVENTS: &str =
    "the private key of a GitHub App that is installed there with *Contents: write*; *Actions: read* finds runs";
const TOKEN_FOR_WORKFLOWS: &str = "a token with *Actions: write* on its repository";
const APP_FOR_WORKFLOWS: &str = "the private key of a GitHub App that is installed there with *Actions: write*";

/// The variable that lets us in at a repository, and what it must hold.
fn let_in(
    downstream: &downstream::Settings,
    all: &DispatchSettings,
    token: &'static str,
    app: &'static str,
) -> (String, &'static str) {
    match downstream.credentials(all) {
        Credentials::Token(reference) => (reference.variable().to_owned(), token),
        Credentials::App(of) => (of.key.variable().to_owned(), app),
    }
}

fn report_needs(report: &[ReportTo]) -> &'static str {
    match (report.contains(&ReportTo::CommitStatus), report.contains(&ReportTo::Deployment)) {
        (true, true) => "the job's own token, with `statuses: write` and `deployments: write`",
        (_, true) => "the job's own token, with `deployments: write`",
        _ => "the job's own token, with `statuses: write`",
    }
}
