//! The workflows of a repository: which of them an event begins, and how the run is called.

use serde_json::{Map, Value, json};

use super::World;
use super::answers::Answer;
use super::contract::Contract;
use super::runs::{Begun, html_url};

/// A workflow file on the default branch.
struct Workflow {
    path: String,
    text: Value,
}

/// The workflows on the default branch; none where the repository's files are not written down.
fn workflows(world: &World, slug: &str) -> Option<Vec<Workflow>> {
    let files = world.contents.get(slug)?.head()?;
    let of_folder = files.iter().filter(|(path, _)| {
        path.strip_prefix(".github/workflows/")
            .is_some_and(|name| !name.contains('/') && (name.ends_with(".yml") || name.ends_with(".yaml")))
    });
    let parsed = of_folder.filter_map(|(path, bytes)| {
        // GitHub starts nothing from a file that it cannot read.
        let text = serde_yaml::from_slice(bytes).ok()?;
        Some(Workflow { path: path.clone(), text })
    });
    Some(parsed.collect())
}

impl Workflow {
    /// What it says of a trigger; null where it has it without settings, nothing where it has it not.
    fn trigger(&self, name: &str) -> Option<Value> {
        match &self.text["on"] {
            Value::String(one) => (one == name).then_some(Value::Null),
            Value::Array(several) => several.iter().any(|one| one == name).then_some(Value::Null),
            on => on.as_object()?.get(name).cloned(),
        }
    }

    fn hears(&self, event_type: &str) -> bool {
        self.trigger("repository_dispatch").is_some_and(|trigger| match &trigger["types"] {
            Value::Null => true,
            Value::String(one) => one == event_type,
            several => several.as_array().is_some_and(|types| types.iter().any(|one| one == event_type)),
        })
    }

    fn title(&self, context: &Value, otherwise: &str) -> String {
        let name = self.text["run-name"].as_str().or(self.text["name"].as_str().filter(|_| otherwise.is_empty()));
        name.map_or_else(|| otherwise.to_owned(), |text| filled(text, context))
    }
}

/// A text with its expressions replaced: `a.b.c || 'otherwise'` is all that the fake understands.
fn filled(text: &str, context: &Value) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (expression, after) = after.split_once("}}").expect("an expression that ends");
        result += before;
        let values = expression.split("||").map(|operand| value(operand.trim(), context));
        result += &values.into_iter().find(|value| !value.is_empty()).unwrap_or_default();
        rest = after;
    }
    result + rest
}

