//! How wide and high an image is, out of its first bytes.

use super::{Format, HEAD, Holds, LONG_HEAD, LONGEST_HEAD, holds, size};

/// The width and the height of an image in pixels, as they are stored: a viewer may turn it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimensions {
    /// From left to right, at least 1.
    pub width: u32,
    /// From top to bottom, at least 1.
    pub height: u32,
}

impl Dimensions {
    /// Those of a file of so many bytes, of which `read` gives the first ones; none where it holds no image that browsers show,
    /// or where its first bytes do not tell. The name of the file does not matter: the same bytes always give the same.
    pub fn of(bytes: u64, read: &mut dyn FnMut(usize) -> Option<Vec<u8>>) -> Option<Self> {
        let mut head = Vec::new();
        for most in [HEAD, LONG_HEAD, LONGEST_HEAD] {
            head = if is_whole(&head, bytes) { head } else { read(most)? };
            let is_text =
                head.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|byte| b"<\xef".contains(byte));
            match holds(&head) {
                Holds::Image(Format::Svg) => return vector(&head),
                Holds::Image(format) => match size(format, &head, is_whole(&head, bytes)) {
                    Ok(Some((width, height))) => {
                        return Some(Self { width: u32::try_from(width).ok()?, height: u32::try_from(height).ok()? });
                    }
                    Ok(None) => {}
                    Err(()) => return None,
                },
                Holds::Unknown if is_text && most < LONG_HEAD => {}
                Holds::Unknown | Holds::Other(_) => return None,
            }
            if is_whole(&head, bytes) {
                return None;
            }
        }
        None
    }
}

fn is_whole(head: &[u8], bytes: u64) -> bool {
    u64::try_from(head.len()).is_ok_and(|read| read >= bytes)
}

/// The size of a drawing: its own `width` and `height` in pixels, or else its `viewBox`.
///
/// This is no parser of XML: what it does not understand at once has no size.
fn vector(head: &[u8]) -> Option<Dimensions> {
    // The end of what was read may stand within a character.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?,
    };
    let attributes = attributes(text)?;
    let value = |name: &str| attributes.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
    let sized = value("width").and_then(pixels).zip(value("height").and_then(pixels));
    let (width, height) = sized.or_else(|| {
        let numbers: Vec<&str> =
            value("viewBox")?.split([' ', ',', '\t', '\n', '\r']).filter(|n| !n.is_empty()).collect();
        let [_, _, width, height] = numbers[..] else { return None };
        pixels(width).zip(pixels(height))
    })?;
    Some(Dimensions { width, height })
}

/// The attributes of the root where that is an `svg`, after nothing but remarks, instructions and a simple document type.
fn attributes(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    let mut tag = loop {
        rest = if let Some(remark) = rest.strip_prefix("<!--") {
            remark.split_once("-->")?.1.trim_start()
        } else if let Some(instruction) = rest.strip_prefix("<?") {
            instruction.split_once("?>")?.1.trim_start()
        } else if let Some(kind) = rest.strip_prefix("<!DOCTYPE") {
            let (kind, after) = kind.split_once('>')?;
            // A document type with definitions of its own can redefine anything.
            (!kind.contains('[')).then(|| after.trim_start())?
        } else {
            break rest.strip_prefix("<svg")?;
        };
    };
    let mut attributes = Vec::new();
    loop {
        let after = tag.trim_start();
        if after.starts_with('>') || after.starts_with("/>") {
            return Some(attributes);
        }
        let (name, value) = (after.len() < tag.len()).then(|| after.split_once('='))??;
        let value = value.trim_start();
        let quote = value.chars().next().filter(|first| ['"', '\''].contains(first))?;
        let (value, after) = value.get(1..)?.split_once(quote)?;
        attributes.push((name.trim_end(), value));
        tag = after;
    }
}

/// A length in pixels, to the nearest whole one.
fn pixels(length: &str) -> Option<u32> {
    let length = length.trim();
    let number = length.strip_suffix("px").unwrap_or(length);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let up = u32::from(fraction.bytes().next().is_some_and(|tenths| tenths >= b'5'));
    whole.parse::<u32>().ok()?.checked_add(up).filter(|pixels| *pixels > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{avif, gif, jpeg, png, webp};
    use super::*;

    fn of(bytes: &[u8]) -> Option<(u32, u32)> {
        let mut read = |most: usize| Some(bytes.get(..most).unwrap_or(bytes).to_vec());
        let found = Dimensions::of(u64::try_from(bytes.len()).unwrap(), &mut read)?;
        Some((found.width, found.height))
    }

    #[test]
    fn every_format_that_browsers_show_tells_its_size() {
        assert_eq!(of(&png(640, 480)), Some((640, 480)));
        assert_eq!(of(&gif(64, 48)), Some((64, 48)));
        assert_eq!(of(&jpeg(64, 48, 0)), Some((64, 48)));
        assert_eq!(of(&webp(64, 48)), Some((64, 48)));
        assert_eq!(of(&avif(64, 48)), Some((64, 48)));
        assert_eq!(of(br#"<svg width="64" height="48"/>"#), Some((64, 48)));
    }

    #[test]
    fn a_photograph_with_long_notes_is_read_further_and_one_with_endless_notes_is_not() {
        assert_eq!(of(&jpeg(64, 48, 3 * 1024 * 1024)), Some((64, 48)));
        assert_eq!(of(&jpeg(64, 48, 5 * 1024 * 1024)), None);
    }

    #[test]
    fn what_is_no_whole_image_has_no_size() {
        for bytes in
            [&b""[..], b"text", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n", b"<html><svg width='1' height='1'>", &png(0, 7)]
        {
            assert_eq!(of(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_drawing_has_the_size_that_it_asks_for_or_that_of_its_view() {
        for (text, size) in [
            ("<svg width='24px' height=\"24.5\" viewBox='0 0 1 1'>", Some((24, 25))),
            ("<svg viewBox='0 0 32 16'>", Some((32, 16))),
            ("<svg width='100%' height='100%' viewBox='-1,-1, 32,16'>", Some((32, 16))),
            ("<svg width='2em' viewBox='0 0 32 16'>", Some((32, 16))),
            (
                "\u{feff}<?xml version='1.0'?>\n<!-- <svg width='9'> -->\n<!DOCTYPE svg>\n<svg\n width = '3'\n height='4'>",
                Some((3, 4)),
            ),
            ("<svg width='3'>", None),
            ("<svg width='0' height='0'>", None),
            ("<svg width='-3' height='4'>", None),
            ("<svg width='99999999999' height='4'>", None),
            ("<svg width='3' height='4'", None),
            ("<svg width='3'height='4'>", None),
            ("<svgx width='3' height='4'>", None),
            ("<g><svg width='3' height='4'></g>", None),
            ("<!DOCTYPE svg [<!ENTITY w '3'>]><svg width='3' height='4'>", None),
        ] {
            assert_eq!(of(text.as_bytes()), size, "{text}");
        }
    }

    #[test]
    fn a_drawing_after_a_long_remark_is_found() {
        let text = format!("<!-- {} --><svg width='3' height='4'>", "x".repeat(10_000));
        assert_eq!(of(text.as_bytes()), Some((3, 4)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(kind in 0..7_usize, noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let starts = [png(1, 1), gif(1, 1), jpeg(1, 1, 0), webp(1, 1), avif(1, 1), b"<svg ".to_vec(), Vec::new()];
            let start = &starts[kind];
            let cut = usize::from(noise.first().copied().unwrap_or_default()) % (start.len() + 1);
            let _ = of(&[&start[..cut], &noise].concat());
        }
    }
}
