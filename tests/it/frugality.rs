//! How many requests a large change costs.

use std::fmt::Write as _;

use crate::fake_github::{FakeGitHub, Grant};
use crate::program::Library;

const TOKEN: &str = "ghp_canary0123456789";
const SETTINGS: &str = "version: 1
collections: {icons: {metadata: 'icons/*.json'}}
downstreams:
  website: {repo: example-org/website}
  addon: {repo: example-org/addon, needs: [website]}
";

fn requests(library: &Library, github: &FakeGitHub, words: &[&str]) -> usize {
    let before = github.seen().len();
    let program = library.program(words).env("GITHUB_API_URL", github.url()).env("STOCKROOM_TOKEN", TOKEN);
    program.run().ends(0);
    github.seen().len() - before
}

fn write_all(library: &Library, title: &str) {
    for number in 0..10_000 {
        let mut text = String::new();
        writeln!(text, r#"{{"title": "{title} {number}"}}"#).unwrap();
        library.write(&format!("icons/{number}.json"), text);
    }
}

#[test]
fn a_push_of_ten_thousand_files_costs_no_more_than_twenty_requests() {
    let github = FakeGitHub::start();
    for repo in ["example-org/website", "example-org/addon"] {
        github.add_repo(repo, true).allow(TOKEN, repo, Grant::SendAndList);
    }
    let library = Library::of(&[("stockroom.yml", SETTINGS)]);
    let mut costs = Vec::new();
    for title in ["Icon", "Symbol"] {
        write_all(&library, title);
        library.commit();
        let cost = requests(&library, &github, &["check"]) + requests(&library, &github, &["sync"]);
        costs.push(cost);
    }
    eprintln!("requests for two pushes of 10,000 files: {costs:?}");
    // One event for each downstream: no request grows with the number of files.
    assert!(costs.iter().all(|cost| *cost <= 20), "{costs:?}");
    assert_eq!(github.dispatches("example-org/website").len(), 2);
    assert_eq!(github.dispatches("example-org/addon")[1]["client_payload"]["delta"]["counts"]["changed"], 10_000);
    assert_eq!(requests(&library, &github, &["sync"]), 0, "nothing has changed, so nobody is asked");
}
