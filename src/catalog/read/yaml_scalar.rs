//! What a plain YAML scalar means under the YAML 1.2 core schema (section 10.3.2).

use serde_json::{Number, Value};

/// The value of an unquoted scalar; `Err` says why JSON has none.
///
/// `no`, `012` without a prefix, dates and `1_000` keep what YAML 1.2 says: a string, the number twelve, strings.
pub(super) fn plain(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Err("JSON has no NaN"),
        _ => {}
    }
    if matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF") {
        return Err("JSON has no infinity");
    }
    match number(text) {
        Some(number) => number.map(Value::Number),
        None => Ok(Value::String(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Result<Number, &'static str>> {
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if !looks_like_a_number(text) {
        return None;
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(Ok(number.into()));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(Ok(number.into()));
    }
    let float: f64 = text.parse().ok()?;
    Some(Number::from_f64(float).ok_or("the number is too large to be stored"))
}

fn radix(digits: &str, radix: u32) -> Option<Result<Number, &'static str>> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    Some(u64::from_str_radix(digits, radix).map(Number::from).map_err(|_| "the number is too large to be stored"))
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn looks_like_a_number(text: &str) -> bool {
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !unsigned.is_empty() && digits(unsigned)
    });
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_core_schema_decides_and_nothing_older() {
        let strings =
            ["no", "yes", "on", "off", "y", "2026-01-02", "1_000", "0b1", "1.2.3", "+", ".", "e5", "1e", "0o9"];
        for text in strings {
            assert_eq!(plain(text), Ok(json!(text)), "{text}");
        }
        let values = [
            ("12", json!(12)),
            ("012", json!(12)),
            ("-7", json!(-7)),
            ("0o14", json!(12)),
            ("0xC", json!(12)),
            ("1.10", json!(1.1)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("~", json!(null)),
            ("TRUE", json!(true)),
            ("18446744073709551615", json!(u64::MAX)),
        ];
        for (text, value) in values {
            assert_eq!(plain(text), Ok(value), "{text}");
        }
        for text in [".nan", "-.inf", "1e999", "0xFFFFFFFFFFFFFFFFFF"] {
            assert!(plain(text).is_err(), "{text}");
        }
    }
}
