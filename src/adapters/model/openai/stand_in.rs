//! The conformance suite and a limit of tokens against a stand-in for a provider that was written by others.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::adapters::http::RealPace;
use crate::adapters::model::conformance;

/// The server; it ends with the test.
struct StandIn(Child);

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it on a free port; none where it or what it runs on is not there.
async fn start(options: &[&str]) -> Option<(StandIn, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("STOCKROOM_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let (program, python) = (shared.join("tools/mock_embeddings.py"), root.join(".tools/embeddings/bin/python"));
    if let Some(absent) = [&program, &python].into_iter().find(|path| !path.is_file()) {
        eprintln!("SKIPPED: {} is not there; scripts/install-tools.sh installs what it runs on", absent.display());
        return None;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut command = Command::new(python);
    command.arg(program).args(["--port", &port]).args(options).stdout(Stdio::null()).stderr(Stdio::null());
    let server = StandIn(command.spawn().unwrap());
    let (url, deadline) = (format!("http://127.0.0.1:{port}"), Instant::now() + Duration::from_secs(60));
    while std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
        assert!(Instant::now() < deadline, "the stand-in does not come up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Some((server, url))
}

fn model(yaml: &str, url: &str) -> OpenAi {
    let settings = serde_yaml::from_str(&format!("{yaml}\nkey: ${{KEY}}\nurl: {url}")).unwrap();
    let keys = Keys { key: Some(Secret::new("any")), ..Keys::default() };
    OpenAi::new(&settings, keys, Arc::new(RealPace::default()))
}

#[tokio::test]
async fn the_stand_in_takes_what_is_sent_at_each_of_its_addresses() {
    let Some((_server, url)) = start(&["--latency-ms", "1"]).await else { return };
    let base = format!("{url}/v1");
    for (yaml, url) in [
        ("provider: openai\nname: text-embedding-3-small", &base),
        ("provider: azure\nname: text-embedding-3-small", &url),
        ("provider: azure\ndeployment: small\ndimensions: 1536", &url),
    ] {
        conformance::holds(&model(yaml, url)).await;
    }
    let faulty = start(&["--latency-ms", "1", "--fail-every", "3"]).await;
    let (_server, url) = faulty.unwrap();
    let model = model("provider: openai\nname: text-embedding-3-small", &url);
    for _ in 0..6 {
        assert!(model.embed(&["hex bolt"]).await.is_ok());
    }
}

/// Minutes of real time, so it is run by hand: `cargo nextest run --lib --run-ignored all --no-capture minute_of_real_time`.
#[tokio::test]
#[ignore = "takes two minutes"]
async fn a_limit_of_tokens_is_kept_over_a_minute_of_real_time() {
    let Some((_server, url)) = start(&["--latency-ms", "700", "--tpm", "200000"]).await else { return };
    let model = Arc::new(model("provider: openai\nname: text-embedding-3-small", &url));
    let text = "A hexagonal bolt of stainless steel, forty millimetres long, for the gearbox. ".repeat(10);
    // Five hundred thousand tokens as the server counts them, in batches of ten thousand.
    let (each, started) = (u64::try_from(text.len()).unwrap().div_ceil(4), Instant::now());
    let batches = 500_000 / (each * 51);
    let next = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = (0..16)
        .map(|_| {
            let (model, next, text) = (Arc::clone(&model), Arc::clone(&next), text.clone());
            tokio::spawn(async move {
                let mut tokens = 0;
                while u64::from(next.fetch_add(1, Ordering::SeqCst)) < batches {
                    tokens += model.embed(&vec![text.as_str(); 51]).await.unwrap().tokens;
                }
                tokens
            })
        })
        .collect();
    let mut tokens = 0;
    for worker in workers {
        tokens += worker.await.unwrap();
    }
    let (took, bound) = (started.elapsed().as_secs_f64(), (tokens as f64 - 200_000.0) * 60.0 / 200_000.0 + 0.7);
    let stats = client_for(Duration::from_secs(5)).unwrap().get(format!("{url}/stats")).send().await.unwrap();
    let stats: serde_json::Value = serde_json::from_slice(&stats.bytes().await.unwrap()).unwrap();
    eprintln!("{tokens} tokens in {took:.1} s, bound {bound:.1} s, {} times refused: {stats}", stats["s429"]);
    assert!(took <= bound * 1.05 && stats["s429"] == 0);
}
