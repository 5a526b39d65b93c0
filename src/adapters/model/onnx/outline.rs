//! What an ONNX file holds, as far as that must be known before a program loads it.
//!
//! The program that runs models follows what a file nests as deep as it nests, and makes room for as much as a file announces.
//! So what is announced is held against what is there, and graphs within graphs are refused, before it gets to see the file.

/// A tensor that a model takes, gives or holds: its name, and its shape as far as it is fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    pub name: String,
    pub shape: Vec<Option<u64>>,
}

/// What a model takes, gives and holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Outline {
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
    pub weights: Vec<Tensor>,
    /// Whether it rounds by the largest value that it sees, so that a text's vector depends on what is beside it.
    pub rounds_by_batch: bool,
}

/// The greatest number of values that a shape may stand for: a weight that is larger fits in no file that is read.
const MOST_VALUES: u64 = 1 << 31;

/// Reads the outline of a file; the error is a part of a sentence.
pub(super) fn outline(file: &[u8]) -> Result<Outline, String> {
    let mut found = Outline::default();
    let mut graphs = 0;
    for field in Fields(file) {
        let (number, value) = field?;
        match (number, value) {
            (7, Value::Bytes(bytes)) => {
                graphs += 1;
                graph(bytes, &mut found)?;
            }
            // Names of producers and operator sets, and notes.
            (_, Value::Bytes(bytes)) if matches!(number, 8 | 14) => whole(bytes)?,
            _ => {}
        }
    }
    if graphs == 1 { Ok(found) } else { Err("it is no ONNX model".to_owned()) }
}

fn graph(bytes: &[u8], found: &mut Outline) -> Result<(), String> {
    for field in Fields(bytes) {
        let (number, Value::Bytes(bytes)) = field? else { continue };
        match number {
            1 => node(bytes, found)?,
            5 => found.weights.push(weight(bytes)?),
            11 => found.inputs.push(described(bytes)?),
            12 => found.outputs.push(described(bytes)?),
            13 => drop(described(bytes)?),
            _ => {}
        }
    }
    Ok(())
}

fn node(bytes: &[u8], found: &mut Outline) -> Result<(), String> {
    for field in Fields(bytes) {
        match field? {
            (4, Value::Bytes(operator)) => found.rounds_by_batch |= operator == b"DynamicQuantizeLinear",
            (5, Value::Bytes(bytes)) => attribute(bytes)?,
            _ => {}
        }
    }
    Ok(())
}

fn attribute(bytes: &[u8]) -> Result<(), String> {
    for field in Fields(bytes) {
        match field? {
            (5 | 10, Value::Bytes(tensor)) => drop(weight(tensor)?),
            (6 | 11, Value::Bytes(_)) => return Err("it has branches or loops, which are not run".to_owned()),
            _ => {}
        }
    }
    Ok(())
}

fn weight(bytes: &[u8]) -> Result<Tensor, String> {
    let (mut name, mut shape) = (String::new(), Vec::new());
    for field in Fields(bytes) {
        match field? {
            (1, Value::Number(size)) => shape.push(size),
            (1, Value::Bytes(mut sizes)) => {
                while !sizes.is_empty() {
                    shape.push(varint(&mut sizes)?);
                }
            }
            (8, Value::Bytes(bytes)) => name = String::from_utf8_lossy(bytes).into_owned(),
            (13, Value::Bytes(_)) => {
                return Err("its weights lie in another file; save it as one file".to_owned());
            }
            _ => {}
        }
    }
    let values = shape.iter().try_fold(1_u64, |values, size| values.checked_mul(*size));
    if shape.len() > 16 || values.is_none_or(|values| values > MOST_VALUES) {
        return Err(format!("its weight {name:?} is said to be larger than any that can be"));
    }
    Ok(Tensor { name, shape: shape.into_iter().map(Some).collect() })
}

/// A value with its type: ValueInfoProto, TypeProto, its tensor, its shape.
fn described(bytes: &[u8]) -> Result<Tensor, String> {
    let (mut name, mut shape) = (String::new(), Vec::new());
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(bytes)) => name = String::from_utf8_lossy(bytes).into_owned(),
            (2, Value::Bytes(bytes)) => {
                for field in Fields(bytes) {
                    match field? {
                        (1, Value::Bytes(tensor)) => shape = shape_of(tensor)?,
                        (_, Value::Bytes(_)) => return Err(format!("its value {name:?} is no tensor")),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(Tensor { name, shape })
}

fn shape_of(tensor: &[u8]) -> Result<Vec<Option<u64>>, String> {
    let mut shape = Vec::new();
    for field in Fields(tensor) {
        let (2, Value::Bytes(bytes)) = field? else { continue };
        for field in Fields(bytes) {
            let (1, Value::Bytes(size)) = field? else { continue };
            let mut fixed = None;
            for field in Fields(size) {
                if let (1, Value::Number(number)) = field? {
                    fixed = Some(number);
                }
            }
            shape.push(fixed);
        }
    }
    Ok(shape)
}

/// Reads a message to its end: nothing in it is longer than it.
fn whole(bytes: &[u8]) -> Result<(), String> {
    Fields(bytes).try_for_each(|field| field.map(|_| ()))
}

/// The fields of a message of Protocol Buffers.
struct Fields<'a>(&'a [u8]);

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn cut_off() -> String {
    "it is cut off, or no ONNX model".to_owned()
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or_else(cut_off)?;
        *bytes = rest;
        number |= u64::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Ok(number);
        }
    }
    Err(cut_off())
}

