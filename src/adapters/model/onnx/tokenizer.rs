//! How texts are cut for an ONNX model: BERT's WordPiece, with the vocabulary beside the model or the usual one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::files::Vocabulary;
use crate::adapters::model::local::Local;
use crate::adapters::model::wordpiece::WordPiece;

/// How many tokens the vocabulary of BERT without capitals has; a model with so many rows has that one.
pub(super) const USUAL: u64 = 30_522;
/// Where its words begin; before them stand tokens that no text has. The model in the binary was distilled from a model with
/// that vocabulary and has the words alone, in the same order.
const WORDS: usize = 999;

/// Cuts texts into tokens, and knows what stands around them.
pub(super) struct Tokenizer {
    pub pieces: WordPiece,
    /// `[CLS]`, before a text.
    pub first: u32,
    /// `[SEP]`, after it.
    pub last: u32,
}

/// What is read of tokenizer.json.
#[derive(Deserialize)]
struct Written {
    model: WrittenModel,
    normalizer: Option<Normalizer>,
}

#[derive(Deserialize)]
struct WrittenModel {
    #[serde(rename = "type")]
    kind: Option<String>,
    // Other kinds have a list here.
    #[serde(default)]
    vocab: serde_json::Value,
    continuing_subword_prefix: Option<String>,
}

#[derive(Deserialize)]
struct Normalizer {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    lowercase: bool,
    strip_accents: Option<bool>,
}

impl Tokenizer {
    /// The tokenizer of a vocabulary; `usual` where a model without one has as many rows as the usual vocabulary.
    pub(super) fn of(vocabulary: &Vocabulary, usual: bool) -> Result<Self, String> {
        let pieces = match vocabulary {
            Vocabulary::Lines(bytes) => {
                let text = std::str::from_utf8(bytes).map_err(|_| "its vocab.txt is not UTF-8".to_owned())?;
                WordPiece::of(text.lines().map(|token| Cow::Owned(token.to_owned())).zip(0..), true)
            }
            Vocabulary::Tokenizer(bytes) => written(bytes)?,
            Vocabulary::Absent if usual => WordPiece::of(usual_tokens().zip(0..), true),
            Vocabulary::Absent => {
                return Err("there is neither tokenizer.json nor vocab.txt beside it".to_owned());
            }
        };
        match (pieces.row("[CLS]"), pieces.row("[SEP]"), pieces.row("[UNK]")) {
            (Some(first), Some(last), Some(_)) => Ok(Self { pieces, first, last }),
            _ => Err("its vocabulary has no [CLS], [SEP] and [UNK], as those of BERT's kind have".to_owned()),
        }
    }
}

fn written(bytes: &[u8]) -> Result<WordPiece, String> {
    let other = |what: &str| {
        format!(
            "its tokenizer.json has {what}; only BERT's WordPiece is known, as all-MiniLM, BGE, GTE and E5 in English have it"
        )
    };
    let Written { model, normalizer } =
        serde_json::from_slice(bytes).map_err(|error| format!("its tokenizer.json cannot be read: {error}"))?;
    if model.kind.as_deref() != Some("WordPiece") || model.continuing_subword_prefix.is_some_and(|p| p != "##") {
        return Err(other("another kind of model"));
    }
    let Some(Normalizer { kind, lowercase, strip_accents }) = normalizer else { return Err(other("no normalizer")) };
    if kind != "BertNormalizer" || strip_accents.is_some_and(|strip| strip != lowercase) {
        return Err(other("another normalizer"));
    }
    let vocab: BTreeMap<String, u32> =
        serde_json::from_value(model.vocab).map_err(|_| other("a vocabulary that is no list of tokens"))?;
    Ok(WordPiece::of(vocab.into_iter().map(|(token, row)| (Cow::Owned(token), row)), lowercase))
}

/// The tokens of BERT without capitals, in their order.
fn usual_tokens() -> impl Iterator<Item = Cow<'static, str>> {
    let unused = |n: usize| Cow::Owned(format!("[unused{n}]"));
    let named = ["[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(Cow::Borrowed);
    let head = std::iter::once(Cow::Borrowed("[PAD]")).chain((0..99).map(unused)).chain(named);
    let words = Local::vocabulary().lines().skip(2).map(Cow::Borrowed);
    head.chain((99..994).map(unused)).take(WORDS).chain(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_usual_vocabulary_is_that_of_bert_without_capitals() {
        let tokens: Vec<_> = usual_tokens().collect();
        assert_eq!(tokens.len() as u64, USUAL);
        assert_eq!(
            (&*tokens[100], &*tokens[101], &*tokens[999], &*tokens[1037], &*tokens[30521]),
            ("[UNK]", "[CLS]", "!", "a", "##～")
        );
        let tokenizer = Tokenizer::of(&Vocabulary::Absent, true).unwrap();
        assert_eq!((tokenizer.first, tokenizer.last), (101, 102));
        assert_eq!(tokenizer.pieces.rows("Hello, world!"), [7592, 1010, 2088, 999]);
        assert_eq!(tokenizer.pieces.rows("𓀀𓁐 [MASK]"), [100, 103]);
    }

    #[test]
    fn a_vocabulary_comes_as_lines_or_as_a_tokenizer() {
        let lines = Vocabulary::Lines(b"[PAD]\n[UNK]\n[CLS]\n[SEP]\nhex\n##a\n".to_vec());
        let vocab = json!({"[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "hex": 4, "##a": 5, "Hex": 6});
        let file = |kind: &str, normalizer: serde_json::Value| {
            let model = json!({"type": kind, "vocab": vocab, "continuing_subword_prefix": "##"});
            Vocabulary::Tokenizer(json!({"model": model, "normalizer": normalizer}).to_string().into_bytes())
        };
        let rows = |vocabulary| Tokenizer::of(&vocabulary, false).map(|tokenizer| tokenizer.pieces.rows("Hexa x"));
        assert_eq!(rows(lines).unwrap(), [4, 5, 1]);
        assert_eq!(rows(file("WordPiece", json!({"type": "BertNormalizer", "lowercase": true}))).unwrap(), [4, 5, 1]);
        assert_eq!(rows(file("WordPiece", json!({"type": "BertNormalizer", "lowercase": false}))).unwrap(), [6, 5, 1]);
        for (bad, why) in [
            (file("Unigram", json!(null)), "another kind"),
            (file("WordPiece", json!(null)), "no normalizer"),
            (file("WordPiece", json!({"type": "NFC"})), "another normalizer"),
            (
                file("WordPiece", json!({"type": "BertNormalizer", "lowercase": true, "strip_accents": false})),
                "normalizer",
            ),
            (Vocabulary::Tokenizer(b"{".to_vec()), "cannot be read"),
            (Vocabulary::Tokenizer(json!({"model": {"vocab": 1}}).to_string().into_bytes()), "another kind"),
            (Vocabulary::Lines(vec![255]), "UTF-8"),
            (Vocabulary::Lines(b"hex\n".to_vec()), "[CLS]"),
            (Vocabulary::Absent, "neither"),
        ] {
            let error = rows(bad).unwrap_err();
            assert!(error.contains(why), "{error}, expected {why}");
        }
    }
}
