//! What sentences are made of: numbers of things, and texts of others as far as a sentence can bear them.

/// How much of a text a sentence quotes, in characters.
pub const QUOTED: usize = 80;

/// A number with its noun: `1 record`, `2 records`, `0 entries`, `3 branches`.
pub fn count(n: impl TryInto<u64>, noun: &str) -> String {
    match n.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        n => format!("{n} {}", plural(noun)),
    }
}

/// A text, or its beginning and `…` where it has more characters than this.
pub fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A text in quotes, shortened.
pub fn quoted(text: &str) -> String {
    // Control characters and quotes as escapes, so that nobody wonders where the text ends.
    format!("{:?}", cut(text, QUOTED))
}

fn plural(noun: &str) -> String {
    let ends_in = |endings: &[&str]| endings.iter().any(|ending| noun.ends_with(ending));
    match noun.strip_suffix('y') {
        Some(stem) if !ends_in(&["ay", "ey", "oy", "uy"]) => format!("{stem}ies"),
        _ if ends_in(&["s", "x", "z", "ch", "sh"]) => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_everything_else_plural() {
        let shown = |n| count(n, "record");
        assert_eq!([shown(0), shown(1), shown(2)], ["0 records", "1 record", "2 records"]);
    }

    #[test]
    fn the_endings_follow_english() {
        let shown = ["entry", "key", "match", "index", "delivery", "asset"].map(|noun| count(2, noun));
        assert_eq!(shown, ["2 entries", "2 keys", "2 matches", "2 indexes", "2 deliveries", "2 assets"]);
    }
}
