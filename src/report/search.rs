//! What the vector index answers.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::human::Style;
use super::log_text::for_people;
use crate::embedding::{Answer, Hit};

/// How much of a chunk a person gets to see, in characters.
const EXCERPT: usize = 160;

/// What `stockroom search` found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "stockroom search, version 1")]
struct SearchV1<'a> {
    /// The version of this format.
    #[schemars(extend("const" = 1))]
    version: u8,
    /// What was asked.
    query: &'a str,
    /// The best assets, best first.
    hits: Vec<HitV1<'a>>,
}

/// An asset and the part of its texts that fits best.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Hit")]
struct HitV1<'a> {
    /// The repository that it is of, as `owner/name`; null for the library's own.
    repository: Option<&'a str>,
    /// The asset's collection; of another repository's files its name.
    collection: &'a str,
    /// The asset's id.
    id: &'a str,
    /// The file that the text is from.
    path: &'a str,
    /// How well it fits: the greater the better; comparable within one answer only.
    score: f32,
    /// The text.
    text: &'a str,
}

/// The answer for a person.
pub fn human(query: &str, hits: &[Answer], style: Style) -> String {
    if hits.is_empty() {
        return format!("nothing found for {}; is the index built? `stockroom sync` builds it\n", for_people(query));
    }
    let mut out = String::new();
    for (rank, Answer { hit, .. }) in hits.iter().enumerate() {
        let name = style.good(&for_people(&hit.asset.to_string()));
        let _ = writeln!(out, "{:>2}. {name}  {}", rank + 1, style.quiet(&format!("{:.2}", hit.score)));
        let line = hit.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let excerpt: String = line.chars().take(EXCERPT).collect();
        let more = if excerpt.len() < line.len() { "…" } else { "" };
        let _ = writeln!(out, "    {}: {}{more}", for_people(hit.path.as_str()), for_people(&excerpt));
    }
    out
}

/// The answer for a program.
pub fn json(query: &str, hits: &[Answer]) -> String {
    fn hit(Answer { repository, hit }: &Answer) -> HitV1<'_> {
        let Hit { asset, path, text, score } = hit;
        HitV1 {
            repository: repository.as_deref(),
            collection: asset.collection.as_str(),
            id: asset.id.as_str(),
            path: path.as_str(),
            score: *score,
            text,
        }
    }
    super::json::pretty(&SearchV1 { version: 1, query, hits: hits.iter().map(hit).collect() })
}

/// The JSON Schema of [`json`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(SearchV1<'static>).to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AssetId, AssetKey, CollectionName, RepoPath};

    fn hit(id: &str, text: &str, score: f32) -> Answer {
        let asset = AssetKey { collection: CollectionName::new("products"), id: AssetId::new(id) };
        let hit = Hit { asset, path: RepoPath::new(format!("{id}/{id}.json")), text: text.to_owned(), score };
        Answer { repository: None, hit }
    }

    #[test]
    fn each_asset_has_its_rank_its_score_and_its_text_on_one_line() {
        let hits = [hit("bolt", "Hex bolt\n\tM3 to M36", 1.25), hit("nut\u{1b}[2J", "Nut", 0.5)];
        insta::assert_snapshot!(human("bolt", &hits, Style::Plain), @r"
        1. products/bolt  1.25
           bolt/bolt.json: Hex bolt M3 to M36
        2. products/nut\u{1b}[2J  0.50
           nut\u{1b}[2J/nut\u{1b}[2J.json: Nut
        ");
    }

    #[test]
    fn a_long_text_is_cut_and_marked_so() {
        let of = |length: usize| human("x", &[hit("a", &"ä".repeat(length), 1.0)], Style::Plain);
        assert!(of(EXCERPT).ends_with("ä\n"));
        assert!(of(EXCERPT + 1).ends_with("ä…\n"));
    }

    #[test]
    fn nothing_found_says_what_may_be_missing() {
        let text = human("bolt\u{1b}[2J", &[], Style::Plain);
        assert!(text.contains("`stockroom sync`") && !text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn the_document_follows_its_schema_and_keeps_the_text_whole() {
        let long = "x\n".repeat(EXCERPT);
        let document: serde_json::Value = serde_json::from_str(&json("bolt", &[hit("bolt", &long, 0.5)])).unwrap();
        assert_eq!(document["hits"][0]["score"], 0.5);
        assert_eq!(document["hits"][0]["text"], long);
        let validator = jsonschema::options().offline().build(&schema()).unwrap();
        assert!(validator.is_valid(&document) && !validator.is_valid(&serde_json::json!({ "version": 1 })));
    }
}
