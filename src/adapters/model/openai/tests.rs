use std::sync::Arc;

use serde_json::json;

use super::fake::{Fake, Fault, Nature, error};
use super::*;
use crate::adapters::http::SteppedPace;
use crate::adapters::loopback::Answer;
use crate::adapters::model::conformance;
use crate::adapters::stop::Signal;

const SMALL: &str = "provider: openai\nname: text-embedding-3-small\nkey: ${KEY}";
const OWN: &str = "provider: openai\nname: bge\ndimensions: 8";

fn with_key(text: &str) -> Keys {
    Keys { key: Some(Secret::new(text)), ..Keys::default() }
}

fn model_of(yaml: &str, url: &str, keys: Keys) -> (OpenAi, Arc<SteppedPace>) {
    let pace = Arc::new(SteppedPace::default());
    let settings: ModelSettings = serde_yaml::from_str(&format!("{yaml}\nurl: {url}")).unwrap();
    (OpenAi::new(&settings, keys, Arc::clone(&pace) as Arc<dyn Pace>), pace)
}

async fn small(faults: Vec<Option<Fault>>) -> (OpenAi, Fake, Arc<SteppedPace>) {
    let fake = Fake::start(Nature::default()).await;
    fake.next(faults);
    let (model, pace) = model_of(SMALL, &format!("{}/v1", fake.url()), with_key("canary"));
    (model, fake, pace)
}

async fn own(nature: Nature) -> (OpenAi, Fake) {
    let fake = Fake::start(Nature { wants_key: false, ..nature }).await;
    let (model, _) = model_of(OWN, fake.url(), Keys::default());
    (model, fake)
}

fn answer(answer: Answer) -> Option<Fault> {
    Some(Fault::Answer(answer))
}

#[tokio::test]
async fn it_is_a_model_at_openai_at_azure_and_on_a_server_of_ones_own() {
    conformance::holds(&small(vec![]).await.0).await;
    conformance::holds(&own(Nature { dimension: 8, ..Nature::default() }).await.0).await;
    for (yaml, path) in [
        ("deployment: small\ndimensions: 1536", "/openai/deployments/small/embeddings?api-version=2024-10-21"),
        ("name: text-embedding-3-small", "/openai/v1/embeddings"),
    ] {
        let fake = Fake::start(Nature::default()).await;
        let yaml = format!("provider: azure\n{yaml}\nkey: ${{KEY}}");
        let (model, _) = model_of(&yaml, fake.url(), with_key("canary"));
        conformance::holds(&model).await;
        let seen = fake.seen();
        assert!(seen.iter().all(|asked| asked.uri == path && asked.header("api-key") == "canary"), "{:?}", seen[0].uri);
    }
}

#[tokio::test]
async fn a_request_says_what_the_server_must_know_and_no_more() {
    let (model, fake, _) = small(vec![]).await;
    model.embed(&["a", "b"]).await.unwrap();
    let asked = &fake.seen()[0];
    assert_eq!(
        asked.json(),
        json!({"model": "text-embedding-3-small", "input": ["a", "b"], "encoding_format": "base64"})
    );
    assert_eq!((asked.method.as_str(), asked.header("authorization")), ("POST", "Bearer canary"));
    let (short, _) = model_of(&format!("{SMALL}\ndimensions: 256"), fake.url(), with_key("canary"));
    assert_eq!(short.embed(&["a"]).await.unwrap().vectors[0].len(), 256);
    assert_eq!(fake.seen()[1].json()["dimensions"], 256);
    let yaml = "provider: azure\ndeployment: small\ndimensions: 1536\ntoken: ${TOKEN}";
    let keys = Keys { token: Some(Secret::new("canary")), ..Keys::default() };
    model_of(yaml, fake.url(), keys).0.embed(&["a"]).await.unwrap();
    let asked = &fake.seen()[2];
    assert_eq!(asked.json(), json!({"input": ["a"], "encoding_format": "base64"}));
    assert_eq!((asked.header("authorization"), asked.header("api-key")), ("Bearer canary", ""));
}

