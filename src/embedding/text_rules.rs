//! Which texts of an asset are embedded: pointers into its record, and files beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use globset::{Glob, GlobBuilder, GlobMatcher};
use serde_json::Value;

use super::markup;
use super::text::{self, Text};
use crate::catalog::pointer::PointerPattern;
use crate::ids::RepoPath;

/// One entry of `text`.
#[derive(Debug, Clone)]
pub(super) enum TextRule {
    /// Values of the record.
    Pointer(PointerPattern),
    /// A file name, perhaps with `{stem}` and `{dir}` in it.
    Name(String),
    /// A glob that is the same for every record.
    Glob(GlobMatcher),
    /// A glob with `{stem}` or `{dir}` in it.
    Template(String),
}

impl TextRule {
    /// Reads an entry; a sentence says what is wrong with a bad one.
    pub(super) fn parse(entry: &str) -> Result<Self, String> {
        if entry.starts_with('/') {
            return PointerPattern::parse(entry).map(Self::Pointer).ok_or_else(|| {
                format!("`{entry}` is not a JSON Pointer: after `~` comes `0` (for `~`) or `1` (for `/`)")
            });
        }
        if entry.trim().is_empty() {
            return Err(
                "an entry is empty; write a pointer such as `/title` or a file name such as `*_desc.md`".to_owned()
            );
        }
        if entry.contains('/') || entry == ".." {
            return Err(format!("`{entry}` names a folder; only files beside the record can be embedded"));
        }
        if !entry.contains(['.', '*', '?', '[', '{']) {
            return Err(format!(
                "`{entry}` is neither a pointer nor a file name; for the record's value write `/{entry}`"
            ));
        }
        let filled = fill(entry, "stem", "dir");
        if let Some(name) = single_alternative(&filled) {
            return Err(format!("`{entry}` has an unknown template `{{{name}}}`; there are `{{stem}}` and `{{dir}}`"));
        }
        let glob = glob(&filled).map_err(|why| format!("`{entry}` is not a file pattern: {why}"))?;
        Ok(match (filled == entry, filled.contains(['*', '?', '[', '{', '\\'])) {
            (_, false) => Self::Name(entry.to_owned()),
            (true, true) => Self::Glob(glob.compile_matcher()),
            (false, true) => Self::Template(entry.to_owned()),
        })
    }
}

fn glob(pattern: &str) -> Result<Glob, String> {
    GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build().map_err(|e| e.kind().to_string())
}

/// The pattern with its templates filled in.
fn fill(pattern: &str, stem: &str, dir: &str) -> String {
    pattern.replace("{dir}", dir).replace("{stem}", stem)
}

/// `name` of the first `{name}` without a comma: as a glob it would be pointless, so it is a template misspelt.
fn single_alternative(pattern: &str) -> Option<&str> {
    let (_, rest) = pattern.split_once('{')?;
    let (name, _) = rest.split_once('}')?;
    (!name.contains(',')).then_some(name)
}

/// The entries of `text`, ready to be asked.
#[derive(Debug, Clone)]
pub struct TextRules(Vec<TextRule>);

impl TextRules {
    /// Reads the entries; a sentence says what is wrong with the first bad one ([`super::Settings::problems`] tells all).
    pub fn parse(entries: &[String]) -> Result<Self, String> {
        entries.iter().map(|entry| TextRule::parse(entry)).collect::<Result<_, _>>().map(Self)
    }

