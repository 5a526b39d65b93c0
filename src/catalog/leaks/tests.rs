use proptest::prelude::*;

use super::super::read::{Notation, read};
use super::*;

fn settings(leaks: Level, secrets: Level) -> Settings {
    Settings { leaks, secrets, ..Settings::default() }
}

fn said(text: &str) -> Vec<(&'static str, String)> {
    let found = findings(&RepoPath::new("a.md"), text, || None, &Settings::default());
    found.into_iter().map(|f| (f.code.id, f.message)).collect()
}

fn codes(text: &str) -> Vec<&'static str> {
    said(text).into_iter().map(|(code, _)| code).collect()
}

/// Made of parts, so that no scanner takes this file for a leak.
fn secrets() -> Vec<String> {
    let x = |n: usize| "a1B2c3D4e5".repeat(10)[..n].to_owned();
    let hex = "0123456789abcdef".repeat(2);
    [
        ("ghp_", x(36)),
        ("gho_", x(36)),
        ("ghs_", format!("12345_{}", x(60))),
        ("github_pat_", x(82)),
        ("glpat-", x(20)),
        ("xoxb-", format!("123-456-{}", x(24))),
        ("https://hooks.slack.com/services/", format!("T000/B000/{}", x(24))),
        ("sk-ant-", x(60)),
        ("sk-proj-", x(60)),
        ("sk-", x(48)),
        ("sk_live_", x(24)),
        ("AKIA", "IOSFODNN7EXAMPLE".to_owned()),
        ("AIza", x(35)),
        ("shpat_", hex),
        ("polar_oat_", x(40)),
        ("npm_", x(36)),
        ("hf_", x(34)),
        ("-----BEGIN RSA ", "PRIVATE KEY-----\nMIIE".to_owned()),
        ("-----BEGIN ", "PRIVATE KEY-----".to_owned()),
    ]
    .map(|(head, tail)| format!("{head}{tail}"))
    .into()
}

#[test]
fn a_secret_is_found_and_never_repeated() {
    for secret in secrets() {
        let text = format!("the token is \"{secret}\", keep it");
        let found = said(&text);
        assert_eq!(found.iter().map(|(code, _)| *code).collect::<Vec<_>>(), ["secret"], "{secret}");
        let rest: String = secret.chars().skip_while(|c| !c.is_ascii_digit()).collect();
        assert!(!found[0].1.contains(&secret) && (rest.len() < 6 || !found[0].1.contains(&rest)), "{found:?}");
    }
}

#[test]
fn what_only_begins_like_a_secret_is_none() {
    for text in [
        "task-abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcd",
        "ghp_short",
        "set GHP_TOKEN, ghp_ and sk- and AKIA as you like",
        "sk-learn-and-other-packages-with-long-names-of-many-words-in-them",
        "AKIAWHATEVERlower1234567",
        "shpat_nothexnothexnothexnothexnothexnothex",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----",
        "risk_live_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "https://example.org/ghp_",
    ] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
}

