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
        self.library
            .program(&["sync"])
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
