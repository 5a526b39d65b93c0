//! How well search finds what it should, on libraries that people have made.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use rayon::prelude::*;
use serde_json::Value;
use stockroom::adapters::model::EmbeddingModel;
use stockroom::embedding::search::{Candidate, bm25, rank};
use stockroom::embedding::{Chunk, ChunkSettings, Text, chunks};
use stockroom::ids::{AssetId, AssetKey, CollectionName, RepoPath};

/// How many answers somebody looks at.
const LOOKED_AT: usize = 10;
/// The usual constant of reciprocal rank fusion.
const RRF: f64 = 60.0;

/// Documents, and questions of which each has one right answer.
pub struct Task {
    /// What the table calls it.
    pub name: &'static str,
    documents: Vec<Document>,
    /// What documents read instead while some question is asked: which one, and its text.
    otherwise: Vec<(usize, String)>,
    questions: Vec<Question>,
}

struct Document {
    /// What a page that filters by `includes` looks through.
    shown: String,
    text: String,
}

struct Question {
    text: String,
    expects: usize,
    /// Which of `otherwise` hold while it is asked.
    held: Vec<usize>,
}

/// How often a way of searching had the right answer among the first ten, and how far up (nDCG).
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The way of searching.
    pub method: String,
    /// The part of the questions whose answer was among the first ten.
    pub recall: f64,
    /// The same, where an answer counts the less the further down it stands.
    pub ndcg: f64,
}

/// A tag is taken away from every icon that has it, and asked for: is the icon that it was taken from found all the same?
///
/// Each tag of each icon is a question. Nobody who looks for a word that stands in the text needs a model; this is about
/// the other words that people think of.
pub fn lucide(folder: &Path) -> anyhow::Result<Task> {
    let records = records(&folder.join("icons"))?;
    let tags: Vec<Vec<String>> = records.iter().map(|(_, record)| strings(&record["tags"])).collect();
    let mut having: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut otherwise = Vec::new();
    let name = |icon: usize| records[icon].0.replace('-', " ");
    for (icon, all) in tags.iter().enumerate() {
        for tag in all {
            let rest = all.iter().filter(|other| other.to_lowercase() != tag.to_lowercase());
            having.entry(tag.to_lowercase()).or_default().push(otherwise.len());
            otherwise.push((icon, described(&name(icon), rest)));
        }
    }
    let question = |(icon, tag): (usize, &String)| Question {
        text: tag.clone(),
        expects: icon,
        held: having.get(&tag.to_lowercase()).cloned().unwrap_or_default(),
    };
    let asked = tags.iter().enumerate().filter(|(_, tags)| tags.len() > 1);
    let questions = asked.flat_map(|(icon, tags)| tags.iter().map(move |tag| (icon, tag))).map(question).collect();
    let document =
        |(icon, tags): (usize, &Vec<String>)| Document { shown: name(icon), text: described(&name(icon), tags.iter()) };
    let documents = tags.iter().enumerate().map(document).collect();
    Ok(Task { name: "lucide", documents, otherwise, questions })
}

/// The summary of an advisory is asked for: is the advisory found by its details?
pub fn osv(folder: &Path) -> anyhow::Result<Task> {
    let (mut documents, mut questions) = (Vec::new(), Vec::new());
    for (_, record) in records(&folder.join("data/osv"))? {
        let (Some(summary), Some(details)) = (record["summary"].as_str(), record["details"].as_str()) else { continue };
        // Of shorter ones most say the summary again.
        if details.chars().count() > 100 && !summary.trim().is_empty() {
            questions.push(Question { text: summary.to_owned(), expects: documents.len(), held: Vec::new() });
            documents.push(Document { shown: details.to_owned(), text: details.to_owned() });
        }
    }
    Ok(Task { name: "osv", documents, otherwise: Vec::new(), questions })
}

fn described<'t>(name: &str, tags: impl Iterator<Item = &'t String>) -> String {
    tags.fold(name.to_owned(), |text, tag| text + ", " + tag)
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The JSON files of a folder, by name without the extension, in order.
fn records(folder: &Path) -> anyhow::Result<Vec<(String, Value)>> {
    let mut records = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let stem = path.file_stem().context("a file without a name")?.to_string_lossy().into_owned();
            records.push((stem, serde_json::from_slice(&fs::read(&path)?)?));
        }
    }
    records.sort_by(|a: &(String, Value), b| a.0.cmp(&b.0));
    ensure!(!records.is_empty(), "{} has no records", folder.display());
    Ok(records)
}

