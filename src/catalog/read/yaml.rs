//! YAML 1.2 from granit-parser's events into a JSON value and its places, within budgets.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span as YamlSpan, Tag};
use serde_json::{Map, Value};

use super::super::place::{Inside, Member, Places, narrow};
use super::yaml_scalar::plain;
use super::{MAX_DEPTH, MAX_VALUES, NO_JSON_VALUE, Problem, SYNTAX, TOO_DEEP, TOO_MANY_VALUES};
use crate::finding::Span;

type Node = (Value, Places);

/// Reads one document; keys that stand twice are still in the places, for the caller to see.
pub(super) fn read(text: &str) -> Result<Node, Vec<Problem>> {
    Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), values: 0 }
        .document()
        .map_err(|problem| vec![problem])
}

struct Reader<'i, P: Iterator<Item = Result<(Event<'i>, YamlSpan), granit_parser::ScanError>>> {
    parser: P,
    anchors: HashMap<usize, Anchored>,
    values: usize,
}

struct Anchored {
    node: Node,
    values: usize,
}

impl<'i, P: Iterator<Item = Result<(Event<'i>, YamlSpan), granit_parser::ScanError>>> Reader<'i, P> {
    fn next(&mut self) -> Result<(Event<'i>, YamlSpan), Problem> {
        loop {
            match self.parser.next() {
                Some(Ok((Event::StreamStart | Event::Anchor(..), _))) => {}
                Some(Ok(next)) => return Ok(next),
                Some(Err(error)) => {
                    let mark = error.marker();
                    let span = Span::at(narrow(mark.line()), narrow(mark.col() + 1));
                    // The parser looks ahead, so its own limit can come before ours.
                    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
                        let message = format!("arrays and objects stand more than {MAX_DEPTH} deep");
                        return Err(Problem::new(&TOO_DEEP, span, message));
                    }
                    return Err(Problem::new(&SYNTAX, span, format!("not valid YAML: {}", error.info())));
                }
                None => return Err(Problem::new(&SYNTAX, Span::start(), "not valid YAML: it ends too early")),
            }
        }
    }

    fn document(mut self) -> Result<Node, Problem> {
        let node = match self.next()? {
            (Event::DocumentStart(..), _) => {
                let first = self.next()?;
                self.node(first, 0)?
            }
            (_, span) => return Ok((Value::Null, Places::scalar(place(span)))),
        };
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(node),
                (_, span) => {
                    return Err(
                        refuse(span, "several documents stand in one file").help("give each record its own file")
                    );
                }
            }
        }
    }

    fn node(&mut self, (event, span): (Event<'i>, YamlSpan), depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            let message = format!("arrays and objects stand more than {MAX_DEPTH} deep");
            return Err(Problem::new(&TOO_DEEP, place(span), message));
        }
        let before = self.values;
        let weight = if let Event::Scalar(text, ..) = &event { weight(text) } else { 1 };
        self.spend(weight, span)?;
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, (scalar(&text, style, tag.as_deref(), span)?, Places::scalar(place(span))))
            }
            Event::SequenceStart(_, anchor, tag) => {
                core_tag(tag.as_deref(), "seq", span)?;
                (anchor, self.sequence(span, depth)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                core_tag(tag.as_deref(), "map", span)?;
                (anchor, self.mapping(span, depth)?)
            }
            Event::Alias(anchor) => return self.alias(anchor, span, depth),
            _ => return Err(Problem::new(&SYNTAX, place(span), "not valid YAML: a value is missing")),
        };
        if anchor > 0 {
            // The copy that is kept for aliases takes memory as much as the node itself.
            let values = self.values - before;
            self.spend(values, span)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), values });
        }
        Ok(node)
    }

    /// A copy of the anchored node, which stands where the alias stands and counts as often as it is used.
    fn alias(&mut self, anchor: usize, span: YamlSpan, depth: usize) -> Result<Node, Problem> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(refuse(span, "the alias refers to a value that contains it"));
        };
        let (cost, (value, places)) = (anchored.values, anchored.node.clone());
        self.spend(cost, span)?;
        if depth + height(&value) > MAX_DEPTH {
            let message = format!("the alias makes arrays and objects stand more than {MAX_DEPTH} deep");
            return Err(Problem::new(&TOO_DEEP, place(span), message));
        }
        Ok((value, Places { span: place(span), inside: places.inside }))
    }

    fn spend(&mut self, values: usize, span: YamlSpan) -> Result<(), Problem> {
        self.values += values;
        if self.values <= MAX_VALUES {
            return Ok(());
        }
        let message =
            format!("the file holds more than {MAX_VALUES} values, aliases counted as often as they are used");
        Err(Problem::new(&TOO_MANY_VALUES, place(span), message))
    }

    fn sequence(&mut self, start: YamlSpan, depth: usize) -> Result<Node, Problem> {
        let (mut values, mut items) = (Vec::new(), Vec::new());
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    let span = around(start, end, items.last().map(|p: &Places| p.span));
                    return Ok((Value::Array(values), Places { span, inside: Inside::Items(items) }));
                }
                next => {
                    let (value, places) = self.node(next, depth + 1)?;
                    values.push(value);
                    items.push(places);
                }
            }
        }
    }

    fn mapping(&mut self, start: YamlSpan, depth: usize) -> Result<Node, Problem> {
        let (mut object, mut members) = (Map::new(), Vec::new());
        loop {
            let (key, key_span) = match self.next()? {
                (Event::MappingEnd, end) => {
                    let span = around(start, end, members.last().map(|m: &Member| m.value.span));
                    return Ok((Value::Object(object), Places { span, inside: Inside::Members(members) }));
                }
                (Event::Scalar(text, style, _, _), span) => {
                    if style == ScalarStyle::Plain && text == "<<" {
                        let problem = refuse(span, "a merge key `<<` is not part of YAML 1.2");
                        return Err(problem.help("write the members out where they are wanted"));
                    }
                    (text.into_owned(), place(span))
                }
                (_, span) => return Err(refuse(span, "a key is a list, a mapping or an alias; JSON keys are strings")),
            };
            self.spend(weight(&key), start)?;
            let next = self.next()?;
            let (value, places) = self.node(next, depth + 1)?;
            members.push(Member { key: key.clone(), key_span, value: places });
            object.insert(key, value);
        }
    }
}

