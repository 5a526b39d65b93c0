//! Buckets, and what opens them.

use std::sync::Arc;

use crate::adapters::publication::{PublishTarget, UnreachedTarget};
use crate::adapters::stop::Stop;
use crate::cli::console::Console;
use crate::cli::environment::Environment;
use crate::manifest::layout::Habits;
use crate::manifest::settings::Bucket;

#[cfg(feature = "object-store")]
pub use crate::adapters::publication::Credentials;

/// There is nothing to open in this build.
#[cfg(not(feature = "object-store"))]
#[derive(Debug, Clone, Default)]
pub struct Credentials;

/// What the environment holds to open buckets with; no log shows it from here on.
#[cfg(feature = "object-store")]
pub fn credentials(environment: &Environment, console: &Console) -> Credentials {
    let credentials = Credentials::of(|name| environment.get(name).map(str::to_owned));
    for secret in credentials.secrets() {
        console.mask(secret.reveal());
    }
    credentials
}

/// Reads nothing, as there is nothing to open in this build.
#[cfg(not(feature = "object-store"))]
pub fn credentials(_: &Environment, _: &Console) -> Credentials {
    Credentials
}

/// The place in a bucket; one that says why not, where there can be none.
#[cfg(feature = "object-store")]
pub fn target(
    bucket: &Bucket<'_>,
    credentials: &Credentials,
    address: Option<String>,
    stop: &Stop,
) -> Arc<dyn PublishTarget> {
    use crate::adapters::publication::{ObjectStorePlace, Server};
    let server = Server { endpoint: bucket.endpoint.map(str::to_owned), region: bucket.region.map(str::to_owned) };
    match ObjectStorePlace::new(bucket.address, &server, credentials) {
        Ok(place) => Arc::new(place.at(address).until(stop.clone()).with_last_writer_wins(bucket.last_writer_wins)),
        Err(why) => Arc::new(UnreachedTarget::refused(bucket.address, Habits::Followed, why)),
    }
}

/// Says that there is none in this build.
#[cfg(not(feature = "object-store"))]
pub fn target(bucket: &Bucket<'_>, _: &Credentials, _: Option<String>, _: &Stop) -> Arc<dyn PublishTarget> {
    let why = "this build of Stockroom was made without object stores (the feature `object-store`)";
    Arc::new(UnreachedTarget::refused(bucket.address, Habits::Followed, why))
}