/// A chunk with its vector by each model.
struct Entry {
    document: usize,
    chunk: Chunk,
    vectors: Vec<Vec<f32>>,
}

impl Task {
    /// The same with every so many of its questions, about `most`.
    pub fn sampled(mut self, most: usize) -> Self {
        let all = self.questions.len();
        let most = most.clamp(1, all);
        let chosen = |at: usize| (at * most) % all < most;
        self.questions = self.questions.into_iter().enumerate().filter(|(at, _)| chosen(*at)).map(|(_, q)| q).collect();
        // What no question needs would be embedded all the same.
        let mut otherwise = Vec::new();
        for held in self.questions.iter_mut().flat_map(|question| &mut question.held) {
            otherwise.push(self.otherwise[*held].clone());
            *held = otherwise.len() - 1;
        }
        self.otherwise = otherwise;
        self
    }

    /// How many questions are asked.
    pub fn asked(&self) -> usize {
        self.questions.len()
    }

    /// What each way of searching finds; `models` with their names, the first of which is fused by rank as well.
    pub async fn measure(&self, models: &[(&str, &dyn EmbeddingModel)]) -> anyhow::Result<Vec<Found>> {
        let texts = self.documents.iter().map(|d| d.text.as_str()).enumerate();
        let documents = self.entries(texts.collect(), models).await?;
        let otherwise = self.otherwise.iter().map(|(document, text)| (*document, text.as_str()));
        let otherwise = self.entries(otherwise.collect(), models).await?;
        let mut queries = Vec::new();
        for (_, model) in models {
            queries.push(embed(*model, self.questions.iter().map(|q| q.text.as_str()).collect()).await?);
        }
        let answer = |(at, question): (usize, &Question)| {
            let mut view: Vec<&Vec<Entry>> = documents.iter().collect();
            for held in &question.held {
                view[self.otherwise[*held].0] = &otherwise[*held];
            }
            let vectors: Vec<&[f32]> = queries.iter().map(|vectors| vectors[at].as_slice()).collect();
            self.places(question, &view.into_iter().flatten().collect::<Vec<_>>(), &vectors)
        };
        let places: Vec<Vec<usize>> = self.questions.par_iter().enumerate().map(|q| answer((q.0, q.1))).collect();
        let mut methods = vec!["substring".to_owned(), "BM25".to_owned()];
        for (name, _) in models {
            methods.extend([(*name).to_owned(), format!("{name} + BM25")]);
        }
        methods.extend(models.first().map(|(name, _)| format!("{name} and BM25 by rank (RRF)")));
        Ok(methods.into_iter().enumerate().map(|(at, method)| found(method, places.iter().map(|p| p[at]))).collect())
    }

    async fn entries(
        &self,
        texts: Vec<(usize, &str)>,
        models: &[(&str, &dyn EmbeddingModel)],
    ) -> anyhow::Result<Vec<Vec<Entry>>> {
        let cut = |(document, text): &(usize, &str)| {
            let text = Text::new(&RepoPath::new("a.json"), text);
            chunks(&self.key(*document), &text.into_iter().collect::<Vec<_>>(), &ChunkSettings::default())
        };
        let cut: Vec<Vec<Chunk>> = texts.iter().map(cut).collect();
        let mut vectors = vec![Vec::new(); cut.iter().map(Vec::len).sum()];
        for (_, model) in models {
            let flat = cut.iter().flatten().map(|chunk| chunk.text.as_str()).collect();
            vectors.iter_mut().zip(embed(*model, flat).await?).for_each(|(all, vector)| all.push(vector));
        }
        let mut vectors = vectors.into_iter();
        let entries = |(chunks, (document, _)): (Vec<Chunk>, &(usize, &str))| {
            let entry = |(chunk, vectors)| Entry { document: *document, chunk, vectors };
            chunks.into_iter().zip(vectors.by_ref()).map(entry).collect()
        };
        Ok(cut.into_iter().zip(&texts).map(entries).collect())
    }

    fn key(&self, document: usize) -> AssetKey {
        // Padded, so that keys are in the order of the documents.
        AssetKey { collection: CollectionName::new(self.name), id: AssetId::new(format!("{document:06}")) }
    }

