//! The places of buckets, against a real server.

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use self::bucket_server::{Bucket, Fault, SECRET, server};
use super::super::conformance::{name, run, update};
use super::*;

#[path = "../../../../tests/it/bucket_server.rs"]
mod bucket_server;

fn credentials(bucket: &Bucket) -> Credentials {
    let variables: BTreeMap<&str, String> = bucket.variables().into_iter().collect();
    Credentials::of(|name| variables.get(name).cloned())
}

fn place(bucket: &Bucket, prefix: &str) -> ObjectStorePlace {
    let url = format!("s3://{}{prefix}", bucket.name);
    ObjectStorePlace::new(&url, &Server::default(), &credentials(bucket)).unwrap()
}

fn over(store: impl ObjectStore, address: &str) -> ObjectStorePlace {
    ObjectStorePlace::over(Arc::new(store), BucketAddress::parse(address).unwrap())
}

async fn version_of(place: &ObjectStorePlace) -> Option<Version> {
    place.root().await.unwrap().map(|stored| stored.version)
}

async fn text(place: &ObjectStorePlace) -> String {
    String::from_utf8(place.root().await.unwrap().unwrap().bytes).unwrap()
}

#[tokio::test]
async fn a_bucket_is_a_target() {
    let Some(server) = server() else { return };
    run(&place(&server.bucket(), "")).await;
}

#[tokio::test]
async fn a_prefix_in_a_bucket_is_a_target_and_its_neighbours_are_left_alone() {
    let Some(server) = server() else { return };
    let bucket = server.bucket();
    for neighbour in ["/manifest.json", "/assets-old/x", "/assets/", "/assets/deep/photo.png"] {
        bucket.ask("PUT", neighbour, "a neighbour");
    }
    let place = place(&bucket, "/assets/v1/");
    run(&place).await;
    assert_eq!(place.place(), format!("s3://{}/assets/v1", bucket.name));
    for neighbour in ["/manifest.json", "/assets-old/x", "/assets/deep/photo.png"] {
        assert!(bucket.ask("GET", neighbour, "").ends_with("a neighbour"), "{neighbour}");
    }
}

#[tokio::test]
async fn a_store_in_memory_and_one_over_a_folder_are_targets() {
    run(&ObjectStorePlace { has_attributes: false, ..over(InMemory::new(), "s3://memory/a/b") }).await;
    let folder = tempfile::tempdir().unwrap();
    let local = over(LocalFileSystem::new_with_prefix(folder.path()).unwrap(), "s3://local/a");
    run(&ObjectStorePlace { has_attributes: false, last_writer_wins: true, ..local }).await;
}

#[tokio::test]
async fn files_say_what_they_are_and_how_long_they_may_be_kept() {
    let Some(server) = server() else { return };
    let bucket = server.bucket();
    place(&bucket, "").publish(&update(None, "{}", &["a"])).await.unwrap();
    let (shard, root) = (bucket.ask("HEAD", &format!("/{}", name("a")), ""), bucket.ask("HEAD", "/manifest.json", ""));
    let (shard, root) = (shard.to_lowercase(), root.to_lowercase());
    assert!(shard.contains("cache-control: public, max-age=31536000, immutable"), "{shard}");
    assert!(root.contains("cache-control: public, max-age=60\r"), "{root}");
    assert!(shard.contains("content-type: application/json") && root.contains("content-type: application/json"));
}

#[tokio::test]
async fn of_two_publishers_at_once_one_wins_each_round() {
    let Some(server) = server() else { return };
    let bucket = server.bucket();
    for round in 0..10 {
        let (one, two) = (place(&bucket, ""), place(&bucket, ""));
        let expected = version_of(&one).await;
        let (first, second) = (format!("{round} one"), format!("{round} two"));
        let (first, second) = (update(expected.as_ref(), &first, &["a"]), update(expected.as_ref(), &second, &["a"]));
        let (a, b) = tokio::join!(one.publish(&first), two.publish(&second));
        let won = match (&a, &b) {
            (Ok(()), Err(PublicationError::Moved { .. })) => "one",
            (Err(PublicationError::Moved { .. }), Ok(())) => "two",
            other => panic!("{other:?}"),
        };
        assert_eq!(text(&one).await, format!("{round} {won}"));
    }
}

