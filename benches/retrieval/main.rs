//! How good the search is: recall@10 and nDCG@10 on two libraries that people have made.
//!
//! `cargo bench --bench retrieval` takes the corpora lucide and osv from beside the project (`../shared`, or where
//! `STOCKROOM_SHARED` leads); `-- FOLDER…` takes checkouts of lucide-icons/lucide and golang/vulndb that are there.
//! `--sample N` asks about N questions of each, which is enough for a build without optimisation
//! (`cargo bench --profile dev --bench retrieval -- --sample 300`).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to the one who runs it")]

mod corpora;
mod measure;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use measure::{Found, Task};
use stockroom::adapters::model::EmbeddingModel;
use stockroom::adapters::model::local::Local;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let (mut sample, mut folders) = (usize::MAX, Vec::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            "--sample" => sample = words.next().context("--sample wants a number")?.parse()?,
            option if option.starts_with('-') => {
                bail!("usage: cargo bench --bench retrieval [-- [--sample N] FOLDER…]")
            }
            folder => folders.push(PathBuf::from(folder)),
        }
    }
    if folders.is_empty() {
        folders = ["lucide", "osv"].into_iter().filter_map(corpora::unpacked).collect();
    }
    let tasks = folders.iter().map(|folder| Ok(task(folder)?.sampled(sample))).collect::<anyhow::Result<Vec<_>>>()?;
    if tasks.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(compare(&tasks))
}

fn task(folder: &Path) -> anyhow::Result<Task> {
    if folder.join("icons").is_dir() { measure::lucide(folder) } else { measure::osv(folder) }
}

async fn compare(tasks: &[Task]) -> anyhow::Result<()> {
    let locals =
        [256, 128, 64].map(|dimensions| (format!("local, {dimensions} d"), Local::with_dimensions(dimensions)));
    let mut models: Vec<(String, Box<dyn EmbeddingModel>)> = Vec::new();
    for (name, local) in locals {
        models.push((name, Box::new(local?)));
    }
    let models: Vec<(&str, &dyn EmbeddingModel)> = models.iter().map(|(n, m)| (n.as_str(), m.as_ref())).collect();
    let mut columns = Vec::new();
    for task in tasks {
        columns.push(task.measure(&models).await?);
    }
    print(tasks, &columns);
    Ok(())
}

fn print(tasks: &[Task], columns: &[Vec<Found>]) {
    let head = |task: &Task| format!(" {} recall@10 (n = {}) | nDCG@10 |", task.name, task.asked());
    println!("| search |{}", tasks.iter().map(head).collect::<String>());
    println!("|---|{}", "---|---|".repeat(tasks.len()));
    for (row, found) in columns.first().into_iter().flatten().enumerate() {
        let cell = |column: &Vec<Found>| format!(" {:.4} | {:.4} |", column[row].recall, column[row].ndcg);
        println!("| {} |{}", found.method, columns.iter().map(cell).collect::<String>());
    }
}
