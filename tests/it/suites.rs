//! What the suites of JSON and YAML parsers say must be accepted or rejected, each text as a record of one library.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::program::Library;

/// The codes that say that a text was not understood.
const REJECTIONS: [&str; 6] = ["syntax", "duplicate-key", "not-utf8", "too-deep", "too-many-values", "no-json-value"];

/// What a suite accepts and we reject: keys that stand twice; in YAML tags of one's own, the kinds of YAML 1.1, and aliases
/// in the place of keys.
const STRICTER: [(&str, &[&str]); 2] = [
    ("duplicate-key", &["y_object_duplicated_key", "y_object_duplicated_key_and_value"]),
    (
        "no-json-value",
        &[
            "2XXW-0", "565N-0", "6CK3-0", "7FWL-0", "C4HZ-0", "CC74-0", "CUP7-0", "J7PZ-0", "M5C3-0", "P76L-0",
            "UGM3-0", "Z67P-0", "Z9M4-0", "26DV-0", "E76Z-0",
        ],
    ),
];

struct Case {
    name: String,
    verdict: String,
    bytes: Vec<u8>,
    /// The values of its documents, where JSON can say them.
    values: Option<Vec<Value>>,
}

fn suite(notation: &str) -> Vec<Case> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/suites/{notation}.json"));
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(place).unwrap()).unwrap();
    let case = |case: &Value| {
        let text = |key: &str| case[key].as_str().map(str::to_owned);
        let times = || usize::try_from(case["times"].as_u64().unwrap()).unwrap();
        let mut bytes = text("text").unwrap_or_else(|| text("unit").unwrap().repeat(times())).into_bytes();
        for place in case["invalid"].as_array().into_iter().flatten() {
            bytes[usize::try_from(place.as_u64().unwrap()).unwrap()] = 0xFF;
        }
        let values = case.get("value").map(|value| vec![value.clone()]);
        let values = values.or_else(|| case.get("values").map(|values| values.as_array().unwrap().clone()));
        Case { name: text("name").unwrap(), verdict: text("verdict").unwrap(), bytes, values }
    };
    cases.iter().map(case).collect()
}

/// A library of all texts. Where a text is an object, a schema asks for exactly the value that the suite says it has.
fn library(suites: &[(&str, &[Case])]) -> Library {
    let library = Library::empty();
    let mut config = "version: 1\nschemas: { source: ./schemas }\ncollections:\n".to_owned();
    for (notation, cases) in suites {
        for (index, case) in cases.iter().enumerate() {
            let name = format!("{notation}-{index}");
            library.write(&format!("{name}/x.{notation}"), &case.bytes);
            let expected = case.values.as_deref().filter(|values| values.len() == 1 && values[0].is_object());
            let schema = match expected {
                Some(values) => {
                    library.write(&format!("schemas/{name}.json"), json!({"const": values[0]}).to_string());
                    format!(", schema: {name}")
                }
                None => String::new(),
            };
            writeln!(config, "  {name}: {{ metadata: \"{name}/*\"{schema} }}").unwrap();
        }
    }
    library.write("stockroom.yml", config);
    library
}

/// Whether a case went as the suite wants it, or as we do for a reason.
fn complaint(case: &Case, codes: &BTreeSet<String>) -> Option<String> {
    let rejection = REJECTIONS.iter().find(|code| codes.contains(**code));
    let is_as_wanted = match (case.verdict.as_str(), &case.values) {
        _ if codes.contains("internal") || codes.contains("took-too-long") => false,
        ("either", _) => true,
        ("reject", _) => rejection.is_some(),
        _ if STRICTER.iter().any(|(code, names)| codes.contains(*code) && names.contains(&&*case.name)) => true,
        // JSON has no word for it: it may be refused for that, but it is no mistake in the text.
        (_, None) => !codes.contains("syntax"),
        (_, Some(values)) => match values.as_slice() {
            [Value::Object(_)] => codes.is_empty() || codes.iter().all(|code| code == "imprecise-number"),
            [_] => rejection.is_none() && codes.contains("not-an-object"),
            [] => codes.contains("not-an-object"),
            _ => codes.contains("no-json-value"),
        },
    };
    (!is_as_wanted).then(|| format!("{} ({}): {codes:?}", case.name, case.verdict))
}

#[test]
fn every_text_of_the_parsers_suites_is_accepted_or_rejected_as_it_must_be() {
    let (json, yaml) = (suite("json"), suite("yaml"));
    assert_eq!((json.len(), yaml.len()), (318, 402));
    let run = library(&[("json", &json), ("yaml", &yaml)]).run(&["check", "--format", "json"]).ends(1);
    let mut codes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for finding in run.json()["findings"].as_array().unwrap() {
        let (path, code) = (finding["path"].as_str().unwrap(), finding["code"].as_str().unwrap());
        codes.entry(path.to_owned()).or_default().insert(code.to_owned());
    }
    let mut complaints = Vec::new();
    for (notation, cases) in [("json", &json), ("yaml", &yaml)] {
        for (index, case) in cases.iter().enumerate() {
            let codes = codes.remove(&format!("{notation}-{index}/x.{notation}")).unwrap_or_default();
            complaints.extend(complaint(case, &codes));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
