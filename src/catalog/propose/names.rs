//! What names of files and folders tell before anybody has looked into them.

use super::facts::Facts;
use super::group::Group;
use crate::catalog::read::Notation;
use crate::ids::RepoPath;

/// Folders that hold what belongs to programs, not to the library.
const FOREIGN_FOLDERS: &[&str] = &[
    "node_modules",
    "vendor",
    "target",
    "dist",
    "build",
    "out",
    "coverage",
    "venv",
    "__pycache__",
    "bower_components",
    "schemas",
    "schema",
    "locales",
    "locale",
    "i18n",
    "translations",
    "lang",
    "test",
    "tests",
    "__tests__",
    "fixtures",
    "scripts",
    "tools",
    "ci",
    "docs",
    "doc",
    "template",
    "templates",
    "workflows",
];

/// Stems of files that programs and forges read.
const FOREIGN_STEMS: &[&str] = &[
    "package",
    "package-lock",
    "npm-shrinkwrap",
    "composer",
    "tsconfig",
    "jsconfig",
    "deno",
    "bun",
    "lerna",
    "nx",
    "turbo",
    "biome",
    "renovate",
    "vercel",
    "netlify",
    "firebase",
    "angular",
    "nest-cli",
    "tslint",
    "eslint",
    "babel",
    "jest",
    "cargo",
    "pyproject",
    "poetry",
    "pipfile",
    "rustfmt",
    "clippy",
    "deny",
    "rust-toolchain",
    "book",
    "taplo",
    "gemfile",
    "docker-compose",
    "compose",
    "mkdocs",
    "pnpm-lock",
    "pnpm-workspace",
    "_config",
    "codecov",
    "appveyor",
    "action",
    "stockroom",
    "manifest",
    "index",
    "schema",
    "config",
    "settings",
    "catalog",
    "registry",
    "release-please-config",
    "readme",
    "changelog",
    "license",
    "licence",
    "contributing",
    "code_of_conduct",
    "security",
    "support",
    "governance",
    "authors",
    "contributors",
    "maintainers",
    "notice",
    "history",
    "roadmap",
    "todo",
    "faq",
    "agents",
    "claude",
];

/// Whether a file may be a record, by its name, its folders and its notation.
pub fn is_candidate(path: &RepoPath) -> bool {
    let is_foreign = |folder: &str| {
        folder.starts_with(['.', '_']) || FOREIGN_FOLDERS.contains(&folder.to_ascii_lowercase().as_str())
    };
    let stem = path.stem().to_ascii_lowercase();
    let is_foreign_file = stem.starts_with(['.', '_'])
        || [".schema", ".config", ".lock", "-lock.yaml"].iter().any(|end| stem.ends_with(end))
        || matches!(path.file_name(), "package-lock.json" | "npm-shrinkwrap.json" | "pnpm-lock.yaml");
    Notation::of(path).is_some()
        && !path.as_str().chars().any(char::is_control)
        && !path.folder().split('/').any(|folder| !folder.is_empty() && is_foreign(folder))
        && !is_foreign_file
}

/// Whether programs and forges read files of this name: among many records it may still be one, alone it is none.
pub(super) fn is_read_by_programs(path: &RepoPath) -> bool {
    let stem = path.stem().to_ascii_lowercase();
    let first = stem.split('.').next().unwrap_or_default();
    // In an asset's own folder these may be the record: `Hex Bolt/manifest.json`.
    let is_excused = matches!(first, "manifest" | "index" | "config" | "settings") && !path.folder().is_empty();
    (FOREIGN_STEMS.contains(&first) || first.starts_with("tsconfig")) && !is_excused
}

/// A name for a collection: that of the innermost folder with a name, else what its keys suggest.
pub(super) fn of_collection(group: &Group, facts: &[&Facts]) -> String {
    let folder = group.folders.iter().rev().flatten().map(|name| slug(name)).find(|name| !name.is_empty());
    folder.unwrap_or_else(|| {
        let sells = ["handle", "price", "variants", "product_type", "sku", "vendor"];
        let has_sold = facts.iter().filter(|facts| sells.iter().any(|key| facts.keys.contains(*key))).count();
        if has_sold * 2 > facts.len() { "products" } else { "assets" }.to_owned()
    })
}

/// Small letters, digits and hyphens.
fn slug(text: &str) -> String {
    let letters = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let joined: String = letters.collect();
    joined.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}