#[test]
fn addresses_and_paths_of_a_machine_are_leaks() {
    for (text, part) in [
        ("<bpy id prop: owner=\"SCScene\", name=\"x\", address=0x7f8b1c0a5c08>", "address=0x7f8b1c0a5c08"),
        ("<Foo object at 0x7f00deadbeef>", " at 0x7f00deadbeef"),
        ("saved in /home/anna/Blender/bolt.blend", "/home/anna"),
        ("\"/Users/Anna/x\"", "/Users/Anna"),
        (r"saved in C:\Users\Anna Lee\Desktop", r#": "C:\Users\Anna Lee""#),
        (r"C:\Users\anna and that is all", ""),
        (r#"{"p": "D:\\Users\\anna\\x"}"#, r#": "D:\Users\anna""#),
        (r#"{"p": "D:\\Users\\Anna M. Lee\\x"}"#, r#": "D:\Users\Anna M. Lee""#),
        ("file:///tmp/x.png", "file:///tmp/x.png"),
        ("C:/Users/anna/x", ": \"C:/Users/anna\""),
        (r#"{"p": "C:\temp\new\bolt"}"#, r#": "C:\temp"#),
    ] {
        let found = said(text);
        if part.is_empty() {
            assert_eq!(found, [], "a name without a folder below it: {text}");
            continue;
        }
        assert!(found.len() == 1 && found[0].0 == "leak" && found[0].1.contains(part), "{text}: {found:?}");
    }
}

#[test]
fn addresses_of_pages_and_colours_are_no_leaks() {
    for text in [
        "https://example.org/home/page/x",
        "https://example.org/Users/list/",
        "see /home/ and /Users/",
        "look at 0xff",
        "src/home/index/x.js",
        "the colour is at #ff00ff",
        "file://",
    ] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
}

#[test]
fn a_path_of_windows_is_marked_from_its_drive_and_its_control_characters_are_named() {
    let text = "{\"p\": \"C:\\temp\\new\"}";
    let found = findings(&RepoPath::new("a.json"), text, || None, &Settings::default());
    let [finding] = &found[..] else { panic!("{found:?}") };
    assert_eq!((finding.span.column, finding.help.as_deref().unwrap_or_default().contains("with /")), (8, true));
    assert!(finding.message.contains("line breaks and tabs"), "{}", finding.message);
    assert_eq!(codes(r#"{"p": "C:\\temp\\new", "q": "a:\\nb", "r": "see a:\nb"}"#), [""; 0]);
}

#[test]
fn a_leak_in_a_record_knows_its_place_and_its_value() {
    let text = "{\n  \"a/b\": [1, {\"x\": \"é <prop address=0x7f8b1c0a5c08>\"}]\n}";
    let path = RepoPath::new("a.json");
    let document = read(&path, Notation::Json, text.as_bytes().to_vec()).0.unwrap();
    let found = findings(&path, text, || Some(document.places()), &Settings::default());
    let [finding] = &found[..] else { panic!("{found:?}") };
    assert_eq!((finding.pointer.as_str(), finding.span.line, finding.span.column), ("/a~1b/1/x", 2, 29));
    assert!(!finding.is_error() && finding.help.is_some());
}

#[test]
fn each_kind_can_be_switched_off() {
    let text = format!("{} at 0x7f00deadbeef", secrets()[0]);
    let codes = |leaks, secrets| {
        let found = findings(&RepoPath::new("a"), &text, || None, &settings(leaks, secrets));
        found.into_iter().map(|f| (f.code.id, f.is_error())).collect::<Vec<_>>()
    };
    assert_eq!(codes(Level::Error, Level::Warning), [("secret", false), ("leak", true)]);
    assert_eq!(codes(Level::Off, Level::Error), [("secret", true)]);
    assert_eq!(codes(Level::Warning, Level::Off), [("leak", false)]);
    assert!(codes(Level::Off, Level::Off).is_empty());
}

#[test]
fn a_text_that_begins_a_secret_at_every_step_is_searched_in_one_pass() {
    assert!(codes(&format!("x{}", "sk-ant-".repeat(300_000))).is_empty());
    assert!(codes(&"-----BEGIN ".repeat(300_000)).is_empty());
}

#[test]
fn of_a_million_leaks_a_few_are_told_and_they_hide_no_secret() {
    let leaks = "<x at 0x7f00dead> ".repeat(10_000);
    assert_eq!(said(&leaks).len(), MOST);
    assert_eq!(codes(&format!("{leaks}{}", secrets()[0])).last(), Some(&"secret"));
}

proptest! {
    #[test]
    fn any_text_is_searched(text in "(ghp_|sk-|/home/|:\\\\Users\\\\| at 0x|-----BEGIN |é|[a-f0-9/ ]){0,40}") {
        for (_, message) in said(&text) {
            prop_assert!(!message.is_empty());
        }
    }
}
