//! The work on an index, shared among processes that go on at once: state and vectors in a real PostgreSQL, and a model that
//! counts what it is paid for.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Json, Router, routing::post};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::postgres_server::{Database, vectors};
use crate::program::{Library, Program, Run};

const SETTINGS: &str = "version: 1
collections: {icons: {metadata: 'icons/*.json', id: '{stem}'}}
state: { kind: postgres }
embed:
  text: [/title]
  model:
    provider: openai
    name: a-model
    url: ADDRESS/v1
    dimensions: 8
    key: '${{ env.OPENAI_API_KEY }}'
    limits: { texts: 8, at_once: 2 }
  store: { kind: pgvector, url: '${{ env.STOCKROOM_STATE_URL }}', namespace: acme/hub }
";
/// How many texts may be under way at once, by these settings.
const UNDER_WAY: usize = 16;
/// The key of a process to which the model does not answer any more after some requests.
const HELD: &str = "canary-of-one-that-is-held";
const KEY: &str = "canary-of-the-others";
const ASSETS: usize = 300;

/// What the model has seen.
#[derive(Default)]
struct Seen {
    /// How often each text was embedded.
    paid: BTreeMap<String, usize>,
    /// The texts of requests that got no answer.
    unanswered: Vec<String>,
    requests_of_held: usize,
}

/// A model on loopback, by OpenAI's rules.
#[derive(Clone, Default)]
struct Model {
    seen: Arc<Mutex<Seen>>,
    held: Arc<Notify>,
}

impl Model {
    /// Serves on a thread of its own until the process ends; gives its address.
    fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/embeddings", post(embed)).with_state(self.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                listener.set_nonblocking(true).unwrap();
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
            });
        });
        url
    }

    fn wait_until_held(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.held.notified());
    }
}

