//! Texts that do not have the format they should: dates, addresses, identifiers.

use jsonschema::ValidationError;

use super::words::shown;
use super::{Explanation, FORMAT, about};
use crate::finding::words::cut;

/// A text does not have its format.
pub(super) fn broken(error: &ValidationError<'_>, format: &str) -> Explanation {
    let text = error.instance().as_str().unwrap_or_default();
    let (name, form) = named(format);
    let why = why(format, text).map(|why| format!(": {why}")).unwrap_or_default();
    let explanation = about(error, &FORMAT, format!("{} is not {name}{why}", shown(error.instance())));
    match form {
        Some(form) => explanation.help(format!("write it as in {form}")),
        None => explanation,
    }
}

/// What a format is called, and how it looks.
fn named(format: &str) -> (String, Option<&'static str>) {
    let (name, form) = match format {
        "date" => ("a date", "2026-11-20"),
        "date-time" => ("a date with time", "2026-11-20T09:30:00Z"),
        "time" => ("a time", "09:30:00Z"),
        "duration" => ("a duration", "P3DT4H (three days and four hours)"),
        "email" | "idn-email" => ("an e-mail address", "name@example.org"),
        "hostname" | "idn-hostname" => ("a host name", "assets.example.org"),
        "ipv4" => ("an IPv4 address", "192.0.2.1"),
        "ipv6" => ("an IPv6 address", "2001:db8::1"),
        "uri" | "iri" => ("a full web address (URI)", "https://example.org/page"),
        "uri-reference" | "iri-reference" => ("a web address (URI reference)", "https://example.org/page or ../page"),
        "uri-template" => ("a URI template", "https://example.org/{id}"),
        "uuid" => ("a UUID", "123e4567-e89b-12d3-a456-426614174000"),
        "json-pointer" => ("a JSON Pointer", "/variants/0/sku"),
        "relative-json-pointer" => ("a relative JSON Pointer", "1/sku"),
        "regex" => ("a regular expression", "^[a-z]+$"),
        other => return (format!("of the format {:?}", cut(other, 40)), None),
    };
    (name.to_owned(), Some(form))
}

fn why(format: &str, text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("it is empty".to_owned());
    }
    match format {
        "date" => date(text),
        "date-time" => date_time(text),
        "time" => time(text),
        "email" | "idn-email" => email(text),
        "hostname" | "idn-hostname" => host(text),
        "ipv4" => ipv4(text),
        "uri" | "iri" => uri(text, true),
        "uri-reference" | "iri-reference" => uri(text, false),
        "uuid" => uuid(text),
        "json-pointer" if !text.starts_with('/') => Some("it does not begin with /".to_owned()),
        "json-pointer" if text.contains('~') => Some("~ is written ~0 in it, and / in a name ~1".to_owned()),
        "regex" => regex(text),
        _ if text.trim() != text => Some("there is a space before or after it".to_owned()),
        _ => None,
    }
}

