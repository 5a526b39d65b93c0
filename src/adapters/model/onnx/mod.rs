//! Models in ONNX files, run by this program: sentence encoders of BERT's kind, such as all-MiniLM-L6-v2.
//!
//! The file is somebody else's. It is read as a whole and from inside of the library alone, looked over before it is loaded
//! (`outline`), gets the operators that such models need and no others, and its failures end a request and not the program.
//! What remains is that a model may ask for more memory than there is; so it is run where texts are embedded and asked for,
//! and never by a check or a plan.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use sha2::{Digest as _, Sha256};

use super::{Embedded, EmbeddingModel, Limits, ModelError, normalised, refuse_empty};

mod files;
mod outline;
mod tokenizer;

use files::{Files, Vocabulary};
use outline::{Outline, Tensor, outline};
use tokenizer::Tokenizer;

/// Raised when the same file gives other vectors.
const REVISION: u8 = 1;
/// Tokens that a model takes at most where it does not say.
const USUAL_LIMIT: u64 = 512;
/// More than any such model takes.
const MOST_TOKENS: u64 = 8192;
/// Texts of one request: some seconds of work, so that a run can be stopped in between and loses little.
const TEXTS: usize = 64;
/// Tokens that go through the model at once, with the filling of shorter texts.
const AT_ONCE: usize = 2048;
/// Threads at most; more gain little with a model of this size.
const THREADS: usize = 8;

/// A model in a file. It is loaded with the first text.
pub struct Onnx {
    inner: Arc<Inner>,
}

struct Inner {
    /// The fingerprint.
    name: String,
    dimension: usize,
    /// The name of what it gives.
    output: String,
    /// Whether that is one vector for each text, and not one for each token.
    is_pooled: bool,
    inputs: Vec<Input>,
    /// Tokens of one text at most, with those around it.
    limit: usize,
    runs_alone: bool,
    tokenizer: Tokenizer,
    /// The file, until it is loaded.
    file: Mutex<Vec<u8>>,
    loaded: OnceLock<Result<Loaded, String>>,
}

struct Loaded {
    model: Model,
    inputs: Vec<(NodeId, Input)>,
    output: NodeId,
    threads: Arc<ThreadPool>,
}

/// What such a model may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Tokens,
    Mask,
    Types,
}

impl Input {
    const ALL: [(&'static str, Self); 3] =
        [("input_ids", Self::Tokens), ("attention_mask", Self::Mask), ("token_type_ids", Self::Types)];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, input)| *input == self).map_or("", |(name, _)| name)
    }
}

impl Onnx {
    /// The model in this folder, or this file, of the library.
    pub fn open(library: &Path, path: &str) -> Result<Self, ModelError> {
        let unusable = |why: String| ModelError::Unavailable { model: format!("in {path}"), why };
        Files::read(library, path).and_then(Self::of).map_err(unusable)
    }