async fn embed(State(model): State<Model>, headers: HeaderMap, Json(body): Json<Value>) -> Json<Value> {
    let texts: Vec<String> =
        body["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    let is_held = {
        let mut seen = model.seen.lock().unwrap();
        let of_held = headers["authorization"].to_str().unwrap().contains(HELD);
        seen.requests_of_held += usize::from(of_held);
        let is_held = of_held && seen.requests_of_held > 3;
        for text in &texts {
            *seen.paid.entry(text.clone()).or_default() += 1;
        }
        if is_held {
            seen.unanswered.extend(texts.clone());
        }
        // With two of them nothing else of that process is under way: what was answered before is stored.
        if is_held && seen.requests_of_held == 5 {
            model.held.notify_one();
        }
        is_held
    };
    if is_held {
        std::future::pending::<()>().await;
    }
    let is_base64 = body["encoding_format"] == "base64";
    let data = texts.iter().enumerate().map(|(index, text)| {
        let digest = Sha256::digest(text.as_bytes());
        let vector: Vec<f32> = digest.iter().take(8).map(|byte| f32::from(*byte) - 127.5).collect();
        let embedding = match is_base64 {
            true => json!(BASE64_STANDARD.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())),
            false => json!(vector),
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let data: Vec<Value> = data.collect();
    let tokens = texts.len() * 4;
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    Json(json!({"object": "list", "data": data, "model": "a-model", "usage": usage}))
}

/// Two in ten have the text of another one.
fn title(number: usize) -> String {
    let number = if number % 5 == 4 { number - 1 } else { number };
    format!("Icon number {number} of the set")
}

fn distinct() -> usize {
    (0..ASSETS).map(title).collect::<std::collections::BTreeSet<_>>().len()
}

fn library(url: &str) -> Library {
    let library = Library::of(&[("stockroom.yml", &SETTINGS.replace("ADDRESS", url))]);
    for number in 0..ASSETS {
        library.write(&format!("icons/{number}.json"), format!(r#"{{"title": "{}"}}"#, title(number)));
    }
    library.commit();
    library
}

fn program(library: &Library, database: &Database, key: &str, words: &[&str]) -> Program {
    let program = library.program(words).env("STOCKROOM_STATE_URL", database.tcp()).env("OPENAI_API_KEY", key);
    program.env("GITHUB_REPOSITORY", "acme/hub")
}

fn run(library: &Library, database: &Database, words: &[&str]) -> Run {
    program(library, database, KEY, words).run()
}

fn matrix(library: &Library, database: &Database) -> Vec<(String, u64)> {
    let printed = run(library, database, &["plan", "--shards", "4"]).ends(0).json();
    let of = |entry: &Value| (entry["shard"].as_str().unwrap().to_owned(), entry["chunks"].as_u64().unwrap());
    printed["include"].as_array().unwrap().iter().map(of).collect()
}

/// The ids of the chunks that the store holds, one in each line.
fn held(database: &Database) -> String {
    let tables = "SELECT string_agg(format('SELECT id FROM stockroom.%I', relname), ' UNION ALL ')
                  FROM pg_class WHERE relkind = 'r' AND relname LIKE 'index_chunks_%'";
    database.sql(&format!("SELECT id FROM ({}) AS all_of_them ORDER BY id", database.sql(tables)))
}

/// How many chunks the state is certain of, and of how many it is in doubt.
fn rows(database: &Database) -> String {
    database.sql("SELECT count(*) FILTER (WHERE stored), count(*) FILTER (WHERE NOT stored) FROM stockroom.chunks")
}

#[test]
fn four_shards_at_once_one_of_them_killed_and_a_closing_run_do_what_one_run_does() {
    let (Some(server), model) = (vectors(), Model::default()) else { return };
    let library = library(&model.start());
    let database = server.database();
    let shares = matrix(&library, &database);
    assert_eq!(shares.iter().map(|(shard, _)| shard.as_str()).collect::<Vec<_>>(), ["1/4", "2/4", "3/4", "4/4"]);
    assert_eq!(shares.iter().map(|(_, chunks)| chunks).sum::<u64>(), u64::try_from(ASSETS).unwrap());
    let clones: Vec<Library> = shares.iter().map(|_| library.duplicate()).collect();
    let mut begun: Vec<_> = clones
        .iter()
        .zip(&shares)
        .map(|(clone, (shard, _))| {
            let key = if shard == "3/4" { HELD } else { KEY };
            program(clone, &database, key, &["embed", "--shard", shard]).begin()
        })
        .collect();
    model.wait_until_held();
    begun[2].kill().unwrap();
    for (number, child) in begun.into_iter().enumerate() {
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned() + &String::from_utf8_lossy(&ended.stdout);
        assert_eq!(ended.status.success(), number != 2, "shard {}: {said}", number + 1);
        assert!(!said.contains("canary"), "{said}");
    }
    let before = held(&database).lines().count();
    assert!((1..ASSETS).contains(&before), "something is left to do: {before}");
    let done = run(&library, &database, &["embed", "--format", "json"]).ends(0).json();
    assert!(done["embedding"]["embedded"].as_u64().unwrap() > 0, "{done:#}");

    // What one run does by itself.
    let alone = Model::default();
    let (other, single) = (self::library(&alone.start()), server.database());
    run(&other, &single, &["embed"]).ends(0);
    assert_eq!(held(&database), held(&single));
    assert_eq!((held(&database).lines().count(), rows(&database)), (ASSETS, format!("{ASSETS}|0")));
    let search = ["search", "Icon number 7", "--format", "json"];
    assert_eq!(run(&library, &database, &search).ends(0).out, run(&other, &single, &search).ends(0).out);

    let seen = model.seen.lock().unwrap();
    let of_documents = |paid: &BTreeMap<String, usize>| {
        paid.iter()
            .filter(|(text, _)| text.ends_with("of the set"))
            .map(|(text, n)| (text.clone(), *n))
            .collect::<Vec<_>>()
    };
    let paid = of_documents(&seen.paid);
    assert_eq!(paid.len(), distinct());
    let twice: Vec<&String> = paid.iter().filter(|(_, times)| *times > 1).map(|(text, _)| text).collect();
    assert!(twice.len() <= UNDER_WAY, "{}", twice.len());
    assert!(twice.iter().all(|text| seen.unanswered.contains(text)), "only what was under way is paid for again");
    assert!(paid.iter().all(|(_, times)| *times <= 2));
    drop(seen);
    assert!(matrix(&library, &database).is_empty());
    let outputs = library.beside("outputs");
    std::fs::write(&outputs, "").unwrap();
    let step = program(&library, &database, KEY, &["plan", "--shards", "4"]).env("GITHUB_ACTIONS", "true");
    step.env("GITHUB_OUTPUT", &outputs).run().ends(0);
    let outputs = std::fs::read_to_string(outputs).unwrap();
    assert!(outputs.contains(r#"{"include":[]}"#) && outputs.contains("shards"), "{outputs}");
    let again = run(&library, &database, &["embed", "--format", "json"]).ends(0).json();
    assert_eq!(again["results"][0]["outcome"], "unchanged", "{again:#}");
}

#[test]
fn a_shard_takes_nothing_away_and_the_closing_run_does() {
    let (Some(server), model) = (vectors(), Model::default()) else { return };
    let (library, database) = (library(&model.start()), server.database());
    run(&library, &database, &["embed"]).ends(0);
    std::fs::remove_file(library.path("icons/0.json")).unwrap();
    library.write("icons/1.json", r#"{"title": "Something else"}"#);
    library.commit();
    let shares = matrix(&library, &database);
    assert_eq!(shares.iter().map(|(_, chunks)| chunks).sum::<u64>(), 1);
    for shard in ["1/4", "2/4", "3/4", "4/4"] {
        run(&library, &database, &["embed", "--shard", shard]).ends(0);
    }
    assert_eq!(held(&database).lines().count(), ASSETS + 1);
    let status = run(&library, &database, &["status", "--check"]).ends(3);
    assert!(status.both().contains("embedding"), "{}", status.both());
    run(&library, &database, &["sync", "--only", "embed"]).ends(0);
    assert_eq!((held(&database).lines().count(), rows(&database)), (ASSETS - 1, format!("{}|0", ASSETS - 1)));
    run(&library, &database, &["status"]).ends(0);
    let targets = database.sql("SELECT count(*) FROM stockroom.targets WHERE name LIKE 'embedding%'");
    assert_eq!(targets, "1", "shares leave no targets of their own behind");
    let refused = run(&library, &database, &["embed", "--shard", "1/4", "--allow-mass-delete"]).ends(2);
    assert!(refused.both().contains("cannot be used with"), "{}", refused.both());
}

#[test]
fn a_state_that_others_do_not_reach_cannot_be_shared() {
    let library = library("http://127.0.0.1:9");
    library.edit("stockroom.yml", "state: { kind: postgres }\n", "");
    library.commit();
    let refused = library.program(&["embed", "--shard", "1/2"]).run().ends(2);
    assert!(refused.both().contains("set `state.kind` to postgres, which every runner reaches"), "{}", refused.both());
}
