//! From an address and what opens it to a store.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::Server;
use super::credentials::Credentials;
use super::said::sentence;
use super::transport::Transport;
use crate::adapters::http;
use crate::manifest::settings::bucket::{BucketAddress, Cloud};

/// Makes the store; nothing is asked of it yet. The error is a sentence.
pub(super) fn connect(
    address: &BucketAddress,
    server: &Server,
    credentials: &Credentials,
) -> Result<Arc<dyn ObjectStore>, String> {
    if let Some(endpoint) = &server.endpoint
        && !is_safe(endpoint)
    {
        return Err(format!(
            "the endpoint {endpoint:?} is no address that begins with https://, and it is not on this machine"
        ));
    }
    let client = http::client().map_err(|error| format!("no client could be made: {error}"))?;
    let client = Transport(client);
    let made: Result<Arc<dyn ObjectStore>, object_store::Error> = match address.cloud {
        Cloud::S3 => s3(address, server, credentials, client).build().map(|store| Arc::new(store) as _),
        Cloud::Google => google(address, server, credentials, client).build().map(|store| Arc::new(store) as _),
        Cloud::Azure => azure(address, server, credentials, client)?.build().map(|store| Arc::new(store) as _),
    };
    made.map_err(|error| sentence(&error, address))
}

/// What is sent in the clear can be read and changed on its way.
fn is_safe(endpoint: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(endpoint) else { return false };
    let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    // Before an `@` anything may stand, and the machine is named behind it.
    let names_user = !url.username().is_empty() || url.password().is_some();
    !names_user && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}

fn retries() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(200), max_backoff: Duration::from_secs(5), base: 2.0 };
    RetryConfig { backoff, max_retries: 4, retry_timeout: Duration::from_secs(60) }
}

fn s3(address: &BucketAddress, server: &Server, credentials: &Credentials, client: Transport) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&address.bucket)
        .with_http_connector(client)
        .with_retry(retries())
        // Without a key a bucket that everybody may read can be read; nobody is asked for a key on the network.
        .with_skip_signature(!credentials.opens(Cloud::S3))
        .with_allow_http(true);
    let region = server.region.as_deref().or_else(|| credentials.get(&["AWS_REGION", "AWS_DEFAULT_REGION"]));
    let endpoint = server.endpoint.as_deref().or_else(|| credentials.get(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
    // R2 knows one region, and so do most servers that are not Amazon's.
    builder = builder.with_region(region.unwrap_or(if endpoint.is_some() { "auto" } else { "us-east-1" }));
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if credentials.opens(Cloud::S3) {
        let value = |name: &str| credentials.get(&[name]).unwrap_or_default();
        builder = builder.with_access_key_id(value("AWS_ACCESS_KEY_ID"));
        builder = builder.with_secret_access_key(value("AWS_SECRET_ACCESS_KEY"));
        if let Some(token) = credentials.get(&["AWS_SESSION_TOKEN"]) {
            builder = builder.with_token(token);
        }
    }
    builder
}

fn google(
    address: &BucketAddress,
    server: &Server,
    credentials: &Credentials,
    client: Transport,
) -> GoogleCloudStorageBuilder {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&address.bucket)
        .with_http_connector(client)
        .with_retry(retries())
        .with_skip_signature(!credentials.opens(Cloud::Google));
    if let Some(endpoint) = &server.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    if let Some(key) = credentials.get(&["GOOGLE_SERVICE_ACCOUNT_KEY"]) {
        builder.with_service_account_key(key)
    } else if let Some(path) = credentials.get(&["GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"]) {
        builder.with_service_account_path(path)
    } else if let Some(path) = credentials.get(&["GOOGLE_APPLICATION_CREDENTIALS"]) {
        builder.with_application_credentials(path)
    } else {
        builder
    }
}

fn azure(
    address: &BucketAddress,
    server: &Server,
    credentials: &Credentials,
    client: Transport,
) -> Result<MicrosoftAzureBuilder, String> {
    let Some(account) = credentials.get(&["AZURE_STORAGE_ACCOUNT_NAME"]) else {
        return Err("AZURE_STORAGE_ACCOUNT_NAME is not set: it says whose container it is".to_owned());
    };
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(&address.bucket)
        .with_http_connector(client)
        .with_retry(retries())
        .with_skip_signature(!credentials.opens(Cloud::Azure))
        .with_allow_http(true);
    if let Some(endpoint) = server.endpoint.as_deref().or_else(|| credentials.get(&["AZURE_STORAGE_ENDPOINT"])) {
        builder = builder.with_endpoint(endpoint.to_owned());
    }
    for (name, key) in [
        ("AZURE_STORAGE_ACCOUNT_KEY", AzureConfigKey::AccessKey),
        ("AZURE_STORAGE_SAS_KEY", AzureConfigKey::SasKey),
        ("AZURE_STORAGE_TOKEN", AzureConfigKey::Token),
        ("AZURE_STORAGE_CLIENT_ID", AzureConfigKey::ClientId),
        ("AZURE_STORAGE_CLIENT_SECRET", AzureConfigKey::ClientSecret),
        ("AZURE_STORAGE_TENANT_ID", AzureConfigKey::AuthorityId),
        ("AZURE_STORAGE_AUTHORITY_HOST", AzureConfigKey::AuthorityHost),
    ] {
        if let Some(value) = credentials.get(&[name]) {
            builder = builder.with_config(key, value);
        }
    }
    Ok(builder)
}
