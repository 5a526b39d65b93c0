//! How many requests a large change costs.

use std::fmt::Write as _;

use crate::fake_github::{FakeGitHub, Grant};
use crate::program::Library;

const TOKEN: &str = "ghp_canary0123456789";
const SETTINGS: &str = "version: 1
collections: {icons: {metadata: 'icons/**/*.json', id: '{stem}'}}
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

/// Without the index, which asks nobody and takes the time of all else together.
fn sync(library: &Library, github: &FakeGitHub) -> usize {
    let steps = [["sync", "--only", "manifest"], ["sync", "--only", "dispatch"]];
    steps.iter().map(|words| requests(library, github, words)).sum()
}

fn write_all(library: &Library) {
    for number in 0..10_000 {
        let mut text = String::new();
        writeln!(text, r#"{{"title": "Icon {number}"}}"#).unwrap();
        library.write(&format!("icons/{:02}/{number}.json", number % 100), text);
    }
}

#[test]
fn a_push_of_ten_thousand_files_costs_no_more_than_twenty_requests() {
    let github = FakeGitHub::start();
    for repo in ["example-org/website", "example-org/addon"] {
        github.add_repo(repo, true).allow(TOKEN, repo, Grant::SendAndList);
    }
    let library = Library::of(&[("stockroom.yml", SETTINGS)]);
    write_all(&library);
    library.commit();
    let cost = requests(&library, &github, &["check"]) + sync(&library, &github);
    eprintln!("requests for a push of 10,000 files: {cost}");
    // One event for each downstream: no request grows with the number of files.
    assert!((2..=20).contains(&cost), "{cost}");
    assert_eq!(github.dispatches("example-org/addon")[0]["client_payload"]["delta"]["counts"]["added"], 10_000);
    assert_eq!(sync(&library, &github), 0, "nothing has changed, so nobody is asked");
}
