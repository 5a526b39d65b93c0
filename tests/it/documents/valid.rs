//! What the program reads and writes follows the schemas that are published for it.

use serde_json::Value;

use super::read;
use super::sample::Sample;

use crate::published;

fn follows(document: &Value, name: &str) {
    let schema = serde_json::from_str(&read(&format!("dist/schemas/{name}.schema.json"))).unwrap();
    let validator = jsonschema::options().offline().build(&schema).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(wrong, Vec::<String>::new(), "{document:#} against {name}.schema.json");
    assert!(!validator.is_valid(&serde_json::json!({ "version": 2 })), "{name}.schema.json refuses nothing");
}

#[test]
fn the_shipped_configuration_follows_its_schema() {
    let config: Value = serde_yaml::from_str(&read("examples/library/stockroom.yml")).unwrap();
    follows(&config, "stockroom");
}

#[test]
fn every_index_in_the_guide_can_be_had_as_it_stands() {
    let guide = read("docs/embedding.md");
    let blocks = guide.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let mut indexes = 0;
    for block in blocks {
        let config: Value = serde_yaml::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"));
        let Some(embed) = config.get("embed") else { continue };
        let settings: stockroom::embedding::Settings =
            serde_json::from_value(embed.clone()).unwrap_or_else(|error| panic!("{error}: {block}"));
        assert_eq!(settings.problems(), [], "{block}");
        indexes += 1;
    }
    assert!(indexes >= 7, "{indexes}");
}

#[test]
fn what_the_commands_print_follows_their_schemas() {
    let sample = Sample::new();
    follows(&sample.json("check --format json"), "check");
    follows(&sample.json("plan --format json"), "plan");
    follows(&sample.json("sync --format json"), "sync");
    follows(&sample.json("sync --format json"), "sync");
    follows(&sample.json("status --format json"), "status");
    follows(&sample.json("state show --format json"), "state");
    follows(&sample.json("state history --format json"), "state-history");
    follows(&sample.json("search bolt --format json"), "search");
    sample.run("rm 'examples/library/Hex Bolt Gen v2/icon_Hex Bolt Gen v2.png'");
    let broken = sample.json("check --format json");
    assert_eq!(broken["findings"][0]["code"], "file-missing");
    follows(&broken, "check");
}

#[test]
fn what_is_published_follows_its_schemas() {
    let sample = Sample::new();
    sample.run("dist/stockroom.sh -C examples/library sync");
    follows(&sample.event()["client_payload"], "envelope");
    sample.run("sed -i s/Parametric/Handy/ 'examples/library/Hex Bolt Gen v2/Hex Bolt Gen v2.json'");
    sample.run("dist/stockroom.sh -C examples/library sync");
    let folder = sample.published();
    let root = published::root(&folder);
    follows(&root, "manifest-root");
    for kind in ["shards", "index", "delta", "updated"] {
        follows(&published::json(&folder, &root[kind]), &format!("manifest-{kind}"));
    }
    let shards = published::shards(&folder);
    assert_eq!(shards.len(), 2);
    shards.iter().for_each(|(_, shard)| follows(&published::json(&folder, shard), "manifest-shard"));
}
