//! The places that a manifest is published to.

use schemars::JsonSchema;
use serde::Deserialize;

use super::is_web_address;
use crate::manifest::files::ROOT;

/// A place for the manifest: one of `folder`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// A folder, relative to the library's root.
    pub folder: Option<String>,
    /// The address at which what is published there can be fetched, without the name of the file; downstreams are told it.
    pub url: Option<String>,
}

/// The one place that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A folder, relative to the library's root.
    Folder(&'a str),
}

impl Place<'_> {
    /// What tells it from the others, for people and in the state.
    pub fn name(&self) -> String {
        match self {
            Self::Folder(folder) => (*folder).to_owned(),
        }
    }
}

impl Publish {
    /// A folder.
    pub fn folder(folder: impl Into<String>) -> Self {
        Self { folder: Some(folder.into()), ..Self::default() }
    }

    /// The place; none where there is not exactly one, which [`Self::problems`] tells.
    pub fn place(&self) -> Option<Place<'_>> {
        let places = [self.folder.as_deref().map(Place::Folder)];
        let mut places = places.into_iter().flatten();
        places.next().filter(|_| places.next().is_none())
    }

    /// The address of the root, where the settings say how the place is reached.
    pub fn root_address(&self) -> Option<String> {
        self.url.as_ref().map(|url| format!("{}/{ROOT}", url.trim_end_matches('/')))
    }

    /// What is wrong with it, as JSON Pointers within it and sentences.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        match self.place() {
            None => problems.push((String::new(), "a place is one of `folder`".to_owned())),
            Some(Place::Folder(folder)) => {
                let outside = folder.starts_with('/') || folder.split('/').any(|part| part == "..");
                let parts = folder.split('/').filter(|part| !part.is_empty() && *part != ".").count();
                let is_git = folder.split('/').any(|part| part.eq_ignore_ascii_case(".git"));
                if outside || is_git || parts == 0 {
                    problems.push(("/folder".to_owned(), format!("{folder:?} is not a folder inside the library")));
                }
            }
        }
        if let Some(url) = self.url.as_ref().filter(|url| !is_web_address(url)) {
            problems.push(("/url".to_owned(), format!("{url:?} does not begin with https://")));
        }
        problems
    }
}
