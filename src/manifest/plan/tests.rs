use super::*;
use crate::manifest::edition::tests::{Library, after};

fn plan_of(library: &Library, held: Option<&Held>) -> Publication {
    let (offer, layout) = (library.offer(), library.layout());
    plan(TargetName::new("manifest"), "public".to_owned(), &offer, &layout, held).unwrap()
}

#[test]
fn the_difference_is_counted_by_asset() {
    let (old, new) = (Library::of(&[("a", 1), ("b", 1), ("c", 1)]), Library::of(&[("a", 1), ("b", 2), ("d", 1)]));
    let held = old.held_before(&new);
    let publication = plan_of(&new, Some(&held));
    assert_eq!((publication.added, publication.changed, publication.removed), (1, 1, 1));
    assert_eq!(publication.why, "the library has changed since aaaaaaa");
}

#[test]
fn after_publishing_nothing_is_left_to_do() {
    let new = Library::of(&[("a", 1)]);
    assert_eq!(plan_of(&new, None).action, Action::Publish);
    assert_eq!(plan_of(&new, Some(&new.held_before(&new))).action, Action::None);
}

#[test]
fn assets_that_cannot_be_read_are_counted_all_the_same() {
    let (old, new) = (Library::of(&[("a", 1), ("b", 1), ("c", 1)]), Library::of(&[("a", 2)]));
    let mut held = old.held_before(&new);
    held.lines = None;
    let publication = plan_of(&new, Some(&held));
    assert_eq!((publication.added, publication.changed, publication.removed), (0, 0, 2));
    held.list = None;
    let publication = plan_of(&new, Some(&held));
    assert_eq!((publication.added, publication.changed, publication.removed), (1, 0, 0));
}

#[test]
fn what_was_published_from_uncommitted_files_gives_way_to_the_commit() {
    let new = Library::of(&[("a", 1)]);
    let mut provisional = new.held_before(&new);
    provisional.root.source.modified = true;
    let publication = plan_of(&new, Some(&provisional));
    assert_eq!((publication.action, publication.added, publication.changed), (Action::Publish, 0, 0));
}

#[test]
fn a_place_that_lost_files_gets_them_again() {
    let new = Library::of(&[("a", 1)]);
    for lost in ["shard-", "shards-", "updated-", "index-"] {
        let mut torn = new.held_before(&new);
        torn.names.retain(|name, _| !name.starts_with(lost));
        let publication = plan_of(&new, Some(&torn));
        assert_eq!(publication.action, Action::Publish, "{lost}");
        assert!(publication.why.contains("missing"), "{}", publication.why);
        let edition = after(Some(&torn), &new);
        let put = edition.steps(Some(&torn), &torn.names, 0).unwrap().put;
        // The root of the new edition is another one, as its number is.
        let is_of_root = |name: &str| name.starts_with("edition-") || name == crate::manifest::files::RETIRED;
        assert!(put.keys().all(|name| name.starts_with(lost) || is_of_root(name)), "{:?}", put.keys());
    }
}

#[test]
fn an_edition_that_expires_is_renewed_after_half_its_time() {
    let mut new = Library::of(&[("a", 1)]);
    new.settings.expires_after_days = Some(10);
    let held = new.held_before(&new);
    assert_eq!(held.root.expires.as_deref(), Some("1970-01-11T00:00:00Z"));
    new.now = 5 * 86_400;
    assert_eq!(plan_of(&new, Some(&held)).action, Action::None);
    new.now += 1;
    assert_eq!(plan_of(&new, Some(&held)).why, "what is published expires and is renewed");
    new.settings.expires_after_days = None;
    assert_eq!(plan_of(&new, Some(&held)).why, "what is published would expire, and should not any more");
}

#[test]
fn what_should_be_signed_and_is_not_is_published_anew() {
    let mut new = Library::of(&[("a", 1)]);
    let mut held = new.held_before(&new);
    new.is_signed = true;
    assert_eq!(plan_of(&new, Some(&held)).why, "what is published is not signed with the key");
    held.is_signed = true;
    assert_eq!(plan_of(&new, Some(&held)).action, Action::None);
}

#[test]
fn an_edition_that_outlives_the_days_of_a_new_one_is_renewed_at_once() {
    let mut new = Library::of(&[("a", 1)]);
    new.settings.expires_after_days = Some(10);
    let held = new.held_before(&new);
    new.settings.expires_after_days = Some(9);
    assert_eq!(plan_of(&new, Some(&held)).action, Action::Publish);
    new.settings.expires_after_days = Some(10);
    new.now -= 3_600;
    assert_eq!(plan_of(&new, Some(&held)).action, Action::None, "the clock of another publisher goes ahead");
}
