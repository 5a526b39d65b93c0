use proptest::prelude::*;

use super::super::tree::tests::MemoryTree;
use super::*;

pub(super) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend(b"\x08\x06\0\0\0\0\0\0\0");
    bytes
}

pub(super) fn gif(width: u16, height: u16) -> Vec<u8> {
    [b"GIF89a".to_vec(), width.to_le_bytes().to_vec(), height.to_le_bytes().to_vec(), vec![0; 8]].concat()
}

/// A JPEG with so many bytes of notes before its size.
pub(super) fn jpeg(width: u16, height: u16, notes: usize) -> Vec<u8> {
    let mut bytes = b"\xff\xd8".to_vec();
    for note in vec![0; notes].chunks(60_000) {
        bytes.extend(b"\xff\xe1");
        bytes.extend(u16::try_from(note.len() + 2).unwrap().to_be_bytes());
        bytes.extend(note);
    }
    bytes.extend(b"\xff\xc0\0\x11\x08");
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([3; 12]);
    bytes
}

pub(super) fn webp(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
    bytes.extend(&(width - 1).to_le_bytes()[..3]);
    bytes.extend(&(height - 1).to_le_bytes()[..3]);
    bytes
}

pub(super) fn avif(width: u32, height: u32) -> Vec<u8> {
    let boxed = |tag: &[u8; 4], inner: Vec<u8>| {
        [u32::try_from(inner.len() + 8).unwrap().to_be_bytes().to_vec(), tag.to_vec(), inner].concat()
    };
    let ispe = boxed(b"ispe", [vec![0; 4], width.to_be_bytes().to_vec(), height.to_be_bytes().to_vec()].concat());
    let iprp = boxed(b"iprp", boxed(b"ipco", ispe));
    [boxed(b"ftyp", b"avif\0\0\0\0avifmif1".to_vec()), boxed(b"meta", [vec![0; 4], iprp].concat())].concat()
}

const SVG: &[u8] = b"<?xml version=\"1.0\"?>\n<!-- a bolt -->\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>";

fn rule(yaml: &str) -> ImageRule {
    ImageRule::new(&serde_yaml::from_str(&format!("files: '*'\n{yaml}")).unwrap()).unwrap()
}

fn look(name: &str, bytes: &[u8], rules: &[ImageRule]) -> Vec<String> {
    let memory = MemoryTree::of(&[(name, bytes)]);
    let rules: Vec<&ImageRule> = rules.iter().collect();
    let row = |f: Finding| format!("{} {}: {} ({})", f.severity, f.code.id, f.message, f.help.unwrap_or_default());
    findings(&memory.tree.entries[0], &rules, &memory, Level::Warning).into_iter().map(row).collect()
}

