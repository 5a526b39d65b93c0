//! Whether a repository receives what is sent to it: what its workflow files say, judged without asking anybody else.
//!
//! The files are somebody else's: what is no workflow, or too much of one, is unreadable, and the others count.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

/// A workflow file larger than this is none that a person wrote.
pub const MAX_WORKFLOW: usize = 256 * 1024;
/// How many other event types are named.
const MOST_NAMED: usize = 5;
/// A longer text is no event type: GitHub takes 100 characters.
const MAX_TYPE: usize = 100;

/// What one workflow file says of how it is begun.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workflow {
    /// The types of `repository_dispatch` that it listens to; none where it does not, empty where it listens to all.
    types: Option<BTreeSet<String>>,
    /// The inputs of its `workflow_dispatch`, and whether each must be given; none where it cannot be begun so.
    inputs: Option<Vec<(String, bool)>>,
    /// Whether the name of its runs holds the correlation id.
    shows_correlation: bool,
    /// Whether somebody, or GitHub itself, has switched it off: then nothing begins it.
    is_disabled: bool,
}

/// What a delivery needs of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// That it listens to this type of `repository_dispatch`.
    Event(String),
    /// That this file can be begun by `workflow_dispatch` with these inputs.
    Manual {
        /// The file's name, without its folder.
        file: String,
        /// The inputs that are sent.
        inputs: BTreeSet<String>,
    },
}

/// Whether a repository receives a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reception {
    /// A workflow takes it, and its runs are found again.
    Traceable {
        /// The file.
        file: String,
    },
    /// A workflow takes it, but its runs do not show the correlation id.
    Untraceable {
        /// The file.
        file: String,
    },
    /// Nothing takes it.
    Nobody {
        /// Why, in a sentence.
        why: String,
    },
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    on: Value,
    #[serde(default, rename = "run-name")]
    run_name: Value,
}

impl Workflow {
    /// Reads a workflow file; the error says in a few words why it cannot be understood.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_WORKFLOW {
            return Err(format!("it is larger than {} KB", MAX_WORKFLOW / 1024));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
        let options = serde_yaml::options! {
            budget: serde_yaml::budget! { max_nodes: 20_000, max_aliases: 200, max_anchors: 200, max_events: 60_000 },
            with_snippet: false,
        };
        // What the parser says may quote the file; that it cannot be read is all that helps here.
        let file: File =
            serde_yaml::from_str_with_options(text, options).map_err(|_| "it is not valid YAML".to_owned())?;
        Ok(Self {
            types: types(&file.on),
            inputs: inputs(&file.on),
            shows_correlation: file.run_name.as_str().is_some_and(shows_correlation),
            is_disabled: false,
        })
    }

    /// The same, switched off: the file does not say so.
    #[must_use]
    pub fn disabled(self) -> Self {
        Self { is_disabled: true, ..self }
    }

    fn hears(&self, event: &str) -> bool {
        self.types.as_ref().is_some_and(|types| types.is_empty() || types.contains(event))
    }
}

/// The settings of a trigger; none where the workflow has not got it. `on` is a name, a list of names, or a map.
fn trigger<'v>(on: &'v Value, name: &str) -> Option<&'v Value> {
    match on {
        Value::String(one) => (one == name).then_some(&Value::Null),
        Value::Array(several) => several.iter().any(|one| one == name).then_some(&Value::Null),
        Value::Object(settings) => settings.get(name),
        _ => None,
    }
}

fn types(on: &Value) -> Option<BTreeSet<String>> {
    let settings = trigger(on, "repository_dispatch")?;
    let texts: Vec<&Value> = match settings.get("types") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(types)) => types.iter().collect(),
        Some(one) => vec![one],
    };
    Some(texts.into_iter().filter_map(Value::as_str).filter(|text| text.len() <= MAX_TYPE).map(str::to_owned).collect())
}

fn inputs(on: &Value) -> Option<Vec<(String, bool)>> {
    let settings = trigger(on, "workflow_dispatch")?;
    let inputs = settings.get("inputs").and_then(Value::as_object);
    let must = |input: &Value| {
        let is = |key: &str| input.get(key);
        is("required").and_then(Value::as_bool).unwrap_or_default() && is("default").is_none()
    };
    Some(inputs.into_iter().flatten().map(|(name, input)| (name.clone(), must(input))).collect())
}

/// Whether an expression in the name asks for the correlation id: of the event's payload, or of the inputs.
fn shows_correlation(name: &str) -> bool {
    name.split("${{").skip(1).filter_map(|rest| rest.split("}}").next()).any(|asked| asked.contains("correlation_id"))
}

/// Whether one of these files, each by its name, takes a delivery.
pub fn reception(wanted: &Wanted, files: &[(String, Result<Workflow, String>)]) -> Reception {
    match wanted {
        Wanted::Event(event) => of_event(event, files),
        Wanted::Manual { file, inputs } => of_manual(file, inputs, files),
    }
}

