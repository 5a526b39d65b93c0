//! What is wrong with a regular expression that the validator accepts.

/// How deep groups are followed.
const DEEPEST: usize = 60;

/// The first construct that ECMA-262 does not have, in words.
pub(super) fn foreign(pattern: &str) -> Option<String> {
    let mut rest = pattern.chars().peekable();
    let mut in_class = false;
    let mut after_quantifier = false;
    while let Some(character) = rest.next() {
        let is_quantifier = std::mem::take(&mut after_quantifier);
        match character {
            '\\' => {
                let meant = rest.next().filter(|letter| "AZzGQEhHRKXae".contains(*letter));
                if let Some(letter) = meant {
                    return Some(format!("`\\{letter}`"));
                }
            }
            '[' if in_class && rest.peek() == Some(&':') => return Some("a class such as `[:alpha:]`".to_owned()),
            '[' => in_class = true,
            ']' => in_class = false,
            _ if in_class => {}
            '(' if rest.peek() == Some(&'?') => {
                let ahead: String = rest.clone().skip(1).take(12).collect();
                if let Some(what) = foreign_group(&ahead) {
                    return Some(what.to_owned());
                }
                // The question mark is none of a quantifier.
                rest.next();
            }
            '+' if is_quantifier => return Some("a possessive quantifier such as `++`".to_owned()),
            '*' | '+' | '?' => after_quantifier = !is_quantifier,
            _ => {}
        }
    }
    None
}

/// What is foreign in a group, by what follows its `(?`.
fn foreign_group(ahead: &str) -> Option<&'static str> {
    let mut letters = ahead.chars();
    match letters.next()? {
        ':' | '=' | '!' | '<' => None,
        '>' => Some("an atomic group `(?>`"),
        '#' => Some("a comment `(?#`"),
        'P' => Some("a group `(?P<name>`, which ECMA-262 writes `(?<name>`"),
        'i' | 'm' | 's' | '-' if ahead.split([')', '(']).next().is_some_and(|flags| flags.contains(':')) => None,
        'i' | 'm' | 's' | 'x' | 'u' | 'n' | 'U' | '-' => Some("flags such as `(?i)`"),
        _ => Some("a group of another kind"),
    }
}

/// Whether matching can take exponential time: a repeated group all of whose content may be one repetition, `(a+)+`, with
/// something after it that can fail.
pub(super) fn is_explosive(pattern: &str) -> bool {
    let characters: Vec<char> = pattern.chars().collect();
    let mut reader = Reader { characters: &characters, at: 0 };
    reader.alternatives(0).is_some_and(|alternatives| alternatives.iter().any(|sequence| explodes(sequence, false)))
}

struct Item {
    /// The alternatives of a group; none for everything else.
    group: Vec<Vec<Item>>,
    /// Matches without taking a character, and may refuse to.
    is_border: bool,
    least: u32,
    is_unbounded: bool,
}

impl Item {
    fn is_nullable(&self) -> bool {
        let is_empty = |sequence: &Vec<Item>| sequence.iter().all(Item::is_nullable);
        !self.is_border && (self.least == 0 || (!self.group.is_empty() && self.group.iter().any(is_empty)))
    }

    /// Whether its content, taken alone, is one repetition: nothing else in it has to be there.
    fn repeats_inside(&self) -> bool {
        let repeats = |sequence: &Vec<Item>| {
            sequence.iter().enumerate().any(|(at, item)| {
                let others = sequence.iter().enumerate().filter(|(other, _)| *other != at);
                (item.is_unbounded || item.repeats_inside()) && others.into_iter().all(|(_, other)| other.is_nullable())
            })
        };
        self.group.iter().any(repeats)
    }
}

fn explodes(sequence: &[Item], followed: bool) -> bool {
    sequence.iter().enumerate().any(|(at, item)| {
        let can_fail = followed || sequence.iter().skip(at + 1).any(|later| !later.is_nullable());
        (can_fail && item.is_unbounded && item.repeats_inside())
            || item.group.iter().any(|inner| explodes(inner, can_fail))
    })
}

