//! Manifests in a bucket, by whole runs of the program against a real server.

use serde_json::Value;

use crate::bucket_server::{Bucket, Fault, SECRET, server};
use crate::program::{Library, Program, Run};
use crate::published::FIRST;

/// The example library, published to a bucket alone.
fn library(bucket: &Bucket) -> Library {
    let library = Library::example();
    let text = library.read("stockroom.yml");
    let place =
        format!("    - object_store: s3://{}/assets\n      url: https://cdn.example.org/assets/\n", bucket.name);
    let own = "    - folder: .stockroom/manifest\n";
    assert!(text.contains(own), "the example names a place of its own");
    library.write("stockroom.yml", text.replace(own, &place));
    library.commit();
    library
}

fn with(program: Program, bucket: &Bucket) -> Run {
    bucket.variables().into_iter().fold(program, |program, (name, value)| program.env(name, value)).run()
}

fn sync(library: &Library, bucket: &Bucket) -> Run {
    with(library.program(&["sync", "--only", "manifest"]), bucket)
}

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn writes(bucket: &Bucket) -> usize {
    bucket.take_requests().iter().filter(|request| !request.starts_with("GET") && !request.starts_with("HEAD")).count()
}

#[test]
fn the_first_sync_fills_a_bucket_and_the_second_writes_nothing() {
    let Some(server) = server() else { return };
    let bucket = server.bucket();
    let library = library(&bucket);
    let run = sync(&library, &bucket).ends(0);
    assert!(!run.both().contains(SECRET), "{}", run.both());
    assert!(writes(&bucket) > 3);
    let root = body(&bucket.ask("GET", "/assets/manifest.json", ""));
    assert_eq!(root["seq"], FIRST);
    bucket.forget();

    sync(&library, &bucket).ends(0);
    let requests = bucket.take_requests();
    assert!(requests.iter().all(|request| request.starts_with("GET") || request.starts_with("HEAD")), "{requests:?}");
    assert!(requests.len() <= 6, "{requests:?}");

    library.edit("Hex Bolt Gen v2/Hex Bolt Gen v2.json", "\"title\": \"", "\"title\": \"Another ");
    library.commit();
    sync(&library, &bucket).ends(0);
    let root = body(&bucket.ask("GET", "/assets/manifest.json", ""));
    assert_eq!((root["seq"].as_u64(), root["delta"].is_object()), (Some(FIRST + 1), true));

    let verified = with(library.program(&["verify", &format!("s3://{}/assets", bucket.name)]), &bucket);
    verified.ends(0);
    let pulled = with(
        library.program(&["pull", &format!("s3://{}/assets", bucket.name), "-o", "pulled", "--files", "none"]),
        &bucket,
    );
    pulled.ends(0);
    assert!(library.path("pulled/manifest.json").exists());
}

#[test]
fn what_the_store_refuses_fails_the_target_and_the_next_run_mends_it() {
    let Some(server) = server() else { return };
    let bucket = server.bucket();
    let library = library(&bucket);
    bucket.befall("PUT", "/assets/manifest.json", 0, Fault::Refusal(403, "AccessDenied"), 1);
    let run = sync(&library, &bucket).ends(3);
    assert!(run.both().contains("s3:PutObject") && !run.both().contains(SECRET), "{}", run.both());
    let run = library.run(&["sync", "--only", "manifest"]);
    assert!(run.code != 0 && run.both().contains("AWS_ACCESS_KEY_ID"), "{}", run.both());
    sync(&library, &bucket).ends(0);
    assert_eq!(body(&bucket.ask("GET", "/assets/manifest.json", ""))["seq"], FIRST);
}