fn taken(file: &str, workflow: &Workflow) -> Reception {
    match workflow.shows_correlation {
        true => Reception::Traceable { file: file.to_owned() },
        false => Reception::Untraceable { file: file.to_owned() },
    }
}

fn disabled(file: &str) -> String {
    format!("{file} would take them, but is disabled: choose *Enable workflow* on its page below Actions")
}

fn of_event(event: &str, files: &[(String, Result<Workflow, String>)]) -> Reception {
    let readable = || files.iter().filter_map(|(file, read)| Some((file, read.as_ref().ok()?)));
    let hears =
        |wanted: bool| readable().filter(move |(_, workflow)| workflow.hears(event) && workflow.is_disabled == wanted);
    let mut listeners = hears(false);
    let first = listeners.clone().find(|(_, workflow)| workflow.shows_correlation).or_else(|| listeners.next());
    if let Some((file, workflow)) = first {
        return taken(file, workflow);
    }
    if let Some((file, _)) = hears(true).next() {
        return Reception::Nobody { why: disabled(file) };
    }
    let others: BTreeSet<&str> =
        readable().filter_map(|(_, workflow)| workflow.types.as_ref()).flatten().map(String::as_str).collect();
    let mut why = match (files.is_empty(), others.is_empty()) {
        (true, _) => "there is no workflow on its default branch".to_owned(),
        (_, true) => format!("none of its workflows listens to `repository_dispatch` of the type {event:?}"),
        (_, false) => {
            let named: Vec<String> = others.iter().take(MOST_NAMED).map(|other| format!("{other:?}")).collect();
            format!("its workflows listen to {}, and none to {event:?}", named.join(", "))
        }
    };
    for (file, read) in files {
        if let Err(problem) = read {
            why = format!("{why}; {file} cannot be judged: {problem}");
            break;
        }
    }
    Reception::Nobody { why }
}

