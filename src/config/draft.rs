//! A first stockroom.yml, as a person would write it: short, with the reason beside each line.

use std::fmt::Write as _;

use serde_json::Value;

use crate::catalog::propose::{Companion, Proposal};

/// Where the comments begin, in characters.
const COMMENTS: usize = 48;
/// How long a line of the file may get before its list is broken up, in characters.
const LINE: usize = 100;
const HEAD: &str = "\
# yaml-language-server: $schema=https://raw.githubusercontent.com/stockroom/stockroom/v1/dist/schemas/stockroom.schema.json
#
# What this library holds, proposed by `stockroom init` from the files that are here. Mend what it got wrong, then run
# `stockroom check`. Every key: https://github.com/stockroom/stockroom/blob/v1/docs/configuration.md
version: 1

collections:
";

/// A collection as it is to be configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftCollection<'p> {
    /// What was found.
    pub proposal: &'p Proposal,
    /// Its schema's name in the registry, and a remark on it.
    pub schema: Option<(String, String)>,
    /// The member that names the schema's version.
    pub version_field: Option<String>,
    /// Pointers of values that seem to be volatile.
    pub touched: Vec<String>,
}

/// The text of stockroom.yml; `source` is the registry's folder, empty for the library's root.
pub fn draft(collections: &[DraftCollection<'_>], source: &str) -> String {
    let mut out = HEAD.to_owned();
    for (index, collection) in collections.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        write_collection(&mut out, collection);
    }
    if collections.iter().any(|collection| collection.schema.is_some()) {
        out.push_str("\nschemas:\n");
        let folder = if source.is_empty() { ".".to_owned() } else { format!("./{source}") };
        line(&mut out, 2, "source", &plain(&folder), "the registry: NAME/v1.2.0.json is version 1.2.0 of NAME");
        line(&mut out, 2, "format", "assert", "a value that breaks its `format` is an error");
    }
    out
}

fn write_collection(out: &mut String, collection: &DraftCollection<'_>) {
    let proposal = collection.proposal;
    let records = proposal.records.len() + proposal.unreadable.len();
    let _ = writeln!(out, "  {}:", plain(&proposal.name));
    let globs = match proposal.metadata.as_slice() {
        [one] => quoted(one),
        several => list(several),
    };
    line(out, 4, "metadata", &globs, &format!("one match is one record is one asset: {records} now"));
    line(out, 4, "id", &plain(&proposal.id), id_remark(&proposal.id));
    match &collection.schema {
        Some((name, remark)) => line(out, 4, "schema", &plain(name), remark),
        None => {
            line(out, 4, "# schema", &plain(&proposal.name), "records are read, but not checked against a schema yet")
        }
    }
    if let Some(field) = &collection.version_field {
        line(out, 4, "version_field", &plain(field), "each record names the version that it follows");
    } else if let Some(field) = &proposal.half_version {
        line(out, 4, "# version_field", &plain(field), "once every record names one, as a text");
    }
    if !collection.touched.is_empty() {
        line(
            out,
            4,
            "# volatile",
            &list(&collection.touched),
            "turn it on if a program writes these: they are no change then",
        );
    }
    write_files(out, &proposal.files, records);
    if !proposal.unique.is_empty() {
        line(out, 4, "unique", &list(&proposal.unique), "each value stands once in the collection");
    }
    if !proposal.exclude.is_empty() {
        write_list(out, 4, "exclude", &proposal.exclude, "no records, though `metadata` matches");
    }
}

fn id_remark(id: &str) -> &'static str {
    match id {
        "{dir}" => "the name of the record's folder",
        "{stem}" => "the name of the record's file",
        _ if id.contains('{') => "the names of the record's folder and file",
        _ => "names the asset for good: every record has another",
    }
}

fn write_files(out: &mut String, files: &[Companion], records: usize) {
    let (required, optional): (Vec<&Companion>, Vec<&Companion>) = files.iter().partition(|file| file.is_required);
    if files.is_empty() {
        return;
    }
    out.push_str("    files:\n");
    let required: Vec<String> = required.into_iter().map(|file| file.template.clone()).collect();
    if !required.is_empty() {
        write_list(out, 6, "required", &required, "every record has them beside it");
    }
    if !optional.is_empty() {
        out.push_str("      optional:\n");
        for file in optional {
            line_of(
                out,
                &format!("        - {}", quoted(&file.template)),
                &format!("{} of {records} have one", file.having),
            );
        }
    }
}

fn write_list(out: &mut String, indent: usize, key: &str, items: &[String], remark: &str) {
    let short = list(items);
    if indent + key.len() + 2 + short.chars().count() <= LINE - remark.len().min(30) {
        line(out, indent, key, &short, remark);
        return;
    }
    line_of(out, &format!("{:indent$}{key}:", ""), remark);
    for item in items {
        let _ = writeln!(out, "{:indent$}  - {}", "", quoted(item));
    }
}

