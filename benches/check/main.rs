//! What `stockroom check` costs, beside the least that any checker must do: read, parse, validate.
//!
//! `cargo bench --bench check` makes a library of 10,000 records, one in a hundred of them wrong, and runs the two in turn,
//! each as a process of its own: the program, and this file's bare loop, which takes its memory from the C library as any
//! user's loop would (the program has an allocator of its own). `cargo bench --bench check -- LIBRARY` takes a
//! library that is there; it must keep all its records in `products/*/*/metadata.json` and its one schema in
//! `schemas/product-metadata/v1.1.0.json`. CPU is what counts: it does not depend on what else the machine does.
#![expect(clippy::print_stdout, reason = "a benchmark talks to the one who runs it")]

mod library;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use rayon::prelude::*;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_stockroom");
const SCHEMA: &str = "schemas/product-metadata/v1.1.0.json";
const ROUNDS: usize = 11;

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => compare(&library::make("products", 10_000)?)?,
        ["--bare", folder] => return bare(&placed(Path::new(folder))?, Path::new(folder)),
        ["--walk", folder] => {
            let mut records = Vec::new();
            walk(&Path::new(folder).join("products"), &mut records)?;
            return bare(&records, Path::new(folder));
        }
        [folder] => compare(&Path::new(folder).canonicalize()?)?,
        _ => bail!("usage: cargo bench --bench check [-- LIBRARY]"),
    }
    one_record(&library::make("one-product", 1)?)
}

/// The records of a loop that knows where they are.
fn placed(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut records = Vec::new();
    for group in std::fs::read_dir(folder.join("products"))? {
        for asset in std::fs::read_dir(group?.path())? {
            records.push(asset?.path().join("metadata.json"));
        }
    }
    Ok(records)
}

/// The records of a loop that looks for them, as whoever wants to hear of a new file must.
fn walk(folder: &Path, records: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), records)?;
        } else if entry.file_name() == "metadata.json" {
            records.push(entry.path());
        }
    }
    Ok(())
}

/// The bare loop: reads, parses and validates each record on all cores.
fn bare(records: &[PathBuf], folder: &Path) -> anyhow::Result<()> {
    let schema: Value = serde_json::from_slice(&std::fs::read(folder.join(SCHEMA))?)?;
    let validator = jsonschema::options().should_validate_formats(true).build(&schema)?;
    let invalid = |path: &PathBuf| -> anyhow::Result<bool> {
        let record: Value = serde_json::from_slice(&std::fs::read(path)?)?;
        let is_valid = validator.is_valid(&record);
        Ok(!is_valid && validator.iter_errors(&record).map(|error| error.to_string().len()).sum::<usize>() > 0)
    };
    let invalid: Vec<bool> = records.par_iter().map(invalid).collect::<anyhow::Result<_>>()?;
    println!("{}", invalid.iter().filter(|invalid| **invalid).count());
    Ok(())
}

fn compare(folder: &Path) -> anyhow::Result<()> {
    let folder = folder.to_str().context("the library's path is not UTF-8")?;
    let this = std::env::current_exe()?;
    let this = this.to_str().context("this program's path is not UTF-8")?;
    let (loop_words, walk_words) = ([this, "--bare", folder], [this, "--walk", folder]);
    let check_words = [PROGRAM, "-C", folder, "check", "--format", "json"];
    let agreed = (said(&loop_words)?.trim().to_owned(), invalid_in(&said(&check_words)?)?);
    ensure!(agreed.0 == agreed.1, "the loop finds {} records invalid, the program {}", agreed.0, agreed.1);
    let (mut bare, mut walking, mut check) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(cost(&loop_words)?);
        walking.push(cost(&walk_words)?);
        check.push(cost(&check_words)?);
    }
    println!("{folder}: {} records invalid, {ROUNDS} rounds in turn", agreed.0);
    let (bare, walking, check) = (tell("bare loop", &bare), tell("with walk", &walking), tell("check", &check));
    let ratio = |name: &str, of: (f64, f64)| {
        println!("CPU of check / CPU of {name}: {:.2} (minima), {:.2} (medians)", check.0 / of.0, check.1 / of.1);
    };
    ratio("a bare loop that knows the records", bare);
    ratio("a bare loop that walks to find them", walking);
    println!("peak memory: bare loop {} MiB, check {} MiB", peak_mib(&loop_words)?, peak_mib(&check_words)?);
    Ok(())
}

fn one_record(folder: &Path) -> anyhow::Result<()> {
    let folder = folder.to_str().context("the library's path is not UTF-8")?;
    let words = [PROGRAM, "-C", folder, "check", "--format", "json"];
    let costs = (0..ROUNDS * 3).map(|_| cost(&words)).collect::<anyhow::Result<Vec<_>>>()?;
    println!("{folder}: one record");
    tell("check", &costs);
    Ok(())
}

/// What a process used, in milliseconds.
struct Cost {
    user: f64,
    system: f64,
    real: f64,
}

/// Runs a program and asks bash what it used: the standard library has no way to.
fn cost(words: &[&str]) -> anyhow::Result<Cost> {
    let script = "TIMEFORMAT='%3U %3S %3R'; { time \"$@\" >/dev/null 2>/dev/null; } 2>&1";
    let output = Command::new("bash").args(["-c", script, "bash"]).args(words).output().context("bash")?;
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{words:?} failed");
    let said = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = said.split_whitespace().map(|word| word.parse::<f64>()).collect::<Result<_, _>>()?;
    let [user, system, real] = numbers.as_slice() else { bail!("bash said {said:?}") };
    Ok(Cost { user: user * 1e3, system: system * 1e3, real: real * 1e3 })
}

/// Prints minimum and median; gives those of the CPU time.
fn tell(name: &str, costs: &[Cost]) -> (f64, f64) {
    let of = |part: fn(&Cost) -> f64| {
        let mut parts: Vec<f64> = costs.iter().map(part).collect();
        parts.sort_by(f64::total_cmp);
        (parts.first().copied().unwrap_or_default(), parts.get(parts.len() / 2).copied().unwrap_or_default())
    };
    let (cpu, real) = (of(|cost| cost.user + cost.system), of(|cost| cost.real));
    let (user, system) = (of(|cost| cost.user), of(|cost| cost.system));
    println!(
        "  {name:<10} CPU min {:>6.0} ms, median {:>6.0} ms (user {:.0}, system {:.0}); wall min {:.0} ms, median {:.0} ms",
        cpu.0, cpu.1, user.1, system.1, real.0, real.1
    );
    cpu
}

fn said(words: &[&str]) -> anyhow::Result<String> {
    let (program, words) = words.split_first().context("no program")?;
    let output = Command::new(program).args(words).output()?;
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn invalid_in(report: &str) -> anyhow::Result<String> {
    let report: Value = serde_json::from_str(report)?;
    Ok(report.pointer("/summary/invalid").context("the report has no summary")?.to_string())
}

/// The most memory that a program held, as far as frequent looks at it can tell.
fn peak_mib(words: &[&str]) -> anyhow::Result<u64> {
    let (program, words) = words.split_first().context("no program")?;
    let mut child = Command::new(program).args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = line.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(peak);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(peak / 1024)
}
