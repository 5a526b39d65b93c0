//! A library to measure with: records of about 2.3 KB, one in a hundred of them wrong, the same bytes each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("product-metadata.json");
const CONFIG: &str = "version: 1
collections:
  products:
    metadata: \"products/*/*/metadata.json\"
    id: slug
    schema: product-metadata
    version_field: schema_version
";
const WORDS: [&str; 16] = [
    "castle", "rock", "wood", "metal", "tile", "brick", "marble", "oak", "forest", "lamp", "window", "plant", "gravel",
    "leather", "glass", "foam",
];

/// Makes a library with this many records in the build folder, committed; one that is there is taken as it is.
pub fn make(name: &str, records: u64) -> anyhow::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.join(".git/refs/heads/main").exists() {
        return Ok(folder);
    }
    fs::create_dir_all(folder.join("schemas/product-metadata"))?;
    fs::write(folder.join(super::SCHEMA), SCHEMA)?;
    fs::write(folder.join("stockroom.yml"), CONFIG)?;
    let mut dice = Dice(20_261_120);
    for number in 0..records {
        let record = record(number, &mut dice);
        let slug = record.get("slug").and_then(Value::as_str).unwrap_or_default();
        let place = folder.join(format!("products/{:03}/{slug}", number / 100));
        fs::create_dir_all(&place)?;
        fs::write(place.join("metadata.json"), format!("{record:#}\n"))?;
    }
    for words in [&["init", "-q", "-b", "main"][..], &["add", "-A"], &["commit", "-q", "-m", "Records"]] {
        let identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false"];
        ensure!(Command::new("git").current_dir(&folder).args(identity).args(words).status()?.success(), "git failed");
    }
    Ok(folder)
}

/// Numbers that look random (xorshift) and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let at = self.roll(u64::try_from(from.len()).unwrap_or(1));
        usize::try_from(at).ok().and_then(|at| from.get(at)).copied().unwrap_or_default()
    }

    fn words(&mut self, count: u64, between: &str) -> String {
        (0..count).map(|_| self.pick(&WORDS)).collect::<Vec<_>>().join(between)
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| self.pick(&["0", "1", "2", "3", "5", "8", "a", "b", "d", "f"])).collect()
    }
}

fn record(number: u64, dice: &mut Dice) -> Value {
    let slug = format!("{}-{number:05}", dice.words(3, "-"));
    let price = match dice.roll(5) {
        0 | 1 => json!({"model": "free"}),
        _ => json!({"model": "paid", "amount": 4.25, "currency": dice.pick(&["USD", "EUR", "GBP"])}),
    };
    let tags: Vec<&str> = WORDS.iter().copied().filter(|_| dice.roll(3) == 0).take(9).chain(["asset"]).collect();
    let (authors, files) = (1 + dice.roll(2), 2 + dice.roll(4));
    let mut record = json!({
        "schema_version": "1.1.0",
        "id": format!("{}-{}-4{}-a{}-{}", dice.hex(8), dice.hex(4), dice.hex(3), dice.hex(3), dice.hex(12)),
        "title": dice.words(3, " "),
        "description": format!("{} {slug}.", dice.words(45, " ")),
        "category": dice.pick(&["materials", "models", "hdris", "brushes", "scenes"]),
        "license": dice.pick(&["CC0-1.0", "CC-BY-4.0", "Royalty-Free"]),
        "homepage": format!("https://assets.example.org/{slug}"),
        "created_at": format!("202{}-0{}-1{}T12:30:00Z", dice.roll(6), 1 + dice.roll(9), dice.roll(10)),
        "released_on": format!("2024-0{}-2{}", 1 + dice.roll(9), dice.roll(9)),
        "tags": tags,
        "authors": (0..authors).map(|_| author(dice)).collect::<Vec<_>>(),
        "price": price,
        "files": (0..files).map(|index| file(index, dice)).collect::<Vec<_>>(),
        "blender": {
            "min_version": format!("4.{}.{}", dice.roll(7), dice.roll(10)),
            "engines": ["cycles", "eevee"],
            "node_count": dice.roll(400),
        },
        "related": [dice.words(2, "-"), dice.words(2, "-")],
        "extra": {"tileable": dice.roll(2) == 0, "poly_count": dice.roll(1_000_000), "uv": "unwrapped"},
        "dimensions": {"x": 1.25, "y": 3.5, "unit": "m"},
    });
    if number % 100 == 37 {
        let (pointer, wrong) = match number / 100 % 4 {
            0 => ("/license", json!("Unknown")),
            1 => ("/price", json!({"model": "paid", "amount": -3, "currency": "usd"})),
            2 => ("/files/1/sha256", json!("XYZ")),
            _ => ("/created_at", json!("yesterday")),
        };
        if let Some(value) = record.pointer_mut(pointer) {
            *value = wrong;
        }
    }
    if let Some(members) = record.as_object_mut() {
        members.insert("slug".to_owned(), slug.into());
    }
    record
}

fn author(dice: &mut Dice) -> Value {
    let name = dice.pick(&WORDS);
    json!({"name": name, "email": format!("{name}@example.org"), "url": format!("https://example.org/u/{name}")})
}

fn file(index: u64, dice: &mut Dice) -> Value {
    json!({
        "path": format!("textures/{}_{index}.png", dice.words(2, "_")),
        "size": 1 + dice.roll(90_000_000),
        "sha256": dice.hex(64),
        "type": dice.pick(&["image/png", "image/jpeg", "application/x-blender"]),
        "role": dice.pick(&["preview", "source", "texture"]),
        "resolution": {"w": 1024, "h": 512 << dice.roll(4)},
    })
}