#[tokio::test]
async fn vectors_are_put_in_order_and_scaled_and_numbers_are_as_good_as_base64() {
    let faults = [Fault::Reversed, Fault::WithoutIndex, Fault::Numbers, Fault::WithoutUsage];
    let (model, ..) = small([None].into_iter().chain(faults.map(Some)).collect()).await;
    let texts = ["one", "two", "three"];
    let wanted = model.embed(&texts).await.unwrap();
    assert_eq!(wanted.tokens, 4);
    for round in 0..4 {
        let embedded = model.embed(&texts).await.unwrap();
        assert_eq!(embedded.vectors, wanted.vectors, "{round}");
        assert!(embedded.tokens >= 3);
    }
}

#[tokio::test]
async fn a_bad_answer_is_refused_and_says_what_is_wrong() {
    let web = Answer::With { status: 200, headers: vec![], body: b"<html>welcome</html>".to_vec() };
    let huge = Answer::With { status: 200, headers: vec![], body: vec![b' '; 1 << 20] };
    for (fault, why) in [
        (Fault::Short, "1 vectors for 2 texts"),
        (Fault::OnePlace, "two vectors for text 0"),
        (Fault::Nan, "vector 0 has the length NaN"),
        (Fault::Zero, "vector 0 has the length 0"),
        (Fault::FirstLength(3), "vector 0 has 3 dimensions, not 1536"),
        (Fault::Answer(web), "a web page came in the place of vectors"),
        (Fault::Answer(Answer::json(200, &json!({"data": [{"index": 0, "embedding": "?"}]}))), "is no base64"),
        (
            Fault::Answer(Answer::json(200, &json!({"data": [{"index": 7, "embedding": [1.0]}, {"embedding": []}]}))),
            "dimensions",
        ),
    ] {
        let (model, ..) = small(vec![Some(fault)]).await;
        let error = model.embed(&["a", "b"]).await.unwrap_err();
        assert!(matches!(&error, ModelError::Malformed { .. }) && error.to_string().contains(why), "{error}");
        assert!(model.embed(&["a", "b"]).await.is_ok(), "the next batch has nothing to do with it");
    }
    let (model, ..) = small((0..10).map(|_| answer(huge.clone())).collect()).await;
    let error = model.embed(&["a"]).await.unwrap_err().to_string();
    assert!(error.contains("the answer is larger than"), "{error}");
}

#[tokio::test]
async fn what_passes_is_asked_again_a_few_times_and_not_for_ever() {
    let troubles = [answer(error(500, "oops", "server_error")), answer(Answer::Cut), answer(Answer::status(503))];
    let (model, fake, pace) = small(troubles.to_vec()).await;
    assert!(model.embed(&["a"]).await.is_ok());
    assert_eq!((fake.seen().len(), pace.slept().len()), (4, 3));
    let (model, fake, _) = small((0..50).map(|_| answer(Answer::status(502))).collect()).await;
    let error = model.embed(&["a"]).await.unwrap_err();
    assert!(
        matches!(&error, ModelError::Unavailable { why, .. } if why.contains("502 (tried 10 times); run again later")),
        "{error}"
    );
    assert_eq!(fake.seen().len(), 10);
}

#[tokio::test]
async fn a_wait_that_the_server_asks_for_is_kept_to_the_millisecond() {
    let limited = || error(429, "Rate limit reached", "rate_limit_exceeded");
    let reset =
        || limited().header("x-ratelimit-remaining-requests", "0").header("x-ratelimit-reset-requests", "1m1.5s");
    let spoken = error(429, "Please retry after 9 seconds. Contact Azure.", "429");
    for (said, waits) in [
        (limited().header("retry-after", "7").header("retry-after-ms", "2345"), 2345..=2845),
        (limited().header("retry-after", "7"), 7000..=7500),
        (reset(), 61_500..=62_000),
        (spoken, 9000..=9500),
        (limited(), 1000..=1500),
    ] {
        let (model, _, pace) = small(vec![answer(said)]).await;
        assert!(model.embed(&["a"]).await.is_ok());
        let waited = pace.now().as_millis();
        assert!(waits.contains(&waited), "{waited} ms");
    }
}