fn value(operand: &str, context: &Value) -> String {
    if let Some(literal) = operand.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return literal.to_owned();
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    assert!(operand.chars().all(is_name), "the fake evaluates no `{operand}`");
    match operand.split('.').fold(context, |value, name| &value[name]) {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Every workflow, and whether it is switched off.
pub fn list(world: &World, slug: &str) -> Answer {
    let mut body = Contract::get().example("workflow-paginated");
    let example = body["workflows"][0].clone();
    let disabled = &world.repos[slug].disabled_workflows;
    let one = |workflow: Workflow| {
        let state = if disabled.contains(&workflow.path) { "disabled_manually" } else { "active" };
        let mut one = example.clone();
        one["path"] = workflow.path.into();
        one["state"] = state.into();
        one
    };
    let all: Vec<Value> = workflows(world, slug).unwrap_or_default().into_iter().map(one).collect();
    body["total_count"] = all.len().into();
    body["workflows"] = all.into();
    Answer::json(200, &body)
}

/// Takes a `repository_dispatch`: a run of each workflow that listens.
pub fn dispatch(world: &mut World, slug: &str, body: &[u8]) -> Answer {
    let refused = |message: &str| Answer::error(422, message);
    let Ok(event) = serde_json::from_slice::<Value>(body) else {
        return refused("Invalid request. The body is no JSON.");
    };
    let payload = &event["client_payload"];
    let Some(event_type) = event["event_type"].as_str().filter(|name| (1..=100).contains(&name.chars().count())) else {
        return refused("Invalid request. event_type must have 1 to 100 characters.");
    };
    if let Some(supplied) = payload.as_object().map(Map::len).filter(|keys| *keys > 10) {
        return refused(&format!("No more than 10 properties are allowed; {supplied} were supplied."));
    }
    if payload.to_string().len() >= 64 * 1024 {
        return refused("client_payload is too large.");
    }
    let (found, now) = (workflows(world, slug), world.seconds());
    let repo = world.repos.get_mut(slug).expect("a repository");
    let payload = json!({"action": event_type, "branch": repo.default_branch, "client_payload": payload,
        "repository": described(slug, &repo.default_branch)});
    let name = "repository_dispatch";
    let begun: Vec<(String, String)> = match found {
        None => {
            let correlation = payload["client_payload"]["correlation_id"].as_str().filter(|_| repo.shows_correlation);
            vec![(
                String::new(),
                correlation.map_or_else(|| event_type.to_owned(), |id| format!("{event_type} ({id})")),
            )]
        }
        Some(workflows) => {
            let context = json!({"github": {"event": payload, "event_name": name}});
            let listening = workflows.iter().filter(|workflow| workflow.hears(event_type));
            listening.map(|workflow| (workflow.path.clone(), workflow.title(&context, event_type))).collect()
        }
    };
    for (workflow, title) in begun {
        let id = repo.begin(name, title, workflow.clone(), now, None);
        let payload = payload.clone();
        world.begun.push(Begun { slug: slug.to_owned(), id, workflow, event: name, payload });
    }
    repo.dispatches.push(event);
    Answer::empty(204)
}

/// Takes a `workflow_dispatch` of one workflow.
pub fn start(world: &mut World, slug: &str, wanted: &str, body: &[u8]) -> Answer {
    let refused = |message: &str| Answer::error(422, message);
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let inputs = asked["inputs"].as_object().cloned().unwrap_or_default();
    if inputs.len() > 25 {
        return refused("you may only define up to 25 `inputs` for a `workflow_dispatch` event");
    }
    if Value::from(inputs.clone()).to_string().chars().count() > 65_535 {
        return refused("inputs are too large.");
    }
    let reference = asked["ref"].as_str().unwrap_or_default();
    let reference = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    let (found, now, is_old) = (workflows(world, slug), world.seconds(), world.is_enterprise);
    let has_ref = world.contents.get(slug).is_some_and(|contents| contents.has(reference));
    let repo = world.repos.get_mut(slug).expect("a repository");
    if reference != repo.default_branch && !has_ref {
        return refused(&format!("No ref found for: {reference}"));
    }
    let payload = json!({"inputs": inputs, "ref": format!("refs/heads/{reference}"),
        "repository": described(slug, &repo.default_branch), "workflow": format!(".github/workflows/{wanted}")});
    let title = match found {
        None => match inputs.get("correlation_id").and_then(Value::as_str).filter(|_| repo.shows_correlation) {
            Some(id) => format!("{wanted} ({id})"),
            None => wanted.to_owned(),
        },
        Some(workflows) => {
            let path = format!(".github/workflows/{wanted}");
            let Some(workflow) = workflows.iter().find(|workflow| workflow.path == path) else {
                return Answer::error(404, "Not Found");
            };
            let Some(trigger) = workflow.trigger("workflow_dispatch") else {
                return refused("Workflow does not have 'workflow_dispatch' trigger");
            };
            if let Some(message) = wrong_inputs(&trigger["inputs"], &inputs) {
                return refused(&message);
            }
            let context = json!({"github": {"event": payload, "event_name": "workflow_dispatch"}, "inputs": inputs});
            workflow.title(&context, "")
        }
    };
    let id = repo.begin("workflow_dispatch", title, format!(".github/workflows/{wanted}"), now, None);
    repo.dispatches.push(asked.clone());
    let workflow = format!(".github/workflows/{wanted}");
    world.begun.push(Begun { slug: slug.to_owned(), id, workflow, event: "workflow_dispatch", payload });
    if is_old || asked["return_run_details"] != true {
        return Answer::empty(204);
    }
    let mut told = Contract::get().example("workflow-dispatch-response");
    told["workflow_run_id"] = json!(id);
    told["run_url"] = json!(format!("https://api.github.com/repos/{slug}/actions/runs/{id}"));
    told["html_url"] = json!(html_url(id));
    Answer::json(200, &told)
}

/// Which inputs the workflow does not have, or which it misses.
fn wrong_inputs(declared: &Value, given: &Map<String, Value>) -> Option<String> {
    let unknown: Vec<_> = given.keys().filter(|name| declared[name.as_str()].is_null()).collect();
    if !unknown.is_empty() && !unknown.iter().all(|name| declared.get(name.as_str()).is_some()) {
        return Some(format!("Unexpected inputs provided: {}", json!(unknown)));
    }
    let missing = declared.as_object()?.iter().find(|(name, input)| {
        input["required"] == true && input["default"].is_null() && !given.contains_key(name.as_str())
    });
    missing.map(|(name, _)| format!("Required input '{name}' not provided"))
}

fn described(slug: &str, default_branch: &str) -> Value {
    let (owner, name) = slug.split_once('/').expect("owner/name");
    json!({"full_name": slug, "name": name, "default_branch": default_branch, "owner": {"login": owner}})
}

#[test]
fn a_runs_name_is_what_the_workflow_says() {
    let context = json!({"github": {"event": {"client_payload": {"correlation_id": "sr-1", "counts": 3}}}});
    let filled = |text: &str| filled(text, &context);
    assert_eq!(filled("Assets (${{ github.event.client_payload.correlation_id }})"), "Assets (sr-1)");
    assert_eq!(filled("${{ inputs.id || github.event.client_payload.counts }}${{ inputs.id || 'x' }}"), "3x");
    assert_eq!(filled("${{inputs.id}}nothing"), "nothing");
}
