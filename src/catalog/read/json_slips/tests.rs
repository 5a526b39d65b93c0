use super::*;

/// What is marked, what is said and what is to be done.
fn told(text: &str) -> (String, String, String) {
    let slip = find(text).unwrap_or_else(|| panic!("nothing is told of {text:?}"));
    (text.get(slip.at.clone()).unwrap_or("?").to_owned(), slip.message, slip.help)
}

#[test]
fn a_mistake_is_named_at_its_place_with_its_cure() {
    for (text, marked, message, help) in [
        ("{\"a\": 1,\n}", ",", "a comma stands before the closing }", "take the comma away"),
        ("{\"a\": [1, ]}", ",", "a comma stands before the closing ]", "take the comma away"),
        ("{'a': 1}", "'a'", "JSON knows only the straight double quote \"", "write \"a\""),
        ("{\"a\": “b”}", "“b”", "JSON knows only the straight double quote \"", "write \"b\""),
        ("{\"a\": 1 // why\n}", "// why", "a comment stands here, and JSON has none", "take the comment away"),
        ("{\n# why\n\"a\": 1}", "# why", "a comment stands here, and JSON has none", "take the comment away"),
        ("{\"a\": 1\n\"b\": 2}", "", "a comma is missing after 1", "write a comma there"),
        ("{\"a\": [\"x\" \"y\"]}", "", "a comma is missing after \"x\"", "write a comma there"),
        ("{\"a\" 1}", "", "a colon is missing after the key \"a\"", "write \"a\": before the value"),
        ("{\"a\" = 1}", "=", "JSON has a colon between key and value", "write : instead of ="),
        ("{\"a\": NaN}", "NaN", "JSON has no number NaN", "write a number, or null if the field may be empty"),
        ("{\"a\": None}", "None", "JSON has no None", "write a value, or null if the field may be empty"),
        ("{\"a\": True}", "True", "True is written in small letters in JSON", "write true"),
        ("{\"a\": draft}", "draft", "draft is text without quotes", "write \"draft\""),
        ("{\"a\": 2026-11-20}", "2026-11-20", "2026-11-20 is text without quotes", "write \"2026-11-20\""),
        ("{a: 1}", "a", "the key a has no quotes", "write \"a\""),
        ("{\"a\": 012}", "012", "JSON does not write a number as 012", "write 12, or put it in quotes if it is text"),
        ("{\"a\": .5}", ".5", "JSON does not write a number as .5", "write 0.5, or put it in quotes if it is text"),
        (
            "{\"a\": 1,000}",
            "1,000",
            "a comma stands inside a number, which has no thousands separators",
            "write 1000, or 1.000 if a decimal comma was meant",
        ),
        (
            "{\"a\": 1,000,000, \"b\": 1}",
            "1,000,000",
            "commas stand inside a number, which has no thousands separators",
            "write 1000000",
        ),
        (
            "{\"a\": 1,200.00,\n\"b\": 1}",
            "1,200.00",
            "commas stand inside a number, which has no thousands separators",
            "write 1200.00",
        ),
        (
            "{\"a\": 1,5kg}",
            "1,5kg",
            "a comma stands inside what looks like a number",
            "write digits and at most one point",
        ),
        (
            "{\"a\": 1e400}",
            "1e400",
            "the number 1e400 is too large for any program",
            "write a smaller number, or put it in quotes if it is text",
        ),
        ("{\"a\": \"x\"; \"b\": 1}", ";", "a semicolon stands here, and JSON has only commas", "write , instead"),
        ("{\"a\": \"x\"， \"b\": 1}", "，", "the mark ， is no comma for JSON", "write , instead"),
        ("{\"a\"： 1}", "：", "the full-width colon ： is none for JSON", "write : instead"),
        (
            "{\u{a0}\"a\": 1}",
            "\u{a0}",
            "a non-breaking space stands here, which JSON does not take for a space",
            "write an ordinary space",
        ),
        (
            "{\"vendor: \"Dojo\",\n\"b\": 1}",
            "\"vendor: \"",
            "the quote behind the key vendor is missing",
            "write \"vendor\": before the value",
        ),
        (
            "{\"tags\": [\"a\",\n\"b\": 1}",
            "[",
            "the [ of line 1 is not closed before the key \"b\"",
            "write a ] before \"b\"",
        ),
        (
            "{\"tags\": [\"a\"\n\"b\": 1}",
            "[",
            "the [ of line 1 is not closed before the key \"b\"",
            "write a ] before \"b\"",
        ),
        (
            "{\"a\": \"x\"},\n\"b\": 1}",
            "}",
            "the record is closed here, and more fields follow",
            "take this bracket away, or move the fields before it",
        ),
        (
            "{\"a\": \"D:\\new\\u\",\n\"b\": 1}",
            "\\u",
            "behind \\u stand four hex digits in JSON",
            "write a backslash as \\\\; in a path / does as well",
        ),
        ("{\"a\": 12,50}", "12,50", "a comma stands inside a number", "write a point: 12.50"),
        (
            "{\"a\": \"x\ny\"}",
            "\"x",
            "the text that begins here has no closing quote on its line",
            "close it with \"; a line break inside a text is written \\n",
        ),
        (
            "{\"a\": \"C:\\Users\"}",
            "\\U",
            "a backslash before 'U' means nothing in JSON",
            "write a backslash as \\\\; in a path / does as well",
        ),
        ("{\"a\": \"5\" bolt\"}", "", "a comma is missing after \"5\"", "write a comma there"),
        (
            "{\"a\": \"a \"b\" c\"}",
            "b",
            "a quote ends the text, and more text follows",
            "write a quote inside a text as \\\"",
        ),
        ("{\"a\": 1", "{", "the { of line 1 is never closed", "write a } where it should end"),
        (
            "{\n  \"a\": {\n    \"x\": 1,\n  \"b\": 2\n}\n",
            "{",
            "the { of line 2 is never closed",
            "write a } where it should end",
        ),
        ("{\"a\": [1, 2}", "}", "the [ of line 1 is closed by a }", "write ], or close what is open before it"),
        ("{\"a\": }", "}", "the value is missing", "write one, or take the key away"),
        ("{\"a\"}", "\"a\"", "the key \"a\" has no value", "write \"a\": and a value"),
        (
            "{\"a\": 1,, \"b\": 2}",
            ",",
            "two commas stand in a row",
            "take the comma away, or write the value that is missing",
        ),
        ("{\"a\": 1}}", "}", "there is one } more than was opened", "take it away"),
        ("{\"a\": 1}\n{\"b\": 1}", "{", "a second record begins here", "give each record its own file"),
        (" \n", "", "the file is empty", "write the record's fields between { and }"),
    ] {
        assert_eq!(told(text), (marked.to_owned(), message.to_owned(), help.to_owned()), "{text}");
    }
}

#[test]
fn of_two_braces_the_one_is_named_that_its_indentation_says_is_open() {
    let text = "{\n  \"a\": {\n    \"x\": 1,\n  \"b\": 2\n}\n";
    assert_eq!(find(text).unwrap().at, 9..10);
}

proptest::proptest! {
    #[test]
    fn what_is_valid_has_no_slip_and_no_text_is_too_strange(text in "[{}\\[\\]:,\"'a1. \n\\\\é“-]{0,40}") {
        let slip = find(&text);
        if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
            proptest::prop_assert!(slip.is_none());
        } else if let Some(slip) = slip {
            proptest::prop_assert!(text.get(slip.at).is_some());
        }
    }
}
