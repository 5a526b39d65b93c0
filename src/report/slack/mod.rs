//! A run, as a message for a channel of Slack: Block Kit, within Slack's limits.
//!
//! Foreign text can neither mention nor link: what Slack would read as such is escaped, and nothing is guessed (`verbatim`).

mod text;

#[cfg(test)]
pub(crate) mod rules;

use serde_json::{Value, json};

use self::text::{TEXT, link, shown};
use super::notify::Occasion;
use super::targets::{Outcome, Sync, TargetResult};
use crate::finding::words::count;
use crate::ids::RepoSlug;
use crate::manifest::plan::Publication;

/// Slack takes 50 blocks; some are the head and the foot.
const MOST_LINES: usize = 30;
/// Slack takes 150 characters in a header.
const HEADER: usize = 150;
/// Slack takes 2,000 characters in a field.
const FIELD: usize = 1_000;

/// A run, for people in another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News<'a> {
    /// What came of it.
    pub sync: &'a Sync,
    /// The library.
    pub repository: Option<&'a RepoSlug>,
    /// The forge's address, such as `https://github.com`.
    pub server: &'a str,
    /// The page of the workflow's run.
    pub page: Option<&'a str>,
    /// How long it took, in seconds.
    pub seconds: u64,
}

/// Whether a run is worth a message to somebody who wants these.
pub fn is_wanted(sync: &Sync, on: &[Occasion]) -> bool {
    let (failed, changed) = (sync.is_partial(), sync.has_changed());
    (failed && on.contains(&Occasion::Failure)) || (changed && on.contains(&Occasion::Change))
}

/// The message.
pub fn message(news: &News<'_>) -> Value {
    let title = title(news);
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "text": title, "emoji": false } }),
        json!({ "type": "section", "fields": fields(news).iter().map(|field| markdown(field)).collect::<Vec<_>>() }),
    ];
    let told: Vec<&TargetResult> = news.sync.results.iter().filter(|it| it.outcome != Outcome::Unchanged).collect();
    // What failed comes first: it is what somebody has to see to.
    let (bad, good): (Vec<_>, Vec<_>) =
        told.iter().copied().partition(|result: &&TargetResult| result.outcome.is_behind());
    for result in bad.into_iter().chain(good).take(MOST_LINES) {
        blocks.push(json!({ "type": "section", "text": markdown(&line(result, news.sync)) }));
    }
    if told.len() > MOST_LINES {
        let more = format!("and {}", count(told.len() - MOST_LINES, "more target"));
        blocks.push(json!({ "type": "section", "text": markdown(&more) }));
    }
    if let Some(page) = news.page.and_then(|page| link(page, "the run")) {
        blocks.push(json!({ "type": "context", "elements": [markdown(&page)] }));
    }
    json!({ "text": shown(&title, TEXT), "blocks": blocks })
}

/// The message about a run that came to nothing, for the reason given.
pub fn failure(why: &str, repository: Option<&RepoSlug>, page: Option<&str>) -> Value {
    let title = shortened(&format!("{}: nothing was done", name(repository)), HEADER);
    let mut blocks = vec![
        json!({ "type": "header", "text": { "type": "plain_text", "text": title, "emoji": false } }),
        json!({ "type": "section", "text": markdown(&shown(why, TEXT)) }),
    ];
    if let Some(page) = page.and_then(|page| link(page, "the run")) {
        blocks.push(json!({ "type": "context", "elements": [markdown(&page)] }));
    }
    json!({ "text": shown(&title, TEXT), "blocks": blocks })
}

fn markdown(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

fn name(repository: Option<&RepoSlug>) -> String {
    repository.map_or_else(|| "the library".to_owned(), ToString::to_string)
}

fn shortened(text: &str, limit: usize) -> String {
    super::log_text::shortened(&super::log_text::for_people(text), limit)
}

fn title(news: &News<'_>) -> String {
    let sync = news.sync;
    let count = |outcome| sync.results.iter().filter(|result| result.outcome == outcome).count();
    let what = match (count(Outcome::Failed) + count(Outcome::Restored), count(Outcome::Skipped)) {
        _ if sync.stopped.is_some() => "stopped before everything was done".to_owned(),
        (0, 0) => "in step".to_owned(),
        (0, skipped) => format!("{skipped} of {} targets left out", sync.results.len()),
        (failed, _) => format!("{failed} of {} targets failed", sync.results.len()),
    };
    shortened(&format!("{}: {what}", name(news.repository)), HEADER)
}

fn fields(news: &News<'_>) -> Vec<String> {
    let sync = news.sync;
    let field = |what: &str, value: String| format!("*{what}*\n{value}");
    let mut fields = vec![field("Repository", shown(&name(news.repository), FIELD))];
    if let Some(commit) = &sync.plan.commit {
        let address = news.repository.map(|repo| format!("{}/{repo}/commit/{commit}", news.server));
        let linked = address.and_then(|address| link(&address, commit.short()));
        fields.push(field("Commit", linked.unwrap_or_else(|| commit.short().to_owned())));
    }
    fields.push(field("Duration", duration(news.seconds)));
    let is_told =
        |result: &&TargetResult| result.outcome == Outcome::Done && result.name.as_str().starts_with("downstream/");
    fields.push(field("Repositories told", sync.results.iter().filter(is_told).count().to_string()));
    fields.push(field("Assets", assets(&sync.plan.publications)));
    if !sync.plan.indexes.is_empty() {
        let numbers = sync.embedding;
        let said = format!("{} embedded, {} deleted", numbers.embedded + numbers.reused, numbers.deleted);
        fields.push(field("Embeddings", said));
    }
    fields
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Every place gets the same assets; the one that lacked most says what has changed.
fn assets(publications: &[Publication]) -> String {
    let lacked = |it: &&Publication| it.added + it.changed + it.removed;
    let Some(most) = publications.iter().max_by_key(lacked) else { return "not published".to_owned() };
    let Publication { assets, added, changed, removed, .. } = most;
    format!("{assets}: {added} added, {changed} changed, {removed} removed")
}

fn line(result: &TargetResult, sync: &Sync) -> String {
    let sign = match result.outcome {
        Outcome::Done => ":white_check_mark:",
        Outcome::Failed => ":x:",
        Outcome::Restored => ":leftwards_arrow_with_hook:",
        Outcome::Skipped => ":warning:",
        Outcome::Superseded | Outcome::Unchanged => ":fast_forward:",
    };
    let name = shown(result.name.as_str(), FIELD);
    let linked = sync.courses.get(&result.name).and_then(|course| link(course.run.as_deref()?, "the run"));
    let linked = linked.map(|link| format!(" ({link})")).unwrap_or_default();
    let head = format!("{sign} *{name}* {}{linked}", result.outcome.word());
    if result.message.is_empty() {
        return head;
    }
    let room = TEXT.saturating_sub(head.chars().count() + 1);
    format!("{head}\n{}", shown(&result.message, room.min(FIELD)))
}

#[cfg(test)]
mod tests;