#[tokio::test]
async fn a_server_that_stumbles_is_asked_again() {
    let Some(server) = server() else { return };
    let bucket = server.bucket();
    let place = place(&bucket, "");
    let shard = format!("/{}", name("a"));
    bucket.befall("HEAD", "/manifest.json", 0, Fault::Status(500), 1);
    bucket.befall("PUT", &shard, 0, Fault::Status(503), 1);
    bucket.befall("PUT", &shard, 0, Fault::CutBefore, 1);
    bucket.befall("PUT", "/manifest.json", 0, Fault::Status(500), 1);
    bucket.befall("POST", "", 0, Fault::Status(500), 1);
    let mut first = update(None, "one", &["a", "b"]);
    first.removed = vec!["never there".to_owned()];
    place.publish(&first).await.unwrap();
    bucket.befall("GET", "/manifest.json", 0, Fault::CutBefore, 1);
    bucket.befall("GET", "?list-type", 0, Fault::Status(502), 1);
    assert_eq!(text(&place).await, "one");
    assert_eq!(place.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_answer_that_got_lost_is_looked_for() {
    let Some(server) = server() else { return };
    let bucket = server.bucket();
    let place = place(&bucket, "");
    bucket.befall("PUT", "/manifest.json", 0, Fault::CutAfter, 1);
    place.publish(&update(None, "one", &[])).await.unwrap();
    let one = version_of(&place).await;
    bucket.befall("PUT", "/manifest.json", 0, Fault::CutAfter, 1);
    place.publish(&update(one.as_ref(), "two", &[])).await.unwrap();
    let two = version_of(&place).await;
    bucket.befall("PUT", "/manifest.json", 0, Fault::CutBefore, 9);
    let error = place.publish(&update(two.as_ref(), "three", &[])).await.unwrap_err();
    assert!(matches!(error, PublicationError::Unusable { .. }) && !error.is_certain(), "{error}");
    assert_eq!(text(&place).await, "two");
}

#[tokio::test]
async fn a_publisher_that_has_lost_leaves_files_with_fixed_names_alone() {
    let Some(server) = server() else { return };
    let bucket = server.bucket();
    let place = place(&bucket, "");
    place.publish(&update(None, "one", &[])).await.unwrap();
    bucket.forget();
    let mut late = update(None, "late", &["a"]);
    late.files.insert("feed.json".to_owned(), b"late".to_vec());
    assert!(matches!(place.publish(&late).await, Err(PublicationError::Moved { .. })));
    assert_eq!(bucket.take_requests(), ["HEAD /manifest.json"]);
}

#[tokio::test]
async fn a_server_that_takes_no_notice_of_conditions_is_found_out() {
    let Some(server) = server() else { return };
    let bucket = server.bucket();
    bucket.befall("PUT", "", 0, Fault::Unconditional, 99);
    let refused = place(&bucket, "").publish(&update(None, "one", &["a"])).await.unwrap_err();
    assert!(refused.is_certain() && refused.to_string().contains("`last_writer_wins: true`"), "{refused}");
    assert_eq!(place(&bucket, "").root().await, Ok(None));

    run(&place(&bucket, "/apart").with_last_writer_wins(true)).await;
}

#[tokio::test]
async fn what_the_store_refuses_is_said_in_a_sentence_without_a_secret() {
    let Some(server) = server() else { return };
    let bucket = server.bucket();
    for (status, code, said) in [
        (403, "SignatureDoesNotMatch", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY anew"),
        (403, "InvalidAccessKeyId", "does not accept the credentials"),
        (400, "ExpiredToken", "from a key that is in force"),
        (403, "AccessDenied", "s3:PutObject"),
        (501, "NotImplemented", "last_writer_wins"),
    ] {
        let times = if status < 500 { 1 } else { 5 };
        bucket.befall("PUT", "/manifest.json", 0, Fault::Refusal(status, code), times);
        let error = place(&bucket, "").publish(&update(None, "one", &[])).await.unwrap_err();
        let text = error.to_string();
        assert!(error.is_certain() && text.contains(said) && text.contains(code), "{text}");
        assert!(!text.contains(SECRET) && !text.contains("http://"), "{text}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_no_empty_one() {
    let Some(server) = server() else { return };
    let mut absent = server.bucket();
    absent.name = "nobody-has-made-it".to_owned();
    let place = place(&absent, "/assets");
    for why in [
        place.root().await.unwrap_err().to_string(),
        place.list().await.unwrap_err().to_string(),
        place.publish(&update(None, "one", &["a"])).await.unwrap_err().to_string(),
    ] {
        assert!(why.contains("there is no bucket \"nobody-has-made-it\"") && why.contains("Create it"), "{why}");
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_written_and_what_is_open_is_read() {
    let Some(server) = server() else { return };
    let bucket = server.bucket();
    place(&bucket, "").publish(&update(None, "one", &["a"])).await.unwrap();
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{}/*", bucket.name)},
    ]});
    let answer = bucket.ask("PUT", "?policy", &policy.to_string());
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    let server = Server { endpoint: Some(bucket.endpoint()), region: None };
    let url = format!("s3://{}", bucket.name);
    let anybody = ObjectStorePlace::new(&url, &server, &Credentials::default()).unwrap();
    assert_eq!(text(&anybody).await, "one");
    bucket.forget();
    let refused = anybody.publish(&update(None, "two", &[])).await.unwrap_err();
    assert!(refused.is_certain() && refused.to_string().contains("set AWS_ACCESS_KEY_ID"), "{refused}");
    assert_eq!(bucket.take_requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_and_no_request_is_begun_by_who_is_asked_to_end() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server { endpoint: Some(format!("http://127.0.0.1:{port}")), region: None };
    let place = ObjectStorePlace::new("s3://bucket", &server, &Credentials::default()).unwrap();
    let why = place.root().await.unwrap_err().to_string();
    assert!(why.contains("s3://bucket") && why.contains("refused"), "{why}");

    let stop = Stop::default();
    stop.ask(crate::adapters::stop::Signal::Interrupt);
    let why = place.until(stop).root().await.unwrap_err().to_string();
    assert!(why.contains("stopped by SIGINT"), "{why}");
}

#[test]
fn an_address_that_sends_in_the_clear_is_refused() {
    for endpoint in [
        "http://minio.example.org",
        "ftp://x",
        "http://localhost.example.org:9000",
        "http://127.0.0.1.nip.io",
        "http://localhost:80@example.org",
        "https://user:word@example.org",
    ] {
        let server = Server { endpoint: Some(endpoint.to_owned()), region: None };
        let refused = ObjectStorePlace::new("s3://bucket", &server, &Credentials::default()).unwrap_err();
        assert!(refused.contains("is no address that begins with https://"), "{refused}");
    }
}

#[test]
fn every_cloud_has_its_place() {
    let key = serde_json::json!({
        "private_key": "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n", "private_key_id": "1",
        "client_email": "a@example.org", "type": "service_account", "gcs_base_url": "https://storage.googleapis.com",
    });
    let of = |pairs: &[(&str, &str)]| {
        let pairs: BTreeMap<&str, String> = pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Credentials::of(|name| pairs.get(name).cloned())
    };
    let open = |url: &str, credentials: &Credentials| ObjectStorePlace::new(url, &Server::default(), credentials);
    assert!(open("gs://bucket/x", &Credentials::default()).is_ok());
    let refused = open("az://container", &Credentials::default()).unwrap_err();
    assert!(refused.contains("AZURE_STORAGE_ACCOUNT_NAME"), "{refused}");
    let azure = of(&[("AZURE_STORAGE_ACCOUNT_NAME", "account"), ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")]);
    assert_eq!(open("az://container", &azure).unwrap().locked, None);
    let refused = open("gs://bucket", &of(&[("GOOGLE_SERVICE_ACCOUNT_KEY", &key.to_string())]));
    let why = refused.map(|place| place.locked);
    assert!(why.as_ref().map_or_else(|why| !why.contains("BEGIN PRIVATE"), Option::is_none), "{why:?}");
}