struct Reader<'p> {
    characters: &'p [char],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.at += 1;
        }
        is_there
    }

    /// The alternatives up to the end of the group; none where the pattern is not understood.
    fn alternatives(&mut self, depth: usize) -> Option<Vec<Vec<Item>>> {
        if depth > DEEPEST {
            return None;
        }
        let mut alternatives = vec![Vec::new()];
        while let Some(character) = self.peek() {
            match character {
                ')' => break,
                '|' => {
                    self.at += 1;
                    alternatives.push(Vec::new());
                }
                _ => {
                    let item = self.item(depth)?;
                    alternatives.last_mut()?.push(item);
                }
            }
        }
        Some(alternatives)
    }

    fn item(&mut self, depth: usize) -> Option<Item> {
        let mut item = Item { group: Vec::new(), is_border: false, least: 1, is_unbounded: false };
        let character = self.peek()?;
        self.at += 1;
        match character {
            '^' | '$' => item.is_border = true,
            '\\' => {
                item.is_border = matches!(self.peek(), Some('b' | 'B'));
                self.at += 1;
            }
            '[' => self.class()?,
            '(' => {
                if self.take('?') {
                    item.is_border = self.group_head()?;
                }
                let group = self.alternatives(depth + 1)?;
                if !self.take(')') {
                    return None;
                }
                if !item.is_border {
                    item.group = group;
                }
            }
            _ => {}
        }
        self.quantifier(&mut item);
        Some(item)
    }

    /// Reads what follows `(?` and says whether the group only looks.
    fn group_head(&mut self) -> Option<bool> {
        if self.take('=') || self.take('!') {
            return Some(true);
        }
        if self.take('<') {
            if self.take('=') || self.take('!') {
                return Some(true);
            }
            while self.peek()? != '>' {
                self.at += 1;
            }
            self.at += 1;
            return Some(false);
        }
        while self.peek()? != ':' {
            self.at += 1;
        }
        self.at += 1;
        Some(false)
    }

    fn class(&mut self) -> Option<()> {
        loop {
            let character = self.peek()?;
            self.at += 1;
            match character {
                '\\' => self.at += 1,
                ']' => return Some(()),
                _ => {}
            }
        }
    }

    fn quantifier(&mut self, item: &mut Item) {
        match self.peek() {
            Some('*') => (item.least, item.is_unbounded) = (0, true),
            Some('+') => item.is_unbounded = true,
            Some('?') => item.least = 0,
            Some('{') => {
                let inside: String = self.characters.iter().skip(self.at + 1).take_while(|c| **c != '}').collect();
                let (least, most) = inside.split_once(',').unwrap_or((&inside, "1"));
                let Ok(least) = least.parse() else { return };
                (item.least, item.is_unbounded) = (least, most.is_empty());
                self.at += inside.chars().count() + 1;
            }
            _ => return,
        }
        self.at += 1;
        self.take('?');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_engines_have_is_named() {
        for (pattern, what) in [
            (r"^\Afoo\z", r"`\A`"),
            ("(?i)abc", "(?i)"),
            ("(?P<year>[0-9]+)", "(?P<name>"),
            ("(?>a+)b", "atomic"),
            ("[[:alpha:]]+", "[:alpha:]"),
            ("a++b", "possessive"),
            ("(?#note)a", "comment"),
        ] {
            let found = foreign(pattern).unwrap_or_default();
            assert!(found.contains(what), "{pattern}: {found}");
        }
    }

    #[test]
    fn what_ecma_has_is_not() {
        for pattern in [
            "v[0-9]+(\\.[0-9]+)+",
            "^(?<year>\\d{4})$",
            "(?=a)b(?!c)(?<=d)(?<!e)(?:f)",
            "a+?b*?c??",
            "[+*?]+",
            "[(?i)]",
            r"\\A",
            r"\p{L}+\u0041",
            "(?i:abc)",
            "[a-z[]+",
            "^[^/]+(/[^/]+)*$",
            "[[]",
            "a\\++",
        ] {
            assert_eq!(foreign(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn a_repetition_of_a_repetition_explodes() {
        for pattern in [
            "^(a+)+$",
            "(a*)*b",
            "^([a-z]+)*!",
            "^(\\w+\\s?)*$",
            "^((a+)+)$",
            "(x|(\\d+))+;",
            "(?:a{2,})+b",
            "^(a|b+)+$",
        ] {
            assert!(is_explosive(pattern), "{pattern}");
        }
    }

    #[test]
    fn a_repetition_with_a_border_does_not() {
        for pattern in [
            "v[0-9]+(\\.[0-9]+)+$",
            "^([a-z]+-)+$",
            "^[a-z0-9]+(?:-[a-z0-9]+)*$",
            "(a+)+",
            "^(a+)?$",
            "^(ab)+$",
            "^(a{1,3})+$",
            "^(\\b\\w+)+$",
            "(",
            "a)",
            "[",
            "(?",
            "(?<",
            "{",
            "^a{x}+$",
            "",
        ] {
            assert!(!is_explosive(pattern), "{pattern}");
        }
    }
}