/// The year, month and day of a text of that shape, whether or not there is such a day.
fn parts(text: &str) -> Option<(u32, u32, u32)> {
    let bytes = text.as_bytes();
    let is_shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, b)| if matches!(at, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() });
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    if is_shaped { Some((number(0, 4)?, number(5, 7)?, number(8, 10)?)) } else { None }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn date(text: &str) -> Option<String> {
    let Some((year, month, day)) = parts(text) else { return Some(misshapen_date(text)) };
    let Some(name) = usize::try_from(month).ok().and_then(|month| MONTHS.get(month.checked_sub(1)?)) else {
        return Some(format!("there is no month {month:02}"));
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (day == 0 || day > days).then(|| format!("{name} {year} has {days} days"))
}

fn misshapen_date(text: &str) -> String {
    let is_date = |at: usize| text.get(..at).is_some_and(|head| parts(head).is_some());
    let numbers: Vec<&str> = text.split(['.', '/', '-', ' ']).collect();
    let are_numbers = numbers.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    match numbers.as_slice() {
        _ if is_date(10) && text.len() > 10 => "something follows the day".to_owned(),
        [year, _, _] if are_numbers && year.len() == 4 => {
            "month and day have two digits each, with - between them".to_owned()
        }
        [_, _, year] if are_numbers && year.len() == 4 => "a date begins with its year".to_owned(),
        [year] | [year, _] if are_numbers && year.len() == 4 => "the month or the day is missing".to_owned(),
        _ => "it has not the form year-month-day".to_owned(),
    }
}

fn date_time(text: &str) -> Option<String> {
    let Some(day) = text.get(..10).filter(|day| parts(day).is_some()) else { return Some(misshapen_date(text)) };
    if let Some(why) = date(day) {
        return Some(why);
    }
    let rest = text.get(10..).unwrap_or_default();
    match rest.chars().next() {
        None => Some("the time is missing".to_owned()),
        Some('T' | 't') => time(rest.get(1..).unwrap_or_default()),
        Some(' ') => Some("a T stands between the date and the time, and no space".to_owned()),
        Some(_) => Some("a T stands between the date and the time".to_owned()),
    }
}

fn time(text: &str) -> Option<String> {
    let number = |at: usize| text.get(at..at + 2)?.parse::<u32>().ok();
    let (Some(hour), Some(minute)) = (number(0), number(3)) else {
        return Some("the time has not the form hour:minute:second".to_owned());
    };
    if hour > 23 {
        return Some(format!("there is no hour {hour}"));
    }
    if minute > 59 {
        return Some(format!("there is no minute {minute}"));
    }
    let Some(second) = number(6).filter(|_| text.get(5..6) == Some(":")) else {
        return Some("the seconds are missing".to_owned());
    };
    if second > 60 {
        return Some(format!("there is no second {second}"));
    }
    let zone = text.get(8..).unwrap_or_default().trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    match zone.chars().next() {
        None => Some("the time zone is missing: Z for UTC, or an offset such as +02:00".to_owned()),
        Some('+' | '-') if zone.len() != 6 => Some("the offset has the form +02:00".to_owned()),
        _ => None,
    }
}

fn email(text: &str) -> Option<String> {
    let (name, host) = match text.rsplit_once('@') {
        None => return Some("it has no @".to_owned()),
        Some(parts) => parts,
    };
    if text.contains(char::is_whitespace) {
        return Some("there is a space in it".to_owned());
    }
    if name.is_empty() {
        return Some("nothing stands before the @".to_owned());
    }
    if host.is_empty() {
        return Some("nothing stands behind the @".to_owned());
    }
    if name.contains('@') {
        return Some("it has more than one @".to_owned());
    }
    self::host(host).map(|why| format!("behind the @, {why}"))
}

fn host(text: &str) -> Option<String> {
    if let Some(scheme) = text.find("://") {
        return Some(format!("take {:?} away", text.get(..scheme + 3)?));
    }
    for part in text.split('.') {
        if part.is_empty() {
            return Some("nothing stands before or behind a point".to_owned());
        }
        if part.len() > 63 {
            return Some("a part of it is longer than 63 characters".to_owned());
        }
        if let Some(c) = part.chars().find(|c| c.is_ascii() && !c.is_ascii_alphanumeric() && *c != '-') {
            return Some(format!("{c:?} may not stand in it"));
        }
        if part.starts_with('-') || part.ends_with('-') {
            return Some("a part of it begins or ends with -".to_owned());
        }
    }
    None
}

fn ipv4(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() != 4 {
        return Some(format!("it has {} of four numbers", parts.len()));
    }
    for part in parts {
        match part.parse::<u32>() {
            Err(_) => return Some(format!("{:?} is no number", cut(part, 20))),
            Ok(number) if number > 255 => return Some(format!("{number} is more than 255")),
            Ok(_) if part.len() > 1 && part.starts_with('0') => return Some(format!("{part} begins with 0")),
            Ok(_) => {}
        }
    }
    None
}

fn uri(text: &str, is_absolute: bool) -> Option<String> {
    if text.trim() != text {
        return Some("there is a space before or after it".to_owned());
    }
    if let Some(c) = text.chars().find(|c| c.is_whitespace()) {
        return Some(if c == ' ' {
            "a space is written %20 in it".to_owned()
        } else {
            "it has a line break or tab".to_owned()
        });
    }
    let scheme = text.split(':').next().unwrap_or_default();
    let has_scheme = text.contains(':')
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if is_absolute && !has_scheme {
        return Some(if text.contains('.') && !text.starts_with(['/', '.']) {
            "it does not begin with https://".to_owned()
        } else {
            "it does not begin with a scheme such as https:".to_owned()
        });
    }
    if text.contains('\\') {
        return Some("\\ is no part of an address: write /".to_owned());
    }
    let odd = text.chars().find(|c| matches!(c, '<' | '>' | '"' | '{' | '}' | '|' | '^' | '`') || !c.is_ascii());
    odd.map(|c| {
        let mut bytes = [0; 4];
        let escaped: String = c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("{c:?} is written {escaped} in it")
    })
}

fn uuid(text: &str) -> Option<String> {
    if let Some(c) = text.chars().find(|c| !c.is_ascii_hexdigit() && *c != '-') {
        return Some(format!("{c:?} is neither a digit nor one of a to f"));
    }
    let length = text.chars().count();
    if length != 36 {
        return Some(format!("it has {length} characters and not 36"));
    }
    Some("its - stand in other places".to_owned())
}

fn regex(text: &str) -> Option<String> {
    let error = regex_syntax::Parser::new().parse(text).err()?;
    match error {
        regex_syntax::Error::Parse(error) => Some(error.kind().to_string()),
        regex_syntax::Error::Translate(error) => Some(error.kind().to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_text_is_said_where_it_is_cheap() {
        let said = |format: &str, text: &str| why(format, text).unwrap_or_default();
        for (format, text, why) in [
            ("date", "2026-13-01", "there is no month 13"),
            ("date", "2026-02-30", "February 2026 has 28 days"),
            ("date", "2024-02-30", "February 2024 has 29 days"),
            ("date", "20.11.2026", "a date begins with its year"),
            ("date", "2026-1-2", "month and day have two digits each, with - between them"),
            ("date", "2026/11/20", "month and day have two digits each, with - between them"),
            ("date", "2026-11-20T00:00:00Z", "something follows the day"),
            ("date", "tomorrow", "it has not the form year-month-day"),
            ("date-time", "2026-11-20", "the time is missing"),
            ("date-time", "2026-11-20 09:30:00Z", "a T stands between the date and the time, and no space"),
            ("date-time", "2026-11-20T09:30", "the seconds are missing"),
            ("date-time", "2026-11-20T25:30:00Z", "there is no hour 25"),
            ("date-time", "2026-11-20T09:30:00.5", "the time zone is missing: Z for UTC, or an offset such as +02:00"),
            ("email", "nobody", "it has no @"),
            ("email", "a@", "nothing stands behind the @"),
            ("email", "a@b_c.org", "behind the @, '_' may not stand in it"),
            ("uri", "www.example.org", "it does not begin with https://"),
            ("uri", "https://example.org/a b", "a space is written %20 in it"),
            ("uri", "https://example.org/é", "'é' is written %C3%A9 in it"),
            ("ipv4", "1.2.3.256", "256 is more than 255"),
            ("ipv4", "1.2.3", "it has 3 of four numbers"),
            ("uuid", "123", "it has 3 characters and not 36"),
            ("hostname", "https://x.org", "take \"https://\" away"),
            ("json-pointer", "a/b", "it does not begin with /"),
            ("regex", "(a", "unclosed group"),
            ("date", "", "it is empty"),
        ] {
            assert_eq!(said(format, text), why, "{format} {text}");
        }
    }

    #[test]
    fn what_the_validator_accepts_has_no_fault_that_is_told() {
        for format in ["date", "date-time", "time", "email", "hostname", "ipv4", "uri", "regex"] {
            let form = named(format).1.unwrap();
            let form = form.split(' ').next().unwrap();
            assert_eq!(why(format, form), None, "{format} {form}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,40}", at in 0..14_usize) {
            let formats = ["date", "date-time", "time", "email", "hostname", "ipv4", "uri", "iri", "uuid", "json-pointer",
                "regex", "uri-reference", "ipv6", "duration"];
            why(formats[at], &text);
        }
    }
}
