//! Released versions of a registry before and after a change: none may break what it succeeds in the same major version.

use std::collections::BTreeMap;
use std::sync::Arc;

use semver::Version;

use super::bump::are_akin;
use super::changes::{Change, Effect, Introduced, changes};
use super::proof::{Proof, Side};
use super::{Evidence, Verdict, side, verdict, without_version_rule};
use crate::finding::{Finding, Severity, codes};
use crate::ids::{RepoPath, SchemaName};
use crate::schema::registry::{Label, SchemaFiles, compile_file, place_in_registry};
use crate::schema::settings::Policy;

codes! {
    SCHEMA_BUMP "schema-bump"
        "A schema breaks records that followed the version before it, and its version says that it does not. Give it \
         a new major version (before 1.0 a new minor one), or take back what breaks them."
}

/// How many changes one message names.
const MOST_NAMED: usize = 3;

/// A schema version that a change adds or edits, and the one that records followed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// The schema.
    pub name: SchemaName,
    /// The file that was added or edited.
    pub path: RepoPath,
    /// Its version.
    pub version: Version,
    /// The file that it succeeds; the same, as it was, where it was edited in place.
    pub before: RepoPath,
    /// That file's version.
    pub before_version: Version,
    /// Whether that file is one of the registry before the change.
    pub is_former: bool,
}

impl Succession {
    /// Whether a released version was edited in place.
    pub fn is_edit(&self) -> bool {
        self.version == self.before_version
    }
}

/// The schemas that collections use, each with the pointer of the value that names the version, where records have one.
pub type Used = BTreeMap<SchemaName, Option<String>>;

/// Which versions a change adds or edits, of the schemas that are used, each with the one that it succeeds.
pub fn successions(old: &Arc<dyn SchemaFiles>, new: &Arc<dyn SchemaFiles>, used: &Used) -> Vec<Succession> {
    let (before, after) = (versions(old, used), versions(new, used));
    let mut found = Vec::new();
    for ((name, version), path) in &after {
        let link = |(before_version, before): (&Version, &RepoPath), is_former: bool| Succession {
            name: name.clone(),
            path: path.clone(),
            version: version.clone(),
            before: before.clone(),
            before_version: before_version.clone(),
            is_former,
        };
        // Before it is released, a version may be anything, and promises nothing to the one after it.
        if !version.pre.is_empty() {
            continue;
        }
        if let Some(former) = before.get(&(name.clone(), version.clone())) {
            if former != path || old.read(former) != new.read(path) {
                found.push(link((version, former), true));
            }
            continue;
        }
        // A version that is gone still has records that followed it.
        let earlier = predecessor(&after, name, version).map(|one| (one, false));
        let gone = predecessor(&before, name, version).map(|one| (one, true));
        let latest = match (earlier, gone) {
            (Some(earlier), Some(gone)) if gone.0.0 > earlier.0.0 => Some(gone),
            (earlier, gone) => earlier.or(gone),
        };
        found.extend(latest.map(|(one, is_former)| link(one, is_former)));
    }
    found
}

type Versions = BTreeMap<(SchemaName, Version), RepoPath>;

/// The newest version before this one that records of it followed.
fn predecessor<'v>(all: &'v Versions, name: &SchemaName, version: &Version) -> Option<(&'v Version, &'v RepoPath)> {
    let earlier = all.range((name.clone(), Version::new(0, 0, 0))..(name.clone(), version.clone()));
    let mut akin = earlier.filter(|((_, earlier), _)| earlier.pre.is_empty() && are_akin(earlier, version));
    akin.next_back().map(|((_, version), path)| (version, path))
}

fn versions(files: &Arc<dyn SchemaFiles>, used: &Used) -> Versions {
    let mut found = BTreeMap::new();
    for path in files.paths() {
        if let Some((name, Label::Version(version))) = place_in_registry(files.folder(), path) {
            let name = SchemaName::new(name);
            if used.contains_key(&name) {
                found.entry((name, version)).or_insert_with(|| path.clone());
            }
        }
    }
    found
}