    /// Where the right answer stands for each way of searching, from 0.
    fn places(&self, question: &Question, view: &[&Entry], vectors: &[&[f32]]) -> Vec<usize> {
        let query = question.text.to_lowercase();
        let substring = self.documents.iter().map(|d| f64::from(u8::from(d.shown.to_lowercase().contains(&query))));
        let words = bm25(&question.text, &view.iter().map(|e| e.chunk.text.as_str()).collect::<Vec<_>>());
        let words = self.best(view, &words);
        let mut places = vec![place(&substring.collect::<Vec<_>>(), question.expects), place(&words, question.expects)];
        let mut fused = None;
        for (model, query) in vectors.iter().enumerate() {
            let cosines: Vec<f32> = view.iter().map(|e| dot(&e.vectors[model], query)).collect();
            let meaning = self.best(view, &cosines);
            // A cosine of 0 or less is an answer all the same; it only comes last.
            let raised: Vec<f64> = meaning.iter().map(|score| score + 2.0).collect();
            places.push(place(&raised, question.expects));
            places.push(self.place_by_rank(question, view, &cosines));
            fused.get_or_insert_with(|| fuse(&[&words, &raised]));
        }
        places.extend(fused.map(|fused| place(&fused, question.expects)));
        places
    }

    /// Where the program's own ranking puts the right answer.
    fn place_by_rank(&self, question: &Question, view: &[&Entry], cosines: &[f32]) -> usize {
        let candidate = |(entry, cosine): (&&Entry, &f32)| Candidate {
            id: entry.chunk.id.clone(),
            asset: entry.chunk.asset.clone(),
            path: entry.chunk.path.clone(),
            text: entry.chunk.text.clone(),
            cosine: *cosine,
        };
        let hits = rank(&question.text, view.iter().zip(cosines).map(candidate).collect(), LOOKED_AT);
        let expected = self.key(question.expects);
        hits.iter().position(|hit| hit.asset == expected).unwrap_or(usize::MAX)
    }

    /// The best score of each document's chunks.
    fn best(&self, view: &[&Entry], scores: &[f32]) -> Vec<f64> {
        let mut best = vec![f64::NEG_INFINITY; self.documents.len()];
        for (entry, score) in view.iter().zip(scores) {
            best[entry.document] = best[entry.document].max(f64::from(*score));
        }
        best
    }
}

async fn embed(model: &dyn EmbeddingModel, texts: Vec<&str>) -> anyhow::Result<Vec<Vec<f32>>> {
    let mut vectors = Vec::with_capacity(texts.len());
    for batch in texts.chunks(256) {
        vectors.extend(model.embed(batch).await?.vectors);
    }
    Ok(vectors)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// How many come before this one; what has no score above 0 is no answer. Equal ones stand in the order of the documents.
fn place(scores: &[f64], expects: usize) -> usize {
    let own = scores[expects];
    let before = |(at, score): (usize, &f64)| *score > own || (*score == own && at < expects);
    if own > 0.0 { scores.iter().enumerate().filter(|(at, s)| before((*at, *s))).count() } else { usize::MAX }
}

/// Reciprocal rank fusion: of each list only the order counts.
fn fuse(lists: &[&[f64]]) -> Vec<f64> {
    let mut fused = vec![0.0; lists.first().map_or(0, |list| list.len())];
    for list in lists {
        let mut order: Vec<usize> = (0..list.len()).filter(|at| list[*at] > 0.0).collect();
        order.sort_by(|a, b| list[*b].total_cmp(&list[*a]));
        order.iter().zip(1_u32..).for_each(|(at, rank)| fused[*at] += 1.0 / (RRF + f64::from(rank)));
    }
    fused
}

fn found(method: String, places: impl Iterator<Item = usize>) -> Found {
    let (mut asked, mut hits, mut gain) = (0.0_f64, 0.0, 0.0);
    for place in places {
        asked += 1.0;
        if let Some(rank) = u32::try_from(place).ok().filter(|_| place < LOOKED_AT) {
            hits += 1.0;
            gain += 1.0 / (f64::from(rank) + 2.0).log2();
        }
    }
    let asked = asked.max(1.0);
    Found { method, recall: hits / asked, ndcg: gain / asked }
}
