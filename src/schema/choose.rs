//! Which schema a record is checked with: its version field, its `$schema`, or the collection's default.

use serde_json::Value;

use super::compile::resolve_path;
use super::notation::Notation;
use super::registry::{Registry, Slot, Versions};
use super::version::{self, Wanted};
use crate::catalog::collection::Collection;
use crate::catalog::read::kind_of;
use crate::catalog::record::Record;
use crate::finding::words::quoted;
use crate::finding::{Code, Finding};
use crate::ids::SchemaName;

/// The record names no version.
pub static VERSION_MISSING: Code = Code {
    id: "version-missing",
    meaning: "The record names no schema version. Add the collection's version field; until then its `default_version` \
              counts.",
};
/// The record names a version that is not in the registry.
pub static VERSION_UNKNOWN: Code = Code {
    id: "version-unknown",
    meaning: "The record names a schema version that the registry does not have. Records name one exact version; ranges \
              and `latest` are for `default_version` in stockroom.yml.",
};
/// The version is not a text.
pub static VERSION_NOT_TEXT: Code = Code {
    id: "version-not-text",
    meaning: "The schema version is a number. 1.10 as a number is 1.1, which is another version: put it in quotes.",
};
/// The record's `$schema` is none of the registry's.
pub static SCHEMA_UNKNOWN: Code = Code {
    id: "schema-unknown",
    meaning: "The record's `$schema` names no schema of its collection in the registry. Nothing else is ever fetched.",
};

/// The schema for a record, with a warning where it had to be guessed; `Err` when the record asks for the impossible.
///
/// `Ok(None)` when the collection has no schema, or one that the registry lacks (said once for the collection).
pub fn choose<'r>(
    record: &Record,
    collection: &Collection,
    registry: &'r Registry,
) -> Result<Option<(&'r Slot, Option<Finding>)>, Box<Finding>> {
    let Some(versions) = collection.settings.schema.as_ref().and_then(|name| registry.get(&SchemaName::new(name)))
    else {
        return Ok(None);
    };
    let value = &record.document.value;
    let named = collection.version_field.as_ref().and_then(|field| Some((field.exact(), field.get(value)?)));
    if let Some((pointer, version)) = named {
        return by_version(record, versions, &pointer, version).map(|slot| Some((slot, None)));
    }
    if let Some(Value::String(target)) = value.get("$schema") {
        return by_reference(record, collection, versions, target).map(|slot| Some((slot, None)));
    }
    by_default(record, collection, versions)
}

fn by_version<'r>(
    record: &Record,
    versions: &'r Versions,
    pointer: &str,
    named: &Value,
) -> Result<&'r Slot, Box<Finding>> {
    let finding = |code, message: String| {
        let place = record.document.places().nearest(pointer);
        Finding::error(code, record.path.clone(), message).at(place).about(pointer)
    };
    let Value::String(text) = named else {
        let place = record.document.places().nearest(pointer);
        let written = record.as_written(place).unwrap_or_else(|| named.to_string());
        let message = match named {
            Value::Number(number) if written != number.to_string() => {
                format!("the schema version {written} is a number, which programs read as {number}")
            }
            Value::Number(_) => format!("the schema version {written} is a number where text is wanted"),
            other => format!("{} stands where a schema version is wanted", kind_of(other)),
        };
        let meant = version::parse(&written);
        let help = match meant.filter(|version| versions.exact(version).is_some()) {
            Some(version) => format!("write it in quotes: \"{version}\""),
            None => format!("write one of the registry's versions in quotes; it has {}", versions.available()),
        };
        return Err(Box::new(finding(&VERSION_NOT_TEXT, message).help(help)));
    };
    if let Some(slot) = version::parse(text).and_then(|version| versions.exact(&version)) {
        return Ok(slot);
    }
    let message = match Wanted::parse(text) {
        Some(Wanted::Latest | Wanted::Range(_)) => {
            format!("{} is not one exact schema version, which a record must name", quoted(text))
        }
        _ => format!("there is no schema version {}", quoted(text)),
    };
    Err(Box::new(finding(&VERSION_UNKNOWN, message).help(format!("write one that there is: {}", versions.available()))))
}

fn by_reference<'r>(
    record: &Record,
    collection: &Collection,
    versions: &'r Versions,
    target: &str,
) -> Result<&'r Slot, Box<Finding>> {
    let plain = target.split('#').next().unwrap_or_default();
    let found = match plain.split_once("://") {
        None => resolve_path(&record.path, plain).and_then(|path| versions.at(&path)),
        Some((_, rest)) => by_url(collection, versions, rest),
    };
    found.ok_or_else(|| {
        let place = record.document.places().nearest("/$schema");
        let name = collection.settings.schema.as_deref().unwrap_or_default();
        let message = format!("\"$schema\" is {}, which is no version of the schema {name:?}", quoted(target));
        let finding = Finding::error(&SCHEMA_UNKNOWN, record.path.clone(), message).at(place).about("/$schema");
        Box::new(finding.help(format!("name a file of the registry; of {name} it has {}", versions.available())))
    })
}

/// A URL that ends in `NAME/VERSION.json`: the registry's own copy counts, whatever the host serves.
fn by_url<'r>(collection: &Collection, versions: &'r Versions, url: &str) -> Option<&'r Slot> {
    let (folder, file) = url.rsplit_once('/')?;
    let name = collection.settings.schema.as_deref()?;
    let stem = file.strip_suffix(".json").unwrap_or(file);
    if folder.ends_with(&format!("/{name}")) {
        return version::parse(stem).and_then(|version| versions.exact(&version));
    }
    (stem.strip_suffix(".schema").unwrap_or(stem) == name).then(|| versions.plain()).flatten()
}

fn by_default<'r>(
    record: &Record,
    collection: &Collection,
    versions: &'r Versions,
) -> Result<Option<(&'r Slot, Option<Finding>)>, Box<Finding>> {
    let default = collection.settings.default_version.as_deref().and_then(Wanted::parse);
    let slot = match (&default, versions.plain()) {
        (Some(wanted), _) => versions.find(wanted),
        (None, Some(plain)) => Some(plain),
        (None, None) if collection.version_field.is_none() => versions.find(&Wanted::Latest),
        (None, None) => None,
    };
    let Some(field) = &collection.version_field else { return Ok(slot.map(|slot| (slot, None))) };
    let pointer = field.exact();
    let name = pointer.trim_start_matches('/');
    let example = slot.and_then(|slot| slot.version.as_deref()).filter(|version| *version != "latest");
    let cure = match example {
        Some(version) => {
            let notation = Notation::of(record.document.format, &record.document.text);
            format!("add {}", notation.member(name, &version.into()))
        }
        None => format!("add {name:?} with one of {}", versions.available()),
    };
    let message = match slot {
        Some(slot) => {
            let used = slot.version.as_deref().unwrap_or("its schema");
            format!("the field {name:?} is missing; the record was checked with {used}, the default")
        }
        None => format!("the field {name:?} is missing, so nothing says which schema version counts"),
    };
    let finding = Finding::warning(&VERSION_MISSING, record.path.clone(), message).about(pointer).help(cure);
    match slot {
        Some(slot) => Ok(Some((slot, Some(finding)))),
        None => Err(Box::new(Finding { severity: crate::finding::Severity::Error, ..finding })),
    }
}
