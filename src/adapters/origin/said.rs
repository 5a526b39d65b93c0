//! What git says: why it refused, and the same in a form that may be shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::program::Heard;
use crate::secret::Secret;
use crate::secret::tokens::masked;

/// How much of what git says is shown.
const MOST_SHOWN: usize = 300;

/// Said where the rights are missing; GitHub's, git's and ssh's words.
const NOT_ALLOWED: [&str; 15] = [
    "authentication failed",
    "could not read username",
    "could not read password",
    "unable to get password",
    "terminal prompts disabled",
    "permission denied",
    "permission to ",
    "write access",
    "access denied",
    "not authorized",
    "returned error: 401",
    "returned error: 403",
    "returned error: 404",
    "repository not found",
    "[remote rejected]",
];

/// Said where another push was at the same ref before us or at the same time.
const MOVED: [&str; 9] = [
    "stale info",
    "fetch first",
    "non-fast-forward",
    "cannot lock ref",
    "failed to update ref",
    "failed to lock",
    "reference already exists",
    "incorrect old value",
    "remote ref updated",
];

/// Why git did not do it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::adapters) enum Refusal {
    NotAllowed(String),
    Moved(String),
    Shallow,
    Trouble(String),
}

/// Reads out of git's words why it failed.
pub(super) fn refusal(heard: &Heard) -> Refusal {
    // The table of a push says it best: `!`, what was to go where, and why it did not.
    let row = heard.out.lines().find(|line| line.starts_with("!\t")).and_then(|line| line.split('\t').nth(2));
    let remarks = remarks(&heard.err);
    let why = match row {
        Some(row) if remarks.is_empty() => row.to_owned(),
        Some(row) => format!("{row}; {remarks}"),
        None => remarks,
    };
    let lower = why.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if lower.contains("shallow update not allowed") {
        Refusal::Shallow
    } else if says(&MOVED) {
        Refusal::Moved(why)
    } else if lower.contains("unpacker error") || lower.contains("unpack failed") {
        Refusal::Trouble(why)
    } else if lower.contains("returned error: 30") {
        Refusal::Trouble(format!(
            "it sends us on to another address, where no token is taken; give `origin` its new address ({why})"
        ))
    } else if says(&NOT_ALLOWED) {
        Refusal::NotAllowed(why)
    } else {
        Refusal::Trouble(why)
    }
}

/// The lines of stderr that say something, without progress and advice.
fn remarks(err: &str) -> String {
    let lines = err.split(['\n', '\r']).map(str::trim);
    let told = |line: &&str| {
        ["fatal:", "error:", "remote:", "ssh:", "git@"].iter().any(|start| line.starts_with(start))
            || line.contains("denied")
    };
    let is_noise = |line: &&str| {
        let words = line.trim_start_matches("remote:").trim();
        words.is_empty()
            || words.contains('%')
            || ["Enumerating", "Counting", "Total", "Resolving", "failed to push some refs"]
                .iter()
                .any(|w| words.contains(w))
    };
    let mut said: Vec<&str> = lines.filter(told).filter(|line| !is_noise(line)).collect();
    said.dedup();
    said.join("; ")
}

/// The header that a token goes into, as actions/checkout writes it.
pub fn header(token: &Secret) -> Secret {
    Secret::new(format!("AUTHORIZATION: basic {}", basic(token)))
}

fn basic(token: &Secret) -> String {
    STANDARD.encode(format!("x-access-token:{}", token.reveal()))
}

/// The words in one short line, with no secret in them.
pub(super) fn shown(text: &str, token: Option<&Secret>) -> String {
    let mut text = text.to_owned();
    for secret in
        token.filter(|token| token.reveal().len() >= 4).into_iter().flat_map(|t| [basic(t), t.reveal().to_owned()])
    {
        text = text.replace(&secret, "***");
    }
    let text = masked(&without_users(&text)).into_owned();
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.is_empty() => "git gave no reason".to_owned(),
        None => line,
    }
}

/// Takes name and password out of every address.
fn without_users(text: &str) -> String {
    let mut rest = text;
    let mut clean = String::with_capacity(text.len());
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        clean.push_str(before);
        let host_end =
            after.find(|c: char| c == '/' || c.is_whitespace() || c == '\'' || c == '"').unwrap_or(after.len());
        let (authority, tail) = after.split_at(host_end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                clean.push_str("***@");
                clean.push_str(host);
            }
            None => clean.push_str(authority),
        }
        rest = tail;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(out: &str, err: &str) -> Heard {
        Heard { success: false, out: out.to_owned(), err: err.to_owned() }
    }

    #[test]
    fn words_of_servers_are_understood() {
        let denied = "remote: Permission to org/shop.git denied to github-actions[bot].\nfatal: unable to access \
                      'https://github.com/org/shop.git/': The requested URL returned error: 403\n";
        assert!(matches!(refusal(&heard("", denied)), Refusal::NotAllowed(_)));
        let asked = "fatal: could not read Username for 'https://github.com': terminal prompts disabled\n";
        assert!(matches!(refusal(&heard("", asked)), Refusal::NotAllowed(_)));
        let away = "fatal: unable to access 'https://github.com/o/r/': Could not resolve host: github.com\n";
        assert!(matches!(refusal(&heard("", away)), Refusal::Trouble(_)));
        let stale = "To origin\n!\tabc:refs/stockroom/state\t[rejected] (stale info)\nDone\n";
        assert!(matches!(refusal(&heard(stale, "error: failed to push some refs to 'x'\n")), Refusal::Moved(_)));
        let hook = "To x\n!\ta:refs/stockroom/state\t[remote rejected] (pre-receive hook declined)\nDone\n";
        let Refusal::NotAllowed(why) = refusal(&heard(hook, "remote: no state here, please\n")) else { panic!() };
        assert_eq!(why, "[remote rejected] (pre-receive hook declined); remote: no state here, please");
        let raced = "!\ta:b\t[remote rejected] (cannot lock ref 'b': is at 1 but expected 2)\n";
        assert!(matches!(refusal(&heard(raced, "")), Refusal::Moved(_)));
        let shallow = "!\ta:b\t[remote rejected] (shallow update not allowed)\n";
        assert_eq!(refusal(&heard(shallow, "")), Refusal::Shallow);
    }

    #[test]
    fn no_secret_is_shown_whatever_its_form() {
        let token = Secret::new("canary-0123456789");
        let text = format!(
            "fatal: 'https://me:pass@word@github.com/o/r.git' said canary-0123456789\r\n\u{1b}[31m{} http://u:p@h:1",
            basic(&token)
        );
        let shown = shown(&text, Some(&token));
        assert_eq!(shown, "fatal: 'https://***@github.com/o/r.git' said *** [31m*** http://***@h:1");
    }

    #[test]
    fn what_is_shown_is_short() {
        assert_eq!(shown(&"é".repeat(5_000), None).chars().count(), MOST_SHOWN + 1);
        assert_eq!(shown(" \n", None), "git gave no reason");
    }
}