#[tokio::test]
async fn what_no_wait_would_mend_ends_it_at_once_and_for_everybody() {
    let day = || error(429, "Please retry after 86400 seconds.", "429").header("retry-after", "86400");
    for (said, why) in [
        (day(), "asks to wait 86400 s: Please retry after 86400 seconds., longer than any run does"),
        (
            error(429, "You exceeded your current quota.", "insufficient_quota"),
            "spent: You exceeded your current quota.; see to the account's billing",
        ),
        (
            error(401, "Incorrect API key provided", "invalid_api_key"),
            "does not accept the key in KEY (401: Incorrect API key provided)",
        ),
        (
            error(403, "no rights", "forbidden"),
            "does not let the key in KEY use the model `text-embedding-3-small` (403",
        ),
        (
            error(404, "The model does not exist", "model_not_found"),
            "does not know the model `text-embedding-3-small` (404",
        ),
        (
            error(
                400,
                "The embeddings operation does not work with the specified model, gpt-4.",
                "OperationNotSupported",
            ),
            "check `name` and `url`",
        ),
        (Answer::status(301).header("location", "https://elsewhere.example"), "sends us elsewhere (301)"),
        (Answer::status(405), "the server answered 405"),
    ] {
        let (model, fake, pace) = small(vec![None, answer(said)]).await;
        assert!(model.embed(&["fine"]).await.is_ok());
        for _ in 0..2 {
            let error = model.embed(&["a", "b"]).await.unwrap_err();
            assert!(matches!(&error, ModelError::Unavailable { why: told, .. } if told.contains(why)), "{error}");
        }
        assert_eq!((fake.seen().len(), pace.slept().len()), (2, 0), "{why}: nothing is asked again");
    }
}

#[tokio::test]
async fn a_secret_that_a_server_repeats_is_not_repeated_by_us() {
    let fake = Fake::start(Nature::default()).await;
    let key = format!("sk-proj-{}", "a1B2c3D4e5".repeat(5));
    let (model, _) = model_of(SMALL, fake.url(), with_key(&key));
    let error = model.embed(&["a"]).await.unwrap_err();
    assert!(error.to_string().contains("Incorrect API key provided: Bearer ***"), "{error}");
    let (model, _) = model_of(SMALL, fake.url(), with_key("not-like-any-other-key"));
    let error = model.embed(&["a"]).await.unwrap_err();
    assert!(error.to_string().contains("Incorrect API key provided: Bearer ***"), "{error}");
}

#[tokio::test]
async fn texts_that_the_server_refuses_are_the_texts_fault() {
    for said in [
        error(400, "Invalid 'input[1]'", "invalid_request_error"),
        error(413, "", ""),
        error(429, "Request too large for text-embedding-3-small: Limit 40000, Requested 60000", "rate_limit_exceeded"),
        error(500, "input is too large to process. increase the physical batch size", "server_error"),
        Answer::json(500, &json!({"error": "failed to encode response: json: unsupported value: NaN"})),
        Answer::json(400, &json!({"error": "the input length exceeds the context length"})),
    ] {
        let (model, fake, pace) = small(vec![answer(said)]).await;
        let error = model.embed(&["a", "b"]).await.unwrap_err();
        assert!(matches!(&error, ModelError::Refused { .. }), "{error}");
        assert_eq!((fake.seen().len(), pace.slept().len()), (1, 0), "it is not asked again");
        assert!(model.embed(&["a"]).await.is_ok());
    }
}

