use super::*;
use crate::ids::SchemaName;

fn settings(yaml: &str) -> Settings {
    serde_yaml::from_str(yaml).unwrap()
}

fn all(entries: &[(&str, &str)]) -> BTreeMap<DownstreamName, Settings> {
    entries.iter().map(|(name, yaml)| (DownstreamName::new(*name), settings(yaml))).collect()
}

fn known() -> BTreeMap<CollectionName, Option<SchemaName>> {
    let schema = |name: &str| Some(SchemaName::new(name));
    [(CollectionName::new("products"), schema("product")), (CollectionName::new("notes"), None)].into()
}

#[test]
fn a_repository_is_all_that_must_be_said() {
    let website = settings("repo: org/website");
    assert_eq!(website.receiver.body(&serde_json::Value::Null)["event_type"], "asset-updated");
    assert_eq!((website.when.collections, website.needs), (None, vec![]));
}

#[test]
fn an_unknown_key_and_a_literal_token_are_refused() {
    assert!(serde_yaml::from_str::<Settings>("{repo: o/w, evnet: x}").is_err());
    let refused = serde_yaml::from_str::<Settings>("{repo: o/w, token: ghp_canary}").unwrap_err();
    assert!(refused.to_string().contains("references, never values"), "{refused}");
}

#[test]
fn every_problem_is_named_at_its_place() {
    let all = all(&[
        ("../up", "repo: org/up"),
        ("addon", "{repo: nowhere, needs: [website, webstie]}"),
        ("website", "{repo: org/website, event: '', when: {collections: [prodcts]}}"),
        ("zip", "{repo: org/zip, when: {collections: []}}"),
    ]);
    insta::assert_debug_snapshot!(problems(&all, &known()), @r#"
    [
        (
            "/..~1up",
            "\"../up\" cannot name a downstream; use at most 64 letters, digits, `-`, `_` and `.`, no `.` first",
        ),
        (
            "/addon/repo",
            "\"nowhere\" is not a repository; write it as `owner/name`",
        ),
        (
            "/addon/needs/1",
            "there is no downstream \"webstie\"; known downstreams: `../up`, `addon`, `website`, `zip`",
        ),
        (
            "/website/event",
            "an event type has 1 to 100 characters, this one has 0",
        ),
        (
            "/website/when/collections/0",
            "there is no collection \"prodcts\"; known collections: `notes`, `products`",
        ),
        (
            "/zip/when/collections",
            "no collection is named, so nothing would ever be sent; leave `when` out for all of them",
        ),
    ]
    "#);
}

#[test]
fn a_cycle_is_told_once_from_its_first_member() {
    let all = all(&[
        ("website", "{repo: o/w, needs: [addon]}"),
        ("addon", "{repo: o/a, needs: [docs]}"),
        ("docs", "{repo: o/d, needs: [website, self]}"),
        ("self", "{repo: o/s, needs: [self]}"),
    ]);
    insta::assert_debug_snapshot!(problems(&all, &known()), @r#"
    [
        (
            "/addon/needs",
            "these downstreams wait for each other: addon -> docs -> website -> addon; take one `needs` away",
        ),
        (
            "/self/needs",
            "these downstreams wait for each other: self -> self; take one `needs` away",
        ),
    ]
    "#);
}

#[test]
fn a_shared_need_is_no_cycle() {
    let all = all(&[
        ("a", "{repo: o/a}"),
        ("b", "{repo: o/b, needs: [a]}"),
        ("c", "{repo: o/c, needs: [a]}"),
        ("d", "{repo: o/d, needs: [b, c]}"),
    ]);
    assert_eq!(problems(&all, &known()), []);
}

#[test]
fn the_schema_has_a_sentence_for_every_key() {
    let schema = serde_json::to_value(schemars::schema_for!(Settings)).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    assert_eq!(properties.len(), 17);
    for (key, property) in properties {
        assert!(property.to_string().contains("\"description\""), "{key}: {property}");
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let valid = |json| validator.is_valid(&json);
    assert!(valid(serde_json::json!({"repo": "o/w", "token": "${{ env.T }}", "when": {"collections": ["a"]}})));
    assert!(!valid(serde_json::json!({"repo": "o"})));
    assert!(valid(serde_json::json!({"repo": "o/w", "wait": "15m", "health": {"url": "https://x", "pointer": "/a"}})));
    assert!(!valid(serde_json::json!({"repo": "o/w", "wait": "15 minutes"})));
    assert!(!valid(serde_json::json!({"repo": "o/w", "token": "ghp_x"})));
}

#[test]
fn every_kind_of_receiver_can_be_named_and_two_at_once_cannot() {
    for (yaml, place) in [
        ("repo: o/w", "o/w"),
        ("{repo: o/w, workflow: gate.yml, ref: main}", "gate.yml of o/w"),
        ("{webhook: {url: 'https://hooks.example/a/SECRET', secret: '${{ env.S }}'}}", "webhook at hooks.example"),
        ("{webhook: {url: '${{ env.HOOK }}', secret: '${{ env.S }}'}}", "webhook in HOOK"),
        ("{gitlab: {project: g/p, trigger: '${{ env.T }}'}}", "g/p on gitlab.com"),
    ] {
        assert_eq!(settings(yaml).receiver.place(), place);
    }
    let refused: Vec<String> = [
        "{}",
        "{repo: o/w, webhook: {url: 'https://a.example', secret: '${S}'}}",
        "{repo: o/w, event: a, workflow: b.yml}",
        "{repo: o/w, ref: main}",
        "{gitlab: {project: g/p, trigger: '${T}'}, event: a}",
        "{repo: o/w, token: '${T}', app: {id: 1, key: '${K}'}}",
    ]
    .iter()
    .map(|yaml| serde_yaml::from_str::<Settings>(yaml).unwrap_err().to_string().lines().next().unwrap().to_owned())
    .collect();
    insta::assert_snapshot!(refused.join("\n"), @r"
    it is not said what is to be told: name a `repo` (or a `webhook`, or a project on `gitlab`)
    `webhook` has no meaning beside `repo`; take one away
    `event` has no meaning beside `workflow`; take one away
    `ref` has no meaning for an event, which always meets the default branch; take it away
    `event` has no meaning beside `gitlab`; take one away
    a downstream is told with a `token` or by an `app`, not with both
    ");
}

#[test]
fn a_gate_can_be_said_in_a_word_or_at_length() {
    let short = settings("{repo: o/w, wait: 90s, health: 'https://w.example/version.json'}");
    let long = settings(
        "{repo: o/w, wait: {timeout: 90s}, health: {url: 'https://w.example/version.json', status: 200, timeout: 5m}}",
    );
    assert_eq!((&short.wait, &short.health), (&long.wait, &long.health));
    let wait = settings("{repo: o/w, wait: {timeout: 2h, conclusions: [success, neutral]}}").wait.unwrap();
    assert_eq!(wait.timeout.duration().as_secs(), 7_200);
    assert!(wait.passes("neutral") && !wait.passes("failure") && !wait.passes("skipped"));
    for bad in ["0s", "7h", "15", "m", "-1m", "1.5h", "99999999999999999999s"] {
        assert!(serde_yaml::from_str::<Settings>(&format!("{{repo: o/w, wait: '{bad}'}}")).is_err(), "{bad}");
    }
}

#[test]
fn addresses_and_workflows_that_cannot_be_are_named() {
    let all = all(&[
        ("a", "{repo: o/a, workflow: ../x.yml, api: 'http://ghe.example/api/v3', health: 'ftp://x'}"),
        ("b", "{webhook: {url: 'https://user:pw@x.example', secret: '${S}'}}"),
        ("c", "{gitlab: {project: g/p, server: gitlab.com, trigger: '${T}'}}"),
        ("d", "{repo: o/d, health: {url: 'http://127.0.0.1:8080/v', pointer: digest}}"),
    ]);
    let at: Vec<String> = problems(&all, &known()).into_iter().map(|(at, _)| at).collect();
    assert_eq!(
        at,
        ["/a/workflow", "/a/api", "/a/health/url", "/b/webhook/url", "/c/gitlab/server", "/d/health/pointer"]
    );
}

#[test]
fn an_app_of_all_stands_where_a_downstream_names_nothing_of_its_own() {
    let app = serde_yaml::from_str::<DispatchSettings>("{app: {id: 12, key: '${{ env.KEY }}'}}").unwrap();
    let told = |yaml: &str, of_all: &DispatchSettings| match settings(yaml).credentials(of_all) {
        Credentials::Token(token) => token.variable().to_owned(),
        Credentials::App(app) => format!("app {} {}", app.id, app.key.variable()),
    };
    assert_eq!(told("repo: o/w", &DispatchSettings::default()), "STOCKROOM_TOKEN");
    assert_eq!(told("repo: o/w", &app), "app 12 KEY");
    assert_eq!(told("{repo: o/w, token: '${T}'}", &app), "T");
    assert_eq!(told("{repo: o/w, app: {id: Iv23x, key: '${K}'}}", &app), "app Iv23x K");
}

#[test]
fn globs_pointers_and_ranges_that_would_say_nothing_are_problems() {
    let all = all(&[
        ("addon", "{repo: o/a, when: {paths: ['/a/*.glb', 'a[', ok], pointers: [/title, 'a/b', '/a~']}}"),
        ("shop", "{repo: o/s, accepts: {prodcut: '^1.0', icon: '1.0', product: '>=1.0 <2.0'}}"),
        ("website", "{repo: o/w, accepts: latest}"),
    ]);
    let told: Vec<String> =
        problems(&all, &known()).into_iter().map(|(at, sentence)| format!("{at}: {sentence}")).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    /addon/when/paths/0: "/a/*.glb" matches no file: paths begin at the library's root; write "a/*.glb"
    /addon/when/paths/1: error parsing glob 'a[': unclosed character class; missing ']'
    /addon/when/pointers/1: "a/b" does not begin with `/`: write "/a/b"
    /addon/when/pointers/2: "/a~" is no JSON Pointer such as `/title`
    /shop/accepts/icon: no collection has the schema "icon"; known schemas: `product`
    /shop/accepts/prodcut: no collection has the schema "prodcut"; did you mean `product`?
    /shop/accepts/product: ">=1.0 <2.0" is no range of versions, such as ">=1.0, <2.0" or "^1.2"
    /website/accepts: `latest` is no range: it is another version tomorrow
    "#);
}
