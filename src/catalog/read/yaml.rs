//! YAML 1.2 from granit-parser's events into a JSON value and its places, within budgets.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span as YamlSpan, StructureStyle, Tag};
use serde_json::Value;

use super::super::place::{Places, narrow};
use super::yaml_node::{Node, place};
use super::yaml_scalar::plain;
use super::{MAX_DEPTH, NO_JSON_VALUE, Problem, SYNTAX, TOO_DEEP, TOO_MANY_VALUES, duplicate_keys};
use crate::finding::Span;

/// Reads one document with unique keys.
pub(super) fn value(text: &str, most: usize) -> Result<Value, Vec<Problem>> {
    let (value, is_unique) = document::<Value>(text, most)?;
    if is_unique { Ok(value) } else { Err(duplicate_keys(&read(text, most)?.1)) }
}

/// Reads one document with its places, among which a key may stand twice.
pub(super) fn read(text: &str, most: usize) -> Result<(Value, Places), Vec<Problem>> {
    document(text, most).map(|(node, _)| node)
}

/// One document, and whether all its keys are unique.
fn document<N: Node>(text: &str, most: usize) -> Result<(N, bool), Vec<Problem>> {
    Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        values: 0,
        most,
        blocks: 0,
        flows: 0,
        is_unique: true,
    }
    .document()
    .map_err(|problem| vec![problem])
}

struct Reader<'i, N, P: Iterator<Item = Result<(Event<'i>, YamlSpan), granit_parser::ScanError>>> {
    parser: P,
    anchors: HashMap<usize, Anchored<N>>,
    values: usize,
    most: usize,
    blocks: usize,
    flows: usize,
    is_unique: bool,
}

struct Anchored<N> {
    node: N,
    values: usize,
}