#[tokio::test]
async fn a_text_that_is_certainly_too_long_is_not_sent_and_one_that_may_be_is() {
    let (model, fake, _) = small(vec![]).await;
    let error = model.embed(&["fine", &"long ".repeat(9_000)]).await.unwrap_err();
    assert!(
        matches!(&error, ModelError::Refused { why, .. } if why.contains("text 1 of the batch has at least 9000 tokens")),
        "{error}"
    );
    assert_eq!(fake.seen().len(), 0);
    let perhaps = "Gepäckträger ".repeat(2_000);
    assert!(model.tokens(&perhaps) > 8_192);
    assert!(model.embed(&[&perhaps]).await.is_ok());
    let refused = model.embed(&[&"Bä ".repeat(9_000)]).await.unwrap_err().to_string();
    assert!(refused.contains("`embed.chunk.max` lower"), "{refused}");
}

#[tokio::test]
async fn a_server_that_takes_no_base64_is_asked_for_numbers_once_and_for_all() {
    let (model, fake) = own(Nature { dimension: 8, takes_base64: false, ..Nature::default() }).await;
    for _ in 0..2 {
        assert!(model.embed(&["a"]).await.is_ok());
    }
    let asked: Vec<_> = fake.seen().iter().map(|asked| asked.json()["encoding_format"].clone()).collect();
    assert_eq!(asked, ["base64", "float", "float"]);
}

