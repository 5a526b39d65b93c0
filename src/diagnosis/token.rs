//! What a token is, by what GitHub says of it.

use super::Conclusion;

/// How much of the hour's requests may be used before somebody is told, in hundredths.
const WORTH_A_WORD: u64 = 80;

/// The kind of a token, by what it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A classic personal token, whose scopes hold for every repository of its owner.
    Classic,
    /// A fine-grained personal token.
    FineGrained,
    /// An app's, or a workflow's own.
    Installation,
    /// Another one.
    Other,
}

impl TokenKind {
    /// The kind of this token.
    pub fn of(token: &str) -> Self {
        match token.split_once('_').map(|(kind, _)| kind) {
            Some("ghp") => Self::Classic,
            Some("github") => Self::FineGrained,
            Some("ghs") => Self::Installation,
            _ => Self::Other,
        }
    }

    /// Whether a person's rights stand behind it.
    pub fn is_personal(self) -> bool {
        matches!(self, Self::Classic | Self::FineGrained)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Classic => "a classic personal token",
            Self::FineGrained => "a fine-grained personal token",
            Self::Installation => "the token of an app or of the workflow itself",
            Self::Other => "a token",
        }
    }
}

/// What GitHub says of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFacts {
    /// Its kind.
    pub kind: TokenKind,
    /// Whose it is; an app's is nobody's.
    pub login: Option<String>,
    /// Its scopes; none where its permissions are not told.
    pub scopes: Option<Vec<String>>,
    /// When it expires, as GitHub writes it; none where that is not told.
    pub expires: Option<String>,
    /// How many requests of this hour are left, of how many; none where the server does not count.
    pub rate: Option<(u64, u64)>,
}

/// What a token is good for.
pub fn conclude(variable: &str, facts: &TokenFacts) -> Conclusion {
    let owner = facts.login.as_ref().map(|login| format!(" of {login}")).unwrap_or_default();
    let expires = facts.expires.as_ref().map(|when| format!(", until {when}")).unwrap_or_default();
    let is_scoped = |scope: &String| matches!(scope.as_str(), "repo" | "public_repo");
    let said = format!("{variable} holds {}{owner}{expires}", facts.kind.words());
    let of_scopes = match &facts.scopes {
        Some(scopes) if scopes.iter().any(|scope| scope == "repo") => {
            Conclusion::healthy(format!("{said}, with the scope `repo`"))
        }
        Some(scopes) if scopes.iter().any(is_scoped) => {
            Conclusion::healthy(format!("{said}, with the scope `public_repo`: it reaches public repositories alone"))
        }
        Some(scopes) if !scopes.is_empty() || facts.kind == TokenKind::Classic => Conclusion::unhealthy(format!(
            "{said}, and it has not got the scope `repo`, without which GitHub takes no event: give it that scope at \
             github.com/settings/tokens, or make a fine-grained one with `contents: write` on the downstreams"
        )),
        _ => Conclusion::healthy(said),
    };
    match facts.rate {
        None => of_scopes,
        Some((0, most)) => of_scopes.and(Conclusion::unhealthy(format!(
            "none of its {most} requests of this hour is left: wait until the hour is over"
        ))),
        Some((left, most)) if (most.saturating_sub(left)).saturating_mul(100) >= most.saturating_mul(WORTH_A_WORD) => {
            of_scopes.and(Conclusion::degraded(format!(
                "only {left} of its {most} requests of this hour are left: see what else uses it"
            )))
        }
        Some((left, most)) => {
            of_scopes.and(Conclusion::healthy(format!("{left} of {most} requests of this hour are left")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(kind: TokenKind, scopes: Option<&[&str]>, rate: Option<(u64, u64)>) -> TokenFacts {
        let scopes = scopes.map(|scopes| scopes.iter().map(ToString::to_string).collect());
        TokenFacts { kind, login: Some("octocat".into()), scopes, expires: None, rate }
    }

    #[test]
    fn a_token_is_known_by_its_beginning() {
        let kinds = ["ghp_x", "github_pat_x", "ghs_1_x", "abc"].map(TokenKind::of);
        assert_eq!(kinds, [TokenKind::Classic, TokenKind::FineGrained, TokenKind::Installation, TokenKind::Other]);
    }

    #[test]
    fn each_token_gets_a_sentence() {
        let told = |facts: &TokenFacts| {
            let Conclusion { health, message } = conclude("T", facts);
            format!("{}: {message}", health.as_str())
        };
        let classic = TokenKind::Classic;
        let app = TokenFacts { login: None, ..facts(TokenKind::Installation, None, Some((9, 10))) };
        let expiring = TokenFacts { expires: Some("2027-01-01".into()), ..facts(TokenKind::FineGrained, None, None) };
        insta::assert_snapshot!([
            told(&facts(classic, Some(&["repo", "user"]), Some((4_000, 5_000)))),
            told(&facts(classic, Some(&["public_repo"]), Some((1_000, 5_000)))),
            told(&facts(classic, Some(&[]), None)),
            told(&facts(classic, Some(&["gist"]), Some((0, 5_000)))),
            told(&expiring),
            told(&app),
        ].join("\n"), @r"
        healthy: T holds a classic personal token of octocat, with the scope `repo`; 4000 of 5000 requests of this hour are left
        degraded: only 1000 of its 5000 requests of this hour are left: see what else uses it; T holds a classic personal token of octocat, with the scope `public_repo`: it reaches public repositories alone
        unhealthy: T holds a classic personal token of octocat, and it has not got the scope `repo`, without which GitHub takes no event: give it that scope at github.com/settings/tokens, or make a fine-grained one with `contents: write` on the downstreams
        unhealthy: T holds a classic personal token of octocat, and it has not got the scope `repo`, without which GitHub takes no event: give it that scope at github.com/settings/tokens, or make a fine-grained one with `contents: write` on the downstreams; none of its 5000 requests of this hour is left: wait until the hour is over
        healthy: T holds a fine-grained personal token of octocat, until 2027-01-01
        healthy: T holds the token of an app or of the workflow itself; 9 of 10 requests of this hour are left
        ");
    }
}