    /// The files beside each record whose texts belong to it, among all `files` of the library.
    ///
    /// One pass for all records: a folder may hold thousands of them.
    pub fn companions(&self, records: &[&RepoPath], files: &BTreeSet<RepoPath>) -> BTreeMap<RepoPath, Vec<RepoPath>> {
        let folders: BTreeSet<&str> = records.iter().map(|record| record.folder()).collect();
        let mut by_glob: Vec<BTreeMap<&str, Vec<&RepoPath>>> = vec![BTreeMap::new(); self.0.len()];
        for (rule, found) in self.0.iter().zip(&mut by_glob) {
            if let TextRule::Glob(glob) = rule {
                for file in files.iter().filter(|f| folders.contains(f.folder()) && glob.is_match(f.file_name())) {
                    found.entry(file.folder()).or_default().push(file);
                }
            }
        }
        let of = |record: &RepoPath| {
            let mut found: Vec<RepoPath> = Vec::new();
            for (rule, by_folder) in self.0.iter().zip(&by_glob) {
                match rule {
                    TextRule::Pointer(_) => {}
                    TextRule::Name(name) => found.extend(named(record, name, files)),
                    TextRule::Glob(_) => {
                        found.extend(by_folder.get(record.folder()).into_iter().flatten().map(|f| (*f).clone()));
                    }
                    TextRule::Template(pattern) => found.extend(matching(record, pattern, files)),
                }
            }
            // A Markdown record's own text is beside its front matter; other records have none.
            let is_markdown = ["md", "markdown"].iter().any(|e| record.extension().eq_ignore_ascii_case(e));
            let mut seen: BTreeSet<RepoPath> =
                Some(record).filter(|_| !is_markdown).map(|r| (*r).clone()).into_iter().collect();
            found.retain(|file| seen.insert(file.clone()));
            found
        };
        records.iter().map(|record| ((*record).clone(), of(record))).collect()
    }

    /// The texts of one asset, cleaned: of its record's value, and of its companions, whose bytes are in `files`.
    ///
    /// A companion that is absent from `files`, or no text, is left out.
    pub fn texts(
        &self,
        record: &RepoPath,
        value: &Value,
        companions: &[RepoPath],
        files: &BTreeMap<RepoPath, Vec<u8>>,
    ) -> Vec<Text> {
        let mut texts = Vec::new();
        let mut joined: Vec<String> = Vec::new();
        let mut rest: Vec<&RepoPath> = companions.iter().collect();
        let flush = |joined: &mut Vec<String>, texts: &mut Vec<Text>| {
            texts.extend(Text::new(record, &joined.join("\n\n")));
            joined.clear();
        };
        for rule in &self.0 {
            let TextRule::Pointer(pointer) = rule else {
                let (mine, others) = rest.into_iter().partition(|file| rule.takes(record, file));
                rest = others;
                let mine: Vec<&RepoPath> = mine;
                if !mine.is_empty() {
                    flush(&mut joined, &mut texts);
                }
                texts.extend(
                    mine.iter().filter_map(|file| Text::new(file, &markup::companion(file, files.get(*file)?)?)),
                );
                continue;
            };
            joined.extend(text::values(value, pointer).iter().map(|html| markup::without_html(html)));
        }
        flush(&mut joined, &mut texts);
        texts
    }
}

impl TextRule {
    fn takes(&self, record: &RepoPath, file: &RepoPath) -> bool {
        match self {
            Self::Pointer(_) => false,
            Self::Name(name) => file.file_name() == filled_name(record, name),
            Self::Glob(glob) => glob.is_match(file.file_name()),
            Self::Template(pattern) => template(record, pattern).is_some_and(|g| g.is_match(file.file_name())),
        }
    }
}

fn dir(record: &RepoPath) -> &str {
    record.folder().rsplit('/').next().unwrap_or_default()
}

fn filled_name(record: &RepoPath, name: &str) -> String {
    fill(name, record.stem(), dir(record))
}

fn named(record: &RepoPath, name: &str, files: &BTreeSet<RepoPath>) -> Option<RepoPath> {
    let path = RepoPath::join(record.folder(), &filled_name(record, name));
    files.contains(&path).then_some(path)
}

/// A record's own name is data: what is special in it to a glob is escaped.
fn template(record: &RepoPath, pattern: &str) -> Option<GlobMatcher> {
    let filled = fill(pattern, &globset::escape(record.stem()), &globset::escape(dir(record)));
    glob(&filled).ok().map(|glob| glob.compile_matcher())
}

