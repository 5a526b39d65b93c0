//! The workflow commands that are meant to be executed by GitHub's runner.

use std::fmt;

use super::log_text::{for_people, without_controls};

/// A command to the runner; its `Display` is the one line to print, with everything escaped as the runner's toolkit does.
///
/// There is no constructor for the commands that change the environment of later steps.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    name: &'static str,
    properties: Vec<(&'static str, String)>,
    data: String,
}

impl Command {
    /// An annotation that says that something is wrong.
    pub fn error(message: &str) -> Self {
        Self::new("error", without_controls(message))
    }

    /// An annotation that says that somebody should look.
    pub fn warning(message: &str) -> Self {
        Self::new("warning", without_controls(message))
    }

    /// An annotation that informs.
    pub fn notice(message: &str) -> Self {
        Self::new("notice", without_controls(message))
    }

    /// Begins a part of the log that can be folded.
    pub fn group(title: &str) -> Self {
        Self::new("group", for_people(title))
    }

    /// Ends the part that the last `group` began.
    pub fn endgroup() -> Self {
        Self::new("endgroup", String::new())
    }

    /// Has the runner show `***` for the secret from here on. The secret stands in it as it is: print it under Actions only.
    pub fn add_mask(secret: &str) -> Self {
        Self::new("add-mask", secret.to_owned())
    }

    fn new(name: &'static str, data: String) -> Self {
        Self { name, properties: Vec::new(), data }
    }

    /// The same, about this file, relative to the root of the checkout.
    #[must_use]
    pub fn file(self, path: &str) -> Self {
        self.with("file", without_controls(path))
    }

    /// The same, at these lines and, where they are one and the same line, at this column: the runner drops the column of
    /// an annotation that spans lines, and complains.
    #[must_use]
    pub fn at(self, line: u32, end_line: u32, column: u32) -> Self {
        let placed = self.with("line", line.to_string());
        let placed = if line == end_line { placed.with("col", column.to_string()) } else { placed };
        placed.with("endLine", end_line.to_string())
    }

    /// The same, with a title.
    #[must_use]
    pub fn title(self, title: &str) -> Self {
        self.with("title", for_people(title))
    }

    /// The same with every property and the data changed by `change`.
    #[must_use]
    pub fn map(&self, change: impl Fn(&str) -> String) -> Self {
        let properties = self.properties.iter().map(|(key, value)| (*key, change(value))).collect();
        Self { name: self.name, properties, data: change(&self.data) }
    }

    /// What it does: `error`, `add-mask` and so on.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The properties in the order in which they are printed.
    pub fn properties(&self) -> &[(&'static str, String)] {
        &self.properties
    }

    /// What the runner will read as the command's data.
    pub fn data(&self) -> &str {
        &self.data
    }

    fn with(mut self, key: &'static str, value: String) -> Self {
        // The runner drops a property without a value.
        if !value.is_empty() {
            self.properties.push((key, value));
        }
        self
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "::{}", self.name)?;
        for (at, (key, value)) in self.properties.iter().enumerate() {
            let separator = if at == 0 { ' ' } else { ',' };
            write!(f, "{separator}{key}={}", escape_property(value))?;
        }
        write!(f, "::{}", escape_data(&self.data))
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.name == "add-mask" { "***".to_owned() } else { self.to_string() };
        f.debug_tuple("Command").field(&shown).finish()
    }
}

/// The text as it stands in a command's data.
pub fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The text as it stands in a command's property.
pub fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::runner_parser::{commands, hostile_text};

    #[test]
    fn properties_and_data_are_escaped() {
        let command = Command::error("100 % wrong:\r\nsee a, b").file("a,b:c%.json").at(3, 3, 7).title("bad-type");
        assert_eq!(
            command.to_string(),
            "::error file=a%2Cb%3Ac%25.json,line=3,col=7,endLine=3,title=bad-type::100 %25 wrong:%0Asee a, b"
        );
    }

    #[test]
    fn an_annotation_over_several_lines_has_no_column() {
        assert_eq!(Command::warning("x").at(3, 5, 7).to_string(), "::warning line=3,endLine=5::x");
    }

    #[test]
    fn a_mask_is_not_shown_by_debug() {
        assert_eq!(format!("{:?}", Command::add_mask("hunter22")), r#"Command("***")"#);
    }

    proptest! {
        #[test]
        fn the_runner_reads_exactly_what_was_meant(
            kind in 0..5usize, data in hostile_text(), path in hostile_text(), title in hostile_text()
        ) {
            let command = match kind {
                0 => Command::error(&data).file(&path).title(&title).at(1, 1, 2),
                1 => Command::warning(&data).title(&title).file(&path).at(1, 2, 2),
                2 => Command::notice(&data),
                3 => Command::group(&data),
                _ => Command::add_mask(&data),
            };
            let read = commands(&command.to_string());
            prop_assert_eq!(read.len(), 1, "{}", command);
            // The restatement passes over a few invisible characters, which a mask may hold.
            if kind < 4 {
                prop_assert_eq!(&read[0].data, command.data());
            }
            prop_assert_eq!(&read[0].name, command.name());
            let meant: Vec<_> = command.properties().iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
            prop_assert_eq!(&read[0].properties, &meant);
        }
    }
}