impl<'i, N: Node, P: Iterator<Item = Result<(Event<'i>, YamlSpan), granit_parser::ScanError>>> Reader<'i, N, P> {
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
                        let message = format!("lists and groups stand more than {MAX_DEPTH} deep");
                        return Err(Problem::new(&TOO_DEEP, span, message));
                    }
                    return Err(Problem::new(&SYNTAX, span, format!("not valid YAML: {}", error.info())));
                }
                None => return Err(Problem::new(&SYNTAX, Span::start(), "not valid YAML: it ends too early")),
            }
        }
    }

    fn document(mut self) -> Result<(N, bool), Problem> {
        let node = match self.next()? {
            (Event::DocumentStart(..), _) => {
                let first = self.next()?;
                self.node(first, 0)?
            }
            (_, span) => return Ok((N::scalar(Value::Null, span), true)),
        };
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok((node, self.is_unique)),
                (_, span) => {
                    return Err(
                        refuse(span, "several documents stand in one file").help("give each record its own file")
                    );
                }
            }
        }
    }

    fn node(&mut self, (event, span): (Event<'i>, YamlSpan), depth: usize) -> Result<N, Problem> {
        if depth > MAX_DEPTH {
            let message = format!("lists and groups stand more than {MAX_DEPTH} deep");
            return Err(Problem::new(&TOO_DEEP, place(span), message));
        }
        self.indented(&event, span)?;
        let before = self.values;
        let weight = if let Event::Scalar(text, ..) = &event { weight(text) } else { 1 };
        self.spend(weight, span)?;
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, N::scalar(scalar(text, style, tag.as_deref(), span)?, span))
            }
            Event::SequenceStart(style, anchor, tag) => {
                core_tag(tag.as_deref(), "seq", span)?;
                *self.collections(style) += 1;
                let node = self.sequence(span, depth)?;
                *self.collections(style) -= 1;
                (anchor, node)
            }
            Event::MappingStart(style, anchor, tag) => {
                core_tag(tag.as_deref(), "map", span)?;
                *self.collections(style) += 1;
                let node = self.mapping(span, depth)?;
                *self.collections(style) -= 1;
                (anchor, node)
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

    /// How many collections of this style are open.
    fn collections(&mut self, style: StructureStyle) -> &mut usize {
        match style {
            StructureStyle::Block => &mut self.blocks,
            StructureStyle::Flow => &mut self.flows,
        }
    }

    /// What stands in brackets must be indented further than the block that they belong to; the closing one may stand where
    /// the block does, as most parsers have it.
    fn indented(&self, event: &Event<'_>, span: YamlSpan) -> Result<(), Problem> {
        let is_empty = matches!(event, Event::Scalar(text, ScalarStyle::Plain, ..) if text.is_empty());
        if self.flows == 0 || self.blocks == 0 || span.start.col() > 0 || is_empty {
            return Ok(());
        }
        let problem = Problem::new(&SYNTAX, place(span), "not valid YAML: what stands in brackets is not indented");
        Err(problem.help("begin the line with two spaces"))
    }

    /// A copy of the anchored node, which stands where the alias stands and counts as often as it is used.
    fn alias(&mut self, anchor: usize, span: YamlSpan, depth: usize) -> Result<N, Problem> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(refuse(span, "the alias refers to a value that contains it"));
        };
        let (cost, node) = (anchored.values, anchored.node.clone());
        self.spend(cost, span)?;
        if depth + height(node.value()) > MAX_DEPTH {
            let message = format!("the alias makes lists and groups stand more than {MAX_DEPTH} deep");
            return Err(Problem::new(&TOO_DEEP, place(span), message));
        }
        Ok(node.moved(span))
    }

    fn spend(&mut self, values: usize, span: YamlSpan) -> Result<(), Problem> {
        self.values += values;
        if self.values <= self.most {
            return Ok(());
        }
        let most = self.most;
        let message = format!("the file holds more than {most} values, aliases counted as often as they are used");
        Err(Problem::new(&TOO_MANY_VALUES, place(span), message))
    }

    fn sequence(&mut self, start: YamlSpan, depth: usize) -> Result<N, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => return Ok(N::sequence(items, start, end)),
                next => items.push(self.node(next, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, start: YamlSpan, depth: usize) -> Result<N, Problem> {
        let mut members = N::Members::default();
        loop {
            let next = self.next()?;
            if !matches!(next.0, Event::MappingEnd) {
                self.indented(&next.0, next.1)?;
            }
            let (key, key_span) = match next {
                (Event::MappingEnd, end) => return Ok(N::mapping(members, start, end)),
                (Event::Scalar(text, style, anchor, tag), span) => {
                    if style == ScalarStyle::Plain && text == "<<" {
                        let problem = refuse(span, "a merge key `<<` is not part of YAML 1.2");
                        return Err(problem.help("write the members out where they are wanted"));
                    }
                    if anchor > 0 {
                        let values = weight(&text);
                        self.spend(values, span)?;
                        let node = N::scalar(scalar(text.clone(), style, tag.as_deref(), span)?, span);
                        self.anchors.insert(anchor, Anchored { node, values });
                    }
                    (text.into_owned(), span)
                }
                (_, span) => return Err(refuse(span, "a key is a list, a mapping or an alias; JSON keys are strings")),
            };
            self.spend(weight(&key), start)?;
            let next = self.next()?;
            let node = self.node(next, depth + 1)?;
            self.is_unique &= N::add(&mut members, key, key_span, node);
        }
    }
}

/// What a text counts among the values: long ones count more, or a few aliases of one would fill the memory.
fn weight(text: &str) -> usize {
    1 + text.len() / 64
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>, span: YamlSpan) -> Result<Value, Problem> {
    let is_string = match tag {
        None => style != ScalarStyle::Plain,
        // The tag that names no kind: a text, however it looks.
        Some(tag) if tag.original() == "!" => true,
        Some(tag) => match tag.core_suffix() {
            Some("str") => true,
            Some("null" | "bool" | "int" | "float") => false,
            _ => return Err(custom_tag(tag, span)),
        },
    };
    if is_string {
        return Ok(Value::String(text.into_owned()));
    }
    plain(&text).map_err(|why| refuse(span, format!("{text:?} cannot be said in JSON: {why}")))
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