fn line(out: &mut String, indent: usize, key: &str, value: &str, remark: &str) {
    line_of(out, &format!("{:indent$}{key}: {value}", ""), remark);
}

fn line_of(out: &mut String, text: &str, remark: &str) {
    let width = text.chars().count().saturating_add(2).max(COMMENTS);
    let _ = match remark {
        "" => writeln!(out, "{text}"),
        _ => writeln!(out, "{text}{:space$}# {remark}", "", space = width - text.chars().count()),
    };
}

/// A list on one line.
fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| plain(item)).collect::<Vec<_>>().join(", "))
}

/// A text without quotes where every YAML reads it as that text.
fn plain(text: &str) -> String {
    let is_word = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '.'));
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    let is_keyword =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&text.to_ascii_lowercase().as_str());
    let is_number = text.parse::<f64>().is_ok() || text.starts_with("..");
    if is_word(text) && text.chars().all(is_safe) && !is_keyword && !is_number { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes, as JSON writes it: that is YAML too.
fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    // JSON leaves as they are what YAML wants escaped.
    let escape = |c: char| match c {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            format!("\\u{:04x}", u32::from(c))
        }
        c => c.to_string(),
    };
    json.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalog::collection::literal;
    use crate::config::Config;
    use crate::ids::RepoPath;
    use proptest::prelude::*;

    fn proposal(name: &str, glob: &str, template: &str) -> Proposal {
        let companion =
            |template: &str, is_required| Companion { template: template.to_owned(), having: 1, is_required };
        Proposal {
            name: name.to_owned(),
            metadata: vec![glob.to_owned()],
            exclude: vec![glob.to_owned(), "_template/**".to_owned()],
            records: vec![RepoPath::new("a.json")],
            unreadable: Vec::new(),
            id: "handle".to_owned(),
            unique: vec!["/sku".to_owned()],
            files: vec![companion(template, true), companion("{stem}_desc.md", false)],
            version: Some(("schema_version".to_owned(), BTreeSet::new())),
            half_version: None,
            schemas: BTreeSet::new(),
        }
    }

    fn text_of(proposal: &Proposal) -> String {
        let collection = DraftCollection {
            proposal,
            schema: Some((proposal.name.clone(), "inferred".to_owned())),
            version_field: Some("schema_version".to_owned()),
            touched: vec!["/polar/last_synced".to_owned()],
        };
        draft(&[collection], "schemas")
    }

    proptest! {
        #[test]
        fn whatever_files_are_called_the_draft_says_it_to_both_parsers(
            name in "[a-z0-9-]{1,8}|y|no|on|null|true|1|1e3", glob in "\\PC{1,12}", template in "[^*?\\[\\]{}\\\\/\\p{Cc}]{1,12}"
        ) {
            let glob = format!("{}/*.json", literal(&glob.replace('/', "_")));
            prop_assume!(template != "..");
            let proposal = proposal(&name, &glob, &template);
            let text = text_of(&proposal);
            let config = Config::read(&RepoPath::new("stockroom.yml"), text.clone().into_bytes());
            let config = config.map_err(|error| TestCaseError::fail(format!("{error:?}\n{text}")))?;
            let [(read, settings)] = &config.settings.collections.iter().collect::<Vec<_>>()[..] else { panic!("{text}") };
            prop_assert_eq!(read.as_str(), name);
            prop_assert_eq!(settings.metadata.iter().collect::<Vec<_>>(), vec![glob.as_str()]);
            prop_assert_eq!(&settings.files.required, &vec![template]);
            prop_assert_eq!(&settings.exclude[0], &glob);
        }
    }

    #[test]
    fn the_draft_is_short_and_gives_its_reasons() {
        insta::assert_snapshot!(text_of(&proposal("products", "*/*.json", "{stem}.blend")).split_once("collections:").unwrap().1, @r##"

  products:
    metadata: "*/*.json"                        # one match is one record is one asset: 1 now
    id: handle                                  # names the asset for good: every record has another
    schema: products                            # inferred
    version_field: schema_version               # each record names the version that it follows
    # volatile: [/polar/last_synced]            # turn it on if a program writes these: they are no change then
    files:
      required: ["{stem}.blend"]                # every record has them beside it
      optional:
        - "{stem}_desc.md"                      # 1 of 1 have one
    unique: [/sku]                              # each value stands once in the collection
    exclude: ["*/*.json", "_template/**"]       # no records, though `metadata` matches

schemas:
  source: ./schemas                             # the registry: NAME/v1.2.0.json is version 1.2.0 of NAME
  format: assert                                # a value that breaks its `format` is an error
"##);
    }
}