/// A prover: [`super::proof::prove`] itself, or one with a deadline.
pub type Prover<'p> = &'p dyn Fn(&Side, &Side, &[Introduced]) -> Proof;

/// What is wrong with the versions that a change adds or edits, on their files.
///
/// What is broken in itself is for the check of the schemas to say.
pub fn findings(
    old: &Arc<dyn SchemaFiles>,
    new: &Arc<dyn SchemaFiles>,
    used: &Used,
    policy: Policy,
    prove: Prover<'_>,
) -> Vec<Finding> {
    let judged = |step: &Succession| {
        let former = if step.is_former { old } else { new };
        let (before, after) = (
            compile_file(former, &step.before, &step.name, Some(step.before_version.to_string()), policy).ok()?,
            compile_file(new, &step.path, &step.name, Some(step.version.to_string()), policy).ok()?,
        );
        let (mut before, mut after) = (before.schema, after.schema);
        if let Some(field) = used.get(&step.name).and_then(Option::as_deref).filter(|_| !step.is_edit()) {
            without_version_rule(&mut before, &mut after, field);
        }
        let changes = changes(&before, &after, policy);
        let proof = (!changes.are_harmless())
            .then(|| prove(&side(before, &step.before, former), &side(after, &step.path, new), &changes.introduced));
        let found = verdict(&changes, &Evidence { proof, ..Evidence::default() });
        finding(step, found, &changes.list)
    };
    successions(old, new, used).iter().filter_map(judged).collect()
}