    fn of(files: Files) -> Result<Self, String> {
        let found = outline(&files.model)?;
        let inputs = inputs(&found)?;
        let (output, is_pooled, dimension) = output(&found)?;
        let tokenizer = Tokenizer::of(&files.vocabulary, found.weights.iter().any(is_usual_words))?;
        let positions = found.weights.iter().find(|w| w.name.contains("position_embeddings") && w.shape.len() == 2);
        let limit = positions.and_then(|w| w.shape.first().copied().flatten()).unwrap_or(USUAL_LIMIT);
        let digest = Sha256::new().chain_update(Sha256::digest(&files.model)).chain_update(match &files.vocabulary {
            Vocabulary::Absent => [0; 32].into(),
            Vocabulary::Lines(bytes) | Vocabulary::Tokenizer(bytes) => Sha256::digest(bytes),
        });
        let digest = hex::encode(digest.chain_update([REVISION]).finalize().get(..8).unwrap_or_default());
        let inner = Inner {
            name: format!("onnx-{dimension}-{digest}"),
            dimension,
            output,
            is_pooled,
            inputs,
            limit: usize::try_from(limit.clamp(8, MOST_TOKENS)).unwrap_or(8),
            runs_alone: found.rounds_by_batch,
            tokenizer,
            file: Mutex::new(files.model),
            loaded: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

fn inputs(found: &Outline) -> Result<Vec<Input>, String> {
    // Older files name their weights among what they ask for.
    let asked = found.inputs.iter().filter(|input| found.weights.iter().all(|weight| weight.name != input.name));
    let known = |input: &Tensor| {
        let known = Input::ALL.iter().find(|(name, _)| *name == input.name).map(|(_, input)| *input);
        known.ok_or_else(|| format!("it asks for {:?}, which no sentence encoder of BERT's kind does", input.name))
    };
    let inputs = asked.map(known).collect::<Result<Vec<_>, String>>()?;
    if inputs.contains(&Input::Tokens) { Ok(inputs) } else { Err("it does not ask for `input_ids`".to_owned()) }
}

/// What it gives that is a vector for each token, or else for each text (which of the two, comes second); and how many
/// dimensions that has.
fn output(found: &Outline) -> Result<(String, bool, usize), String> {
    let named = |name: &str| found.outputs.iter().find(|output| output.name == name);
    let output = named("last_hidden_state").or_else(|| named("token_embeddings")).or_else(|| found.outputs.first());
    let output = output.ok_or("it gives nothing")?;
    let size = output.shape.last().copied().flatten().and_then(|size| usize::try_from(size).ok());
    match size.filter(|size| (2..=16_000).contains(size) && matches!(output.shape.len(), 2 | 3)) {
        Some(size) => Ok((output.name.clone(), output.shape.len() == 2, size)),
        None => Err(format!("what it gives, {:?}, is no vector of a fixed size for each token or text", output.name)),
    }
}

fn is_usual_words(weight: &Tensor) -> bool {
    weight.shape.len() == 2 && weight.shape.first() == Some(&Some(tokenizer::USUAL))
}

impl Inner {
    fn tokens(&self, text: &str) -> Vec<u32> {
        let Tokenizer { pieces, first, last } = &self.tokenizer;
        let mut tokens = vec![*first];
        tokens.extend(pieces.rows(text));
        tokens.push(*last);
        tokens
    }

    fn unusable(&self, why: impl Into<String>) -> ModelError {
        ModelError::Unavailable { model: self.name.clone(), why: why.into() }
    }

    fn loaded(&self) -> Result<&Loaded, ModelError> {
        let loaded = self.loaded.get_or_init(|| {
            let file = std::mem::take(&mut *self.file.lock().unwrap_or_else(PoisonError::into_inner));
            let model = ModelOptions::with_ops(operators()).load(file).map_err(|error| error.to_string())?;
            let id = |name: &str| model.node_id(name).map_err(|error| error.to_string());
            let inputs =
                self.inputs.iter().map(|input| Ok((id(input.name())?, *input))).collect::<Result<_, String>>()?;
            let output = id(&self.output)?;
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let threads = Arc::new(ThreadPool::with_num_threads(cores.min(THREADS)));
            Ok(Loaded { model, inputs, output, threads })
        });
        loaded.as_ref().map_err(|why| self.unusable(why.as_str()))
    }

    fn embed(&self, texts: &[String]) -> Result<Embedded, ModelError> {
        let tokens: Vec<Vec<u32>> = texts.iter().map(|text| self.tokens(text)).collect();
        if let Some(long) = tokens.iter().map(Vec::len).find(|length| *length > self.limit) {
            let (long, most) = (long - 2, self.limit - 2);
            let why = format!(
                "a text has {long} tokens, and it reads {most} at most. Cut texts by tokens: `chunk: {{ unit: tokens, max: {}, \
                 overlap: {} }}`",
                most / 2,
                most / 10
            );
            return Err(ModelError::Refused { model: self.name.clone(), why });
        }
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|at| tokens.get(*at).map_or(0, Vec::len));
        let mut vectors = vec![Vec::new(); tokens.len()];
        let mut left = order.as_slice();
        while !left.is_empty() {
            let (batch, rest) = left.split_at(self.batch(left, &tokens));
            left = rest;
            let rows: Vec<&[u32]> = batch.iter().filter_map(|at| tokens.get(*at)).map(Vec::as_slice).collect();
            for (at, vector) in batch.iter().zip(self.run(&rows)?) {
                if let Some(place) = vectors.get_mut(*at) {
                    *place = vector;
                }
            }
        }
        Ok(Embedded { vectors, tokens: tokens.iter().map(|tokens| tokens.len() as u64).sum() })
    }

    /// How many of the next texts, shortest first, go through the model together: few enough, and of about one length.
    fn batch(&self, next: &[usize], tokens: &[Vec<u32>]) -> usize {
        let length = |at: &usize| tokens.get(*at).map_or(0, Vec::len);
        let shortest = next.first().map_or(0, length);
        let fits = |(count, at): &(usize, &usize)| {
            let longest = length(at);
            (count + 1) * longest <= AT_ONCE && longest <= shortest + shortest / 4 + 2
        };
        if self.runs_alone { 1 } else { next.iter().enumerate().take_while(fits).count().max(1) }
    }

    fn run(&self, rows: &[&[u32]]) -> Result<Vec<Vec<f32>>, ModelError> {
        let loaded = self.loaded()?;
        let width = rows.iter().map(|row| row.len()).max().unwrap_or_default();
        let value = |input: Input| {
            let cell = |row: &[u32], at: usize| match input {
                Input::Tokens => row.get(at).copied().unwrap_or_default(),
                Input::Mask => u32::from(at < row.len()),
                Input::Types => 0,
            };
            let cells = rows.iter().flat_map(|row| (0..width).map(move |at| cell(row, at)));
            let cells: Vec<i32> = cells.map(|cell| i32::try_from(cell).unwrap_or_default()).collect();
            Value::from_shape([rows.len(), width], cells).map_err(|error| self.unusable(error.to_string()))
        };
        let mut inputs: Vec<(NodeId, ValueOrView<'_>)> = Vec::new();
        for (id, input) in &loaded.inputs {
            inputs.push((*id, value(*input)?.into()));
        }
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&loaded.threads)));
        let found = loaded.model.run(inputs, &[loaded.output], Some(options));
        let found = found.map_err(|error| self.unusable(error.to_string()))?.into_iter().next();
        self.vectors(found, rows, width)
    }

