//! What a member's name tells about its values.

/// Last words of names whose values are an open set: more will come, however few there are now.
const OPEN: &[&str] = &[
    "id",
    "ids",
    "uuid",
    "guid",
    "handle",
    "slug",
    "key",
    "sku",
    "name",
    "names",
    "title",
    "label",
    "labels",
    "subtitle",
    "caption",
    "description",
    "desc",
    "summary",
    "details",
    "text",
    "body",
    "content",
    "comment",
    "comments",
    "note",
    "notes",
    "author",
    "authors",
    "vendor",
    "vendors",
    "brand",
    "creator",
    "creators",
    "contributor",
    "contributors",
    "maintainer",
    "maintainers",
    "owner",
    "owners",
    "user",
    "users",
    "email",
    "url",
    "urls",
    "uri",
    "href",
    "link",
    "links",
    "path",
    "paths",
    "file",
    "files",
    "filename",
    "image",
    "images",
    "icon",
    "icons",
    "preview",
    "tag",
    "tags",
    "keyword",
    "keywords",
    "alias",
    "aliases",
    "symbol",
    "symbols",
    "version",
    "versions",
    "date",
    "time",
    "at",
    "synced",
    "schema",
    "value",
    "values",
    "price",
    "hash",
    "sha256",
    "digest",
    "checksum",
    "comment",
    "products",
    "related",
    "references",
];

/// Names whose values name a thing within the library; `product_id` may be another system's.
const SLUGS: &[&str] = &["id", "handle", "slug"];

/// Names, as joined words, of what a synchronisation leaves behind.
const SYNC: &[&str] = &[
    "sync_status",
    "sync_state",
    "sync_error",
    "last_sync_status",
    "last_sync_error",
    "sync_hash",
    "last_synced_hash",
];

/// Names, as joined words, of moments at which a record was last touched by something.
const TOUCHED: &[&str] = &[
    "last_synced",
    "last_sync",
    "synced_at",
    "last_synced_at",
    "synced",
    "sync_date",
    "updated_at",
    "updated",
    "last_updated",
    "last_updated_at",
    "modified_at",
    "modified",
    "last_modified",
    "date_modified",
    "date_updated",
    "last_indexed",
    "indexed_at",
    "exported_at",
    "last_exported",
    "generated_at",
    "last_checked",
    "checked_at",
    "fetched_at",
    "last_fetched",
];

/// The words of a name in lower case: `toBeRemoved`, `to_be_removed` and `to-be-removed` are the same three.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars() {
        let is_border = !letter.is_alphanumeric();
        if (is_border || (was_small && letter.is_uppercase())) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let (false, Some(word)) = (is_border, words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
        was_small = letter.is_lowercase() || letter.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn ends_with(name: &str, list: &[&str]) -> bool {
    words(name).last().is_some_and(|last| list.contains(&last.as_str()))
}

/// Whether more values than those seen are to be expected.
pub(super) fn is_open(name: &str) -> bool {
    ends_with(name, OPEN)
}

/// Whether its values name things.
pub(super) fn is_slug(name: &str) -> bool {
    SLUGS.contains(&words(name).join("_").as_str())
}

/// Whether its value is what a synchronisation leaves behind.
pub(super) fn is_of_sync(name: &str) -> bool {
    SYNC.contains(&words(name).join("_").as_str())
}

/// Whether its values are versions.
pub(super) fn is_version(name: &str) -> bool {
    ends_with(name, &["version"])
}

/// Whether its value is the version of the schema that the record follows.
pub(super) fn is_schema_version(name: &str) -> bool {
    matches!(words(name).join("_").as_str(), "schema_version" | "spec_version" | "metadata_version" | "format_version")
}

/// Whether its value tells when the record was last touched.
pub(super) fn tells_last_touch(name: &str) -> bool {
    TOUCHED.contains(&words(name).join("_").as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_their_words_and_not_by_their_spelling() {
        for name in ["toBeRemoved", "to_be_removed", "To-Be Removed", "to.be.removed"] {
            assert_eq!(words(name), ["to", "be", "removed"], "{name}");
        }
        assert!(is_open("product_id") && is_open("productId") && is_open("Title") && !is_open("product_type"));
        assert!(is_open("toBeRemovedInVersion") && is_version("min_version"));
        assert!(is_schema_version("schemaVersion") && !is_schema_version("version"));
        assert!(tells_last_touch("lastSynced") && !tells_last_touch("published"));
        assert!(words("___").is_empty() && words("").is_empty());
    }
}