#[tokio::test]
async fn dimensions_are_asked_for_where_a_model_has_more_and_a_wrong_number_is_corrected() {
    let (model, fake) = own(Nature { dimension: 32, ..Nature::default() }).await;
    assert_eq!(model.embed(&["a"]).await.unwrap().vectors[0].len(), 8);
    let asked: Vec<_> = fake.seen().iter().map(|asked| asked.json()["dimensions"].clone()).collect();
    assert_eq!(asked, [json!(null), json!(8)]);
    for (nature, why) in [
        (Nature { dimension: 32, takes_dimensions: false, ..Nature::default() }, "does not support matryoshka"),
        (Nature { dimension: 4, ..Nature::default() }, "have 4 dimensions, not 8; write `dimensions: 4`"),
    ] {
        let error = own(nature).await.0.embed(&["a"]).await.unwrap_err();
        assert!(matches!(&error, ModelError::Unavailable { .. }) && error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn what_is_missing_is_told_when_it_is_needed_and_not_before() {
    for (yaml, why) in [
        (SMALL, "the variable KEY is not set"),
        ("provider: openai\nname: text-embedding-3-small", "the server wants a key (401"),
    ] {
        let fake = Fake::start(Nature::default()).await;
        let (model, _) = model_of(yaml, fake.url(), Keys::default());
        assert_eq!((model.dimension(), model.fingerprint().as_str()), (1536, "text-embedding-3-small-1536"));
        let error = model.embed(&["a"]).await.unwrap_err();
        assert!(matches!(&error, ModelError::Unavailable { .. }) && error.to_string().contains(why), "{error}");
    }
    let settings = serde_yaml::from_str("{provider: openai, name: m, dimensions: 3, url: '${LLM}'}").unwrap();
    let model = OpenAi::new(&settings, Keys::default(), Arc::new(SteppedPace::default()));
    assert_eq!(model.fingerprint(), "m-LLM-3");
    assert!(model.embed(&["a"]).await.unwrap_err().to_string().contains("the variable LLM is not set"));
    let (model, _) = model_of(OWN, "http://127.0.0.1:9", Keys::default());
    let error = model.embed(&["a"]).await.unwrap_err().to_string();
    assert!(error.contains("is the server running"), "{error}");
}

#[test]
fn one_model_has_one_name_wherever_it_is_openais_and_one_per_server_elsewhere() {
    let print = |yaml: &str| {
        let settings = serde_yaml::from_str(yaml).unwrap();
        OpenAi::new(&settings, Keys::default(), Arc::new(SteppedPace::default())).fingerprint()
    };
    let small = "text-embedding-3-small-1536";
    assert_eq!(print("{provider: openai, name: text-embedding-3-small}"), small);
    assert_eq!(print("{provider: openai, name: text-embedding-3-small, url: 'https://gateway.example/v1'}"), small);
    assert_eq!(
        print("{provider: azure, url: 'https://x.openai.azure.com', deployment: text-embedding-3-small}"),
        small
    );
    assert_eq!(print("{provider: azure, url: '${U}', deployment: d, name: text-embedding-3-small}"), small);
    assert_eq!(
        print("{provider: openai, name: text-embedding-3-large, dimensions: 256}"),
        "text-embedding-3-large-256"
    );
    let ollama = "{provider: openai, name: 'nomic-embed-text:v1.5', url: 'http://localhost:11434/v1', dimensions: 768}";
    assert_eq!(print(ollama), "nomic-embed-text_v1.5-localhost-768");
    assert_eq!(print("{provider: azure, url: '${AZURE}', deployment: my/one, dimensions: 9}"), "my_one-AZURE-9");
}

#[test]
fn limits_and_prices_are_those_of_the_provider_unless_they_are_set() {
    let of = |yaml: &str| {
        let settings = serde_yaml::from_str(yaml).unwrap();
        OpenAi::new(&settings, Keys::default(), Arc::new(SteppedPace::default()))
    };
    let small = of("{provider: openai, name: text-embedding-3-small}");
    assert_eq!(small.limits(), Limits { texts: 260, tokens: 300_000, tokens_each: 8192, at_once: 16 });
    assert_eq!((small.price(), small.is_remote()), (Some(0.02), true));
    assert_eq!(of("{provider: azure, url: 'https://x', deployment: d, dimensions: 3}").limits().texts, 2048);
    let set = of(
        "{provider: openai, name: text-embedding-3-large, price: 0.5, limits: {texts: 16, tokens: 9, tokens_each: 5, at_once: 2}}",
    );
    assert_eq!(set.limits(), Limits { texts: 16, tokens: 9, tokens_each: 5, at_once: 2 });
    assert_eq!(set.price(), Some(0.5));
    let slow = of("{provider: openai, name: text-embedding-3-small, limits: {tokens_per_minute: 40000}}");
    assert_eq!(slow.limits().tokens, 40_000);
    let own = of("{provider: openai, name: bge, url: 'http://localhost:1', dimensions: 3}");
    assert_eq!((own.limits().texts, own.limits().at_once, own.price()), (64, 4, None));
}

#[tokio::test]
async fn who_is_asked_to_end_sends_nothing() {
    let (model, fake, pace) = small(vec![]).await;
    pace.stop().ask(Signal::Terminate);
    let error = model.embed(&["a"]).await.unwrap_err().to_string();
    assert!(error.contains("stopped by SIGTERM"), "{error}");
    assert_eq!(fake.seen().len(), 0);
}

#[tokio::test]
async fn a_batch_that_no_minute_could_take_is_asked_for_in_parts() {
    let headers =
        vec![("x-ratelimit-limit-tokens", "100".to_owned()), ("x-ratelimit-remaining-tokens", "90".to_owned())];
    let (model, fake, pace) = small(vec![Some(Fault::Headers(headers))]).await;
    model.embed(&["hex bolt"]).await.unwrap();
    let long = "many words of a description ".repeat(20);
    let other = format!("{long}!");
    let embedded = model.embed(&[&long, &other]).await.unwrap();
    assert_eq!(embedded.vectors[1], small(vec![]).await.0.embed(&[&other]).await.unwrap().vectors[0]);
    let sizes: Vec<_> = fake.seen().iter().map(|asked| asked.json()["input"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [1, 1, 1]);
    assert!(pace.now() > Duration::from_secs(60), "each of them fills a minute");
}
