//! Where each value and key of a document stands in its text.

use crate::finding::Span;

/// The places of one value and of all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The value itself, from its first character to its last.
    pub span: Span,
    /// What is in it.
    pub inside: Inside,
}

/// What a value holds, as far as places go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inside {
    /// A string, number, boolean or null.
    Scalar,
    /// An array's items in their order.
    Items(Vec<Places>),
    /// An object's members in the order of the file; a key may stand twice.
    Members(Vec<Member>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The key's text after unescaping.
    pub key: String,
    /// Where the key stands, quotes included.
    pub key_span: Span,
    /// Its value's places.
    pub value: Places,
}

impl Places {
    /// A value without inside.
    pub fn scalar(span: Span) -> Self {
        Self { span, inside: Inside::Scalar }
    }

    /// The places of the value at this JSON Pointer.
    pub fn value(&self, pointer: &str) -> Option<&Places> {
        segments(pointer).try_fold(self, |at, segment| at.child(&segment))
    }

    /// The place of the key that the pointer's last segment names.
    pub fn key(&self, pointer: &str) -> Option<Span> {
        let (parent, _) = pointer.rsplit_once('/')?;
        let name = segments(pointer).last()?;
        match &self.value(parent)?.inside {
            Inside::Members(members) => members.iter().find(|m| m.key == name).map(|m| m.key_span),
            _ => None,
        }
    }

    /// The place of the value, else of the nearest value around it that there is.
    pub fn nearest(&self, pointer: &str) -> Span {
        let mut at = self;
        for segment in segments(pointer) {
            match at.child(&segment) {
                Some(child) => at = child,
                None => break,
            }
        }
        at.span
    }

    fn child(&self, segment: &str) -> Option<&Places> {
        match &self.inside {
            Inside::Scalar => None,
            Inside::Items(items) => items.get(segment.parse::<usize>().ok()?),
            Inside::Members(members) => members.iter().find(|m| m.key == segment).map(|m| &m.value),
        }
    }
}

/// The unescaped segments of a JSON Pointer (RFC 6901); none for the empty pointer.
pub fn segments(pointer: &str) -> impl Iterator<Item = String> + '_ {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"))
}

/// A JSON Pointer with one more segment.
pub fn child_pointer(parent: &str, segment: &str) -> String {
    format!("{parent}/{}", segment.replace('~', "~0").replace('/', "~1"))
}

/// Turns byte offsets of a text into lines and columns.
///
/// Each place costs the same, however long the lines are: a minified file is one line.
pub struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// How many characters begin before each block of the text; empty when every character is one byte.
    characters: Vec<usize>,
}

/// The size of a block in bytes.
const BLOCK: usize = 256;

impl<'a> Lines<'a> {
    /// Finds the line starts once; a line ends at LF, CR LF or a lone CR.
    pub fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')) {
                starts.push(at + 1);
            }
        }
        let mut characters = Vec::new();
        if !text.is_ascii() {
            let mut before = 0;
            for block in bytes.chunks(BLOCK) {
                characters.push(before);
                before += begun(block);
            }
        }
        Self { text, starts, characters }
    }

    /// The span of these bytes; an offset inside a character counts as its start.
    pub fn span(&self, bytes: std::ops::Range<usize>) -> Span {
        let (line, column) = self.place(bytes.start);
        let (end_line, end_column) = self.place(bytes.end.max(bytes.start));
        Span { line, column, end_line, end_column }
    }

    /// The line on which a span begins, without its end, and the bytes in it that the span covers.
    pub fn line_with(&self, span: Span) -> Option<(&'a str, std::ops::Range<usize>)> {
        let number = usize::try_from(span.line).ok()?;
        let start = *self.starts.get(number.checked_sub(1)?)?;
        let end = self.starts.get(number).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..end)?.trim_end_matches(['\n', '\r']);
        let at = |column: u32| self.offset(start, column).saturating_sub(start).min(line.len());
        let to = if span.end_line > span.line { line.len() } else { at(span.end_column) };
        Some((line, at(span.column)..to.max(at(span.column))))
    }

    /// The byte at which a column of the line that starts here begins.
    fn offset(&self, start: usize, column: u32) -> usize {
        let before = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
        if self.characters.is_empty() {
            return start.saturating_add(before);
        }
        let wanted = self.characters_before(start).saturating_add(before);
        let block = self.characters.partition_point(|begun| *begun <= wanted).saturating_sub(1);
        let bytes = self.text.as_bytes().get(block * BLOCK..).unwrap_or_default();
        let first = self.characters.get(block).copied().unwrap_or(0);
        let mut begins = bytes.iter().enumerate().filter(|(_, byte)| !matches!(byte, 0x80..=0xbf)).map(|(at, _)| at);
        begins.nth(wanted - first).map_or(self.text.len(), |at| block * BLOCK + at)
    }

    fn place(&self, offset: usize) -> (u32, u32) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (narrow(line), narrow(self.characters_before(offset) - self.characters_before(start) + 1))
    }

    fn characters_before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        match self.characters.get(block) {
            Some(before) => before + begun(self.text.as_bytes().get(block * BLOCK..offset).unwrap_or_default()),
            // The end of the text, where no block begins, or a text of one-byte characters.
            None if self.characters.is_empty() => offset,
            None => {
                self.characters_before(offset - 1)
                    + begun(self.text.as_bytes().get(offset - 1..offset).unwrap_or_default())
            }
        }
    }
}

/// How many characters begin in these bytes of a text.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| !matches!(byte, 0x80..=0xbf)).count()
}

/// A line or column as a report holds it; a text with more than four thousand million lines ends at the last.
pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_counts_once_and_columns_are_characters() {
        let text = "a\r\nbé€x\rc\nd";
        let lines = Lines::new(text);
        let at = |needle: char| {
            let offset = text.find(needle).unwrap();
            let span = lines.span(offset..offset + needle.len_utf8());
            (span.line, span.column)
        };
        assert_eq!((at('a'), at('b'), at('x'), at('c'), at('d')), ((1, 1), (2, 1), (2, 4), (3, 1), (4, 1)));
    }

    #[test]
    fn columns_are_characters_on_lines_of_any_length() {
        for length in [0, 1, 100, BLOCK / 2, BLOCK - 1, BLOCK, 1_000] {
            let text = format!("a\n{}x", "é".repeat(length));
            let span = Lines::new(&text).span(text.len() - 1..text.len());
            let column = u32::try_from(length).unwrap() + 1;
            assert_eq!((span.line, span.column, span.end_column), (2, column, column + 1), "{length}");
        }
    }

    #[test]
    fn what_a_span_covers_is_found_again() {
        for length in [0, 1, 100, BLOCK / 2, BLOCK - 1, BLOCK, 1_000] {
            let text = format!("a\r\n{}xyz\rb\n", "é".repeat(length));
            let at = text.find('x').unwrap();
            let lines = Lines::new(&text);
            let (line, marked) = lines.line_with(lines.span(at..at + 2)).unwrap();
            assert_eq!((&line[marked], line.chars().count()), ("xy", length + 3));
            let (line, marked) = lines.line_with(lines.span(at + 1..text.len())).unwrap();
            assert_eq!(&line[marked], "yz");
            assert_eq!(lines.line_with(Span::at(9, 1)), None);
        }
    }

    #[test]
    fn a_pointer_unescapes_its_segments() {
        assert_eq!(segments("/a~1b/c~0d/").collect::<Vec<_>>(), ["a/b", "c~d", ""]);
        assert_eq!(segments("").count(), 0);
        assert_eq!(child_pointer("/x", "a/b~"), "/x/a~1b~0");
    }
}
