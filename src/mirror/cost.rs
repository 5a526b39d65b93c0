//! What a document would cost, told from its bytes before anything is made of it: few bytes can stand for much data.

/// How deep a document may be.
const MOST_DEPTH: usize = 64;
/// How much memory one part of a document, such as an asset's entry, may take as data, in bytes.
const MOST_PART: u64 = 256 << 20;
/// How much memory a whole document may take.
const MOST_WHOLE: u64 = 1 << 30;
/// So deep begin the parts, each of which is gone before the next one is read.
const PARTS: usize = 3;

/// About how many bytes an object, an array, and one value more take as data; and what is read into a type of ours.
const OBJECT: u64 = 700;
const ARRAY: u64 = 100;
const VALUE: u64 = 64;
const TYPED: u64 = 200;

/// Says why a document is not read; none where it may be.
pub fn too_costly(bytes: &[u8]) -> Option<String> {
    let (mut depth, mut part, mut whole) = (0_usize, 0_u64, 0_u64);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in bytes {
        if is_text {
            (is_text, is_escaped) = (*byte != b'"' || is_escaped, *byte == b'\\' && !is_escaped);
            continue;
        }
        let (cost, typed) = match byte {
            b'"' => {
                is_text = true;
                continue;
            }
            b'{' => (OBJECT, TYPED),
            b'[' => (ARRAY, ARRAY),
            b',' => (VALUE, VALUE),
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                continue;
            }
            _ => continue,
        };
        if *byte != b',' {
            depth += 1;
        }
        if depth <= PARTS && *byte != b',' {
            part = 0;
        }
        (part, whole) = (part.saturating_add(cost), whole.saturating_add(typed));
        if depth > MOST_DEPTH {
            return Some(format!("has lists in lists, more than {MOST_DEPTH} deep"));
        }
        if part > MOST_PART || whole > MOST_WHOLE {
            return Some("holds so many values that they are more than is taken into memory".to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_on_the_way_and_large_in_memory_is_not_read() {
        let of = |record: &str, times: usize| format!("{{\"assets\":[{{\"record\":[{}0]}}]}}", record.repeat(times));
        assert_eq!(too_costly(of("{\"a\":0},", 1_000).as_bytes()), None);
        assert!(too_costly(of("{\"a\":0},", 400_000).as_bytes()).unwrap().contains("so many values"));
        assert_eq!(too_costly(of("0.12345,", 1_000_000).as_bytes()), None, "8 MB of numbers are no bomb");
        let many = "{\"id\":\"a\",\"record\":[{},{}]},".repeat(500_000);
        assert_eq!(
            too_costly(format!("{{\"assets\":[{many}0]}}").as_bytes()),
            None,
            "each entry is gone before the next"
        );
        assert!(too_costly(format!("{{\"commits\":[{}0]}}", "{},".repeat(8 << 20)).as_bytes()).is_some());
    }

    #[test]
    fn depth_is_bounded_and_texts_are_no_structure() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(too_costly(deep(64).as_bytes()), None);
        assert!(too_costly(deep(65).as_bytes()).unwrap().contains("64 deep"));
        let text = format!("[\"{}\\\"{}\\\\\"]", "[".repeat(100), "{".repeat(100));
        assert_eq!(too_costly(text.as_bytes()), None);
    }
}