fn take<'a>(bytes: &mut &'a [u8], count: u64) -> Result<&'a [u8], String> {
    let count = usize::try_from(count).map_err(|_| cut_off())?;
    let (taken, rest) = bytes.split_at_checked(count).ok_or_else(cut_off)?;
    *bytes = rest;
    Ok(taken)
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let mut read = || {
            let key = varint(&mut self.0)?;
            let value = match key & 7 {
                0 => Value::Number(varint(&mut self.0)?),
                1 => {
                    take(&mut self.0, 8)?;
                    Value::Number(0)
                }
                2 => {
                    let length = varint(&mut self.0)?;
                    Value::Bytes(take(&mut self.0, length)?)
                }
                5 => {
                    take(&mut self.0, 4)?;
                    Value::Number(0)
                }
                _ => return Err(cut_off()),
            };
            Ok((key >> 3, value))
        };
        let field = read();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A field of Protocol Buffers that holds bytes.
    pub(crate) fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut length = content.len();
        while length > 127 {
            out.push(u8::try_from(length & 127).unwrap() | 128);
            length >>= 7;
        }
        out.push(u8::try_from(length).unwrap());
        out.extend(content);
        out
    }

    fn number(number: u8, value: u8) -> Vec<u8> {
        vec![number << 3, value]
    }

    fn value(name: &str, sizes: &[u8]) -> Vec<u8> {
        let sizes: Vec<u8> = sizes.iter().flat_map(|size| bytes(1, &number(1, *size))).collect();
        [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &bytes(2, &sizes)))].concat()
    }

    fn model(graph: &[Vec<u8>]) -> Vec<u8> {
        [number(1, 8), bytes(7, &graph.concat())].concat()
    }

    #[test]
    fn a_model_says_what_it_takes_gives_and_holds() {
        let weight = [number(1, 30), number(1, 4), number(2, 1), bytes(8, b"words")].concat();
        let file = model(&[bytes(11, &value("ids", &[])), bytes(12, &value("out", &[1, 4])), bytes(5, &weight)]);
        let found = outline(&file).unwrap();
        assert_eq!(found.inputs, [Tensor { name: "ids".into(), shape: vec![] }]);
        assert_eq!(found.outputs, [Tensor { name: "out".into(), shape: vec![Some(1), Some(4)] }]);
        assert_eq!(found.weights, [Tensor { name: "words".into(), shape: vec![Some(30), Some(4)] }]);
    }

    #[test]
    fn what_could_hurt_is_refused() {
        let attribute = |content: &[u8]| model(&[bytes(1, &bytes(5, content))]);
        let mut deep = Vec::new();
        for _ in 0..2_000 {
            deep = bytes(1, &bytes(5, &bytes(6, &deep)));
        }
        for (file, why) in [
            (attribute(&bytes(6, b"")), "branches or loops"),
            (attribute(&bytes(11, b"")), "branches or loops"),
            (model(&[deep]), "branches or loops"),
            (model(&[bytes(12, &bytes(2, &bytes(4, b"")))]), "no tensor"),
            (model(&[bytes(5, &bytes(13, b""))]), "another file"),
            (attribute(&bytes(5, &bytes(13, b""))), "another file"),
            (model(&[bytes(5, &bytes(1, &[255, 255, 255, 255, 255, 255, 255, 127]))]), "larger than any"),
            (model(&[vec![5 << 3 | 2, 255, 255, 255, 255, 15]]), "cut off"),
            (vec![7 << 3 | 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255], "cut off"),
            (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "cut off"),
            (Vec::new(), "no ONNX model"),
            ([model(&[]), model(&[])].concat(), "no ONNX model"),
        ] {
            let error = outline(&file).unwrap_err();
            assert!(error.contains(why), "{error}, expected {why}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_the_bytes_are_there_is_an_end(file in proptest::prelude::any::<Vec<u8>>()) {
            let _ = outline(&file);
        }
    }
}
