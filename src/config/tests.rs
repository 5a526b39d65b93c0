use super::*;

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::read(&RepoPath::new("stockroom.yml"), text.as_bytes().to_vec())
}

/// Line, column, message and help of every problem.
fn problems(text: &str) -> Vec<String> {
    let error = read(text).err().unwrap_or_else(|| panic!("{text} was accepted"));
    let row = |finding: Finding| {
        let help = finding.help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{}: {}{help}", finding.span.line, finding.span.column, finding.message)
    };
    error.problems.into_iter().map(row).collect()
}

#[test]
fn the_least_configuration_has_every_default() {
    let config = read("version: 1\ncollections:\n  icons:\n    metadata: icons/*.json\n").unwrap();
    assert_eq!(config.settings.schemas.source, "./schemas");
    assert_eq!(config.schema_folder, "schemas");
    assert_eq!(config.settings.manifest.first_folder(), Some(manifest::settings::DEFAULT_FOLDER));
    assert!(config.settings.embed.is_none() && config.settings.downstreams.is_empty());
}

#[test]
fn a_pointer_that_would_switch_its_check_off_is_a_problem() {
    let text = "version: 1
collections:
  a:
    metadata: '*.json'
    id: meta/id
    links: [{pointer: 'related/*', to: a}]
    references: [shots/0]
    declared: [{file: '/files/*/path', bytes: /files/size}]
";
    let pointer = |line: &str, text: &str| format!("{line}: {text:?} does not begin with `/`: write \"/{text}\"");
    assert_eq!(
        problems(text),
        [
            pointer("5:9", "meta/id"),
            pointer("6:23", "related/*"),
            pointer("7:18", "shots/0"),
            "8:47: \"/files/size\" has not as many `*` as \"/files/*/path\", so nobody knows which value is of which file; \
             perhaps it is \"/files/*/size\""
                .to_owned(),
        ]
    );
}

