//! What YAML becomes: values alone, which is all that a valid record needs, or values with their places.

use granit_parser::Span as YamlSpan;
use serde_json::{Map, Value};

use super::super::place::{Inside, Member, Places, narrow};
use crate::finding::Span;

/// A value in the making.
pub(super) trait Node: Clone {
    /// A mapping's members so far.
    type Members: Default;

    /// A value without inside.
    fn scalar(value: Value, span: YamlSpan) -> Self;
    /// An array, from its first event to its last.
    fn sequence(items: Vec<Self>, start: YamlSpan, end: YamlSpan) -> Self;
    /// An object, from its first event to its last.
    fn mapping(members: Self::Members, start: YamlSpan, end: YamlSpan) -> Self;
    /// Adds a member; says whether its key is new.
    fn add(members: &mut Self::Members, key: String, key_span: YamlSpan, node: Self) -> bool;
    /// The same where an alias stands.
    fn moved(self, span: YamlSpan) -> Self;
    /// The value.
    fn value(&self) -> &Value;
}

impl Node for Value {
    type Members = Map<String, Value>;

    fn scalar(value: Value, _: YamlSpan) -> Self {
        value
    }

    fn sequence(items: Vec<Self>, _: YamlSpan, _: YamlSpan) -> Self {
        Value::Array(items)
    }

    fn mapping(members: Self::Members, _: YamlSpan, _: YamlSpan) -> Self {
        Value::Object(members)
    }

    fn add(members: &mut Self::Members, key: String, _: YamlSpan, node: Self) -> bool {
        members.insert(key, node).is_none()
    }

    fn moved(self, _: YamlSpan) -> Self {
        self
    }

    fn value(&self) -> &Value {
        self
    }
}

impl Node for (Value, Places) {
    type Members = (Map<String, Value>, Vec<Member>);

    fn scalar(value: Value, span: YamlSpan) -> Self {
        (value, Places::scalar(place(span)))
    }

    fn sequence(nodes: Vec<Self>, start: YamlSpan, end: YamlSpan) -> Self {
        let (values, items): (_, Vec<Places>) = nodes.into_iter().unzip();
        let span = around(start, end, items.last().map(|last| last.span));
        (Value::Array(values), Places { span, inside: Inside::Items(items) })
    }

    fn mapping((object, members): Self::Members, start: YamlSpan, end: YamlSpan) -> Self {
        let span = around(start, end, members.last().map(|last| last.value.span));
        (Value::Object(object), Places { span, inside: Inside::Members(members) })
    }

    fn add((object, members): &mut Self::Members, key: String, key_span: YamlSpan, (value, places): Self) -> bool {
        members.push(Member { key: key.clone(), key_span: place(key_span), value: places });
        object.insert(key, value).is_none()
    }

    fn moved(self, span: YamlSpan) -> Self {
        let (value, places) = self;
        (value, Places { span: place(span), inside: places.inside })
    }

    fn value(&self) -> &Value {
        &self.0
    }
}

/// Where an event stands.
pub(super) fn place(span: YamlSpan) -> Span {
    Span {
        line: narrow(span.start.line()),
        column: narrow(span.start.col() + 1),
        end_line: narrow(span.end.line()),
        end_column: narrow(span.end.col() + 1),
    }
}

/// A block collection's end event stands on the next line that is indented less: its last value is a truer end.
fn around(start: YamlSpan, end: YamlSpan, last: Option<Span>) -> Span {
    let (start, end) = (place(start), place(end));
    let is_flow = end.end_column > end.column || end.end_line > end.line;
    match last {
        Some(last) if !is_flow => Span { end_line: last.end_line, end_column: last.end_column, ..start },
        _ => Span { end_line: end.end_line, end_column: end.end_column, ..start },
    }
}
