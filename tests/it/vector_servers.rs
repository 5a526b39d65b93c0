//! Whole runs whose index is in a real Qdrant, or a real PostgreSQL with pgvector.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use stockroom::report;

use crate::program::{Library, Program, Run};
use crate::qdrant_server::{self, KEY};

const EMBEDDED: &str = "store: { kind: embedded }";
const HEX: &str = "Hex Bolt Gen v2/Hex Bolt Gen v2_desc.md";
const QUERIES: [&str; 12] = [
    "hex bolt",
    "something to sit on",
    "light for a photo of a product",
    "rope",
    "trees in the distance",
    "gear teeth module",
    "brick wall with mortar",
    "metal surface with scratches",
    "Cable, cable; CABLES!",
    "how do I pack my files",
    "old wood",
    "japanese lamp",
];

/// A store, as stockroom.yml names it.
#[derive(Clone)]
struct Place {
    /// What stands after `store:`, with `SCOPE` where the namespace stands.
    store: String,
    /// The variable that it asks for.
    variable: (&'static str, String),
    /// What must not be shown.
    secret: &'static str,
    /// What every chunk was last written with, by the server's own account.
    written: std::rc::Rc<dyn Fn() -> String>,
}

impl Place {
    /// A place of its own in Qdrant.
    fn qdrant() -> Option<Self> {
        static GIVEN: AtomicUsize = AtomicUsize::new(0);
        let server = qdrant_server::server()?;
        let name = format!("it{}", GIVEN.fetch_add(1, Ordering::Relaxed));
        Some(Self::of_qdrant(server, &name))
    }

    fn of_qdrant(server: &qdrant_server::Server, name: &str) -> Self {
        let (url, name) = (server.url(), name.to_owned());
        let store = format!(
            "{{ kind: qdrant, url: \"{url}\", key: \"${{{{ env.QDRANT_API_KEY }}}}\", name: {name}, namespace: SCOPE }}"
        );
        let written = move || {
            // Of each point the number of the write that it came with.
            let query = json!({"query": vec![1.0; 256], "limit": 1_000, "exact": true}).to_string();
            let answer = ask(&url, &format!("/collections/{name}-256/points/query"), &query);
            let points = answer["result"]["points"].as_array().unwrap();
            let mut points: Vec<String> =
                points.iter().map(|point| format!("{} {}", point["id"], point["version"])).collect();
            points.sort();
            points.join("\n")
        };
        Self { store, variable: ("QDRANT_API_KEY", KEY.to_owned()), secret: KEY, written: std::rc::Rc::new(written) }
    }

    /// A database of its own.
    #[cfg(feature = "postgres")]
    fn pgvector() -> Option<Self> {
        let database = crate::postgres_server::vectors()?.database();
        let url = database.tcp();
        let written = move || {
            let tables =
                "SELECT string_agg(format('SELECT id || xmin AS row FROM stockroom.%I', relname), ' UNION ALL ')
                              FROM pg_class WHERE relkind = 'r' AND relname LIKE 'index_chunks_%'";
            database.sql(&format!("SELECT row FROM ({}) AS all_of_them ORDER BY row", database.sql(tables)))
        };
        Some(Self {
            store: "{ kind: pgvector, url: \"${{ env.DATABASE_URL }}\", namespace: SCOPE }".to_owned(),
            variable: ("DATABASE_URL", url),
            secret: "canary",
            written: std::rc::Rc::new(written),
        })
    }

    #[cfg(not(feature = "postgres"))]
    fn pgvector() -> Option<Self> {
        None
    }

    /// Those of them that are installed here.
    fn all() -> Vec<Self> {
        Self::qdrant().into_iter().chain(Self::pgvector()).collect()
    }

    /// Has the library keep its index here.
    fn used_by(&self, library: &Library, scope: &str) {
        library.edit("stockroom.yml", EMBEDDED, &format!("store: {}", self.store.replace("SCOPE", scope)));
        library.commit();
    }