#[test]
fn every_problem_is_told_at_once_with_its_line_and_the_nearest_key() {
    let text = "version: 1
colections: {}
collections:
  products:
    metadata: ['*/*.json', 3]
    volatil: [/a]
    files: {required: ['{stm}.blend'], forbidden: ['../x'], others: never}
    unique: [a~, {pointer: /sku, across: ''}, {pointer: /sku}]
    references: ['']
    declared: [{file: /f, bytes: '/f/*/b'}, {file: /f}]
    images: [{files: '*.png'}, {files: '../x', width: 3}]
    links: [{pointer: /by, to: makers}, {pointer: '', to: []}]
  \"a b\":
    metadata: '[x'
    version_field: v
schemas: {source: ../elsewhere, format: strict}
manifest: {fields: [title], publish: [{folder: ../up}]}
downstreams:
  website: {repo: website, needs: [blog], token: ghp_0123456789}
  shop: {repo: org/shop, when: {collections: [nuts]}, needs: [shop]}
embed: {chunk: {max: 100, overlap: 100}}
lint: {leaks: loud, secretz: error}
";
    insta::assert_debug_snapshot!(problems(text), @r#"
    [
        "2:1: unknown field \"colections\" (\"collections\" is there already: take this one away)",
        "5:28: the number 3 stands where text is wanted (write it in quotes: \"3\")",
        "6:5: unknown field \"volatil\" (did you mean \"volatile\"?)",
        "7:24: \"{stm}.blend\" has {stm}; known are {stem}, {dir} and {/pointer}",
        "7:52: \"../x\" leaves the record's folder; name files in it or below it",
        "7:69: \"never\" is not one of the values allowed here (write \"allow\", \"warn\" or \"forbid\")",
        "8:14: \"a~\" is no JSON Pointer such as `/title`",
        "8:42: `across` is empty; write a name such as `skus`",
        "8:47: the field \"across\" is missing (add it, as in across: \"…\")",
        "9:18: \"\" is no JSON Pointer such as `/title`",
        "10:34: \"/f/*/b\" has not as many `*` as \"/f\", so nobody knows which value is of which file; perhaps it is \"/b\"",
        "10:45: neither `bytes` nor `sha256` is named; to say that the file must be there, use `references`",
        "11:14: nothing is asked of these images: name `width`, `height`, `square` or `max_bytes`",
        "11:40: \"../x\" leaves the record's folder; name files in it or below it",
        "12:32: there is no collection \"makers\"; known collections: `a b`, `products`",
        "12:59: no collection is named whose records are meant",
        "14:5: \"a b\" is no name for a collection: use letters, digits, `-` and `_`, 64 at most",
        "14:15: error parsing glob '[x': unclosed character class; missing ']'",
        "15:20: `version_field` says nothing without `schema`",
        "16:19: \"../elsewhere\" leads outside; name a folder in the repository",
        "16:41: \"strict\" is not one of the values allowed here (write \"assert\", \"annotate\" or \"off\")",
        "17:21: \"title\" is no JSON Pointer; write \"/title\"",
        "17:48: \"../up\" is not a folder inside the library",
        "19:19: \"website\" has not the form that is wanted (write 1 to 100 of letters, digits and the signs - . _, then \"/\", then 1 to 100 of letters, digits and the signs - . _)",
        "19:36: there is no downstream \"blog\"; known downstreams: `shop`, `website`",
        "19:50: the token is not a reference (secrets are references, never values: write `${{ env.NAME }}` and set NAME in the environment. If a real secret stood here, revoke it)",
        "20:47: there is no collection \"nuts\"; known collections: `a b`, `products`",
        "20:62: these downstreams wait for each other: shop -> shop; take one `needs` away",
        "21:36: `overlap` is 100, which is not less than `max`, 100; a fifth of `max` is usual",
        "22:15: \"loud\" is not one of the values allowed here (write \"off\", \"warning\" or \"error\")",
        "22:21: unknown field \"secretz\" (did you mean \"secrets\"?)",
    ]
    "#);
}

#[test]
fn a_setting_that_the_kind_of_state_does_not_heed_is_a_problem() {
    let text = |state: &str| format!("version: 1\ncollections:\n  a: {{metadata: '*.json'}}\nstate:\n{state}");
    let why = "a ref carries a SQLite state alone; every runner reaches the one in PostgreSQL: leave `carry` out";
    assert_eq!(problems(&text("  kind: postgres\n  carry: ref\n")), [format!("6:10: {why}")]);
    read(&text("  kind: postgres\n  carry: auto\n")).unwrap();
    read(&text("  carry: ref\n")).unwrap();
}

#[test]
fn a_secret_in_the_configuration_is_never_repeated() {
    let text = "version: 1\ncollections: {p: {metadata: '*.json'}}\ndownstreams: {w: {repo: o/w, token: hunter2}}\n";
    let told = problems(text).join("\n");
    assert!(told.contains("references, never values") && !told.contains("hunter2"), "{told}");
    for setting in [
        "manifest: {sign: hunter2}",
        "manifest: {sign: [hunter2]}",
        "state: {url: 'postgresql://ada:hunter2@localhost/x'}",
        "schemas: {token: hunter2}",
        "downstreams: {w: {webhook: {url: 'https://w.example', secret: hunter2}}}",
        "downstreams: {w: {gitlab: {project: g/p, trigger: hunter2}}}",
        "downstreams: {w: {repo: o/w, app: {id: 1, key: hunter2}}}",
        "dispatch: {app: {id: 1, key: hunter2}}",
        "notify: {slack: {webhook: hunter2}}",
        "embed: {model: {provider: openai, name: m, dimensions: 2, key: hunter2}}",
        "embed: {model: {provider: azure, name: m, dimensions: 2, url: 'https://a', token: hunter2}}",
        "embed: {store: {kind: qdrant, url: 'http://a', key: hunter2}}",
        "embed: {sources: [{repo: a/b, token: hunter2}]}",
    ] {
        let told = problems(&format!("version: 1\ncollections: {{p: {{metadata: '*.json'}}}}\n{setting}\n")).join("\n");
        assert!(told.contains("references, never values") && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_configuration_of_a_newer_version_says_update() {
    let told = problems("version: 2\ncollections: {p: {metadata: '*.json'}}\n");
    assert_eq!(
        told,
        ["1:10: 2 is not 1, the only value allowed here (this file was written for a newer Stockroom: update it)"]
    );
}

#[test]
fn what_is_no_yaml_or_no_mapping_is_told_with_its_place() {
    for text in ["", "- a\n", "version: 1\nversion: 1\n", "a: [", "version: !x 1\n"] {
        assert_eq!(problems(text).len(), 1, "{text}");
    }
}

#[test]
fn the_schema_accepts_what_the_types_accept() {
    let schema = json_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = include_str!("../../examples/library/stockroom.yml");
    let (document, _) = read::read(&RepoPath::new("stockroom.yml"), Notation::Yaml, text.as_bytes().to_vec());
    assert!(validator.is_valid(&document.unwrap().value));
    assert!(read(text).is_ok(), "{:?}", read(text).err());
}

#[test]
fn what_two_parsers_read_differently_is_no_setting() {
    let told =
        problems("version: 1\ncollections: {p: {metadata: '*.json'}}\nembed: {chunk: {max: 500, overlap: 012}}\n");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("read this file differently"), "{told:?}");
}

#[test]
fn a_role_or_a_collection_that_there_cannot_be_is_a_problem() {
    let text = "version: 1
collections: {products: {metadata: '*.json'}, guides: {metadata: '*.yml'}}
manifest:
  base_url: https://example.com/
  roles: {source: ['*.blend']}
  private: [sources, file, '*', source]
  listing:
    image: preview
    collections: {guide: {}, guides: {image: thumbnial}}
  exports:
    blender: {name: N, role: models, collections: [product], data_block: /title, id_type: OBJECT, blender_version: '4.2'}
    feed: {collections: [guides, nuts]}
";
    let no_role = |name: &str| {
        format!("no file can have the role {name:?}: it is none of the usual ones and not in manifest.roles")
    };
    let usual = "known are `thumbnail`, `image`, `model`, `video`, `text`, `file`, `source`";
    assert_eq!(
        problems(text),
        [
            format!("6:13: {}; did you mean \"source\"?", no_role("sources")),
            format!("8:12: {}; {usual}", no_role("preview")),
            "9:26: there is no collection \"guide\"; did you mean \"guides\"?".to_owned(),
            format!("9:46: {}; did you mean \"thumbnail\"?", no_role("thumbnial")),
            format!("11:30: {}; did you mean \"model\"?", no_role("models")),
            "11:52: there is no collection \"product\"; did you mean \"products\"?".to_owned(),
            "12:34: there is no collection \"nuts\"; known are `guides`, `products`".to_owned(),
        ]
    );
}

#[test]
fn the_settings_in_the_documents_about_exports_can_be_read() {
    let document = include_str!("../../docs/exports.md");
    let example = document.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let collections = "collections: {products: {metadata: '*.json'}, guides: {metadata: '*.yml'}}";
    let read = read(&format!("version: 1\n{collections}\n{example}"));
    assert!(read.is_ok(), "{:?}", read.err());
}

#[test]
fn what_has_another_shape_is_told_with_what_to_write() {
    let help = |setting: &str| {
        let told =
            problems(&format!("version: 1\ncollections: {{p: {{metadata: '*.json'}}}}\nmanifest: {{{setting}}}\n"));
        told.last().unwrap().rsplit_once(" (").unwrap().1.trim_end_matches(')').to_owned()
    };
    assert_eq!(help("publish: [pub]"), "write {folder: pub}");
    assert_eq!(help("publish: pub"), "write [{folder: pub}]");
    assert_eq!(help("publish: [s3://bucket/x]"), "write {object_store: \"s3://bucket/x\"}");
    assert_eq!(help("publish: [{release: true}]"), "write release: {}");
    assert_eq!(help("exports: {feed: true}"), "write feed: {}");
    assert_eq!(help("exports: {feed: false}"), "leave `feed` out");
    assert!(help("exports: {blender: true}").starts_with("write what Blender has to know, as in blender: {name: "));
    let sign = help("sign: true");
    assert!(sign.contains("write `${{ env.NAME }}`") && !sign.contains("quotes"), "{sign}");
}
