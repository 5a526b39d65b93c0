//! The place that a manifest is read from.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;

use crate::adapters::http;
use crate::adapters::publication::{FolderTarget, KnownRoot, ManifestSource, Traffic, Web, WebSource};
use crate::adapters::stop::Stop;
use crate::cli::environment::Environment;
use crate::cli::rehearsal;
use crate::mirror::source::Source;

/// The way to web servers, for a manifest and for the files that it names.
///
/// A manifest on another machine must not have us ask servers of this one, which trust whoever is here.
pub fn web(source: &Source, allows_http: bool, environment: &Environment, stop: &Stop) -> anyhow::Result<Web> {
    let allows_loopback = match source {
        Source::Web(address) => address.starts_with("http://"),
        Source::Folder(_) => true,
        Source::Branch { .. } | Source::Bucket(_) => false,
    };
    let (client, pace) = (http::client()?, rehearsal::pace(environment, stop));
    Ok(Web { client, pace, allows_http, allows_loopback, traffic: Traffic::default() })
}

/// The source's adapter; relative folders begin at `folder`.
pub fn manifest_source(
    source: &Source,
    folder: &Path,
    web: &Web,
    known: Option<KnownRoot>,
) -> anyhow::Result<Arc<dyn ManifestSource>> {
    match source {
        Source::Web(address) => Ok(Arc::new(WebSource::new(web.clone(), address, known))),
        Source::Folder(path) => Ok(Arc::new(FolderTarget::new(folder.join(path), path))),
        Source::Branch { .. } => {
            Err(anyhow!("a branch cannot be read yet; pull from the address that it is served at"))
        }
        Source::Bucket(_) => Err(anyhow!("a bucket cannot be read yet; pull from the address that it is served at")),
    }
}
