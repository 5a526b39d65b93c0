//! Scores chunks against a query: by meaning and by words together.

use std::collections::BTreeMap;

use crate::ids::{AssetKey, ChunkId, RepoPath};

/// How much the words count beside the meaning: cosine + `WORDS` · BM25 / the best BM25.
///
/// More finds more by words and less by meaning; docs/embedding.md has what was measured, and what did not help both.
pub const WORDS: f32 = 0.5;
/// BM25's k1: how soon more of the same word counts no more.
pub const K1: f32 = 1.2;
/// BM25's b: how much longer texts count less.
pub const B: f32 = 0.75;

/// What somebody looks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The words.
    pub text: String,
    /// Their vector, of length 1, by the model of the namespace that is asked.
    pub vector: Vec<f32>,
}

/// The best chunk of an asset that answers a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The asset.
    pub asset: AssetKey,
    /// The file that the text stands in.
    pub path: RepoPath,
    /// The text.
    pub text: String,
    /// The greater the better; comparable within one query only.
    pub score: f32,
}

/// A hit, and the repository that it is of.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Another repository than the library's own, as `owner/name`.
    pub repository: Option<String>,
    /// What was found there.
    pub hit: Hit,
}

/// The `k` best of answers from several repositories; equal scores in the order in which they came.
pub fn best(mut answers: Vec<Answer>, k: usize) -> Vec<Answer> {
    answers.sort_by(|a, b| b.hit.score.total_cmp(&a.hit.score));
    answers.truncate(k);
    answers
}

/// A chunk as a store offers it to be scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The chunk.
    pub id: ChunkId,
    /// Whose text it is.
    pub asset: AssetKey,
    /// The file it stands in.
    pub path: RepoPath,
    /// The text.
    pub text: String,
    /// Its cosine with the query.
    pub cosine: f32,
}

/// The `k` best assets, each with its best chunk; equal scores in the order of the assets.
pub fn rank(query: &str, candidates: Vec<Candidate>, k: usize) -> Vec<Hit> {
    let words = bm25(query, &candidates.iter().map(|c| c.text.as_str()).collect::<Vec<_>>());
    let most = words.iter().copied().fold(0.0, f32::max);
    let mut best: BTreeMap<AssetKey, (f32, Candidate)> = BTreeMap::new();
    for (candidate, words) in candidates.into_iter().zip(words) {
        let score = candidate.cosine + if most > 0.0 { WORDS * words / most } else { 0.0 };
        let better = |(other, chunk): &(f32, Candidate)| (score, &chunk.id) > (*other, &candidate.id);
        if best.get(&candidate.asset).is_none_or(better) {
            best.insert(candidate.asset.clone(), (score, candidate));
        }
    }
    let hit = |(asset, (score, c)): (AssetKey, (f32, Candidate))| Hit { asset, path: c.path, text: c.text, score };
    let mut hits: Vec<Hit> = best.into_iter().map(hit).collect();
    // Stable: equal scores stay in the order of the map.
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    hits.truncate(k);
    hits
}

/// Okapi BM25 of each text for the query's words, with the usual k1 and b.
pub fn bm25(query: &str, texts: &[&str]) -> Vec<f32> {
    let terms = terms(query);
    let counted: Vec<(f32, Vec<f32>)> = texts.iter().map(|text| count(text, &terms)).collect();
    let total = counted.len() as f32;
    let mean = (counted.iter().map(|(length, _)| length).sum::<f32>() / total.max(1.0)).max(1.0);
    let rarity: Vec<f32> = (0..terms.len())
        .map(|term| {
            let with = counted.iter().filter(|(_, counts)| counts.get(term).is_some_and(|n| *n > 0.0)).count() as f32;
            (1.0 + (total - with + 0.5) / (with + 0.5)).ln()
        })
        .collect();
    let score = |(length, counts): &(f32, Vec<f32>)| {
        let weight = K1 * ((1.0 - B) + B * length / mean);
        counts.iter().zip(&rarity).map(|(n, rarity)| rarity * n * (K1 + 1.0) / (n + weight)).sum()
    };
    counted.iter().map(score).collect()
}

/// The words of a text, each once, in lower case and sorted.
pub fn terms(text: &str) -> Vec<String> {
    let mut terms: Vec<String> = occurrences(text).collect();
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// The number of words in a text, and how often each term is among them.
fn count(text: &str, terms: &[String]) -> (f32, Vec<f32>) {
    let mut counts = vec![0.0; terms.len()];
    let mut length = 0.0;
    for word in words(text) {
        length += 1.0;
        if let Some(n) = terms.iter().position(|term| same(word, term)).and_then(|at| counts.get_mut(at)) {
            *n += 1.0;
        }
    }
    (length, counts)
}

/// The words of a text as they are compared, in lower case, each as often as it occurs.
pub fn occurrences(text: &str) -> impl Iterator<Item = String> {
    words(text).map(str::to_lowercase)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether a word is this lower-case term; most words of a text are not, and that is seen without allocating.
fn same(word: &str, term: &str) -> bool {
    if word.is_ascii() { word.eq_ignore_ascii_case(term) } else { word.to_lowercase() == *term }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{AssetId, CollectionName};

    fn candidate(asset: &str, text: &str, cosine: f32) -> Candidate {
        let asset = AssetKey { collection: CollectionName::new("p"), id: AssetId::new(asset) };
        let id = ChunkId::of(&asset, text);
        Candidate { id, asset, path: RepoPath::new("a.md"), text: text.to_owned(), cosine }
    }

    fn order(query: &str, candidates: &[Candidate]) -> Vec<(String, String)> {
        let hits = rank(query, candidates.to_vec(), 10);
        hits.into_iter().map(|h| (h.asset.id.as_str().to_owned(), h.text)).collect()
    }

    #[test]
    fn rare_words_weigh_more_and_long_texts_less() {
        let texts = ["hex bolt", "hex nut", "hex bolt and a great many words besides that say nothing", "bowl"];
        let scores = bm25("HEX bolt", &texts);
        assert!(scores[0] > scores[2] && scores[2] > scores[1] && scores[1] > scores[3], "{scores:?}");
        assert_eq!(scores[3], 0.0);
        assert!(bm25("", &texts).iter().chain(&bm25("x", &[])).all(|s| *s == 0.0));
        assert!(bm25("Ölmühle", &["ÖLMÜHLE", "x"])[0] > 0.0);
    }

    #[test]
    fn meaning_and_words_add_up() {
        let candidates =
            [candidate("word", "a hex thing", 0.2), candidate("near", "six sided", 0.6), candidate("far", "soup", 0.1)];
        let names: Vec<_> = order("hex", &candidates).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["word", "near", "far"]);
        let names: Vec<_> = order("???", &candidates).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["near", "word", "far"]);
    }

    #[test]
    fn an_asset_answers_once_with_its_best_chunk() {
        let candidates = [candidate("a", "worse", 0.1), candidate("a", "better", 0.5), candidate("b", "other", 0.3)];
        let expected = [("a", "better"), ("b", "other")].map(|(a, t)| (a.to_owned(), t.to_owned()));
        assert_eq!(order("zzz", &candidates), expected);
    }

    #[test]
    fn ties_fall_the_same_way_whatever_the_order() {
        let mut candidates = vec![
            candidate("b", "x", 0.5),
            candidate("a", "y", 0.5),
            candidate("a", "z", 0.5),
            candidate("c", "x", 0.5),
        ];
        let expected = order("q", &candidates);
        assert_eq!(expected.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        candidates.reverse();
        assert_eq!(order("q", &candidates), expected);
        assert_eq!(rank("q", candidates, 1).len(), 1);
    }
}
