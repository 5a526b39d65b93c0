//! What our namespaces are called in an index that others may use too.
//!
//! `stockroom:SCOPE:GENERATION`, of characters that a path and a query carry as they are; all others are `~` and two hex
//! digits. So the namespaces of a scope are those with one prefix, and no scope's prefix is that of another.

use crate::embedding::Namespace;

/// The longest name that Pinecone takes.
const LONGEST: usize = 512;

/// A name that is too long.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`embed.store.namespace` is too long for Pinecone beside the name of the model; choose a shorter one")]
pub(super) struct TooLong;

/// What the names of a scope's namespaces begin with.
pub(super) fn prefix(scope: &str) -> String {
    format!("stockroom:{}:", escaped(scope))
}

/// The namespace of a generation.
pub(super) fn of(scope: &str, generation: &Namespace) -> Result<String, TooLong> {
    let name = format!("{}{}", prefix(scope), escaped(generation.as_str()));
    if name.len() <= LONGEST { Ok(name) } else { Err(TooLong) }
}

/// The namespace of a scope's mark; no generation is called so, as `=` would be escaped in its name.
pub(super) fn of_mark(scope: &str) -> Result<String, TooLong> {
    let name = format!("{}=mark", prefix(scope));
    if name.len() <= LONGEST { Ok(name) } else { Err(TooLong) }
}

/// The generation whose namespace this is; none for those of others.
pub(super) fn generation(scope: &str, name: &str) -> Option<Namespace> {
    unescaped(name.strip_prefix(&prefix(scope))?).map(Namespace::from_store)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

fn escaped(text: &str) -> String {
    let each = text.bytes().map(|byte| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("~{byte:02x}"),
    });
    each.collect()
}

fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('~');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    let found = String::from_utf8(bytes).ok()?;
    // What is written in another way is not ours.
    (escaped(&found) == text).then_some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_reads_well_and_the_mark_is_no_generation() {
        let name = of("acme/assets", &Namespace::from_store("minilm/256/c1-1000-200")).unwrap();
        assert_eq!(name, "stockroom:acme~2fassets:minilm~2f256~2fc1-1000-200");
        assert_eq!(generation("acme/assets", &of_mark("acme/assets").unwrap()), None);
        assert_eq!(generation("acme", &name), None);
        assert_eq!(of("a", &Namespace::from_store("ä".repeat(100))), Err(TooLong));
        for other in
            ["", "notes", "stockroom:acme~2fassets:a~2", "stockroom:acme~2fassets:a~ff", "stockroom:acme~2fassets:~61"]
        {
            assert_eq!(generation("acme/assets", other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_generation_comes_back_to_its_own_scope_alone(scope in ".{0,20}", other in ".{0,20}", text in ".{0,20}") {
            let generation = Namespace::from_store(text);
            let name = of(&scope, &generation).unwrap();
            prop_assert_eq!(super::generation(&scope, &name), Some(generation));
            prop_assert!(scope == other || super::generation(&other, &name).is_none());
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
