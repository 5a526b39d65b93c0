use std::fs;
use std::path::PathBuf;

use super::outline::tests::bytes;
use super::*;

/// The folder of all-MiniLM-L6-v2 that scripts/install-tools.sh brings; none, said aloud, where it is not there.
fn minilm() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".tools/minilm");
    let is_there = folder.join("model.onnx").exists();
    if !is_there {
        eprintln!("SKIPPED: {} is not there; scripts/install-tools.sh brings it", folder.display());
    }
    is_there.then_some(folder)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[tokio::test]
async fn it_is_a_model() {
    let Some(folder) = minilm() else { return };
    super::super::conformance::holds(&Onnx::open(&folder, "").unwrap()).await;
}

#[tokio::test]
async fn its_vectors_are_those_of_the_reference() {
    let Some(folder) = minilm() else { return };
    let model = Onnx::open(&folder, "model.onnx").unwrap();
    let (texts, vectors): (Vec<&str>, Vec<&str>) =
        include_str!("reference.txt").lines().filter_map(|line| line.split_once('\t')).map(|(v, t)| (t, v)).unzip();
    assert!(texts.len() >= 8);
    let found = model.embed(&texts).await.unwrap().vectors;
    for ((text, expected), found) in texts.iter().zip(vectors).zip(found) {
        let expected: Vec<f32> =
            hex::decode(expected).unwrap().into_iter().map(|b| f32::from(i8::from_le_bytes([b]))).collect();
        let near = cosine(&found, &normalised(expected));
        assert!(near > 0.99, "{text:?}: {near}");
    }
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused_by_a_sentence_that_says_what_to_do() {
    let Some(folder) = minilm() else { return };
    let model = Onnx::open(&folder, "").unwrap();
    assert_eq!(model.limits().tokens_each, 510);
    let (fits, long) = ("bolt ".repeat(510), "bolt ".repeat(511));
    assert!(model.embed(&[&fits]).await.is_ok());
    let error = model.embed(&["fine", &long]).await.unwrap_err().to_string();
    assert!(error.contains("511 tokens, and it reads 510") && error.contains("unit: tokens, max: 255"), "{error}");
}

#[test]
fn its_fingerprint_follows_the_model_and_the_vocabulary() {
    let Some(folder) = minilm() else { return };
    let library = tempfile::tempdir().unwrap();
    fs::copy(folder.join("model.onnx"), library.path().join("model.onnx")).unwrap();
    let alone = Onnx::open(library.path(), "").unwrap();
    assert_eq!(alone.fingerprint(), Onnx::open(&folder, "").unwrap().fingerprint());
    assert!(alone.fingerprint().starts_with("onnx-384-") && alone.dimension() == 384);
    fs::write(library.path().join("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\nbolt\n").unwrap();
    assert_ne!(alone.fingerprint(), Onnx::open(library.path(), "").unwrap().fingerprint());
}

/// A file that looks like a model until it is loaded.
fn lookalike(more: &[u8]) -> Vec<u8> {
    let size = |size: u8| bytes(1, &[1 << 3, size]);
    let value = |name: &str, sizes: &[u8]| {
        let shape: Vec<u8> = sizes.iter().flat_map(|n| size(*n)).collect();
        [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &[vec![1 << 3, 1], bytes(2, &shape)].concat()))].concat()
    };
    let graph =
        [bytes(11, &value("input_ids", &[1, 1])), bytes(12, &value("last_hidden_state", &[1, 1, 4])), more.to_vec()];
    bytes(7, &graph.concat())
}

#[tokio::test]
async fn a_file_that_is_no_model_ends_a_request_and_not_the_program() {
    let library = tempfile::tempdir().unwrap();
    fs::write(library.path().join("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\nbolt\n").unwrap();
    let operator = |name: &str| {
        bytes(1, &[bytes(1, b"input_ids"), bytes(2, b"last_hidden_state"), bytes(4, name.as_bytes())].concat())
    };
    for (file, why) in [
        (lookalike(b""), ""),
        (lookalike(&operator("Loop")), ""),
        (lookalike(&operator("Reshape")), ""),
        (lookalike(&operator("Shape")), ""),
        (lookalike(&operator("Gather")), ""),
        (lookalike(&bytes(5, &[bytes(8, b"w"), vec![8, 200, 1, 16, 1], bytes(9, b"abc")].concat())), ""),
        (b"RTEN".to_vec(), "no ONNX model"),
        (Vec::new(), "no ONNX model"),
    ] {
        fs::write(library.path().join("model.onnx"), &file).unwrap();
        let error = match Onnx::open(library.path(), "model.onnx") {
            Ok(model) => model.embed(&["bolt"]).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains(why), "{error}");
        assert!(matches!(error, ModelError::Unavailable { .. } | ModelError::Malformed { .. }), "{error}");
    }
}
