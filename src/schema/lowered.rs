//! Whether a change lets a record name a lower schema version than before.

use semver::Version;
use serde_json::Value;

use super::version;
use crate::catalog::asset::UsedSchema;
use crate::catalog::collection::Collection;
use crate::catalog::record::Record;
use crate::finding::{Finding, codes};

codes! {
    VERSION_LOWERED "version-lowered"
        "The change under check gives a record a lower schema version than it had before, which could free it from \
         newer rules. Name the earlier version again, or set `allow_downgrade` for the collection."
}

/// The version that a record names, in its version field or in its `$schema`.
pub fn named_version(record: &Record, collection: &Collection) -> Option<Version> {
    let value = &record.document.value;
    if let Some(field) = &collection.version_field
        && let Some(named) = field.get(value)
    {
        return match named {
            Value::String(text) => version::parse(text),
            _ => {
                let place = record.document.places().nearest(&field.exact());
                record.as_written(place).and_then(|written| version::parse(&written))
            }
        };
    }
    let target = value.get("$schema")?.as_str()?.split('#').next()?;
    let file = target.rsplit('/').next()?;
    let stem = [".json", ".yaml", ".yml"].iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file);
    version::parse(stem)
}

/// The finding on a record that was checked with a lower version than the one that it named before the change.
pub fn lowered(
    record: &Record,
    collection: &Collection,
    used: Option<&UsedSchema>,
    before: &Version,
) -> Option<Finding> {
    let named = named_version(record, collection);
    let now = named.clone().or_else(|| version::parse(used?.version.as_deref()?))?;
    if collection.settings.allow_downgrade || now >= *before {
        return None;
    }
    let pointer = match &collection.version_field {
        Some(field) => field.exact(),
        None => "/$schema".to_owned(),
    };
    let message = match named {
        Some(_) => format!("the schema version is lowered from {before} to {now}"),
        None => format!("the record named the schema version {before} and names none now, which means {now}"),
    };
    let finding = Finding::error(&VERSION_LOWERED, record.path.clone(), message)
        .at(record.document.places().nearest(&pointer))
        .about(pointer);
    let name = &collection.name;
    Some(finding.help(format!(
        "name {before} again; where going back is meant, set `allow_downgrade: true` for {name} in stockroom.yml"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::read::{Notation, read};
    use crate::catalog::settings::Settings;
    use crate::finding::Span;
    use crate::ids::{CollectionName, RepoPath, SchemaName, Sha256Hex};

    fn collection(more: &str) -> Collection {
        let text = format!("{{metadata: '*.json', schema: product{more}}}");
        let settings: Settings = serde_yaml::from_str(&text).unwrap();
        Collection::new(CollectionName::new("products"), &settings).unwrap()
    }

    fn record(text: &str) -> Record {
        let path = RepoPath::new("a.json");
        let document = read(&path, Notation::Json, text.as_bytes().to_vec()).0.unwrap();
        Record { path, document }
    }

    fn used(version: &str) -> UsedSchema {
        let sha256 = Sha256Hex::of(b"");
        UsedSchema { name: SchemaName::new("product"), version: Some(version.to_owned()), sha256 }
    }

    fn found(more: &str, text: &str, before: &str) -> Option<Finding> {
        let before = version::parse(before).unwrap();
        lowered(&record(text), &collection(more), Some(&used("1.1.0")), &before)
    }

    const FIELD: &str = ", version_field: schema_version";

    #[test]
    fn a_lower_version_is_an_error_at_its_place() {
        let finding = found(FIELD, "{\"a\": 1,\n \"schema_version\": \"1.9.0\"}", "1.10.0").unwrap();
        assert_eq!(finding.message, "the schema version is lowered from 1.10.0 to 1.9.0");
        assert_eq!(
            (finding.span, finding.is_error()),
            (Span { line: 2, column: 20, end_line: 2, end_column: 27 }, true)
        );
        assert_eq!(finding.pointer, "/schema_version");
    }

    #[test]
    fn the_same_or_a_higher_one_is_none_nor_is_what_the_collection_allows() {
        assert_eq!(found(FIELD, r#"{"schema_version": "v1.10"}"#, "1.10.0"), None);
        assert_eq!(found(FIELD, r#"{"schema_version": "2.0.0"}"#, "1.10.0"), None);
        let allowed = format!("{FIELD}, allow_downgrade: true");
        assert_eq!(found(&allowed, r#"{"schema_version": "1.0.0"}"#, "1.10.0"), None);
    }

    #[test]
    fn a_version_that_is_left_out_is_the_one_that_counts_in_its_place() {
        let finding = found(FIELD, "{}", "1.10.0").unwrap();
        assert_eq!(finding.message, "the record named the schema version 1.10.0 and names none now, which means 1.1.0");
        assert_eq!(found(FIELD, "{}", "1.1.0"), None);
    }

    #[test]
    fn a_schema_reference_names_a_version_too() {
        let text = r#"{"$schema": "https://example.com/product/v1.0.0.json#"}"#;
        let finding = found("", text, "1.1.0").unwrap();
        assert_eq!(finding.pointer, "/$schema");
        assert_eq!(named_version(&record(r#"{"$schema": "../product.schema.json"}"#), &collection("")), None);
        assert_eq!(named_version(&record(r#"{"schema_version": 1.1}"#), &collection(FIELD)), version::parse("1.1"));
    }
}
