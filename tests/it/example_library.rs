//! The library that ships with the project is one to copy from.

use std::collections::BTreeSet;
use std::path::Path;

use stockroom::config::Config;
use stockroom::ids::RepoPath;

#[test]
fn its_configuration_is_sound() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/library/stockroom.yml");
    let read = Config::read(&RepoPath::new("stockroom.yml"), std::fs::read(path).unwrap());
    let config = read.unwrap_or_else(|error| panic!("{:#?}", error.problems));
    let names: BTreeSet<_> = config.collections.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["guides", "products"]));
}
