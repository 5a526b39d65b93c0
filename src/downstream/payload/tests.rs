use proptest::prelude::*;

use super::*;
use crate::ids::{AssetId, AssetKey, CollectionName, CommitId, RepoSlug, Sha256Hex, TargetName};

fn payload(yaml: &str) -> BTreeMap<String, Value> {
    serde_yaml::from_str(yaml).unwrap()
}

fn event() -> Receiver {
    Receiver::Event { repo: RepoSlug::parse("org/website").unwrap(), event: "asset-updated".into() }
}

fn problems(payload: &BTreeMap<String, Value>) -> Vec<Problem> {
    super::problems(payload, &event())
}

fn keys(ids: impl IntoIterator<Item = String>) -> Vec<AssetKey> {
    ids.into_iter().map(|id| AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) }).collect()
}

fn facts(added: Vec<AssetKey>) -> Facts {
    let news = Announcement {
        rollback: false,
        repository: RepoSlug::parse("org/library").ok(),
        commit: CommitId::parse(&"a".repeat(40)).ok(),
        reference: Some("refs/heads/main".into()),
        manifest_url: Some("https://cdn.example/manifest.json".into()),
        manifest_digest: Some(Sha256Hex::of(b"manifest")),
        schemas: [("product-metadata".to_owned(), vec!["1.0.0".to_owned()])].into(),
    };
    let correlation = CorrelationId::of(&TargetName::new("downstream/website"), &Sha256Hex::of(b"slice"), "salt");
    Facts::new(&news, &Delta { added, ..Delta::default() }, true, &correlation)
}

fn one(template: &str, facts: &Facts) -> String {
    let payload = [("note".to_owned(), Value::from(template))].into();
    match render(&payload, facts) {
        Ok(told) => told["note"].as_str().unwrap().to_owned(),
        Err(error) => format!("refused: {error}"),
    }
}

