//! What others hear of a sync: a channel of Slack, the commit on GitHub; and the pages that `docs` writes.

use crate::fake_github::{FakeGitHub, Grant};
use crate::fake_slack::FakeSlack;
use crate::program::{Library, Program};

const TOKEN: &str = "ghp_canary";
const OWN_TOKEN: &str = "ghs_canary";
const WEBSITE: &str = "org/website";
const LIBRARY: &str = "org/library";
const SETTINGS: &str = "version: 1
collections: {products: {metadata: '*.json'}}
downstreams: {website: {repo: org/website, report: [commit-status, deployment]}}
notify: {slack: {webhook: '${{ env.SLACK }}'}}
";

struct Scene {
    library: Library,
    github: FakeGitHub,
    slack: FakeSlack,
}

impl Scene {
    fn new(is_gone: bool) -> Self {
        let library = Library::of(&[("stockroom.yml", SETTINGS), ("bolt.json", r#"{"title": "a <!channel> bolt"}"#)]);
        let github = FakeGitHub::start();
        github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, Grant::SendAndList);
        github.add_repo(LIBRARY, true).allow(OWN_TOKEN, LIBRARY, Grant::Report);
        Self { library, github, slack: FakeSlack::start(is_gone) }
    }

    fn sync(&self) -> Program {
        self.sync_as(&["sync"])
    }

    fn sync_as(&self, words: &[&str]) -> Program {
        self.library
            .program(words)
            .env("GITHUB_API_URL", self.github.url())
            .env("GITHUB_REPOSITORY", LIBRARY)
            .env("STOCKROOM_TOKEN", TOKEN)
            .env("STOCKROOM_GITHUB_TOKEN", OWN_TOKEN)
            .env("SLACK", self.slack.webhook())
    }
}

#[test]
fn a_change_is_told_once_and_shown_on_the_commit() {
    let scene = Scene::new(false);
    let run = scene.sync().run().ends(0);
    assert!(!run.both().contains("canary") && !run.both().contains("warning"), "{}", run.both());
    let told = scene.slack.told();
    assert_eq!((told.len(), &told[0]["text"]), (1, &"org/library: in step".into()), "{told:#?}");
    assert!(told[0].to_string().contains("*Repositories told*\\n1"), "{told:#?}");

    let commit = scene.library.git(&["rev-parse", "HEAD"]);
    let statuses = scene.github.statuses(LIBRARY);
    assert_eq!(statuses.len(), 1);
    assert_eq!((&statuses[0]["context"], &statuses[0]["state"]), (&"stockroom/website".into(), &"success".into()));
    assert_eq!(statuses[0]["sha"], commit.as_str());
    let deployments = scene.github.deployments(LIBRARY);
    assert_eq!((deployments.len(), &deployments[0]["environment"]), (1, &"website".into()));
    assert_eq!(
        (&deployments[0]["ref"], &deployments[0]["statuses"][0]["state"]),
        (&commit.as_str().into(), &"success".into())
    );

    scene.sync().run().ends(0);
    let after =
        (scene.slack.told().len(), scene.github.statuses(LIBRARY).len(), scene.github.deployments(LIBRARY).len());
    assert_eq!(after, (1, 1, 1), "what has not changed is told nobody");
}

/// Prints each sample as a line: its name, its labels, its value.
const PARSER: &str = "
import sys
from prometheus_client.parser import text_string_to_metric_families as families
for family in families(sys.stdin.read()):
    assert family.type == 'gauge' and family.documentation
    for sample in family.samples:
        labels = ','.join(v for k, v in sorted(sample.labels.items()))
        print(sample.name, labels, sample.value)
";

#[test]
fn the_numbers_of_a_run_are_what_prometheus_reads() {
    let scene = Scene::new(false);
    let file = scene.library.path("../metrics/stockroom.prom");
    let written = |words: &[&str]| {
        let words = [words, &["--metrics", file.to_str().unwrap()]].concat();
        let run = scene.sync_as(&words).run().ends(0);
        assert!(!run.both().contains("warning"), "{}", run.both());
        std::fs::read_to_string(&file).unwrap()
    };
    let text = written(&["sync"]);
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("stockroom_{name}{{"))).unwrap_or_default();
        line.rsplit(' ').next().unwrap_or_default().to_owned()
    };
    assert!(
        text.contains("stockroom_targets{library=\"org/library\",kind=\"downstream\",outcome=\"done\"} 1"),
        "{text}"
    );
    assert_eq!(
        (value(&text, "requests_writes").as_str(), value(&text, "budget_limit").as_str()),
        ("1", "5000"),
        "{text}"
    );
    let again = written(&["dispatch"]);
    assert_eq!(value(&again, "requests_writes"), "0", "{again}");

    let python = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/python/bin/python");
    let mut parser = std::process::Command::new(python);
    let has = parser.args(["-c", "import prometheus_client"]).stderr(std::process::Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: prometheus_client for Python is not in .tools; scripts/install-tools.sh installs it");
        return;
    }
    let mut parser = std::process::Command::new(parser.get_program());
    let read = parser.args(["-c", PARSER]).stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let read = String::from_utf8(read.stdout).unwrap();
    assert!(read.contains("stockroom_targets downstream,org/library,unchanged 1\n"), "{read}");
    assert_eq!(read.lines().count(), again.lines().filter(|line| !line.starts_with('#')).count());
}

