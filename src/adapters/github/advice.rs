//! What to do about a refusal: which permission is missing, and on which page it is given.

use reqwest::header::HeaderMap;

use super::access::{Credentials, web};
use crate::adapters::http::Reply;

/// A sentence without a full stop. `permission` is what we know to be needed, such as `contents: write`; GitHub's own word,
/// where it says one, comes first.
pub fn advice(base: &str, credentials: &Credentials, reply: &Reply, permission: &str, on: &str) -> String {
    let web = web(base);
    let header = |name: &str| text(&reply.headers, name);
    if let Some(page) = header("x-github-sso").and_then(|text| single_sign_on(&web, &text)) {
        return format!("the organization asks for single sign-on: authorize the token for it at {page}");
    }
    let token = match credentials {
        Credentials::App { app, .. } => {
            let needed = needed(header("x-accepted-github-permissions").as_deref(), permission);
            return format!(
                "give the GitHub App {} {needed} on {on}: add it among the app's permissions and accept it at \
                 {web}/settings/installations, or on the organization's page of installed apps",
                app.id()
            );
        }
        Credentials::Token(token) => token.reveal(),
        Credentials::Nobody => "",
    };
    let pages = format!("{web}/settings/tokens");
    let fine_pages = format!("{web}/settings/personal-access-tokens");
    if reply.status == 401 {
        let page = if token.starts_with("ghp_") { pages } else { fine_pages };
        return format!(
            "it is wrong, was revoked or has expired: make a new one at {page}, with `{permission}` on {on}"
        );
    }
    let has = header("x-oauth-scopes");
    if token.starts_with("ghp_") || has.is_some() {
        let is_told = has.is_some();
        let (has, accepted) = (has.unwrap_or_default(), header("x-accepted-oauth-scopes").unwrap_or_default());
        let (scopes, wanted) = (list(&has), list(&accepted));
        // One of them is enough; the narrowest stands last, the one that people know is `repo`.
        let wanted =
            if wanted.is_empty() || wanted.contains(&"repo") { "repo".to_owned() } else { wanted.join("` or `") };
        if scopes.contains(&wanted.as_str()) {
            return format!("the token has the scope `{wanted}`; its owner may lack the role to write to {on}");
        }
        let has = match (is_told, scopes.is_empty()) {
            (false, _) => String::new(),
            (true, true) => " (it has none)".to_owned(),
            (true, false) => format!(" (it has `{}`)", scopes.join("`, `")),
        };
        return format!(
            "needs a token with the scope `{wanted}`{has}, to be given at {pages}, of somebody who may write to {on}"
        );
    }
    let needed = needed(header("x-accepted-github-permissions").as_deref(), permission);
    if token.starts_with("ghs_") {
        return format!(
            "needs {needed} on {on}: GITHUB_TOKEN has what the job's `permissions` say, and cannot reach another \
             repository; for that make a token at {fine_pages}"
        );
    }
    format!(
        "needs a token with {needed} on {on}, to be given at {fine_pages}; GITHUB_TOKEN cannot reach another repository"
    )
}

/// GitHub's words (`contents=write; metadata=read, actions=read`: all of a group, any group), or our own.
fn needed(accepted: Option<&str>, permission: &str) -> String {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_' || c == '=' || c == '-';
    let group = |text: &str| -> Option<String> {
        let all = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let all: Option<Vec<String>> = all
            .map(|word| {
                let (name, level) = word.split_once('=')?;
                word.chars().all(is_name).then(|| format!("`{}: {level}`", name.replace('_', "-")))
            })
            .collect();
        all.filter(|all| !all.is_empty()).map(|all| all.join(" and "))
    };
    let groups: Option<Vec<String>> = accepted.map(|text| text.split(';').map(group).collect()).unwrap_or_default();
    match groups {
        Some(groups) if (1..=3).contains(&groups.len()) => groups.join(", or "),
        _ => format!("`{permission}`"),
    }
}

