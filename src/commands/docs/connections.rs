//! With whom a library is connected, by its configuration alone.

use crate::config::Config;
use crate::downstream;
use crate::ids::DownstreamName;
use crate::manifest::settings::Place;
use crate::report::connections::{Connection, Connections, SecretUse};
use crate::report::phrase::Phrase;
use crate::schema::source::Source;
use crate::state::{Carry, Kind};

/// What this configuration connects its library with.
pub(super) fn of(config: &Config) -> Connections {
    let downstreams = config.settings.downstreams.iter().map(|(name, settings)| connection(name, settings)).collect();
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

fn connection(name: &DownstreamName, settings: &downstream::Settings) -> Connection {
    let concerned = match &settings.when.collections {
        None => Phrase::words("every collection"),
        Some(collections) => Phrase::words("the collections ").then(Phrase::list(collections)),
    };
    Connection {
        name: name.to_string(),
        place: settings.repo.to_string(),
        receiver: Phrase::words("a `repository_dispatch` event of the type ").with(&settings.event),
        needs: settings.needs.iter().map(ToString::to_string).collect(),
        facts: vec![("Concerned by", concerned)],
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
        Ok(Source::GitHub(at)) => Phrase::words("the repository ").with(at),
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
        let needs = "a token with *Contents: write* on its repository; *Actions: read* finds runs";
        add(downstream.token.variable(), format!("downstreams.{name}"), needs);
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
