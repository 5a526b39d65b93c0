//! Texts as PostgreSQL can keep them: it has no NUL.

use std::borrow::Cow;

/// A text that [`escaped`] did not give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the text {0:?} is not one that was written")]
pub struct NotEscaped(String);

/// The text without NUL; a text without NUL and backslash is itself.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\\']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\\', "\\\\").replace('\0', "\\0"))
}

/// Takes back what [`escaped`] gave.
pub fn unescaped(text: &str) -> Result<String, NotEscaped> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('\\') => '\\',
                Some('0') => '\0',
                _ => return Err(NotEscaped(text.to_owned())),
            },
            other => other,
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_comes_back(text in "[a\\\\0\0ü]{0,12}") {
            let kept = escaped(&text);
            prop_assert!(!kept.contains('\0'));
            prop_assert_eq!(unescaped(&kept).unwrap(), text);
        }
    }
}