/// The page where a token is let into an organization, if that is what the server asks for. What is in the address beside
/// the organization's name is for one person and one moment.
fn single_sign_on(web: &str, header: &str) -> Option<String> {
    let asked = header.strip_prefix("required")?;
    let organization = || {
        let (_, address) = asked.split_once("url=")?;
        let name = address.strip_prefix(&format!("{web}/orgs/"))?.split('/').next()?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        is_name.then(|| format!("{web}/orgs/{name}/sso"))
    };
    Some(organization().unwrap_or_else(|| format!("{web}/settings/tokens (\"Configure SSO\")")))
}

fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// The header, if it is a line of printable characters of some length.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    (text.len() <= 500 && !text.contains(['`', '\t'])).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::secret::Secret;

    fn told(base: &str, token: &str, status: u16, headers: &[(&'static str, &'static str)]) -> String {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let reply = Reply { headers: headers.iter().map(pair).collect(), ..Reply::with_status(status) };
        advice(base, &Credentials::Token(Secret::new(token)), &reply, "contents: write", "org/website")
    }

    #[test]
    fn a_refusal_names_the_permission_and_the_page() {
        let (api, ghe) = ("https://api.github.com", "https://ghe.example/api/v3");
        let sso = "required; url=https://github.com/orgs/acme/sso?authorization_request=AB12";
        let told = [
            told(api, "github_pat_x", 403, &[("x-accepted-github-permissions", "contents=write; pull_requests=write")]),
            told(api, "github_pat_x", 404, &[]),
            told(ghe, "github_pat_x", 401, &[]),
            told(api, "ghp_x", 401, &[]),
            told(api, "ghp_x", 403, &[("x-oauth-scopes", "read:org, gist"), ("x-accepted-oauth-scopes", "repo")]),
            told(ghe, "0123abc", 404, &[("x-oauth-scopes", ""), ("x-accepted-oauth-scopes", "")]),
            told(api, "ghp_x", 403, &[("x-oauth-scopes", "repo"), ("x-accepted-oauth-scopes", "public_repo, repo")]),
            told(api, "ghp_x", 403, &[("x-github-sso", sso)]),
            told(ghe, "ghp_x", 403, &[("x-github-sso", sso)]),
            told(api, "ghs_x", 403, &[("x-accepted-github-permissions", "statuses=write,metadata=read")]),
            told(api, "github_pat_x", 403, &[("x-accepted-github-permissions", "<b>=write")]),
        ];
        insta::assert_snapshot!(told.join("\n"), @r#"
        needs a token with `contents: write`, or `pull-requests: write` on org/website, to be given at https://github.com/settings/personal-access-tokens; GITHUB_TOKEN cannot reach another repository
        needs a token with `contents: write` on org/website, to be given at https://github.com/settings/personal-access-tokens; GITHUB_TOKEN cannot reach another repository
        it is wrong, was revoked or has expired: make a new one at https://ghe.example/settings/personal-access-tokens, with `contents: write` on org/website
        it is wrong, was revoked or has expired: make a new one at https://github.com/settings/tokens, with `contents: write` on org/website
        needs a token with the scope `repo` (it has `read:org`, `gist`), to be given at https://github.com/settings/tokens, of somebody who may write to org/website
        needs a token with the scope `repo` (it has none), to be given at https://ghe.example/settings/tokens, of somebody who may write to org/website
        the token has the scope `repo`; its owner may lack the role to write to org/website
        the organization asks for single sign-on: authorize the token for it at https://github.com/orgs/acme/sso
        the organization asks for single sign-on: authorize the token for it at https://ghe.example/settings/tokens ("Configure SSO")
        needs `statuses: write` and `metadata: read` on org/website: GITHUB_TOKEN has what the job's `permissions` say, and cannot reach another repository; for that make a token at https://github.com/settings/personal-access-tokens
        needs a token with `contents: write` on org/website, to be given at https://github.com/settings/personal-access-tokens; GITHUB_TOKEN cannot reach another repository
        "#);
    }
}
