use super::*;
use crate::ids::Sha256Hex;

fn acceptance(entries: &[(&str, &str)]) -> Acceptance {
    let read = |(name, yaml): &(&str, &str)| (DownstreamName::new(*name), serde_yaml::from_str(yaml).unwrap());
    Acceptance::of(&entries.iter().map(read).collect())
}

fn refused(acceptance: &Acceptance, collection: &str, schema: &str, version: Option<&str>) -> Vec<String> {
    let used =
        UsedSchema { name: SchemaName::new(schema), version: version.map(str::to_owned), sha256: Sha256Hex::of(b"") };
    let files = [RepoPath::new("a/bolt.glb")];
    let refusals =
        acceptance.refusals(&CollectionName::new(collection), &RepoPath::new("a/bolt.json"), &files.iter(), &used);
    refusals.into_iter().map(|refusal| refusal.downstream.to_string()).collect()
}

#[test]
fn one_range_is_for_all_schemas_of_what_concerns_a_downstream() {
    let all = acceptance(&[
        ("addon", "{repo: o/a, accepts: '>=1.0, <2.0'}"),
        ("free", "{repo: o/f}"),
        ("icons", "{repo: o/i, accepts: '^1.0', when: {collections: [icons]}}"),
    ]);
    assert_eq!(refused(&all, "products", "product", Some("1.9.3")), [""; 0]);
    assert_eq!(refused(&all, "products", "product", Some("2.0.0")), ["addon"]);
    assert_eq!(refused(&all, "icons", "icon", Some("2.0.0")), ["addon", "icons"]);
}

#[test]
fn a_range_for_a_schema_says_nothing_of_others() {
    let all = acceptance(&[("addon", "{repo: o/a, accepts: {product: '1.2'}}")]);
    assert_eq!(refused(&all, "products", "product", Some("1.2.0")), [""; 0]);
    assert_eq!(refused(&all, "products", "product", Some("1.2.1")), ["addon"], "a plain version is that one alone");
    assert_eq!(refused(&all, "icons", "icon", Some("9.0.0")), [""; 0]);
}

#[test]
fn a_record_none_of_whose_files_a_downstream_reads_is_not_refused() {
    let all = acceptance(&[
        ("models", "{repo: o/m, accepts: '1.0', when: {paths: ['**/*.glb']}}"),
        ("pictures", "{repo: o/p, accepts: '1.0', when: {paths: ['**/*.png']}}"),
        ("titles", "{repo: o/t, accepts: '1.0', when: {pointers: [/title]}}"),
    ]);
    assert_eq!(refused(&all, "products", "product", Some("2.0.0")), ["models", "titles"]);
}

#[test]
fn prereleases_and_latest_lie_in_no_range_that_does_not_name_them() {
    let holds = |range: &str, version| Range::parse(range).unwrap().holds(version);
    assert!(!holds(">=1.0, <2.0", Some("2.0.0-beta.1")) && !holds(">=1.0", Some("1.5.0-beta.1")));
    assert!(holds(">=2.0.0-beta.1, <3.0", Some("2.0.0-beta.2")));
    assert!(!holds(">=1.0", Some("latest")));
    assert!(holds("*", Some("latest")) && holds("*", Some("2.0.0-beta.1")));
    assert!(holds(">=1.0", None), "a schema without versions");
}

#[test]
fn what_is_no_range_is_said_to_be_none() {
    for text in [">=1.0 <2.0", "newest", "", "latest"] {
        assert!(Range::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_version_tells_whom_it_leaves() {
    let all = acceptance(&[
        ("addon", "{repo: o/a, accepts: '<2.0'}"),
        ("website", "{repo: o/w, accepts: {product: '>=1.0'}}"),
        ("icons", "{repo: o/i, accepts: '<2.0', when: {collections: [icons]}}"),
    ]);
    let products = CollectionName::new("products");
    let told = all.of_version(&SchemaName::new("product"), &Version::new(2, 0, 0), &[&products]);
    let told: Vec<_> = told.into_iter().map(|(name, range, holds)| (name.as_str(), range, holds)).collect();
    assert_eq!(told, [("addon", "<2.0", false), ("website", ">=1.0", true)]);
}

#[test]
fn the_finding_says_who_what_and_what_to_do() {
    let refusal = Refusal {
        downstream: DownstreamName::new("addon"),
        schema: "product@2.0.0".to_owned(),
        accepts: ">=1.0, <2.0".to_owned(),
    };
    let one = refusal.of_record(RepoPath::new("a.json"));
    assert_eq!(one.message, "addon cannot read this record: it accepts >=1.0, <2.0, and this follows product@2.0.0");
    assert_eq!(
        one.help.as_deref(),
        Some("keep a version that addon can read; once addon is ready, widen its `accepts` in stockroom.yml")
    );
    let many = refusal.of_many(RepoPath::new("a.json"), 1711).message;
    assert_eq!(
        many,
        "addon cannot read 1711 records, this one first: it accepts >=1.0, <2.0, and they follow product@2.0.0"
    );
}

#[test]
fn a_new_version_is_told_where_nobody_can_read_it_and_not_where_somebody_can() {
    let all =
        acceptance(&[("addon", "{repo: o/a, accepts: '<2.0'}"), ("website", "{repo: o/w, accepts: {product: '^1'}}")]);
    let products = CollectionName::new("products");
    let (schema, path) = (SchemaName::new("product"), RepoPath::new("schemas/product/v2.0.0.json"));
    let told = |version: &str, all: &Acceptance| {
        let version = Version::parse(version).unwrap();
        unaccepted(path.clone(), &schema, &version, &all.of_version(&schema, &version, &[&products]))
    };
    let message = told("2.0.0", &all).unwrap().message;
    assert_eq!(message, "no downstream can read product 2.0.0: addon accepts <2.0, website accepts ^1");
    assert_eq!(told("1.5.0", &all), None);
    assert_eq!(told("2.0.0", &Acceptance::default()), None, "nobody says what they can read");
}
