//! What stockroom.yml says about the catalogue page.

use schemars::JsonSchema;
use serde::Deserialize;

/// `page: true`, or what is special about it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Page {
    /// Whether there is one, as it comes.
    Is(bool),
    /// There is one, with these settings.
    With(Settings),
}

impl Default for Page {
    fn default() -> Self {
        Self::Is(false)
    }
}

/// What is special about the catalogue page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Its heading; when this is left out, "Catalogue".
    pub title: Option<String>,
    /// The language of the assets' titles and descriptions, such as `en` or `pt-BR`: for screen readers, and for their order.
    pub language: Option<String>,
    /// Whether it shows the warnings; yes unless this is false.
    pub findings: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { title: None, language: None, findings: true }
    }
}

impl Page {
    /// Whether a page is wanted.
    pub fn is_wanted(&self) -> bool {
        !matches!(self, Self::Is(false))
    }

    /// Its heading, where there is one of its own.
    pub fn title(&self) -> Option<&str> {
        self.settings().and_then(|settings| settings.title.as_deref())
    }

    /// The language of what it shows, where it is known.
    pub fn language(&self) -> Option<&str> {
        self.settings().and_then(|settings| settings.language.as_deref())
    }

    /// Whether it shows the warnings.
    pub fn findings(&self) -> bool {
        self.settings().is_none_or(|settings| settings.findings)
    }

    fn settings(&self) -> Option<&Settings> {
        match self {
            Self::Is(_) => None,
            Self::With(settings) => Some(settings),
        }
    }

    /// What is wrong with the settings, as JSON Pointers within them and sentences.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if let Some(title) = self.title()
            && (title.trim().is_empty() || title.chars().count() > 200)
        {
            problems.push(("/title".to_owned(), "a heading has 1 to 200 characters".to_owned()));
        }
        if let Some(language) = self.language()
            && !is_language(language)
        {
            problems.push(("/language".to_owned(), format!("{language:?} is no language; write \"en\" or \"pt-BR\"")));
        }
        problems
    }
}

/// Whether it is a language, a script and a region at most, in this order: some browsers throw at what is otherwise written.
fn is_language(text: &str) -> bool {
    let is =
        |part: &str, least, most| (least..=most).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphabetic());
    let mut parts = text.split('-').peekable();
    let language = parts.next().is_some_and(|part| is(part, 2, 3));
    parts.next_if(|part| is(part, 4, 4));
    parts.next_if(|part| is(part, 2, 2) || (part.len() == 3 && part.chars().all(|c| c.is_ascii_digit())));
    language && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: serde_json::Value) -> Vec<String> {
        serde_json::from_value::<Page>(yaml).unwrap().problems().into_iter().map(|(place, _)| place).collect()
    }

    #[test]
    fn a_page_may_be_wished_in_a_word_or_with_settings() {
        for (yaml, wanted) in [("true", true), ("false", false), ("{}", true), ("{\"findings\": false}", true)] {
            assert_eq!(serde_json::from_str::<Page>(yaml).unwrap().is_wanted(), wanted, "{yaml}");
        }
        assert!(serde_json::from_str::<Page>("{\"titel\": \"x\"}").is_err());
    }

    #[test]
    fn a_language_is_one_that_browsers_take() {
        for language in ["en", "pt-BR", "zh-Hant-TW", "gsw", "es-419"] {
            assert!(is_language(language), "{language}");
        }
        for language in ["", "e", "english", "en_US", "en-", "1n", "en-US-GB", "en-Latn-Latn", "zh-TW-Hant", "de-DE-x"]
        {
            assert!(!is_language(language), "{language}");
        }
    }

    #[test]
    fn an_empty_heading_and_a_made_up_language_are_problems() {
        assert_eq!(problems(serde_json::json!({"title": " ", "language": "en_US"})), ["/title", "/language"]);
        assert!(problems(serde_json::json!({"title": "Shop", "language": "de"})).is_empty());
    }
}