#[test]
fn metrics_that_cannot_be_written_fail_no_run() {
    let scene = Scene::new(false);
    let run = scene.sync_as(&["sync", "--metrics", "/dev/null/no.prom"]).run().ends(0);
    assert!(run.err.contains("warning: the metrics could not be written to /dev/null/no.prom"), "{}", run.err);
}

#[test]
fn a_failure_is_told_and_names_the_target() {
    let scene = Scene::new(false);
    scene.github.allow(TOKEN, WEBSITE, Grant::Read);
    let run = scene.sync().run().ends(3);
    let told = scene.slack.told();
    assert_eq!((told.len(), &told[0]["text"]), (1, &"org/library: 1 of 2 targets failed".into()), "{}", run.both());
    assert_eq!(scene.github.statuses(LIBRARY)[0]["state"], "failure");

    scene.library.write("bolt.json", "{");
    scene.library.commit();
    scene.sync().run().ends(1);
    let told = scene.slack.told();
    assert_eq!((told.len(), &told[1]["text"]), (2, &"org/library: nothing was done".into()));
}

#[test]
fn who_cannot_be_told_fails_no_run() {
    let scene = Scene::new(true);
    scene.github.allow(OWN_TOKEN, LIBRARY, Grant::Read);
    let run = scene.sync().run().ends(0);
    for said in [
        "warning: Slack was not told: Slack refuses the message (404: no_service)",
        "give the job the permission `statuses: write`",
    ] {
        assert!(run.err.contains(said), "{}", run.err);
    }
    assert!(!run.both().contains("canary"), "{}", run.both());
}

#[test]
fn the_pages_are_the_same_everywhere_and_say_when_they_are_not() {
    let library = Library::example();
    let check = |code| library.run(&["docs", "--check"]).ends(code);
    assert!(check(1).out.contains("REPOSITORY_CONNECTIONS.md is missing"));
    library.run(&["docs"]).ends(0);
    check(0);
    let clone = library.duplicate();
    clone.run(&["docs", "--check"]).ends(0);
    library.write("DEPENDENCIES.md", "# Other\n");
    let said = check(1).out;
    assert!(
        said.contains("line 1 is \"# Other\" and should be \"# Dependencies\"")
            && said.contains("`stockroom docs` mends that"),
        "{said}"
    );
    let page = std::fs::read_to_string(library.path("REPOSITORY_CONNECTIONS.md")).unwrap();
    assert!(
        page.contains("n1[\"website<br/>example-org/website\"]") && page.contains("| `STOCKROOM_TOKEN` |"),
        "{page}"
    );
}
