//! Numbers as people write them: with separators, a decimal comma, a unit.

/// What a text that is no JSON number was meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// A number with a decimal comma.
    Comma(String),
    /// A number with separators between its thousands.
    Thousands(String),
    /// Either of the two: first without the separator, then with a point.
    Either(String, String),
    /// A number and what stands behind it.
    Unit(String, String),
}

/// Whether JSON writes a number so.
pub fn is_number(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok()
}

/// Whether this has the form of a JSON number, which may be too large for every program.
pub fn has_form_of_number(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let exponent = text.get(mantissa.len() + 1..).map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    is_number(mantissa)
        && exponent.is_none_or(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// What the whole of a text was meant to be, if that can be told.
pub fn meant(text: &str) -> Option<Meant> {
    let unit = text.find(|c: char| c.is_alphabetic() || matches!(c, '%' | '€' | '$' | '£' | '°'));
    let Some(unit) = unit else { return separated(text) };
    let (number, unit) = (text.get(..unit)?.trim_end(), text.get(unit..)?);
    // `1e3`, `0x10` and `5 to 7` are no number with a unit.
    if !is_number(number) || unit.contains(|c: char| c.is_numeric()) {
        return None;
    }
    Some(Meant::Unit(number.to_owned(), unit.to_owned()))
}

fn separated(text: &str) -> Option<Meant> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let thousands = |whole: &str, separator: char| {
        let groups: Vec<&str> = whole.split(separator).collect();
        let (first, rest) = groups.split_first()?;
        let fits = is_digits(first) && first.len() <= 3 && !first.starts_with('0');
        let all = fits && !rest.is_empty() && rest.iter().all(|group| group.len() == 3 && is_digits(group));
        all.then(|| format!("{sign}{}", groups.concat()))
    };
    for (separator, point) in [(',', '.'), ('.', ',')] {
        if let Some((whole, fraction)) = digits.split_once(point)
            && let Some(whole) = thousands(whole, separator)
        {
            return is_digits(fraction).then(|| Meant::Thousands(format!("{whole}.{fraction}")));
        }
    }
    if let Some(whole) =
        [' ', '\'', '_', '\u{a0}', '\u{202f}'].into_iter().find_map(|separator| thousands(digits, separator))
    {
        return Some(Meant::Thousands(whole));
    }
    let with_point = format!("{sign}{}", digits.replace(',', "."));
    match (thousands(digits, ','), thousands(digits, '.')) {
        (Some(whole), _) | (_, Some(whole)) if !is_number(&with_point) => Some(Meant::Thousands(whole)),
        (Some(whole), _) | (_, Some(whole)) => Some(Meant::Either(whole, with_point)),
        _ => (digits.contains(',') && is_number(&with_point)).then_some(Meant::Comma(with_point)),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_understood_only_as_a_whole() {
        let thousands = |text: &str| Some(Meant::Thousands(text.to_owned()));
        for (text, wanted) in [
            ("1,5", Some(Meant::Comma("1.5".to_owned()))),
            ("-12,50", Some(Meant::Comma("-12.50".to_owned()))),
            ("0,125", Some(Meant::Comma("0.125".to_owned()))),
            ("1,000", Some(Meant::Either("1000".to_owned(), "1.000".to_owned()))),
            ("1.000", Some(Meant::Either("1000".to_owned(), "1.000".to_owned()))),
            ("1,000,000", thousands("1000000")),
            ("1,200.00", thousands("1200.00")),
            ("1.000,50", thousands("1000.50")),
            ("1 000", thousands("1000")),
            ("1_000", thousands("1000")),
            ("20 KB", Some(Meant::Unit("20".to_owned(), "KB".to_owned()))),
            ("12.5cm", Some(Meant::Unit("12.5".to_owned(), "cm".to_owned()))),
            ("1_0", None),
            ("1,0,5", None),
            ("1,5 kg", None),
            ("5 to 7", None),
            ("1e3", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(meant(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_number_that_is_too_large_has_the_form_of_one() {
        assert!(has_form_of_number("1e400") && has_form_of_number("-1.5E+999") && has_form_of_number("1"));
        assert!(!has_form_of_number("1e") && !has_form_of_number("e4") && !has_form_of_number("1.e4"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_advised_is_a_number(text in "[0-9,. '_-]{0,12}( ?[a-z%]{0,3})") {
            match meant(&text) {
                Some(Meant::Comma(n) | Meant::Thousands(n) | Meant::Unit(n, _)) => proptest::prop_assert!(is_number(&n)),
                Some(Meant::Either(a, b)) => proptest::prop_assert!(is_number(&a) && is_number(&b)),
                None => {}
            }
        }
    }
}
