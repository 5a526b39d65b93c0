//! What somebody asks to read: a place, and its newest edition or one of those before.

use super::source::{Source, SourceError};
use crate::ids::Sha256Hex;
use crate::manifest::files::{copy_of, root_in};

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The place.
    pub source: Source,
    /// The SHA-256 of the root of the edition that is wanted; none for the newest one.
    pub edition: Option<Sha256Hex>,
}

impl Request {
    /// Reads a source that may end with the name of an edition's root, `edition-SHA256.json`.
    pub fn parse(text: &str, allows_http: bool) -> Result<Self, SourceError> {
        let text = text.trim();
        let at = text.rfind(['/', '\\', ':']).map_or(0, |at| at + 1);
        let (place, name) = text.split_at(at);
        let edition = root_in(name);
        let place = match (&edition, place) {
            (None, _) => text,
            (Some(_), "") => ".",
            (Some(_), place) => place,
        };
        Ok(Self { source: Source::parse(place, allows_http)?, edition })
    }

    /// What it is, in words.
    pub fn shown(&self) -> String {
        match &self.edition {
            None => self.source.to_string(),
            Some(root) => format!("{} ({})", self.source, copy_of(root)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_may_name_the_root_of_one_edition() {
        let root = Sha256Hex::of(b"root");
        let name = copy_of(&root);
        let table = [
            (format!("https://a.example.com/x/{name}"), "https://a.example.com/x/"),
            (format!("https://a.example.com/{name}"), "https://a.example.com/"),
            (format!("s3://bucket/x/{name}"), "s3://bucket/x"),
            (format!("file:///srv/library/{name}"), "/srv/library"),
            (format!("git:https://a.example.com/lib.git#main:{name}"), "git:https://a.example.com/lib.git#main"),
            (format!("github:o/n#main:m/{name}"), "git:https://github.com/o/n.git#main:m"),
            (format!("/srv/library/{name}"), "/srv/library"),
            (format!("../{name}"), ".."),
            (name, "."),
        ];
        for (text, place) in table {
            let request = Request::parse(&text, false).unwrap();
            assert_eq!((request.source.to_string().as_str(), request.edition), (place, Some(root.clone())), "{text}");
        }
    }

    #[test]
    fn what_names_no_edition_is_a_place_as_ever() {
        let name = copy_of(&Sha256Hex::of(b"root"));
        for text in [
            "https://a.example.com/x/manifest.json".to_owned(),
            "/srv/edition-abc.json".to_owned(),
            format!("/srv/old-{name}"),
            format!("https://a.example.com/{name}/"),
            format!("git:https://a.example.com/lib.git#{name}"),
        ] {
            let request = Request::parse(&text, false).unwrap();
            assert_eq!((request.edition, request.source), (None, Source::parse(&text, false).unwrap()), "{text}");
        }
        assert!(Request::parse(&format!("https://{name}"), false).is_err());
        assert!(Request::parse(&format!("http://a.example.com/{name}"), false).is_err());
        assert!(Request::parse(&format!("https://a.example.com/{name}?token=x"), false).is_err());
    }
}
