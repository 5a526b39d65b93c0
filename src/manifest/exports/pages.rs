//! Files with their assets on pages that stay as they are while their own assets do.
//!
//! The SHA-256 of a file's path, bit by bit, leads down a binary tree; a node whose files fit on one page is a page. So what
//! is on a page depends on nothing but the files around it, and one more file divides or changes a single page.

use std::collections::BTreeMap;

use super::blender::{Group, Page};
use crate::ids::Sha256Hex;
use crate::manifest::build::BuildError;

struct Placed {
    /// The digits of the SHA-256 of its path.
    place: String,
    weight: usize,
    group: Group,
}

/// Pages of these files, each of at most this many bytes where it has more than one.
pub(super) fn pages(groups: BTreeMap<String, Group>, most: usize) -> Result<Vec<Page>, BuildError> {
    let mut placed = Vec::with_capacity(groups.len());
    for group in groups.into_values() {
        let place = Sha256Hex::of(group.key().as_bytes()).to_string();
        placed.push(Placed { place, weight: group.weight()?, group });
    }
    placed.sort_by(|a, b| a.place.cmp(&b.place));
    let mut pages = Vec::new();
    divide(placed, 0, most, &mut pages);
    Ok(pages)
}

fn divide(mut placed: Vec<Placed>, depth: usize, most: usize, pages: &mut Vec<Page>) {
    if placed.is_empty() {
        return;
    }
    let weight = placed.iter().map(|placed| placed.weight).fold(0, usize::saturating_add);
    if placed.len() == 1 || weight <= most {
        placed.sort_by(|a, b| a.group.key().cmp(b.group.key()));
        pages.push(Page::new(placed.into_iter().map(|placed| placed.group).collect()));
        return;
    }
    // Two paths have different digests, so that the ways of any two of them part somewhere.
    let ones = placed.split_off(placed.partition_point(|placed| !bit(&placed.place, depth)));
    divide(placed, depth + 1, most, pages);
    divide(ones, depth + 1, most, pages);
}

fn bit(place: &str, depth: usize) -> bool {
    let digit = place.as_bytes().get(depth / 4).copied().unwrap_or_default();
    char::from(digit).to_digit(16).unwrap_or_default() & (8 >> (depth % 4)) != 0
}
