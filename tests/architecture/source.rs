//! Reads Rust sources as far as the rooms' rules need: words, paths, and what is compiled for tests alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A word or sign with its line.
pub(crate) type Token = (usize, String);

/// The words and signs of a Rust source with their lines; comments and the contents of literals are gone, `::` is one.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut found, mut i, mut line) = (Vec::new(), 0, 1);
    while i < chars.len() {
        let (start, c) = (i, at(i));
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 || i >= chars.len() {
                    break;
                }
            }
        } else if let Some(end) = literal_end(&chars, i) {
            i = end;
        } else if c.is_alphabetic() || c == '_' {
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            found.push((line, chars[start..i].iter().collect()));
        } else if c == ':' && at(i + 1) == ':' {
            found.push((line, "::".to_owned()));
            i += 2;
        } else {
            if !c.is_whitespace() {
                found.push((line, c.to_string()));
            }
            i += 1;
        }
        line += chars[start..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

/// Where the string, raw string or character that begins at `i` ends; none when nothing of the kind begins there.
fn literal_end(chars: &[char], i: usize) -> Option<usize> {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let prefix = [("br", true), ("cr", true), ("r", true), ("b", false), ("c", false), ("", false)].into_iter().find(
        |(p, raw)| {
            let after = i + p.len();
            p.chars().enumerate().all(|(k, c)| at(i + k) == c)
                && (at(after) == '"' || (*raw && at(after) == '#' && matches!(at(after + 1), '#' | '"')))
        },
    );
    if let Some((p, raw)) = prefix {
        let mut k = i + p.len();
        let hashes = chars[k..].iter().take_while(|c| **c == '#').count();
        k += hashes + 1;
        while k < chars.len() {
            match at(k) {
                '\\' if !raw => k += 1,
                '"' if chars[k + 1..].iter().take_while(|c| **c == '#').count() >= hashes => {
                    return Some(k + 1 + hashes);
                }
                _ => {}
            }
            k += 1;
        }
        return Some(chars.len());
    }
    // 'x' and '\n' are characters, 'a without a closing quote is a lifetime.
    match (at(i), at(i + 1), at(i + 2)) {
        ('\'', '\\', _) => chars[i + 3..].iter().position(|c| *c == '\'').map(|n| i + 4 + n),
        ('\'', _, '\'') => Some(i + 3),
        _ => None,
    }
}

const CFG_TEST: &[&str] = &["#", "[", "cfg", "(", "test", ")", "]"];

fn starts_with(tokens: &[Token], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|((_, t), w)| t == w)
}

/// The same without the items that are compiled for tests alone.
pub(crate) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let (mut kept, mut i) = (Vec::new(), 0);
    while i < tokens.len() {
        if !starts_with(&tokens[i..], CFG_TEST) {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        }
        i += CFG_TEST.len();
        // Further attributes and the item up to its `;` or the brace that closes it.
        let mut depth = 0;
        while i < tokens.len() {
            let word = tokens[i].1.as_str();
            i += 1;
            match word {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(word, ";" | "}") {
                break;
            }
        }
    }
    kept
}

/// The top-level modules that the tokens name, by `crate::x`, `crate::{x, y::z}` or enough `super`s.
pub(crate) fn crate_imports(tokens: &[Token], steps: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let mut supers = 0;
        while starts_with(&tokens[i + 2 * supers..], &["super", "::"]) {
            supers += 1;
        }
        if supers > 0 && supers < steps {
            i += 2 * supers;
        } else if supers > 0 || starts_with(&tokens[i..], &["crate", "::"]) {
            i += 2 * supers.max(1);
            found.extend(first_segments(&tokens[i..]));
        } else {
            i += 1;
        }
    }
    found
}

/// The first segments of the path or of the group of paths that begins here.
fn first_segments(tokens: &[Token]) -> Vec<(usize, String)> {
    match tokens.first() {
        Some((_, open)) if open == "{" => {
            let mut found = Vec::new();
            let (mut depth, mut fresh) = (0, false);
            for (line, word) in tokens {
                match word.as_str() {
                    "{" => (depth, fresh) = (depth + 1, depth == 0),
                    "}" => depth -= 1,
                    "," => fresh = depth == 1,
                    _ if fresh => {
                        found.push((*line, word.clone()));
                        fresh = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            found
        }
        Some(first) => vec![first.clone()],
        None => Vec::new(),
    }
}

/// The lines on which a path goes through these segments, groups (`std::{fs, io}`) included.
pub(crate) fn mentions(tokens: &[Token], path: &[&str]) -> Vec<usize> {
    let mut lines = Vec::new();
    for (i, (line, word)) in tokens.iter().enumerate() {
        let (Some(first), rest) = (path.first(), &tokens[i + 1..]) else { break };
        if word != first {
            continue;
        }
        match path.get(1) {
            // A crate's name or a keyword. `x.tokio` and `x::tokio` are somebody else's names.
            None => {
                let before = i.checked_sub(1).map(|k| tokens[k].1.as_str());
                let is_path = starts_with(rest, &["::"]) || before == Some("use");
                if *first == "async" || (is_path && before != Some("::")) {
                    lines.push(*line);
                }
            }
            Some(second) if starts_with(rest, &["::"]) => {
                lines.extend(first_segments(&rest[1..]).into_iter().filter(|(_, w)| w == second).map(|(l, _)| l));
            }
            Some(_) => {}
        }
    }
    lines
}

/// The modules, as paths without their ending, that are declared with `#[cfg(test)] mod name;`.
pub(crate) fn test_only_files(sources: &BTreeMap<PathBuf, String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (path, text) in sources {
        let folder = match path.file_name().and_then(|n| n.to_str()) {
            Some("mod.rs" | "lib.rs" | "main.rs") => path.parent().unwrap_or(Path::new("")).to_owned(),
            _ => path.with_extension(""),
        };
        let tokens = tokens(text);
        for i in 0..tokens.len() {
            if starts_with(&tokens[i..], CFG_TEST) {
                let item = &tokens[i + CFG_TEST.len()..];
                let end = item.iter().position(|(_, w)| w == ";" || w == "{").unwrap_or(item.len());
                if let Some(k) = item[..end].iter().position(|(_, w)| w == "mod")
                    && item.get(end).is_some_and(|(_, w)| w == ";")
                    && let Some((_, name)) = item.get(k + 1)
                {
                    found.push(folder.join(name));
                }
            }
        }
    }
    found
}
