//! Takes the markup off a text: what remains is what a reader would read.

use crate::ids::RepoPath;

/// Elements that are taken for HTML; `Vec<T>` and `a < b` are not.
const INLINE: [&str; 22] = [
    "a", "abbr", "b", "code", "del", "em", "font", "i", "img", "ins", "kbd", "label", "mark", "q", "s", "small",
    "span", "strong", "sub", "sup", "u", "input",
];
/// Elements after which a new paragraph begins.
const BLOCK: [&str; 38] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "button",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "iframe",
    "li",
    "main",
    "meta",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "ul",
    "video",
];
const TABLE: [&str; 7] = ["table", "tbody", "td", "tfoot", "th", "thead", "tr"];
/// Elements whose content nobody reads.
const UNREAD: [&str; 3] = ["script", "style", "title"];

/// The text of a file beside a record; none for a file that is no text.
pub(super) fn companion(path: &RepoPath, bytes: &[u8]) -> Option<String> {
    if bytes.contains(&0) {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match path.extension().to_ascii_lowercase().as_str() {
        "md" | "markdown" | "mdx" => Some(without_html(&without_markdown(without_front_matter(text)))),
        _ => Some(without_html(without_front_matter(text))),
    }
}

/// The text after a `---` or `+++` block at its very beginning; a block that does not end is text.
fn without_front_matter(text: &str) -> &str {
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next() else { return text };
    let fence = first.trim_end();
    if !matches!(fence, "---" | "+++") {
        return text;
    }
    let mut at = first.len();
    for line in lines {
        at += line.len();
        if line.trim_end() == fence {
            return text.get(at..).unwrap_or_default();
        }
    }
    text
}

/// Markdown without its marks: headings and list items are paragraphs, links and pictures their words.
fn without_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let bare = line.trim_start().trim_start_matches('>').trim_start();
        if bare.starts_with("```") || bare.starts_with("~~~") || is_rule(bare) {
            out.push_str("\n\n");
            continue;
        }
        let heading = bare.trim_start_matches('#');
        let level = bare.len() - heading.len();
        let (block, body) = match item(bare) {
            _ if (1..=6).contains(&level) && heading.starts_with([' ', '\t']) => {
                (true, heading.trim().trim_end_matches('#'))
            }
            Some(body) => (true, body),
            None => (false, bare),
        };
        if block {
            out.push('\n');
        }
        without_inline_marks(body, &mut out);
        out.push_str(if level > 0 && block { "\n\n" } else { "\n" });
    }
    out
}

/// `---`, `***`, `===`, and the line below the head of a table.
fn is_rule(line: &str) -> bool {
    line.len() >= 3 && line.contains(['-', '*', '=', '_']) && line.chars().all(|c| "-*=_|: ".contains(c))
}

/// What a list item says.
fn item(line: &str) -> Option<&str> {
    let after = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let mark =
        if after.len() < line.len() { after.strip_prefix(['.', ')']) } else { line.strip_prefix(['-', '*', '+']) };
    mark.filter(|rest| rest.starts_with([' ', '\t'])).map(str::trim_start)
}

fn without_inline_marks(line: &str, out: &mut String) {
    let mut rest = line;
    while let Some(at) = rest.find(['[', '!', '*', '`', '_', '|']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some((words, after)) = link(from.strip_prefix('!').unwrap_or(from)) {
            without_inline_marks(words, out);
            rest = after;
            continue;
        }
        let mark = from.len() - from.trim_start_matches(|c| from.starts_with(c)).len();
        let (marks, after) = from.split_at(mark);
        let keep = match marks {
            "*" | "**" | "***" => out.ends_with(' ') && after.starts_with(' '),
            // `snake_case` keeps its underscores, `_emphasis_` does not.
            "_" | "__" => out.ends_with(char::is_alphanumeric) && after.starts_with(char::is_alphanumeric),
            "|" => {
                out.push(' ');
                false
            }
            _ => !marks.starts_with('`'),
        };
        if keep {
            out.push_str(marks);
        }
        rest = after;
    }
    out.push_str(rest);
}

/// The words of `[words](target)` at the very beginning, and what comes after it.
fn link(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?;
    let (words, rest) = inner.split_at(inner.find([']', '['])?);
    let target = rest.strip_prefix("](")?;
    // No address is longer; the search must not go over the whole line for each bracket.
    let (end, _) = target.char_indices().take(2_000).find(|(_, c)| *c == ')')?;
    Some((words, target.get(end + 1..)?))
}

