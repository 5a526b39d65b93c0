//! JSON as a person would lay it out: two spaces, members in a chosen order, what is short on one line.

use std::fmt::Write as _;

use serde_json::Value;

/// How long a line may be that holds a whole list or object, in characters.
const LINE: usize = 100;

/// A JSON value whose members keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// A text, number, boolean or null.
    Scalar(Value),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The same as a value, without the order.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(Self::to_value).collect(),
            Self::Object(members) => members.iter().map(|(name, value)| (name.clone(), value.to_value())).collect(),
        }
    }

    /// The text of a file.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0, 0);
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, indent: usize, taken: usize) {
        if let Some(line) = self.on_a_line().filter(|line| taken + line.chars().count() < LINE) {
            out.push_str(&line);
            return;
        }
        let (open, close) = if matches!(self, Self::List(_)) { ('[', ']') } else { ('{', '}') };
        let parts: Vec<(String, &Self)> = match self {
            Self::Scalar(value) => {
                let _ = write!(out, "{value}");
                return;
            }
            Self::List(items) => items.iter().map(|item| (String::new(), item)).collect(),
            Self::Object(members) => {
                members.iter().map(|(name, value)| (format!("{}: ", Value::from(name.as_str())), value)).collect()
            }
        };
        out.push(open);
        let inner = indent + 2;
        for (index, (name, value)) in parts.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(out, "{comma}\n{:inner$}{name}", "");
            value.write(out, inner, inner + name.chars().count());
        }
        let _ = write!(out, "\n{:indent$}{close}", "");
    }

    /// A value on one line, where it is simple enough to be read there: no object within an object.
    fn on_a_line(&self) -> Option<String> {
        match self {
            Self::Scalar(value) => Some(value.to_string()),
            Self::List(items) => {
                let items: Option<Vec<String>> = items
                    .iter()
                    .map(|item| matches!(item, Self::Scalar(_)).then(|| item.on_a_line()).flatten())
                    .collect();
                Some(format!("[{}]", items?.join(", ")))
            }
            Self::Object(members) if members.is_empty() => Some("{}".to_owned()),
            Self::Object(members) => {
                let is_flat = |value: &Self| !matches!(value, Self::Object(members) if !members.is_empty());
                let members: Option<Vec<String>> = members
                    .iter()
                    .map(|(name, value)| {
                        let value = Some(value).filter(|value| is_flat(value))?.on_a_line()?;
                        Some(format!("{}: {value}", Value::from(name.as_str())))
                    })
                    .collect();
                Some(format!("{{ {} }}", members?.join(", ")))
            }
        }
    }
}
