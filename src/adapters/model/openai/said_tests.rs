use serde_json::json;

use super::*;

fn reply(status: u16, headers: &[(&'static str, &'static str)], body: &Value) -> Reply {
    let mut reply = Reply { body: body.to_string().into_bytes(), ..Reply::with_status(status) };
    for (name, value) in headers {
        reply.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    reply
}

#[test]
fn spans_of_time_are_read_as_servers_write_them() {
    let seconds = |text: &str| duration(text).map(|duration| duration.as_secs_f64());
    for (text, wanted) in [
        ("6m0s", Some(360.0)),
        ("8.64s", Some(8.64)),
        ("120ms", Some(0.12)),
        ("1h2m3s", Some(3723.0)),
        ("7h12m0.5s", Some(25_920.5)),
        ("1d", Some(86_400.0)),
        ("59", Some(59.0)),
        ("0.5", Some(0.5)),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("5x", None),
        ("..s", None),
        ("1e400s", None),
        ("NaN", None),
    ] {
        assert_eq!(seconds(text), wanted, "{text}");
    }
}

#[test]
fn headers_that_make_no_sense_say_nothing() {
    let headers = [
        ("x-ratelimit-limit-tokens", "200000"),
        ("x-ratelimit-remaining-tokens", "-5"),
        ("x-ratelimit-reset-tokens", "later"),
        ("x-ratelimit-limit-requests", "inf"),
        ("x-ratelimit-remaining-requests", "0"),
    ];
    let [tokens, requests] = told(&reply(200, &headers, &json!({})).headers);
    assert_eq!(tokens, Told { limit: Some(200_000.0), remaining: None, reset: None });
    assert_eq!(requests, Told { limit: None, remaining: Some(0.0), reset: None });
}

#[test]
fn a_429_that_says_nothing_is_waited_for_longer_each_time() {
    let waits: Vec<_> = [0, 1, 2, 5, 6, 40]
        .into_iter()
        .map(|tries| match fate(&plain(reply(429, &[], &json!({})), tries)) {
            Fate::Limited { wait, .. } => wait.as_secs(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(waits, [1, 2, 4, 32, 64, 64]);
}

#[test]
fn what_a_server_says_is_cut_masked_and_on_one_line() {
    let long = format!("one\n::error::two {} {}", format_args!("ghp_{}", "a1B2c3D4e5".repeat(4)), "x".repeat(400));
    let said = error(json!({"error": {"message": long}}).to_string().as_bytes()).said();
    assert!(said.starts_with(": one ::error::two *** xxx") && said.ends_with('…'), "{said}");
    assert!(said.chars().count() <= LONGEST_WORDS + 3);
    for (body, words) in [
        (json!({"error": "plain"}), ": plain"),
        (json!({"object": "error", "message": "vllm"}), ": vllm"),
        (json!({"detail": "fastapi"}), ": fastapi"),
        (json!({"detail": [{"loc": 1}]}), ""),
        (json!([1]), ""),
    ] {
        assert_eq!(error(body.to_string().as_bytes()).said(), words);
    }
    assert_eq!(error(b"<html>").said(), "");
}