/// HTML without its tags and comments, its entities resolved; blocks are paragraphs.
pub(super) fn without_html(text: &str) -> String {
    if !text.contains(['<', '&']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        match tag(from) {
            Some((length, breaks)) => {
                out.push_str(if breaks { "\n\n" } else { "" });
                rest = from.get(length..).unwrap_or_default();
            }
            None => {
                out.push('<');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    without_entities(&out)
}

/// The length of the tag or comment at the beginning, with what it hides, and whether a new paragraph begins after it.
fn tag(from: &str) -> Option<(usize, bool)> {
    // A tag or comment that ends later than this is none: the search must not go over the whole text for each `<`.
    const LONGEST: usize = 10_000;
    let end = (0..=from.len().min(LONGEST)).rev().find(|at| from.is_char_boundary(*at)).unwrap_or(0);
    let near = &from[..end];
    if near.starts_with("<!--") {
        return near.find("-->").map(|at| (at + 3, false));
    }
    if near.starts_with("<!") || near.starts_with("<?") {
        return near.find('>').map(|at| (at + 1, true));
    }
    let inner = near.strip_prefix('<')?;
    let closing = inner.starts_with('/');
    let name: String = inner.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).take(12).collect();
    let name = name.to_ascii_lowercase();
    let known = |names: &[&str]| names.contains(&name.as_str());
    let unread = known(&UNREAD);
    if !(unread || known(&INLINE) || known(&BLOCK) || known(&TABLE)) {
        return None;
    }
    let length = near.find('>')? + 1;
    if unread && !closing {
        let close = format!("</{name}");
        let hidden = near.to_ascii_lowercase().find(&close)?;
        return Some((hidden + near.get(hidden..)?.find('>')? + 1, true));
    }
    Some((length, !known(&INLINE)))
}

fn without_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let name = from.char_indices().skip(1).take(10).find(|(_, c)| *c == ';').and_then(|(end, _)| from.get(1..end));
        match name.and_then(|name| Some((entity(name)?, name.len() + 2))) {
            Some((c, length)) => {
                out.push(c);
                rest = &from[length..];
            }
            None => {
                out.push('&');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    let code = name.strip_prefix('#').map(|n| match n.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => n.parse(),
    });
    if let Some(code) = code {
        return code.ok().and_then(char::from_u32);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "deg" => '°',
        "times" => '×',
        "copy" => '©',
        "reg" => '®',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(name: &str, text: &str) -> String {
        let path = RepoPath::new(name);
        super::super::Text::new(&path, &companion(&path, text.as_bytes()).unwrap()).map_or_else(String::new, |t| t.text)
    }

    #[test]
    fn front_matter_is_taken_off_and_an_open_one_is_text() {
        assert_eq!(read("a.md", "---\ntitle: x\n---\nBody"), "Body");
        assert_eq!(read("a.md", "\u{feff}+++\r\nt = 1\r\n+++\r\nBody"), "Body");
        assert_eq!(read("a.txt", "---\nnot closed"), "--- not closed");
    }

    #[test]
    fn markdown_is_read_without_its_marks() {
        let text = "# Hex *Bolt*\nWith **zinc** and `M6`, see [the norm](https://iso.org/a_b).\n\n- one\n- two_and_a_half\n1. three\n> said\n\n```\ncode\n```\n![icon](x.png) 2 * 3\n\n| a | b |\n|---|---|\n";
        let expected = "Hex Bolt\n\nWith zinc and M6, see the norm.\n\none\n\ntwo_and_a_half\n\nthree said\n\ncode\n\nicon 2 * 3\n\na b";
        assert_eq!(read("a.md", text), expected);
    }

    #[test]
    fn html_is_read_without_its_tags() {
        assert_eq!(
            read("a.html", "<h1>Bolt</h1><p class=\"a\">Steel &amp; <b>zinc</b>&nbsp;&#169;</p>"),
            "Bolt\n\nSteel & zinc ©"
        );
        assert_eq!(read("a.html", "a<!-- no -->b<script>var x = '<p>';</script>c<STYLE>p{}</STYLE>"), "ab\n\nc");
        assert_eq!(
            without_html("Vec<T> where a < b && c > d &unknown; &#xFFFFFFFF;"),
            "Vec<T> where a < b && c > d &unknown; &#xFFFFFFFF;"
        );
    }

    #[test]
    fn a_file_that_is_no_text_has_none() {
        assert_eq!(companion(&RepoPath::new("a.md"), b"\x89PNG\0"), None);
        assert_eq!(companion(&RepoPath::new("a.md"), b"caf\xe9").as_deref(), Some("caf\u{fffd}\n"));
    }

    #[test]
    fn hostile_markup_is_read_to_its_end() {
        for piece in ["<!--", "<p ", "<script>", "[", "![", "[a](", "&", "*", "<"] {
            let text = piece.repeat(30_000 / piece.len());
            assert!(companion(&RepoPath::new("a.md"), text.as_bytes()).is_some(), "{piece}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "[<>!\\-/a-z&;#\\[\\]()*_`|\\n é]{0,200}", md in any::<bool>()) {
            read(if md { "a.md" } else { "a.html" }, &text);
        }
    }
}
