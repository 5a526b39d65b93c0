//! What somebody wants of a manifest: which collections, and which of the files.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::manifest::format::{FileEntry, Root};

/// Which of the assets' files are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Files {
    /// All that can be fetched.
    #[default]
    All,
    /// None.
    None,
    /// Those with these roles.
    Roles(BTreeSet<String>),
}

impl FromStr for Files {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "all" | "" => Ok(Self::All),
            "none" => Ok(Self::None),
            list => {
                let roles: BTreeSet<String> = list.split(',').map(|role| role.trim().to_owned()).collect();
                match roles.iter().any(|role| role.is_empty() || role == "all" || role == "none") {
                    true => {
                        Err(format!("{text:?} is neither `all` nor `none` nor a list of roles such as thumbnail,model"))
                    }
                    false => Ok(Self::Roles(roles)),
                }
            }
        }
    }
}

/// What is wanted of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Choice {
    /// The collections; none stands for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collections: Option<BTreeSet<String>>,
    /// The files.
    #[serde(default)]
    pub files: Files,
}

impl Choice {
    /// Whether a collection is wanted.
    pub fn takes(&self, collection: &str) -> bool {
        self.collections.as_ref().is_none_or(|wanted| wanted.contains(collection))
    }

    /// Whether a file is wanted, whether it can be fetched or not.
    pub fn wants(&self, file: &FileEntry) -> bool {
        match &self.files {
            Files::All => true,
            Files::None => false,
            Files::Roles(roles) => roles.contains(&file.role),
        }
    }

    /// The wanted collections that a root does not have.
    pub fn missing<'c>(&'c self, root: &Root) -> Vec<&'c str> {
        let wanted = self.collections.iter().flatten().map(String::as_str);
        wanted.filter(|name| !root.collections.contains_key(*name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_chosen_by_a_word_or_by_roles() {
        assert_eq!(("all".parse(), "none".parse()), (Ok(Files::All), Ok(Files::None)));
        let roles = BTreeSet::from(["model".to_owned(), "thumbnail".to_owned()]);
        assert_eq!("thumbnail, model".parse(), Ok(Files::Roles(roles)));
        for bad in ["thumbnail,", "all,model", ","] {
            assert!(bad.parse::<Files>().unwrap_err().contains("thumbnail,model"), "{bad}");
        }
    }

    #[test]
    fn without_a_choice_everything_is_taken() {
        let some = Choice { collections: Some(BTreeSet::from(["a".to_owned()])), ..Choice::default() };
        assert!(Choice::default().takes("x") && some.takes("a") && !some.takes("b"));
    }
}
