//! What is taken for an asset's title, tags, page and image, and what is not.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn settings(value: Value) -> Settings {
    serde_json::from_value(value).unwrap()
}

fn listed(settings_of: Value, record: &Value) -> Listed<'static> {
    Listing::new(&settings(settings_of)).of_record("products", "bolt", record)
}

#[test]
fn without_settings_the_usual_members_are_read() {
    let record = json!({
        "name": "Hex Bolt", "summary": "A bolt.\nIn steel.", "keywords": "bolt, steel,, bolt", "vendor": "Northbench",
        "license": {"name": "CC0-1.0"}
    });
    let found = listed(json!({}), &record);
    assert_eq!(found.title.as_deref(), Some("Hex Bolt"));
    assert_eq!(found.description.as_deref(), Some("A bolt.\nIn steel."));
    assert_eq!(found.tags, ["bolt", "steel"]);
    assert_eq!((found.author.as_deref(), found.license.as_deref()), (Some("Northbench"), Some("CC0-1.0")));
    assert_eq!((found.url, found.image), (None, None));
}

#[test]
fn the_first_pointer_that_names_a_text_counts() {
    let fields = json!({"title": ["/labels/en", "/labels/de", "/title"]});
    assert_eq!(
        listed(fields.clone(), &json!({"labels": {"en": 3, "de": "Schraube"}})).title.as_deref(),
        Some("Schraube")
    );
    assert_eq!(listed(fields, &json!({"labels": [], "title": "Bolt"})).title.as_deref(), Some("Bolt"));
}

#[test]
fn a_collection_can_differ_in_one_field_and_keeps_the_others() {
    let fields = json!({"title": "/a", "tags": "/t", "collections": {"guides": {"title": "/b"}}});
    let listing = Listing::new(&settings(fields));
    let record = json!({"a": "A", "b": "B", "t": ["x"]});
    let (guide, product) = (listing.of_record("guides", "1", &record), listing.of_record("products", "1", &record));
    assert_eq!((guide.title.as_deref(), product.title.as_deref()), (Some("B"), Some("A")));
    assert_eq!((guide.tags, product.tags), (vec!["x".to_owned()], vec!["x".to_owned()]));
}

#[test]
fn what_is_no_text_is_passed_over() {
    for odd in [
        json!(null),
        json!(1),
        json!(true),
        json!(["a"]),
        json!({"en": "x"}),
        json!(""),
        json!(" \n\t "),
        json!("\u{0}"),
    ] {
        let record = json!({"title": odd, "description": odd, "tags": {"a": 1}, "author": odd});
        assert_eq!(listed(json!({}), &record), Listed::default(), "{odd}");
    }
    assert_eq!(listed(json!({}), &json!({"tags": [1, null, "a", ["b"], "  "]})).tags, ["a"]);
}

#[test]
fn control_characters_and_turned_writing_do_not_get_through() {
    let found = listed(
        json!({}),
        &json!({"title": "a\u{1b}[31m\u{0}b\n c\u{202e}d\u{85}e", "description": "x\r\n\u{7}\ny \t z"}),
    );
    assert_eq!(found.title.as_deref(), Some("a [31m b cd e"));
    assert_eq!(found.description.as_deref(), Some("x\ny z"));
}

#[test]
fn what_is_huge_is_cut() {
    let tags: Vec<_> = (0..10_000).map(|n| format!("{n}{}", "x".repeat(1_000))).collect();
    let found =
        listed(json!({}), &json!({"title": "é".repeat(100_000), "description": "y".repeat(100_000), "tags": tags}));
    assert_eq!(found.title.map(|text| text.chars().count()), Some(LINE + 1));
    assert_eq!(found.description.map(|text| text.chars().count()), Some(TEXT + 1));
    assert_eq!((found.tags.len(), found.tags[0].chars().count()), (TAGS, TAG + 1));
}