fn all() -> [(&'static str, Vec<u8>); 6] {
    [
        ("png", png(64, 32)),
        ("jpg", jpeg(64, 32, 10)),
        ("webp", webp(64, 32)),
        ("gif", gif(64, 32)),
        ("avif", avif(64, 32)),
        ("svg", SVG.to_vec()),
    ]
}

#[test]
fn an_image_that_is_what_its_name_says_is_right() {
    for (extension, bytes) in all() {
        assert_eq!(look(&format!("a.{extension}"), &bytes, &[]), [""; 0], "{extension}");
        assert_eq!(look(&format!("A.{}", extension.to_uppercase()), &bytes, &[]), [""; 0], "{extension}");
    }
    assert_eq!(look("a.jpeg", &jpeg(1, 1, 0), &[]), [""; 0]);
    assert_eq!(look("a.blend", b"no image", &[]), [""; 0]);
}

#[test]
fn an_image_of_another_format_is_named_with_both() {
    for (extension, _) in all() {
        for (other, bytes) in all().into_iter().filter(|(other, _)| *other != extension) {
            let said = look(&format!("a.{extension}"), &bytes, &[]);
            assert_eq!(said.len(), 1);
            assert!(
                said[0].starts_with("warning image-format") && said[0].contains(&format!("\"a.{other}\"")),
                "{said:?}"
            );
        }
    }
    let said = look("icon.png", &jpeg(1, 1, 0), &[]);
    assert_eq!(
        said,
        ["warning image-format: \"icon.png\" holds a JPEG image (export it anew as PNG, or rename it to \"icon.jpg\")"]
    );
}

#[test]
fn what_is_empty_torn_or_no_image_is_broken() {
    let broken = |name: &str, bytes: &[u8], part: &str| {
        let said = look(name, bytes, &[]);
        assert!(said.len() == 1 && said[0].starts_with("warning image-broken") && said[0].contains(part), "{said:?}");
    };
    broken("a.png", b"", "0 bytes");
    broken("a.png", b"picture", "no PNG image");
    broken("a.png", b" <!DOCTYPE html><html>404", "a web page");
    broken("a.webp", b"%PDF-1.7", "a PDF document");
    broken("a.svg", b"{\"not\": \"svg\"}", "no SVG image");
    broken("a.png", b"8BPS\0\x01\0\0\0\0\0\0\0\x03", "Photoshop");
    for (extension, bytes) in all().into_iter().take(5) {
        let half = bytes.get(..bytes.len() / 2).unwrap();
        broken(&format!("a.{extension}"), half, "damaged");
    }
    broken("a.png", &png(0, 10), "damaged");
}

#[test]
fn images_are_held_to_their_size() {
    let rules = [rule("width: 64\nheight: 64"), rule("square: true"), rule("max_bytes: 20")];
    for (extension, bytes) in all().into_iter().take(5) {
        let name = format!("a.{extension}");
        let said = look(&name, &bytes, &rules);
        let length = bytes.len();
        let mut expected = vec![
            format!("error image-size: {name:?} has 64 × 32 pixels, and 64 × 64 pixels is wanted (scale or crop it)"),
            format!("error image-size: {name:?} has 64 × 32 pixels, and a square is wanted (scale or crop it)"),
        ];
        if length > 20 {
            let heavy = format!("{name:?} has {length} bytes, and at most 20 are wanted");
            expected.push(format!("error image-size: {heavy} (scale it down, or compress it more)"));
        }
        assert_eq!(said, expected);
        assert_eq!(look(&name, &bytes, &[rule("width: 64"), rule("height: 32\nmax_bytes: 5000")]), [""; 0]);
    }
}

#[test]
fn a_size_that_nobody_can_tell_is_not_kept_and_told_once() {
    let rules = [rule("width: 64"), rule("square: true")];
    for (name, bytes, code) in [
        ("a.png", b"".as_slice(), "image-broken"),
        ("a.png", b"picture", "image-broken"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "image-broken"),
        ("a.svg", SVG, "image-size"),
        ("a.tga", b"whatever", "image-size"),
    ] {
        let said = look(name, bytes, &rules);
        assert!(said.len() == 1 && said[0].starts_with(&format!("error {code}")), "{said:?}");
    }
    assert!(look("a.png", b"", &[rule("max_bytes: 5")])[0].starts_with("warning image-broken"), "its weight is known");
}

#[test]
fn a_photograph_may_have_long_notes_before_its_size() {
    let long = jpeg(64, 32, 300_000);
    assert_eq!(look("a.jpg", &long, &[]), [""; 0]);
    assert_eq!(look("a.jpg", &long, &[rule("width: 64")]), [""; 0]);
    assert_eq!(look("a.jpg", &long, &[rule("width: 65")]).len(), 1);
}

#[test]
fn a_drawing_may_begin_with_a_long_remark() {
    let long = format!("<!-- {} -->\n<svg/>", "licence ".repeat(2_000));
    assert_eq!(look("a.svg", long.as_bytes(), &[]), [""; 0]);
    assert_eq!(look("a.png", long.as_bytes(), &[]).len(), 1);
}

#[test]
fn an_lfs_pointer_is_judged_by_what_it_says() {
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5000\n", "a".repeat(64));
    assert_eq!(look("a.png", pointer.as_bytes(), &[rule("width: 64\nmax_bytes: 5000")]), [""; 0]);
    assert_eq!(look("a.png", pointer.as_bytes(), &[rule("max_bytes: 4999")]).len(), 1);
}

#[test]
fn a_rule_that_asks_for_nothing_is_refused() {
    assert!(ImageRule::new(&serde_yaml::from_str("files: 'x'").unwrap()).is_err());
    assert_eq!(ImageRule::new(&serde_yaml::from_str("files: '../x'\nwidth: 1").unwrap()).unwrap_err().0, "/files");
}

proptest! {
    /// No bytes stop the program, whatever the name says.
    #[test]
    fn any_bytes_after_any_beginning_are_looked_at(
        which in 0usize..6, keep in 0usize..120, rest in proptest::collection::vec(any::<u8>(), 0..200), under in 0usize..6,
    ) {
        let (_, bytes) = &all()[which];
        let bytes = [bytes.get(..keep).unwrap_or(bytes), &rest].concat();
        look(&format!("a.{}", all()[under].0), &bytes, &[rule("square: true")]);
    }
}
