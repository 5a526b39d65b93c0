//! The place that a manifest is read from.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use crate::adapters::http;
use crate::adapters::origin::Origin;
use crate::adapters::publication::{
    BranchSource, FolderTarget, KnownRoot, ManifestSource, Traffic, Web, WebSource, is_here,
};
use crate::adapters::stop::Stop;
use crate::cli::console::Console;
use crate::cli::environment::Environment;
use crate::cli::rehearsal;
use crate::cli::wiring::{buckets, carried};
use crate::commands::places::Sign;
use crate::config::Config;
use crate::manifest::settings::Bucket;
use crate::manifest::signature::SigningKey;
use crate::mirror::source::Source;

/// The way to web servers, for a manifest and for the files that it names.
///
/// A manifest on another machine must not have us ask servers of this one, which trust whoever is here.
pub fn web(source: &Source, allows_http: bool, environment: &Environment, stop: &Stop) -> anyhow::Result<Web> {
    let (allows_private, allows_loopback) = match source {
        Source::Web(address) => (is_here(address), is_here(address) && address.starts_with("http://")),
        Source::Folder(_) => (true, true),
        Source::Branch { repository, .. } => (is_here(repository), false),
        Source::Bucket(_) => (false, false),
    };
    let (client, pace) = (http::client()?, rehearsal::pace(environment, stop));
    Ok(Web { client, pace, allows_http, allows_loopback, allows_private, traffic: Traffic::default() })
}

/// What signs roots, where stockroom.yml says by which key. A key that is not there is no reason to publish without it.
pub fn sign(config: &Config, environment: &Environment, console: &Console) -> anyhow::Result<Option<Sign>> {
    let Some(reference) = &config.settings.manifest.sign else { return Ok(None) };
    let Some(secret) = environment.secret(reference) else {
        let name = reference.variable();
        return Err(anyhow!(
            "manifest.sign names {name}, which is not set; whoever demands a signature would refuse the manifest. Set it from a \
             secret that holds the key, or take `sign` out of stockroom.yml"
        ));
    };
    for line in secret.reveal().lines().filter(|line| !line.contains("comment:")) {
        console.mask(line);
    }
    let key =
        SigningKey::parse(&secret).with_context(|| format!("{} cannot sign the manifest", reference.variable()))?;
    Ok(Some(Arc::new(move |root: &[u8]| key.sign(root).1)))
}

/// The source's adapter; relative folders begin at `folder`.
pub fn manifest_source(
    source: &Source,
    folder: &Path,
    web: &Web,
    known: Option<KnownRoot>,
    (environment, console, stop): (&Environment, &Console, &Stop),
) -> anyhow::Result<Arc<dyn ManifestSource>> {
    match source {
        Source::Web(address) => Ok(Arc::new(WebSource::new(web.clone(), address, known))),
        Source::Folder(path) => Ok(Arc::new(FolderTarget::new(folder.join(path), path))),
        Source::Branch { repository, branch, folder } => {
            let with = |origin: Origin| {
                carried::end_with(origin.stop(), stop);
                match carried::token(environment, console) {
                    Some(token) => origin.with_token(carried::server(environment), token),
                    None => origin,
                }
            };
            Ok(Arc::new(BranchSource::new(repository, branch, folder, with)?))
        }
        Source::Bucket(address) => {
            let credentials = buckets::credentials(environment, console);
            let bucket = Bucket { address, endpoint: None, region: None, last_writer_wins: false };
            Ok(buckets::target(&bucket, &credentials, None, stop))
        }
    }
}
