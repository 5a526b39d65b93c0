//! Hubs: several libraries' manifests as one, by whole runs of the program.

use std::fs;
use std::path::Path;

use crate::program::{Library, Run};
use crate::published;
use crate::published::FIRST;

/// Two libraries that are published, and a folder for a hub beside the first.
struct Hub {
    tools: Library,
    props: Library,
}

impl Hub {
    fn new() -> Self {
        let hub = Self { tools: Library::example(), props: Library::example() };
        for library in [&hub.tools, &hub.props] {
            library.run(&["sync", "--only", "manifest"]).ends(0);
        }
        hub
    }

    fn federate(&self) -> Run {
        let source =
            |name: &str, library: &Library| format!("{name}={}", library.path(".stockroom/manifest").display());
        self.tools.run(&["federate", &source("tools", &self.tools), &source("props", &self.props), "-o", "../hub"])
    }

    fn folder(&self) -> std::path::PathBuf {
        self.tools.beside("hub")
    }
}

fn edit(library: &Library, title: &str) {
    library.edit("Hex Bolt Gen v2/Hex Bolt Gen v2.json", "\"title\": \"", &format!("\"title\": \"{title} "));
    library.commit();
    library.run(&["sync", "--only", "manifest"]).ends(0);
}

fn seqs(folder: &Path) -> Vec<(String, u64)> {
    let members = published::root(folder)["members"].as_array().unwrap().clone();
    members.iter().map(|m| (m["name"].as_str().unwrap().to_owned(), m["seq"].as_u64().unwrap())).collect()
}

#[test]
fn a_hub_has_the_very_shards_of_its_libraries_and_is_written_only_when_they_change() {
    let hub = Hub::new();
    hub.federate().ends(0);
    let folder = hub.folder();
    assert_eq!(seqs(&folder), [("props".to_owned(), FIRST), ("tools".to_owned(), FIRST)]);
    let members = published::root(&folder)["members"].clone();
    assert!(members.as_array().unwrap().iter().all(|member| member["place"] == "manifest"), "{members}");
    let own = hub.tools.path(".stockroom/manifest");
    let (all, one) = (published::assets(&folder), published::assets(&own));
    assert_eq!(all.len(), 2 * one.len());
    for (collection, shard) in published::shards(&own) {
        assert!(published::shards(&folder).contains(&(format!("tools/{collection}"), shard)));
    }
    hub.tools.run(&["verify", "../hub"]).ends(0);

    let before = hub.tools.digests(&["../hub"]);
    let again = hub.federate().ends(0);
    assert!(again.both().contains("nothing was written"), "{}", again.both());
    assert_eq!(hub.tools.digests(&["../hub"]), before);

    edit(&hub.props, "Another");
    hub.federate().ends(0);
    assert_eq!(seqs(&folder), [("props".to_owned(), FIRST + 1), ("tools".to_owned(), FIRST)]);
    let root = published::root(&folder);
    let put = published::json(&folder, &root["delta"])["put"].as_array().unwrap().clone();
    assert_eq!((put.len(), put[0]["collection"].as_str()), (1, Some("props/products")));
    hub.tools.run(&["pull", "../hub", "-o", "../mirror", "--files", "none"]).ends(0);
    assert!(
        hub.tools.run(&["pull", "../hub", "-o", "../mirror", "--files", "thumbnial"]).ends(2).err.contains("thumbnail")
    );
}

#[test]
fn a_library_that_is_away_damaged_or_went_back_stays_as_it_was() {
    let hub = Hub::new();
    hub.federate().ends(0);
    let manifest = hub.props.path(".stockroom/manifest");
    let kept = published::assets(&hub.folder());
    let first = hub.props.beside("first");
    crate::program::copy(&manifest, &first);
    edit(&hub.props, "Another");

    // Damaged: one byte of a shard.
    let (_, shard) = published::shards(&manifest).into_iter().find(|(name, _)| name == "products").unwrap();
    let shard = manifest.join(shard["path"].as_str().unwrap());
    let good = fs::read(&shard).unwrap();
    fs::write(&shard, String::from_utf8(good.clone()).unwrap().replacen("Another", "Anothes", 1)).unwrap();
    edit(&hub.tools, "Newer");
    let run = hub.federate().ends(3);
    assert!(run.both().contains("props: not taken, the hub keeps what it has"), "{}", run.both());
    assert_eq!(seqs(&hub.folder()), [("props".to_owned(), FIRST), ("tools".to_owned(), FIRST + 1)]);
    let now = published::assets(&hub.folder());
    assert!(
        kept.iter().filter(|((of, _), _)| of.starts_with("props/")).all(|(key, value)| now.get(key) == Some(value))
    );

    // Away.
    fs::rename(&manifest, hub.props.beside("elsewhere")).unwrap();
    let run = hub.federate().ends(3);
    assert!(run.both().contains("there is no manifest"), "{}", run.both());
    assert_eq!(published::assets(&hub.folder()), now);

    // Back and whole: taken; and then as it was at first: refused.
    fs::rename(hub.props.beside("elsewhere"), &manifest).unwrap();
    fs::write(&shard, good).unwrap();
    hub.federate().ends(0);
    assert_eq!(seqs(&hub.folder()), [("props".to_owned(), FIRST + 1), ("tools".to_owned(), FIRST + 1)]);
    fs::remove_dir_all(&manifest).unwrap();
    fs::rename(&first, &manifest).unwrap();
    let run = hub.federate().ends(3);
    assert!(run.both().contains(&format!("it is edition {FIRST}")), "{}", run.both());
    assert_eq!(seqs(&hub.folder()), [("props".to_owned(), FIRST + 1), ("tools".to_owned(), FIRST + 1)]);
}

#[test]
fn what_is_no_hub_is_not_replaced_and_names_are_told_apart() {
    let hub = Hub::new();
    let source = hub.props.path(".stockroom/manifest").display().to_string();
    let run = hub.tools.run(&["federate", &format!("a={source}"), "-o", ".stockroom/manifest"]).ends(2);
    assert!(run.both().contains("of no hub"), "{}", run.both());
    for (members, said) in [
        (vec![source.clone()], "NAME=SOURCE"),
        (vec![format!("a={source}"), format!("a={source}")], "two libraries are called"),
        (vec![format!("a/b={source}")], "no name for a library"),
        (vec!["a=absent/folder".to_owned()], "nothing was published"),
    ] {
        let words: Vec<&str> =
            ["federate"].into_iter().chain(members.iter().map(String::as_str)).chain(["-o", "new"]).collect();
        let run = hub.tools.run(&words).ends(2);
        assert!(run.both().contains(said), "{}", run.both());
    }
    assert!(!hub.tools.path("new").exists());
    for address in ["git:../hub.git#main", "github:org/hub#gh-pages", "https://hub.example.com/", "file:///tmp/hub"] {
        let run = hub.tools.run(&["federate", &format!("a={source}"), "-o", address]).ends(2);
        assert!(run.both().contains("name a folder or a bucket"), "{}", run.both());
        let run = hub.tools.run(&["pull", &source, "-o", address]).ends(2);
        assert!(run.both().contains("a folder of this machine alone"), "{}", run.both());
    }
    hub.tools.run(&["pull", &source, "-o", "s3://bucket/x"]).ends(2);
    for scheme in ["git:..", "git:", "github:org", "https:", "file:", "s3:"] {
        assert!(!hub.tools.path(scheme).exists(), "{scheme}");
    }
}