/// The finding on a version, where there is something to say.
fn finding(step: &Succession, verdict: Verdict, changes: &[Change]) -> Option<Finding> {
    let breaking: Vec<&Change> = changes.iter().filter(|change| change.effect == Effect::Breaking).collect();
    let (verb, severity) = match verdict {
        Verdict::Compatible => return None,
        Verdict::Breaking => ("breaks", Severity::Error),
        Verdict::Unknown if breaking.is_empty() => return None,
        Verdict::Unknown => ("may break", Severity::Warning),
    };
    let (name, version) = (&step.name, &step.version);
    let mut named: Vec<&str> = breaking.iter().take(MOST_NAMED).map(|change| change.message.as_str()).collect();
    if breaking.len() > MOST_NAMED {
        named.push("…");
    }
    let why = if named.is_empty() { String::new() } else { format!(": {}", named.join("; ")) };
    let message = if step.is_edit() {
        format!("{name} {version} was edited in place and {verb} records that follow it{why}")
    } else {
        format!("{name} {version} {verb} records that follow {}{why}", step.before_version)
    };
    let next = super::bump::Bump::Major.of(&step.before_version);
    let help = if step.is_edit() {
        format!("leave {version} as it was and add the change as {next}")
    } else {
        format!("call it {next}, or take back what breaks them")
    };
    Some(Finding { severity, ..Finding::error(&SCHEMA_BUMP, step.path.clone(), message) }.help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::diff::proof::prove;
    use crate::schema::registry::tests::MemoryFiles;
    use crate::schema::settings::{DraftName, FormatPolicy};

    const POLICY: Policy = Policy { format: FormatPolicy::Assert, draft: DraftName::Draft202012 };

    fn told(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
        let used = Used::from([(SchemaName::new("p"), Some("/version".to_owned()))]);
        let prove = |a: &Side, b: &Side, introduced: &[Introduced]| prove(a, b, introduced, POLICY);
        let files = |texts| Arc::new(MemoryFiles::new(texts)) as Arc<dyn SchemaFiles>;
        let found = findings(&files(old), &files(new), &used, POLICY, &prove);
        found.into_iter().map(|f| format!("{} {}: {} | {}", f.severity, f.path, f.message, f.help.unwrap())).collect()
    }

    const ONE: &str = r#"{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}"#;
    const TWO: &str = r#"{"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "string"}}}"#;
    const THREE: &str =
        r#"{"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}"#;

    #[test]
    fn a_minor_version_that_breaks_the_one_before_it_is_told() {
        let old = [("schemas/p/v1.0.0.json", ONE), ("schemas/p/v1.1.0.json", ONE)];
        let with = |path, text| [old.as_slice(), &[(path, text)]].concat();
        assert_eq!(
            told(&old, &with("schemas/p/v1.2.0.json", TWO)),
            ["error schemas/p/v1.2.0.json: p 1.2.0 breaks records that follow 1.1.0: /b must be there now | \
              call it 2.0.0, or take back what breaks them"]
        );
        assert_eq!(told(&old, &with("schemas/p/v2.0.0.json", TWO)), [""; 0]);
        assert_eq!(
            told(&old, &with("schemas/p/v1.2.0.json", THREE)),
            [""; 0],
            "a member that may be there breaks nothing"
        );
        assert_eq!(told(&old, &with("schemas/other/v1.2.0.json", TWO)), [""; 0]);
    }

    #[test]
    fn neither_another_ending_nor_a_version_that_is_gone_hides_a_break() {
        let old = [("schemas/p/v1.0.0.json", ONE)];
        assert_eq!(told(&old, &[("schemas/p/v1.0.0.yaml", ONE)]), [""; 0]);
        assert!(told(&old, &[("schemas/p/v1.0.0.yaml", TWO)])[0].contains("p 1.0.0 was edited in place and breaks"));
        assert!(told(&old, &[("schemas/p/v1.1.0.json", TWO)])[0].contains("p 1.1.0 breaks records that follow 1.0.0"));
    }

    #[test]
    fn a_version_before_its_release_promises_nothing() {
        let old = [("schemas/p/v1.1.0.json", ONE)];
        let beta = [old[0], ("schemas/p/v1.2.0-beta.1.json", TWO)];
        assert_eq!(told(&old, &beta), [""; 0]);
        let released = [beta[0], beta[1], ("schemas/p/v1.2.0.json", TWO)];
        let told = told(&beta, &released);
        assert!(told.len() == 1 && told[0].contains("p 1.2.0 breaks records that follow 1.1.0"), "{told:?}");
    }

    #[test]
    fn the_rule_that_names_the_version_is_no_change() {
        let of =
            |version: &str| format!(r#"{{"type": "object", "properties": {{"version": {{"const": "{version}"}}}}}}"#);
        let (first, second) = (of("1.0.0"), of("1.1.0"));
        let old = [("schemas/p/v1.0.0.json", first.as_str())];
        let new = [old[0], ("schemas/p/v1.1.0.json", second.as_str())];
        assert_eq!(told(&old, &new), [""; 0]);
        assert_ne!(told(&old, &[(old[0].0, second.as_str())]), [""; 0], "but in a version that is released it stays");
    }

    #[test]
    fn a_released_version_that_is_edited_and_breaks_is_told() {
        let at = |text: &'static str| [("schemas/p/v1.0.0.json", text)];
        assert_eq!(
            told(&at(ONE), &at(TWO)),
            [
                "error schemas/p/v1.0.0.json: p 1.0.0 was edited in place and breaks records that follow it: /b must be there \
              now | leave 1.0.0 as it was and add the change as 2.0.0"
            ]
        );
        assert_eq!(told(&at(TWO), &at(ONE)), [""; 0]);
        let titled = format!("{{\"title\": \"t\", {}", ONE.trim_start_matches('{'));
        assert_eq!(told(&[("schemas/p/v1.0.0.json", ONE)], &[("schemas/p/v1.0.0.json", &titled)]), [""; 0]);
        let beta = |text| [("schemas/p/v2.0.0-beta.1.json", text)];
        assert_eq!(told(&beta(ONE), &beta(TWO)), [""; 0]);
        assert_eq!(told(&at(ONE), &at("{ broken")), [""; 0]);
    }
}