fn of_manual(wanted: &str, sent: &BTreeSet<String>, files: &[(String, Result<Workflow, String>)]) -> Reception {
    let nobody = |why: String| Reception::Nobody { why };
    let is_it = |file: &str| file.rsplit('/').next() == Some(wanted);
    let Some((file, read)) = files.iter().find(|(file, _)| is_it(file)) else {
        return nobody(format!("there is no workflow {wanted:?} in .github/workflows"));
    };
    let workflow = match read {
        Ok(workflow) => workflow,
        Err(problem) => return nobody(format!("{file} cannot be judged: {problem}")),
    };
    if workflow.is_disabled {
        return nobody(disabled(file));
    }
    let Some(inputs) = &workflow.inputs else {
        return nobody(format!("{file} cannot be begun by `workflow_dispatch`: add that below `on:`"));
    };
    let listed = |names: Vec<&String>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let is_declared = |name: &&String| inputs.iter().any(|(declared, _)| declared == *name);
    let lacking: Vec<&String> = sent.iter().filter(|name| !is_declared(name)).collect();
    if !lacking.is_empty() {
        return nobody(format!(
            "`workflow_dispatch` of {file} lacks the inputs {}: GitHub refuses those",
            listed(lacking)
        ));
    }
    let unmet: Vec<&String> =
        inputs.iter().filter(|(name, must)| *must && !sent.contains(name)).map(|(name, _)| name).collect();
    if !unmet.is_empty() {
        return nobody(format!(
            "{file} demands the inputs {}, which are not sent: name them in `payload`",
            listed(unmet)
        ));
    }
    taken(file, workflow)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RECEIVER: &str = "
name: Rebuild
run-name: Rebuild for ${{ github.event.client_payload.correlation_id }}
on:
  repository_dispatch:
    types: [asset-updated]
jobs: { build: { runs-on: ubuntu-latest, steps: [ { run: echo } ] } }
";

    fn files(texts: &[(&str, &str)]) -> Vec<(String, Result<Workflow, String>)> {
        texts
            .iter()
            .map(|(name, text)| (format!(".github/workflows/{name}"), Workflow::read(text.as_bytes())))
            .collect()
    }

    fn heard(texts: &[(&str, &str)]) -> String {
        told(reception(&Wanted::Event("asset-updated".into()), &files(texts)))
    }

    fn told(reception: Reception) -> String {
        match reception {
            Reception::Traceable { file } => format!("traceable {file}"),
            Reception::Untraceable { file } => format!("untraceable {file}"),
            Reception::Nobody { why } => why,
        }
    }

    #[test]
    fn the_shipped_receiver_takes_events_and_can_be_found() {
        let text = include_str!("../../workflows-examples/website-repo-receiver.yml");
        let file = Workflow::read(text.as_bytes()).unwrap();
        assert!(file.shows_correlation && file.hears("asset-updated"), "{file:?}");
    }

    #[test]
    fn every_way_to_write_on_is_understood() {
        for (text, hears) in [
            ("on: repository_dispatch", true),
            ("on: [push, repository_dispatch]", true),
            ("on: { repository_dispatch: }", true),
            ("on: { repository_dispatch: { types: asset-updated } }", true),
            ("on: { repository_dispatch: { types: [a, asset-updated] } }", true),
            ("\"on\": { repository_dispatch: { types: [asset-updated] } }", true),
            ("on: { repository_dispatch: { types: [asset-update] } }", false),
            ("on: push", false),
            ("on: 7", false),
            ("jobs: {}", false),
        ] {
            assert_eq!(Workflow::read(text.as_bytes()).unwrap().hears("asset-updated"), hears, "{text}");
        }
    }

    #[test]
    fn the_one_that_can_be_found_comes_first() {
        let plain = "on: repository_dispatch";
        assert_eq!(heard(&[("a.yml", plain), ("b.yml", RECEIVER)]), "traceable .github/workflows/b.yml");
        assert_eq!(heard(&[("a.yml", plain)]), "untraceable .github/workflows/a.yml");
    }

    #[test]
    fn a_title_that_only_speaks_of_the_id_does_not_show_it() {
        for (name, shows) in [
            ("for ${{ github.event.client_payload.correlation_id }}", true),
            ("${{ inputs.correlation_id || 'by hand' }}", true),
            ("the correlation_id", false),
            ("${{ github.actor }} correlation_id", false),
        ] {
            assert_eq!(shows_correlation(name), shows, "{name}");
        }
    }

    #[test]
    fn who_hears_nothing_is_told_what_it_listens_to() {
        let other = "on: { repository_dispatch: { types: [asset-update] } }";
        insta::assert_snapshot!([
            heard(&[]),
            heard(&[("a.yml", "on: push")]),
            heard(&[("a.yml", other), ("b.yml", "on: [")]),
        ].join("\n"), @r#"
        there is no workflow on its default branch
        none of its workflows listens to `repository_dispatch` of the type "asset-updated"
        its workflows listen to "asset-update", and none to "asset-updated"; .github/workflows/b.yml cannot be judged: it is not valid YAML
        "#);
    }

    #[test]
    fn a_workflow_that_is_begun_by_hand_must_take_what_is_sent() {
        let wanted = Wanted::Manual {
            file: "rebuild.yml".into(),
            inputs: ["correlation_id", "envelope"].map(str::to_owned).into(),
        };
        let judged = |text: &str| told(reception(&wanted, &files(&[("rebuild.yml", text)])));
        let inputs = "{ correlation_id: { required: true }, envelope: {} }";
        insta::assert_snapshot!([
            told(reception(&wanted, &files(&[("other.yml", "on: workflow_dispatch")]))),
            judged("on: push"),
            judged("on: workflow_dispatch"),
            judged("on: { workflow_dispatch: { inputs: { correlation_id: , envelope: , env: { required: true } } } }"),
            judged(&format!("on: {{ workflow_dispatch: {{ inputs: {inputs} }} }}")),
            judged(&format!("run-name: \"${{{{ inputs.correlation_id }}}}\"\non: {{ workflow_dispatch: {{ inputs: {inputs} }} }}")),
        ].join("\n"), @r#"
        there is no workflow "rebuild.yml" in .github/workflows
        .github/workflows/rebuild.yml cannot be begun by `workflow_dispatch`: add that below `on:`
        `workflow_dispatch` of .github/workflows/rebuild.yml lacks the inputs `correlation_id`, `envelope`: GitHub refuses those
        .github/workflows/rebuild.yml demands the inputs `env`, which are not sent: name them in `payload`
        untraceable .github/workflows/rebuild.yml
        traceable .github/workflows/rebuild.yml
        "#);
    }

    #[test]
    fn hostile_files_are_unreadable_and_cost_little() {
        let bomb = (1..9).fold("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
            let many = vec![format!("*a{}", n - 1); 9].join(", ");
            format!("{text}a{n}: &a{n} [{many}]\n")
        });
        let texts = [
            format!("{bomb}on: *a8"),
            format!("on: {}", "[".repeat(100_000)),
            "x".repeat(MAX_WORKFLOW + 1),
            format!("on: [{}]", "a, ".repeat(60_000)),
            "on: push\non: push".to_owned(),
        ];
        for text in texts {
            let begun = std::time::Instant::now();
            assert!(Workflow::read(text.as_bytes()).is_err(), "{}", &text[..40]);
            assert!(begun.elapsed() < std::time::Duration::from_secs(5));
        }
        assert!(Workflow::read(b"\xff\xfe").is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "(on|run-name|types|[-:\\[\\]{}&*#'\"\n a])*") {
            let _ = Workflow::read(text.as_bytes());
        }
    }
}
