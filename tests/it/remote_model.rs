//! An index whose vectors come from a provider elsewhere.

use serde_json::json;
use stockroom::report;

use crate::fake_embeddings::{FakeEmbeddings, KEY};
use crate::program::{Library, Program, named};

/// The example library, embedded by a provider.
fn library(provider: &FakeEmbeddings) -> Library {
    let library = Library::example();
    let model = format!(
        "model: {{ provider: openai, name: bge-tiny, url: '{}', key: '${{{{ env.EMBEDDING_KEY }}}}', dimensions: 8, price: 0.02 }}",
        provider.url()
    );
    library.edit("stockroom.yml", "model: { provider: local }", &model);
    library.commit();
    library
}

fn with_key(library: &Library, words: &[&str]) -> Program {
    library.program(words).env("EMBEDDING_KEY", KEY)
}

#[test]
fn a_plan_needs_no_key_and_says_what_it_will_cost() {
    let provider = FakeEmbeddings::start();
    let library = library(&provider);
    let run = library.run(&["plan"]).ends(0);
    assert!(run.out.contains("28 chunks to embed (about ") && run.out.contains("≈ $0.0"), "{}", run.out);
    assert_eq!(provider.asked(), [0_usize; 0]);
}

#[test]
fn a_sync_embeds_everything_once_and_a_search_asks_for_its_query_alone() {
    let provider = FakeEmbeddings::start();
    let library = library(&provider);
    let run = with_key(&library, &["sync", "--format", "json"]).run().ends(0);
    let document = run.document(&report::json::targets::sync_schema());
    assert_eq!(
        (&document["embedding"]["embedded"], document["embedding"]["tokens"].as_u64() > Some(28)),
        (&json!(28), true)
    );
    assert_eq!(provider.asked().into_iter().sum::<usize>(), 28);
    assert!(!run.both().contains(KEY));
    with_key(&library, &["sync"]).run().ends(0);
    assert_eq!(provider.asked(), [0_usize; 0], "nothing has changed");
    let found = with_key(&library, &["search", "hex bolt", "--format", "json"]).run().ends(0).json();
    assert!(!found["hits"].as_array().unwrap().is_empty());
    assert_eq!(provider.asked(), [1]);
    // What was paid for is not paid for again when all else is lost.
    std::fs::remove_file(library.path(".git/stockroom/vectors.sqlite")).unwrap();
    with_key(&library, &["sync"]).run().ends(0);
    assert_eq!(provider.asked(), [0_usize; 0]);
}

#[test]
fn a_key_that_is_missing_or_wrong_fails_the_index_alone_and_is_named() {
    let provider = FakeEmbeddings::start();
    let library = library(&provider);
    for (key, said) in [
        (None, "the variable EMBEDDING_KEY is not set"),
        (Some("wrong-canary"), "the server does not accept the key in EMBEDDING_KEY (401: Incorrect API key provided)"),
    ] {
        let program = library.program(&["sync", "--format", "json"]);
        let program = key.into_iter().fold(program, |program, key| program.env("EMBEDDING_KEY", key));
        let run = program.run().ends(3);
        let document = run.document(&report::json::targets::sync_schema());
        let index = named(&document["results"], "name", "embedding");
        assert_eq!(index["outcome"], "failed");
        assert!(index["message"].as_str().unwrap().contains(said), "{index}");
        assert_ne!(named(&document["results"], "name", "manifest")["outcome"], "failed");
        assert!(!run.both().contains("canary"), "{}", run.both());
    }
    with_key(&library, &["sync"]).run().ends(0);
}

#[test]
fn a_quota_that_is_spent_is_said_at_once_and_the_next_run_goes_on() {
    let provider = FakeEmbeddings::start();
    let library = library(&provider);
    let spent = json!({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}});
    provider.refuse(Some((429, spent)));
    let run = with_key(&library, &["sync"]).run().ends(3);
    assert!(run.out.contains("what may be spent there is spent: You exceeded your current quota"), "{}", run.both());
    assert_eq!(provider.asked().len(), 1, "nobody asks twice");
    provider.refuse(None);
    with_key(&library, &["sync"]).run().ends(0);
}

#[test]
fn doctor_asks_the_model_for_a_word_and_says_what_that_cost() {
    let provider = FakeEmbeddings::start();
    let library = library(&provider);
    let model = |program: Program| {
        let document = program.run().json();
        named(&document["services"], "name", "model")["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        model(with_key(&library, &["doctor", "--format", "json"])),
        "the model bge-tiny-127.0.0.1-8 answers (one word was asked for: 3 tokens, less than $0.000001)"
    );
    assert_eq!(provider.asked(), [1]);
    let said = model(library.program(&["doctor", "--format", "json"]));
    assert!(said.contains("the variable EMBEDDING_KEY is not set"), "{said}");
}
