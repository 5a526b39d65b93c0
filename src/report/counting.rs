//! Numbers of things in sentences.

/// A number with its noun: `1 record`, `2 records`, `0 entries`, `3 branches`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {}", plural(noun)) }
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