fn matching(record: &RepoPath, pattern: &str, files: &BTreeSet<RepoPath>) -> Vec<RepoPath> {
    let Some(glob) = template(record, pattern) else { return Vec::new() };
    // What stands before the first special character narrows a folder of thousands to a few names.
    let bare = pattern.replace("{stem}", "\0s").replace("{dir}", "\0d");
    let head = bare.split(['*', '?', '[', '{', '\\']).next().unwrap_or_default();
    let head = head.replace("\0s", record.stem()).replace("\0d", dir(record));
    let from = RepoPath::join(record.folder(), &head);
    let range = files.range((Bound::Included(from.clone()), Bound::Unbounded));
    range
        .take_while(|file| file.as_str().starts_with(from.as_str()))
        .filter(|file| file.folder() == record.folder() && glob.is_match(file.file_name()))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(text: &str) -> RepoPath {
        RepoPath::new(text)
    }

    fn rules(entries: &[&str]) -> TextRules {
        TextRules::parse(&entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn companions(entries: &[&str], record: &str, files: &[&str]) -> Vec<String> {
        let files = files.iter().map(|f| path(f)).collect();
        let found = rules(entries).companions(&[&path(record)], &files);
        found[&path(record)].iter().map(|f| f.as_str().to_owned()).collect()
    }

    #[test]
    fn files_are_found_beside_the_record_and_nowhere_else() {
        let files =
            ["Bolt $5/bolt.json", "Bolt $5/bolt_desc.md", "Bolt $5/deep/x_desc.md", "Nut/nut_desc.md", "a_desc.md"];
        assert_eq!(companions(&["*_desc.md"], "Bolt $5/bolt.json", &files), ["Bolt $5/bolt_desc.md"]);
        assert_eq!(companions(&["*_desc.md"], "a.json", &files), ["a_desc.md"]);
        assert_eq!(companions(&["{stem}_desc.md"], "Bolt $5/bolt.json", &files), ["Bolt $5/bolt_desc.md"]);
        assert_eq!(companions(&["{stem}_*.md"], "Bolt $5/bolt.json", &files), ["Bolt $5/bolt_desc.md"]);
    }

    #[test]
    fn templates_take_names_literally() {
        let files = ["d[1]/a*b.json", "d[1]/a*b_x.md", "d[1]/aXb_x.md", "d[1]/d[1].txt", "d[1]/d1.txt"];
        assert_eq!(companions(&["{stem}_?.md"], "d[1]/a*b.json", &files), ["d[1]/a*b_x.md"]);
        assert_eq!(companions(&["{dir}.txt"], "d[1]/a*b.json", &files), ["d[1]/d[1].txt"]);
        assert_eq!(companions(&["*{dir}.{md,txt}"], "d[1]/a*b.json", &files), ["d[1]/d[1].txt"]);
    }

    #[test]
    fn a_file_belongs_to_the_first_entry_that_names_it_and_the_record_is_no_companion() {
        let files = ["p/a.json", "p/a.md", "p/b.md"];
        assert_eq!(companions(&["b.md", "*.md", "*.json"], "p/a.json", &files), ["p/b.md", "p/a.md"]);
    }

    #[test]
    fn neighbouring_pointers_make_one_text_and_each_file_one_of_its_own() {
        let record = path("p/a.json");
        let files = BTreeMap::from([(path("p/a.md"), b"About it".to_vec()), (path("p/b.md"), b"More".to_vec())]);
        let value = json!({"title": "Bolt", "body": "<p>Steel</p>", "tags": ["m6", "zinc"]});
        let beside: Vec<_> = files.keys().cloned().collect();
        let texts = rules(&["/title", "/body", "*.md", "/tags"]).texts(&record, &value, &beside, &files);
        let texts: Vec<_> = texts.iter().map(|t| (t.path.as_str(), t.text.as_str())).collect();
        assert_eq!(
            texts,
            [("p/a.json", "Bolt\n\nSteel"), ("p/a.md", "About it"), ("p/b.md", "More"), ("p/a.json", "m6, zinc")]
        );
    }

    #[test]
    fn an_entry_without_files_does_not_part_its_neighbours() {
        let texts =
            rules(&["/a", "*.md", "/b"]).texts(&path("r.json"), &json!({"a": "A", "b": "B"}), &[], &BTreeMap::new());
        assert_eq!(texts.len(), 1);
        assert_eq!(texts[0].text, "A\n\nB");
    }

    #[test]
    fn nothing_to_say_gives_no_text() {
        let files = BTreeMap::from([(path("a.md"), b" \n ".to_vec()), (path("b.md"), b"\x00\x01".to_vec())]);
        let beside = [path("a.md"), path("b.md"), path("gone.md")];
        let texts = rules(&["/a", "/none/*", "*.md"]).texts(&path("r.json"), &json!({"a": null}), &beside, &files);
        assert_eq!(texts, []);
    }
}