    fn program(&self, library: &Library, words: &[&str]) -> Program {
        library.program(words).env(self.variable.0, &self.variable.1)
    }

    fn run(&self, library: &Library, words: &[&str]) -> Run {
        let run = self.program(library, words).run();
        assert!(!run.both().contains(self.secret), "{}", run.both());
        run
    }

    /// What a sync has done with chunks.
    fn sync(&self, library: &Library) -> Value {
        let run = self.run(library, &["sync", "--format", "json"]).ends(0);
        run.document(&report::json::targets::sync_schema())["embedding"].clone()
    }

    /// The assets that answer best, the best first.
    fn search(&self, library: &Library, query: &str) -> Vec<String> {
        self.hits(library, query).into_iter().map(|(id, _)| id).collect()
    }

    /// The same with their scores.
    fn hits(&self, library: &Library, query: &str) -> Vec<(String, f64)> {
        hits(&self.run(library, &["search", query, "-k", "20", "--format", "json"]).ends(0))
    }
}

/// Asks a Qdrant; curl is where git is.
fn ask(url: &str, path: &str, body: &str) -> Value {
    let output = std::process::Command::new("curl")
        .args(["--silent", "--fail", "-H", &format!("api-key: {KEY}"), "-H", "content-type: application/json"])
        .args(["--data", body, &format!("{url}{path}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{path}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn hits(run: &Run) -> Vec<(String, f64)> {
    let document = run.document(&report::search::schema());
    let hit = |hit: &Value| (hit["id"].as_str().unwrap().to_owned(), hit["score"].as_f64().unwrap());
    document["hits"].as_array().unwrap().iter().map(hit).collect()
}

/// Whether two stores give the same order, but for what is as good as equal: each rounds vectors in its own way.
fn is_alike(one: &[(String, f64)], other: &[(String, f64)]) -> bool {
    let scores: std::collections::BTreeMap<&str, f64> = other.iter().map(|(id, score)| (id.as_str(), *score)).collect();
    let near = |a: f64, b: f64| (a - b).abs() < 0.01;
    one.len() == other.len()
        && one.iter().all(|(id, score)| scores.get(id.as_str()).is_some_and(|other| near(*score, *other)))
        && one.iter().zip(other).all(|((_, score), (_, other))| near(*score, *other))
}

#[test]
fn an_index_elsewhere_is_kept_in_step_as_one_at_home_and_answers_alike() {
    for place in Place::all() {
        let (library, home) = (Library::example(), Library::example());
        home.run(&["sync"]).ends(0);
        place.used_by(&library, "acme/assets");
        let first = place.sync(&library);
        assert_eq!((&first["upserted"], &first["deleted"]), (&json!(28), &json!(0)), "{first}");
        for query in QUERIES {
            let expected = hits(&home.run(&["search", query, "-k", "20", "--format", "json"]).ends(0));
            let found = place.hits(&library, query);
            assert!(is_alike(&found, &expected), "{query}: {found:#?}, and at home {expected:#?}");
        }
        // Nothing has changed: nothing is written.
        let written = (place.written)();
        assert_eq!(written.lines().count(), 28, "{written}");
        place.run(&library, &["sync"]).ends(0);
        assert_eq!((place.written)(), written);
        // A rename pays nothing.
        library.git(&["mv", "Dojo Lantern Kit", "Renamed"]);
        for part in [".blend", ".json", "_desc.md"] {
            library.git(&["mv", &format!("Renamed/Dojo Lantern Kit{part}"), &format!("Renamed/Renamed{part}")]);
        }
        library.git(&["mv", "Renamed/icon_Dojo Lantern Kit.png", "Renamed/icon_Renamed.png"]);
        library.commit();
        let renamed = place.sync(&library);
        assert_eq!((&renamed["embedded"], &renamed["tokens"]), (&json!(0), &json!(0)), "{renamed}");
        assert_ne!(renamed["upserted"], json!(0), "{renamed}");
        // An edit pays for what was edited.
        let text = library.read(HEX);
        library.write(HEX, format!("{text}\n\nThe zyxwv thread is new.\n"));
        library.commit();
        place.sync(&library);
        assert_eq!(place.search(&library, "zyxwv")[0], "hex-bolt-gen-v2");
        let doctor = place.run(&library, &["doctor"]);
        assert!(doctor.out.contains("28 chunks in the vector index"), "{}", doctor.both());
    }
}

#[test]
fn another_cut_is_built_beside_the_old_one_which_then_goes() {
    for place in Place::all() {
        let library = Library::example();
        place.used_by(&library, "acme/assets");
        place.sync(&library);
        library.edit("stockroom.yml", "chunk: { max: 1000, overlap: 200 }", "chunk: { max: 300, overlap: 0 }");
        library.commit();
        let second = place.sync(&library);
        let chunks = usize::try_from(second["upserted"].as_u64().unwrap()).unwrap();
        assert!(chunks > 28, "{second}");
        assert_eq!((place.written)().lines().count(), chunks, "the old generation is gone: {}", place.store);
        assert_eq!(place.search(&library, "hex bolt")[0], "hex-bolt-gen-v2");
    }
}

#[test]
fn two_libraries_in_one_store_do_not_touch_each_other() {
    for place in Place::all() {
        let (a, b) = (Library::example(), Library::example());
        place.used_by(&a, "acme/a");
        place.used_by(&b, "acme/b");
        place.sync(&a);
        place.sync(&b);
        assert_eq!((place.written)().lines().count(), 56);
        a.git(&["rm", "-r", "--quiet", "Hex Bolt Gen v2"]);
        a.commit();
        place.sync(&a);
        assert_ne!(place.search(&a, "hex bolt")[0], "hex-bolt-gen-v2");
        assert_eq!(place.search(&b, "hex bolt")[0], "hex-bolt-gen-v2");
        assert_eq!(place.sync(&b).get("upserted").and_then(Value::as_u64).unwrap_or(0), 0);
    }
}

#[test]
fn a_store_that_lets_nobody_in_or_is_not_there_is_named_and_the_next_run_finishes() {
    let Some(mut place) = Place::qdrant() else { return };
    let library = Library::example();
    place.used_by(&library, "acme/assets");
    let (_, key) = std::mem::replace(&mut place.variable, ("QDRANT_API_KEY", "wrong".to_owned()));
    let refused = place.run(&library, &["sync"]).ends(3);
    assert!(refused.both().contains("the server refuses the key (401"), "{}", refused.both());
    let unset = library.program(&["sync"]).run();
    assert_eq!(unset.code, 3, "{}", unset.both());
    assert!(unset.both().contains("QDRANT_API_KEY"), "{}", unset.both());
    assert!(library.path(".stockroom/manifest/manifest.json").is_file(), "the index holds nothing else up");
    place.variable = ("QDRANT_API_KEY", key);
    assert_eq!(place.sync(&library)["upserted"], json!(28));
}

#[test]
fn a_server_that_was_killed_between_two_runs_has_all_it_confirmed() {
    let Some(server) = qdrant_server::server().and_then(|_| qdrant_server::of_its_own()) else { return };
    let place = Place::of_qdrant(&server, "killed");
    let library = Library::example();
    place.used_by(&library, "acme/assets");
    place.sync(&library);
    server.kill();
    library.edit(HEX, "bolt", "bolt zyxwv");
    library.commit();
    let gone = place.program(&library, &["sync"]).env("STOCKROOM_TEST_PACE", "none").run().ends(3);
    assert!(gone.both().contains("Qdrant at http://127.0.0.1"), "{}", gone.both());
    server.restart();
    let after = place.sync(&library);
    assert!(after["embedded"].as_u64().unwrap() < 5, "{after}");
    assert_eq!((place.written)().lines().count(), 28);
    assert_eq!(place.search(&library, "zyxwv")[0], "hex-bolt-gen-v2");
}