    /// The vectors of the texts out of what the model gave: one for each of them, or one for each token.
    fn vectors(&self, given: Option<Value>, rows: &[&[u32]], width: usize) -> Result<Vec<Vec<f32>>, ModelError> {
        let malformed = |why: String| ModelError::Malformed { model: self.name.clone(), why };
        let given = given.ok_or_else(|| malformed("nothing".to_owned()))?;
        let other = || malformed(format!("not {} numbers for each of {} texts", self.dimension, rows.len()));
        if self.is_pooled {
            let (shape, values) = given.into_shape_vec::<f32, 2>().map_err(|error| malformed(error.to_string()))?;
            let is_right = shape == [rows.len(), self.dimension];
            let each = || values.chunks_exact(self.dimension).map(|vector| normalised(vector.to_vec())).collect();
            return if is_right { Ok(each()) } else { Err(other()) };
        }
        let (shape, values) = given.into_shape_vec::<f32, 3>().map_err(|error| malformed(error.to_string()))?;
        if shape != [rows.len(), width, self.dimension] {
            return Err(other());
        }
        let each = values.chunks_exact(width * self.dimension).zip(rows);
        Ok(each.map(|(vectors, row)| mean(vectors, row.len(), self.dimension)).collect())
    }
}

/// The mean of the first vectors, of length 1.
fn mean(vectors: &[f32], count: usize, dims: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dims];
    for vector in vectors.chunks_exact(dims).take(count) {
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
    }
    // The mean has the direction of the sum.
    normalised(sum)
}

/// What encoders of BERT's kind are made of. There are no loops among them, so every run has an end.
fn operators() -> rten::OpRegistry {
    rten::op_registry!(
        Abs,
        Add,
        And,
        Cast,
        Clip,
        Concat,
        ConstantOfShape,
        DequantizeLinear,
        Div,
        DynamicQuantizeLinear,
        Equal,
        Erf,
        Exp,
        Expand,
        Gather,
        GatherND,
        Gelu,
        Gemm,
        Greater,
        GreaterOrEqual,
        Identity,
        IsNaN,
        LayerNormalization,
        Less,
        LessOrEqual,
        MatMul,
        MatMulInteger,
        Max,
        Min,
        Mul,
        Neg,
        Not,
        Or,
        Pow,
        QuantizeLinear,
        Range,
        Reciprocal,
        ReduceMean,
        ReduceSum,
        Relu,
        Reshape,
        Shape,
        Sigmoid,
        Slice,
        Softmax,
        Split,
        Sqrt,
        Squeeze,
        Sub,
        Tanh,
        Transpose,
        Unsqueeze,
        Where
    )
}

#[async_trait]
impl EmbeddingModel for Onnx {
    fn fingerprint(&self) -> String {
        self.inner.name.clone()
    }

    fn dimension(&self) -> usize {
        self.inner.dimension
    }

    fn limits(&self) -> Limits {
        Limits { texts: TEXTS, tokens_each: self.inner.limit.saturating_sub(2) as u64, ..Limits::default() }
    }

    fn tokens(&self, text: &str) -> u64 {
        self.inner.tokenizer.pieces.rows(text).len() as u64
    }

    fn starts(&self, text: &str) -> Vec<usize> {
        self.inner.tokenizer.pieces.starts(text)
    }

    fn is_remote(&self) -> bool {
        // It is not, but it takes a hundred times as long as the one in the binary.
        true
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embedded, ModelError> {
        refuse_empty(texts)?;
        let inner = Arc::clone(&self.inner);
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        // It takes seconds, and a file that is not what it seems may bring down the thread that runs it.
        match tokio::task::spawn_blocking(move || inner.embed(&texts)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.inner.unusable("the file is broken in a way that it cannot be run")),
        }
    }
}

impl std::fmt::Debug for Onnx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Onnx").field("fingerprint", &self.inner.name).finish()
    }
}

#[cfg(test)]
mod tests;