fn problem(template: &str) -> String {
    let found = problems(&[("note".to_owned(), Value::from(template))].into());
    found.into_iter().map(|(at, why)| format!("{at} {why}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_text_is_a_template_and_everything_else_stays() {
    let payload = payload(
        "{environment: prod, dry: false, size: 3, nothing: null, \
         note: '{{ delta.counts.added }} new in {{ ref }}', more: {list: ['{{ commit }}', 'a * b } { c'], '{{ key }}': 1}}",
    );
    assert_eq!(problems(&payload), []);
    let told = render(&payload, &facts(keys(["bolt".into()]))).unwrap();
    insta::assert_json_snapshot!(Value::Object(told), @r#"
    {
      "dry": false,
      "environment": "prod",
      "more": {
        "list": [
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
          "a * b } { c"
        ],
        "{{ key }}": 1
      },
      "note": "1 new in refs/heads/main",
      "nothing": null,
      "size": 3
    }
    "#);
}

#[test]
fn expressions_choose_and_join() {
    let facts = facts(keys(["bolt".into(), "nut & <screw>".into()]));
    let table = [
        ("{{ delta.added | map(attribute='id') | join(', ') }}", "bolt, nut & <screw>"),
        ("{{ delta.added | length }} of {{ delta.added|length + delta.counts.removed }}", "2 of 2"),
        ("{{ 'much' if delta.counts.added > 1 else 'little' }}", "much"),
        ("{{ delta.added[0].id if delta.added else 'none' }}", "bolt"),
        ("{{ (delta.added | last).collection | upper if delta.added else '' }}", "PRODUCTS"),
        ("{{ schemas['product-metadata'] | first }}{{ delta.truncated }}", "1.0.0false"),
        ("{{ manifest.url or 'nowhere' }}", "https://cdn.example/manifest.json"),
        ("*{{ commit[:7] }}* and *{{ correlation_id }}*", "*aaaaaaa* and *sr-fea636176eb17501*"),
    ];
    for (template, wanted) in table {
        assert_eq!(one(template, &facts), wanted, "{template}");
        assert_eq!(problem(template), "", "{template}");
    }
}

#[test]
fn what_is_not_known_is_nothing() {
    let correlation = CorrelationId::new("sr-1");
    let bare = Facts::new(&Announcement::default(), &Delta::default(), false, &correlation);
    assert_eq!(one("[{{ repository }}{{ commit }}{{ manifest.url }}]", &bare), "[]");
    assert_eq!(one("{{ repository or 'a folder' }} {{ delta.truncated }}", &bare), "a folder true");
}

#[test]
fn what_is_filled_in_is_no_template() {
    let facts = facts(keys(["{{ commit }}{% raw %}".into()]));
    assert_eq!(one("{{ delta.added[0].id }}", &facts), "{{ commit }}{% raw %}");
}

#[test]
fn each_mistake_is_named_where_it_stands() {
    let table = [
        "{{ delta.counts.aded }}",
        "{{ comit }}",
        "{{ delta.added[0].id }}",
        "{{ commit",
        "{{ commit | shout }}",
        "{{ commit + }}",
        "{% for x in delta.added %}{{ x }}{% endfor %}",
        "{{ 'x' * 100000000 }}",
        "{{ 1 in [1].count({'a': 1}) }}",
        "{{ range(3) }}",
        "{{ commit.upper() }}",
        "{{ include('x') }}",
        "{{ commit is odd }}",
        "{{ delta.added - 1 }}",
        "{{ delta.added }}",
        "${{ env.TOKEN }}",
        "{{ delta }}",
    ];
    insta::assert_snapshot!(table.map(problem).join("\n"), @r"
    /note names `delta.counts.aded`, which there is not; `aded` would be one of `added`, `changed`, `removed`
    /note names `comit`, which there is not; `comit` would be one of `commit`, `correlation_id`, `delta`, `manifest`, `ref`, `repository`, `schemas`
    /note names something that there is not, where nothing of the kind has changed or is known; say what it is then, by `… if … else …`
    /note has `{{` without the `}}` that ends it
    /note uses a filter that there is not: filter shout is unknown; there are `first`, `join`, `last`, `length`, `lower`, `map` and `upper`
    /note is no template: unexpected end of variable block; values are filled in as in `{{ delta.counts.added }} new`
    /note holds `{%` or `{#`; only values can be filled in, as in `{{ delta.counts.added }} new`
    /note holds `*` between `{{` and `}}`, which has no meaning there
    /note holds `{` between `{{` and `}}`, which has no meaning there
    /note names `range`, which there is not; `range` would be one of `commit`, `correlation_id`, `delta`, `manifest`, `ref`, `repository`, `schemas`
    /note cannot be filled in: string has no method named upper
    /note names `include`, which there is not; `include` would be one of `commit`, `correlation_id`, `delta`, `manifest`, `ref`, `repository`, `schemas`
    /note cannot be filled in: test odd is unknown
    /note cannot be filled in: tried to use - operator on unsupported types sequence and number
    /note cannot be filled in: it is a list; join it, as in `| map(attribute='id') | join(', ')`
    /note refers to a variable of the environment; a payload is for everybody to read, and holds no secrets
    /note cannot be filled in: it is a group of fields; name one of them
    ");
    let nested = payload("{a: {b: ['', '{{ x }}']}, 'c d': 1}");
    let found: Vec<_> = problems(&nested).into_iter().map(|(at, _)| at).collect();
    assert_eq!(found, ["/a/b/1", "/c d"]);
}

#[test]
fn a_key_must_be_one_that_the_receiver_can_take() {
    let payload = payload("{envelope: 1, STOCKROOM_ENVELOPE: 1, dry-run: 1}");
    let at =
        |receiver: Receiver| -> Vec<_> { super::problems(&payload, &receiver).into_iter().map(|(at, _)| at).collect() };
    let repo = RepoSlug::parse("org/website").unwrap();
    let project = json!({"project": "group/name", "trigger": "${{ env.T }}"});
    assert_eq!(at(event()), [""; 0]);
    assert_eq!(at(Receiver::Workflow { repo, workflow: "a.yml".into(), reference: None }), ["/envelope"]);
    let pipeline = Receiver::Pipeline(serde_json::from_value(project).unwrap());
    assert_eq!(at(pipeline), ["/STOCKROOM_ENVELOPE", "/dry-run"]);
}

#[test]
fn a_payload_is_bounded_in_keys_and_bytes() {
    let many: BTreeMap<_, _> = (0..21).map(|i| (format!("k{i}"), Value::from(i))).collect();
    assert_eq!(problems(&many), [(String::new(), "a payload has at most 20 keys, this one has 21".to_owned())]);
    let large = payload(&format!("{{a: {}, b: {}}}", "x".repeat(9_000), "y".repeat(9_000)));
    let why = "becomes 18015 bytes of JSON, and has room for 16000; say less in it".to_owned();
    assert_eq!(problems(&large), [(String::new(), why)]);
    let all = facts(keys((0..2_000).map(|i| format!("asset {i}"))));
    assert_eq!(
        one("{{ delta.added | length }} {{ delta.counts.added }} {{ delta.truncated }}", &all),
        "1000 2000 true"
    );
    let named = "{{ delta.added | map(attribute='id') | join(', and then there is ') }}";
    let refused = "refused: `payload/note` becomes longer than 16000 bytes; say less in it";
    assert_eq!(one(named, &all), refused);
    assert_eq!(one(&"{{ commit }}".repeat(100), &all).len(), 4_000);
    assert_eq!(one(&format!("{0}{0}", "{{ delta.added | map(attribute='id') | join(',') }}"), &all), refused);
    assert!(problem(&format!("{{{{ commit }}}}{}", "é".repeat(2_000))).contains("more than 2000 characters"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_template_panics_or_grows(
        parts in proptest::collection::vec(prop_oneof![
            Just("{{"), Just("}}"), Just("delta"), Just(".added"), Just(" | join('xxxxxxxxxxxxxxxxxxxx')"), Just("~"),
            Just("("), Just(")"), Just("["), Just("]"), Just("commit"), Just(" if "), Just(" else "), Just(" not "),
            Just("'"), Just("\""), Just("1"), Just("99999999999"), Just("+"), Just("-"), Just("/"), Just("%"), Just("//"),
            Just("{%"), Just(" is "), Just(" in "), Just("|map('upper')"), Just("|first"), Just(":"), Just(","), Just("."),
        ], 0..60),
    ) {
        let facts = facts(keys(["a".repeat(100)]));
        let text = parts.concat();
        let told = one(&text, &facts);
        prop_assert!(told.len() <= MAX_EXTRA_BYTES + 500);
        problem(&text);
        let inside = one(&format!("{{{{ {text} }}}}"), &facts);
        prop_assert!(inside.len() <= MAX_EXTRA_BYTES + 500);
    }
}

#[test]
fn a_number_at_the_edge_of_what_a_machine_counts_is_refused_before_it_is_read() {
    for text in ["{{ 'abc'[::-9223372036854775808] }}", "{{ commit[:99999999999999999999] }}"] {
        let payload = BTreeMap::from([("a".to_owned(), Value::from(text))]);
        let found = problems(&payload);
        assert!(matches!(&found[..], [(_, why)] if why.contains("more than 9 digits")), "{found:?}");
    }
}
