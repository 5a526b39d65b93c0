//! `doctor`: what it says of things as they are, and that it changes nothing.

use serde_json::Value;
use stockroom::report::json::doctor;

use crate::fake_github::{FakeGitHub, Grant};
use crate::fake_slack::FakeSlack;
use crate::program::{Library, Program, named};

const TOKEN: &str = "ghp_canaryOfTheDoctor";
const WEBSITE: &str = "org/website";
const FOLDER: &str = ".github/workflows";
const SETTINGS: &str = "version: 1
collections: {products: {metadata: '*.json'}}
downstreams: {website: {repo: org/website, wait: 5m}}
embed: {text: [/title]}
";
const RECEIVER: &str = "run-name: Rebuild ${{ github.event.client_payload.correlation_id }}
on: {repository_dispatch: {types: [asset-updated]}}
jobs: {}
";

struct Scene {
    library: Library,
    github: FakeGitHub,
}

impl Scene {
    fn new(settings: &str) -> Self {
        let library = Library::of(&[("stockroom.yml", settings), ("bolt.json", r#"{"title": "a bolt"}"#)]);
        let github = FakeGitHub::start();
        github.add_repo(WEBSITE, true).allow(TOKEN, WEBSITE, Grant::SendAndList);
        Self { library, github }
    }

    fn receiver(self, text: &str) -> Self {
        self.github.publish(WEBSITE, "main", &[(&format!("{FOLDER}/rebuild.yml"), text)]);
        self
    }

    fn program(&self, words: &[&str]) -> Program {
        self.library.program(words).env("GITHUB_API_URL", self.github.url()).env("STOCKROOM_TOKEN", TOKEN)
    }

    /// What it says, and that it has changed nothing, here or there.
    fn diagnosis(&self, code: i32) -> Value {
        let before = self.library.everything();
        let run = self.program(&["doctor", "--format", "json"]).run().ends(code);
        assert!(!run.both().contains("canary"), "{}", run.both());
        assert_eq!(self.library.everything(), before, "nothing is written");
        let changing = self.github.seen().into_iter().find(|seen| seen.method != "GET");
        assert_eq!(changing, None, "nothing is changed elsewhere");
        run.document(&doctor::schema())
    }
}

fn told<'d>(diagnosis: &'d Value, name: &str) -> (&'d str, &'d str) {
    let service = named(&diagnosis["services"], "name", name);
    (service["status"].as_str().unwrap(), service["message"].as_str().unwrap())
}

#[test]
fn a_library_whose_website_listens_is_healthy() {
    let scene = Scene::new(SETTINGS).receiver(RECEIVER);
    let diagnosis = scene.diagnosis(0);
    assert_eq!(diagnosis["overall"], "healthy", "{diagnosis:#}");
    let names: Vec<&str> =
        diagnosis["services"].as_array().unwrap().iter().map(|service| service["name"].as_str().unwrap()).collect();
    let wanted = [
        "configuration",
        "git",
        "token/STOCKROOM_TOKEN",
        "downstream/website",
        "records",
        "state",
        "model",
        "embedding",
        "manifest",
    ];
    assert_eq!(names, wanted);
    assert!(told(&diagnosis, "downstream/website").1.contains(".github/workflows/rebuild.yml takes the deliveries"));
    assert!(told(&diagnosis, "token/STOCKROOM_TOKEN").1.contains("with the scope `repo`"));
    let people = scene.program(&["doctor"]).run().ends(0);
    assert!(people.out.ends_with("healthy: everything that a run needs is there\n"), "{}", people.out);
}

#[test]
fn without_a_token_the_outbox_is_explained_and_nobody_is_asked() {
    let scene = Scene::new(SETTINGS);
    let run = scene.library.run(&["doctor", "--format", "json"]).ends(3);
    let diagnosis = run.document(&doctor::schema());
    let (status, message) = told(&diagnosis, "downstream/website");
    assert_eq!((status, &diagnosis["overall"]), ("degraded", &"degraded".into()));
    assert!(
        message.starts_with("STOCKROOM_TOKEN is not set, so its deliveries are not sent but written to the outbox"),
        "{message}"
    );
    assert!(scene.github.seen().is_empty());
}

#[test]
fn a_receiver_that_would_not_take_the_deliveries_is_found_out() {
    for (workflow, status, said) in [
        (
            "on: {repository_dispatch: {types: [asset-update]}}",
            "unhealthy",
            "its workflows listen to \"asset-update\", and none to",
        ),
        ("on: repository_dispatch", "unhealthy", "so they cannot be awaited"),
        ("on: [", "unhealthy", "cannot be judged: it is not valid YAML"),
    ] {
        let diagnosis = Scene::new(SETTINGS).receiver(workflow).diagnosis(2);
        let website = told(&diagnosis, "downstream/website");
        assert!(website.0 == status && website.1.contains(said), "{workflow}: {website:?}");
    }
    let not_awaited = SETTINGS.replace(", wait: 5m", "");
    let diagnosis = Scene::new(&not_awaited).receiver("on: repository_dispatch").diagnosis(3);
    assert_eq!(told(&diagnosis, "downstream/website").0, "degraded");
}

#[test]
fn a_workflow_that_is_begun_by_hand_must_have_the_inputs() {
    let settings = SETTINGS.replace("wait: 5m", "workflow: rebuild.yml, payload: {environment: prod}");
    let lacking = "on: {workflow_dispatch: {inputs: {correlation_id: {}, envelope: {}}}}";
    let diagnosis = Scene::new(&settings).receiver(lacking).diagnosis(2);
    let (_, message) = told(&diagnosis, "downstream/website");
    assert!(message.contains("lacks the inputs `environment`"), "{message}");
}

#[test]
fn a_workflow_that_is_switched_off_takes_nothing() {
    let scene = Scene::new(SETTINGS).receiver(RECEIVER);
    scene.github.disable_workflow(WEBSITE, &format!("{FOLDER}/rebuild.yml"));
    let (status, message) = {
        let diagnosis = scene.diagnosis(2);
        let (status, message) = told(&diagnosis, "downstream/website");
        (status.to_owned(), message.to_owned())
    };
    assert!(status == "unhealthy" && message.contains("rebuild.yml would take them, but is disabled"), "{message}");
}

#[test]
fn a_secret_that_cannot_sign_is_found_out_and_fails_its_downstream_alone() {
    let shop = "shop: {webhook: {url: '${{ env.HOOK }}', secret: '${{ env.HOOK_SECRET }}'}}";
    let settings = SETTINGS.replace(", wait: 5m}", &format!("}}, {shop}")).replace("embed: {text: [/title]}\n", "");
    let scene = Scene::new(&settings).receiver(RECEIVER);
    let hook = |program: Program| program.env("HOOK", "https://127.0.0.1:1/canary").env("HOOK_SECRET", "canary");
    let run = hook(scene.program(&["doctor", "--format", "json"])).run().ends(2);
    let diagnosis = run.document(&doctor::schema());
    let (_, message) = told(&diagnosis, "downstream/shop");
    assert!(message.contains("the webhook's secret has 6 bytes") && !run.both().contains("canary"), "{message}");

    let run = hook(scene.program(&["sync"])).run().ends(3);
    assert!(run.out.contains("the webhook's secret has 6 bytes") && !run.both().contains("canary"), "{}", run.both());
    assert_eq!(scene.github.dispatches(WEBSITE).len(), 1, "the others are told");
    hook(scene.program(&["plan"])).run().ends(0);
}

#[test]
fn a_repository_or_a_token_that_is_of_no_use_is_found_out() {
    let scene = Scene::new(SETTINGS).receiver(RECEIVER);
    scene.github.archive(WEBSITE);
    assert!(told(&scene.diagnosis(2), "downstream/website").1.contains("is archived"));

    let scene = Scene::new(&SETTINGS.replace("org/website", "org/nowhere"));
    assert!(told(&scene.diagnosis(2), "downstream/website").1.contains("out of the token's reach"));

    let scene = Scene::new(SETTINGS).receiver(RECEIVER);
    scene.github.scopes(TOKEN, "gist");
    let diagnosis = scene.diagnosis(2);
    assert!(told(&diagnosis, "token/STOCKROOM_TOKEN").1.contains("has not got the scope `repo`"), "{diagnosis:#}");
}

#[test]
fn a_configuration_that_is_broken_is_a_diagnosis_too() {
    let scene = Scene::new("version: 1\ncollections: {products: {metdata: x}}\n");
    let diagnosis = scene.diagnosis(2);
    let (status, message) = told(&diagnosis, "configuration");
    assert!(
        status == "unhealthy" && message.contains("stockroom.yml has 1 problem; the first, in line 2"),
        "{message}"
    );
}

#[test]
fn what_a_downstream_cannot_read_is_told() {
    let library = Library::example();
    let settings = std::fs::read_to_string(library.path("stockroom.yml")).unwrap();
    library.write("stockroom.yml", settings.replace("    event: asset-updated\n", "    accepts: \"<1.1\"\n"));
    library.commit();
    let diagnosis = library.run(&["doctor", "--format", "json"]).ends(2).document(&doctor::schema());
    let (_, message) = told(&diagnosis, "accepts");
    assert!(message.contains("1.1.0") && message.contains("widen `accepts`"), "{message}");
}

#[test]
fn a_webhook_of_slack_is_tried_without_telling_anybody() {
    let settings = format!("{SETTINGS}notify: {{slack: {{webhook: '${{{{ env.SLACK }}}}'}}}}\n");
    let scene = Scene::new(&settings).receiver(RECEIVER);
    let with = |slack: &FakeSlack, code| {
        let run = scene.program(&["doctor", "--format", "json"]).env("SLACK", slack.webhook()).run().ends(code);
        assert!(!run.both().contains("canary-of-slack") && slack.told().is_empty(), "{}", run.both());
        run.document(&doctor::schema())
    };
    assert_eq!(told(&with(&FakeSlack::start(false), 0), "slack").0, "healthy");
    let gone = with(&FakeSlack::start(true), 2);
    assert!(told(&gone, "slack").1.contains("make a new incoming webhook"), "{gone:#}");
    assert_eq!(told(&scene.diagnosis(3), "slack").0, "degraded");
}
