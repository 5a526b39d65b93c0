//! Tables as CSV (RFC 4180) that neither a parser nor a spreadsheet takes for anything else.

/// The characters at which a spreadsheet takes a cell for a formula and runs it, the full-width ones among them.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A cell.
pub(super) enum Cell<'a> {
    /// Foreign text, which must not become a formula.
    Text(&'a str),
    /// A value of our own, in the form that its column promises.
    Plain(String),
    /// Nothing.
    Empty,
}

impl<'a> Cell<'a> {
    /// A text or nothing.
    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Empty, Self::Text)
    }

    /// A number or nothing.
    pub fn number(number: Option<impl ToString>) -> Self {
        number.map_or(Self::Empty, |number| Self::Plain(number.to_string()))
    }
}

/// The line of these cells.
pub(super) fn line(cells: &[Cell<'_>]) -> String {
    let mut line = String::new();
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        match cell {
            Cell::Text(text) => quote(&mut line, &harmless(text)),
            Cell::Plain(text) => quote(&mut line, text),
            Cell::Empty => {}
        }
    }
    line.push_str("\r\n");
    line
}

/// A text with an apostrophe before it where a spreadsheet would take it for a formula.
///
/// It can be undone: where apostrophes are followed by one of these characters, the first of them is ours.
fn harmless(text: &str) -> String {
    let bare = text.trim_start_matches('\'');
    if bare.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() }
}

fn quote(line: &mut String, text: &str) {
    // An empty text in quotes and no text at all are the same in CSV; ours are never empty.
    let is_plain = !text.is_empty() && !text.contains([',', '"', '\r', '\n', ' ']);
    if is_plain {
        line.push_str(text);
        return;
    }
    line.push('"');
    line.push_str(&text.replace('"', "\"\""));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a line as RFC 4180 says.
    fn read(line: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        let mut is_quoted = false;
        let mut chars = line.strip_suffix("\r\n").unwrap().chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if is_quoted && chars.peek() == Some(&'"') => cells.last_mut().unwrap().push(chars.next().unwrap()),
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => cells.push(String::new()),
                c => cells.last_mut().unwrap().push(c),
            }
        }
        assert!(!is_quoted);
        cells
    }

    fn undone(text: &str) -> &str {
        if text.trim_start_matches('\'').starts_with(FORMULA) { text.strip_prefix('\'').unwrap() } else { text }
    }

    #[test]
    fn a_formula_is_a_text_to_a_spreadsheet() {
        let texts = ["=1+1", "@SUM(A1)", "-2+3", "+4", "'=x", "'90s chair", "＝1", "plain", "a=b"];
        let cells = texts.map(Cell::Text);
        assert_eq!(line(&cells), "'=1+1,'@SUM(A1),'-2+3,'+4,''=x,\"'90s chair\",'＝1,plain,a=b\r\n");
    }

    #[test]
    fn nothing_and_numbers_stand_bare() {
        assert_eq!(
            line(&[Cell::Empty, Cell::number(Some(12)), Cell::text(None), Cell::Plain("[\"a\",\"b\"]".into())]),
            ",12,,\"[\"\"a\"\",\"\"b\"\"]\"\r\n"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_and_starts_no_formula(texts in proptest::collection::vec("(?s:['=+@\",\r\n -]{0,3}.{0,12})", 1..6)) {
            let written = line(&texts.iter().map(|text| Cell::Text(text)).collect::<Vec<_>>());
            let cells = read(&written);
            prop_assert!(cells.iter().all(|cell| !cell.starts_with(FORMULA)));
            prop_assert_eq!(cells.iter().map(|cell| undone(cell)).collect::<Vec<_>>(), texts);
        }
    }
}
