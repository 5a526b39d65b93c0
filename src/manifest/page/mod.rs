//! The catalogue page: one HTML file that shows people, in a browser, what the manifest beside it lists.
//!
//! It is the same file for every catalogue; of the settings it carries a few in a block of JSON, and the rest it reads
//! from `manifest.json` when it is opened.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

mod settings;

use super::listing;
pub use settings::{Page, Settings};

/// The name of the page, which web servers answer with where a folder is asked for.
pub const NAME: &str = "index.html";

/// How large a page of somebody else's may be that is looked at, in bytes.
pub const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// What tells our page, of whichever version, from one of somebody else's.
const MARK: &str = "<meta name=\"generator\" content=\"Stockroom\">";

const TEMPLATE: &str = include_str!("index.html");
/// What searches by meaning, as websites can have it too.
const CLIENT: &str = include_str!("../../../docs/clients/search.mjs");

/// What of stockroom.yml the page itself has to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Carried<'a> {
    /// The heading; "Catalogue" without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<&'a str>,
    /// The language of titles and descriptions, as BCP 47 writes it; the page's own words are English.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<&'a str>,
    /// Whether findings are shown.
    pub findings: bool,
    /// How assets present themselves, for what is read from their entries; absent where it is as usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listing: Option<&'a listing::Settings>,
}

/// The page's bytes; with `search` it can use a search that is published beside it.
pub fn render(page: &Page, listing: &listing::Settings, search: bool) -> Vec<u8> {
    let carried = Carried {
        title: page.title(),
        language: page.language(),
        findings: page.findings(),
        listing: (*listing != listing::Settings::default()).then_some(listing),
    };
    let mut html = TEMPLATE.replacen("MEANING;", &format!("{};", meaning(search)), 1);
    // The template's own script and style are all that may run; a hash of them cannot go stale where it is worked out here.
    let (script, style) = (allowed(&html, "<script>", "</script>"), allowed(&html, "<style>", "</style>"));
    html = html.replacen("sha256-SCRIPT", &script, 1).replacen("sha256-STYLE", &style, 1);
    if let Some(title) = carried.title {
        html = html.replacen("<title>Catalogue</title>", &format!("<title>{}</title>", as_text(title)), 1);
    }
    html.replacen("SETTINGS</script>", &format!("{}</script>", as_data(&carried)), 1).into_bytes()
}

/// Whether these are the bytes of a catalogue page, and not of a page that somebody else has put in its place.
pub fn is_ours(bytes: &[u8]) -> bool {
    bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes())
}

/// The client as a value of the page's script, with names of its own.
fn meaning(search: bool) -> String {
    if !search {
        return "undefined".to_owned();
    }
    // Comments and types are for those who read the file.
    let code = CLIENT.lines().map(str::trim_start).filter(|line| !line.starts_with("//") && !line.starts_with("/**"));
    let lines: Vec<&str> = code.map(|line| line.strip_prefix("export ").unwrap_or(line)).collect();
    format!("(() => {{\n{}\nreturn {{ open }};\n}})()", lines.join("\n"))
}

/// The source of Content-Security-Policy that allows what stands between these tags.
fn allowed(html: &str, open: &str, close: &str) -> String {
    let rest = html.split_once(open).map_or("", |(_, rest)| rest);
    let inner = rest.split_once(close).map_or("", |(inner, _)| inner);
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(inner)))
}

/// JSON that may stand in a script element: nothing in it ends the element or begins a comment.
fn as_data(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned());
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

fn as_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(title: &str) -> String {
        let settings = Settings { title: Some(title.to_owned()), ..Settings::default() };
        String::from_utf8(render(&Page::With(settings), &listing::Settings::default(), true)).unwrap()
    }

    /// What a browser takes for the inner text of the first such element.
    fn inner<'h>(html: &'h str, open: &str, close: &str) -> &'h str {
        html.split_once(open).unwrap().1.split_once(close).unwrap().0
    }

    #[test]
    fn the_policy_allows_the_script_and_the_style_as_they_stand_there_and_nothing_else() {
        let html = page("A shop");
        for (open, close, directive) in [("<script>", "</script>", "script-src"), ("<style>", "</style>", "style-src")]
        {
            let digest = BASE64_STANDARD.encode(Sha256::digest(inner(&html, open, close)));
            assert!(html.contains(&format!("{directive} 'sha256-{digest}';")), "{directive}");
        }
        let policy = inner(&html, "Content-Security-Policy\" content=\"", "\"");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(html.matches("<script").count(), 2);
        assert!(!html.contains(" style=") && !html.contains(" onclick="));
    }

    #[test]
    fn a_title_is_text_wherever_it_stands() {
        let hostile = "</title></script><script>alert(1)</script><!-- & \u{2028} SETTINGS sha256-SCRIPT";
        let html = page(hostile);
        assert!(!html.contains("alert(1)</script>"));
        assert_eq!(html.matches("<script").count(), 2);
        let data = inner(&html, "<script id=\"settings\" type=\"application/json\">", "</script>");
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data, serde_json::json!({"title": hostile, "findings": true}));
    }

    #[test]
    fn a_page_without_settings_is_complete() {
        let html = String::from_utf8(render(&Page::Is(true), &listing::Settings::default(), false)).unwrap();
        assert!(html.contains("<title>Catalogue</title>") && html.contains(">{\"findings\":true}</script>"));
        for left in ["SETTINGS", "MEANING", "sha256-SCRIPT", "sha256-STYLE"] {
            assert!(!html.contains(left) && !page("x").contains(left), "{left}");
        }
        assert!(html.contains("const client = undefined;"), "what is not used is not shipped");
    }

    #[test]
    fn a_page_of_ours_is_known_as_such() {
        assert!(is_ours(page("Any title").as_bytes()));
        assert!(!is_ours(b"<!doctype html><title>Stockroom</title>") && !is_ours(b""));
    }

    #[test]
    fn the_page_is_light() {
        assert!(TEMPLATE.len() <= 42_500, "{} bytes", TEMPLATE.len());
        assert!(meaning(true).len() <= 10_240, "{} bytes", meaning(true).len());
    }

    #[test]
    fn the_page_makes_no_markup_out_of_data() {
        for way in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "new Function", "DOMParser"]
        {
            assert!(!page("x").contains(way), "{way}");
        }
    }
}
