//! What a downstream's repository is, by what GitHub says of it.

use super::Conclusion;
use super::reception::Reception;
use crate::ids::RepoSlug;

/// What GitHub says of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepositoryFacts {
    /// What it is called now.
    pub full_name: Option<String>,
    /// Whether it can only be read.
    pub is_archived: bool,
    /// Whether GitHub has switched it off.
    pub is_disabled: bool,
    /// Its default branch.
    pub default_branch: Option<String>,
    /// Whether whose token it is may write to it; none where that is not told.
    pub may_push: Option<bool>,
}

/// What a repository is that was found under this name.
pub fn conclude(repo: &RepoSlug, facts: &RepositoryFacts) -> Conclusion {
    let is_renamed = facts.full_name.as_ref().is_some_and(|name| !name.eq_ignore_ascii_case(repo.as_str()));
    if is_renamed {
        let now = facts.full_name.clone().unwrap_or_default();
        return Conclusion::unhealthy(format!("{repo} is called {now} now: correct `repo` in stockroom.yml"));
    }
    if facts.is_disabled {
        return Conclusion::unhealthy(format!(
            "{repo} is disabled by GitHub, and takes no event: its owner has to ask them"
        ));
    }
    if facts.is_archived {
        return Conclusion::unhealthy(format!(
            "{repo} is archived, and takes no event: take it out of stockroom.yml, or take it out of the archive"
        ));
    }
    if facts.may_push == Some(false) {
        return Conclusion::unhealthy(format!(
            "the token may read {repo} and not write to it: it needs `contents: write` there"
        ));
    }
    let branch = facts.default_branch.as_deref().unwrap_or("HEAD");
    Conclusion::healthy(format!("{repo} is there, with the default branch {branch}"))
}

/// What a reception means for a delivery: `is_awaited` where its run is to be found again.
pub fn conclude_reception(reception: &Reception, is_awaited: bool) -> Conclusion {
    match reception {
        Reception::Traceable { file } => {
            Conclusion::healthy(format!("{file} takes the deliveries, and its runs show their id"))
        }
        Reception::Untraceable { file } => {
            let said = format!(
                "{file} takes the deliveries, but its `run-name` does not hold their `correlation_id`, so they cannot be \
                 awaited, nor looked for when an answer is lost: put it there"
            );
            if is_awaited { Conclusion::unhealthy(said) } else { Conclusion::degraded(said) }
        }
        Reception::Nobody { why } => Conclusion::unhealthy(format!("nobody takes the deliveries: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(facts: &RepositoryFacts) -> String {
        let Conclusion { health, message } = conclude(&RepoSlug::parse("org/site").unwrap(), facts);
        format!("{}: {message}", health.as_str())
    }

    #[test]
    fn each_repository_gets_a_sentence() {
        let good = RepositoryFacts {
            full_name: Some("Org/site".into()),
            default_branch: Some("main".into()),
            may_push: Some(true),
            ..RepositoryFacts::default()
        };
        insta::assert_snapshot!([
            told(&good),
            told(&RepositoryFacts { full_name: Some("org/web".into()), ..good.clone() }),
            told(&RepositoryFacts { is_archived: true, ..good.clone() }),
            told(&RepositoryFacts { is_disabled: true, ..good.clone() }),
            told(&RepositoryFacts { may_push: Some(false), ..good }),
        ].join("\n"), @r"
        healthy: org/site is there, with the default branch main
        unhealthy: org/site is called org/web now: correct `repo` in stockroom.yml
        unhealthy: org/site is archived, and takes no event: take it out of stockroom.yml, or take it out of the archive
        unhealthy: org/site is disabled by GitHub, and takes no event: its owner has to ask them
        unhealthy: the token may read org/site and not write to it: it needs `contents: write` there
        ");
    }

    #[test]
    fn runs_that_cannot_be_found_are_bad_for_who_waits() {
        let untraceable = Reception::Untraceable { file: "a.yml".into() };
        let health = |awaited| conclude_reception(&untraceable, awaited).health;
        assert!(health(true) > health(false));
    }
}