#[test]
fn a_page_has_its_parts_percent_encoded() {
    let fields = json!({"url": "https://example.com/shop/{collection}/{id}?v={/version}#{/at/0}"});
    let record = json!({"version": 2, "at": ["$5 é&x"]});
    let url = Listing::new(&settings(fields.clone())).of_record("products", "a b/c?d#e", &record).url;
    assert_eq!(url.as_deref(), Some("https://example.com/shop/products/a%20b/c%3Fd%23e?v=2#%245%20%C3%A9%26x"));
    assert_eq!(listed(fields, &json!({"at": ["x"]})).url, None, "a part that the record lacks");
}

#[test]
fn an_id_cannot_lead_out_of_the_pages_folder() {
    let listing = Listing::new(&settings(json!({"url": "https://example.com/shop/{id}/index.html"})));
    for id in ["..", "../../admin", "a/../..", ".", "", "a/.", &"x".repeat(URL)] {
        assert_eq!(listing.of_record("products", id, &json!({})).url, None, "{id}");
    }
}

#[test]
fn what_cannot_work_is_told_at_its_place() {
    let fields = json!({
        "title": "title", "tags": ["/tags", "/a~2"], "url": "/{id}",
        "collections": {"a": {"description": "/d/*", "url": "https://example.com/{idd}"}, "b": {"url": "https://{id}.example.com/"}}
    });
    let told: Vec<_> =
        settings(fields).problems(None).into_iter().map(|(at, message)| format!("{at}: {message}")).collect();
    insta::assert_snapshot!(told.join("\n"), @r###"
    /title: "title" is no JSON Pointer; write "/title"
    /tags/1: "/a~2" is no JSON Pointer: after a ~ comes 0 or 1
    /url: "/{id}" is no address: write one such as "https://example.com/{collection}/{id}"
    /collections/a/description: "/d/*" names many values; a pointer of one value is wanted, without `*`
    /collections/a/url: {idd} stands for nothing: there are {collection}, {id} and {/pointer}
    /collections/b/url: "https://{id}.example.com/": "{id}.example.com" is no host; placeholders can stand only after the host's name
    "###);
}

#[test]
fn a_key_that_does_not_exist_is_refused() {
    for odd in [json!({"titel": "/a"}), json!({"collections": {"a": {"titel": "/a"}}})] {
        assert!(serde_json::from_value::<Settings>(odd).is_err());
    }
}

proptest! {
    #[test]
    fn whatever_a_record_holds_its_texts_are_bounded_and_bare_of_control_characters(text in "\\PC*|.*|(?s:.{0,400})", id in "(?s:.{0,20})") {
        let record = json!({"title": text, "description": text, "tags": [text], "author": text});
        let found = Listing::new(&settings(json!({"url": "https://example.com/{id}"}))).of_record("products", &id, &record);
        let lines = [found.title, found.author];
        let all = lines.iter().flatten().chain(&found.tags).chain(&found.description);
        for text in all {
            prop_assert!(!text.is_empty() && text.trim() == text);
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        }
        prop_assert!(lines.iter().flatten().chain(&found.tags).all(|text| !text.contains('\n')));
        if let Some(url) = found.url {
            prop_assert!(url.bytes().all(|b| b.is_ascii_graphic()));
            prop_assert!(url.starts_with("https://example.com/"));
        }
    }
}

#[test]
fn a_pointer_at_what_is_not_published_is_a_problem() {
    let settings: Settings = serde_json::from_value(json!({
        "title": ["/title", "/name"],
        "author": "/author/name",
        "tags": "/tags",
        "license": "/variants/0/license",
        "url": "https://example.com/{id}/{/sku}/{/slug}",
        "collections": {"a/b": {"description": "/summary"}},
    }))
    .unwrap();
    let fields = ["/title", "/author", "/tags/*", "/variants/*/license", "/slug"].map(str::to_owned);
    let told: Vec<_> = settings.problems(Some(&fields)).into_iter().map(|(at, why)| format!("{at}: {why}")).collect();
    let rest = "is not published, so nothing can be read there: name it in manifest.fields as well";
    assert_eq!(
        told,
        [
            format!("/title/1: \"/name\" {rest}"),
            format!("/url: \"/sku\" {rest}"),
            format!("/collections/a~1b/description: \"/summary\" {rest}"),
        ]
    );
    assert_eq!(settings.problems(None), []);
}