/// What a text counts among the values: long ones count more, or a few aliases of one would fill the memory.
fn weight(text: &str) -> usize {
    1 + text.len() / 64
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: YamlSpan) -> Result<Value, Problem> {
    let is_string = match tag {
        None => style != ScalarStyle::Plain,
        Some(tag) => match tag.core_suffix() {
            Some("str") => true,
            Some("null" | "bool" | "int" | "float") => false,
            _ => return Err(custom_tag(tag, span)),
        },
    };
    if is_string {
        return Ok(Value::String(text.to_owned()));
    }
    plain(text).map_err(|why| refuse(span, format!("{text:?} cannot be said in JSON: {why}")))
}

fn core_tag(tag: Option<&Tag>, wanted: &str, span: YamlSpan) -> Result<(), Problem> {
    match tag {
        Some(tag) if tag.core_suffix() != Some(wanted) => Err(custom_tag(tag, span)),
        _ => Ok(()),
    }
}

fn custom_tag(tag: &Tag, span: YamlSpan) -> Problem {
    refuse(span, format!("the tag {:?} has no meaning in JSON", tag.original())).help("write the value without a tag")
}

fn refuse(span: YamlSpan, message: impl Into<String>) -> Problem {
    Problem::new(&NO_JSON_VALUE, place(span), message)
}

fn height(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(height).max().unwrap_or(0),
        _ => 0,
    }
}

fn place(span: YamlSpan) -> Span {
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
