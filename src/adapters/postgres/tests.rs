//! The connection, against a real server.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::test_server::{Database, server};
use super::*;
use crate::secret::Secret;

async fn try_connect(url: &str) -> Result<tokio_postgres::Client, String> {
    connect(&Address::parse(&Secret::new(url)).unwrap()).await.map_err(|fault| fault.why())
}

fn database() -> Option<Database> {
    server().map(test_server::Server::database)
}

#[tokio::test]
async fn socket_tcp_and_tls_lead_to_the_same_database() {
    let Some(database) = database() else { return };
    let (tcp, authority) = (database.tcp(), database.authority());
    let tls = format!("{tcp}?sslmode=verify-full&channel_binding=require&sslrootcert={}", authority.display());
    for (url, encrypted) in [(database.socket(), false), (tcp, false), (tls, true)] {
        let client = try_connect(&url).await.unwrap();
        let row = client
            .query_one(
                "SELECT current_database()::text, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())",
                &[],
            )
            .await
            .unwrap();
        assert_eq!((row.get::<_, &str>(0), row.get::<_, bool>(1)), (database.name.as_str(), encrypted));
    }
}

#[tokio::test]
async fn why_nobody_is_let_in_is_said_without_the_password() {
    let Some(database) = database() else { return };
    let tcp = database.tcp();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let no_certificates = folder.path().join("none.pem");
    std::fs::write(&no_certificates, "nothing").unwrap();
    let of = |file: &PathBuf| format!("{tcp}?sslmode=require&sslrootcert={}", file.display());
    let told = [
        (database.tcp_as("stockroom", "canary"), "does not let this user in"),
        (database.tcp_as("nobody", "canary"), "does not let this user in"),
        (tcp.replace(&database.name, "elsewhere"), "has no such database"),
        (format!("postgresql://u:canary@127.0.0.1:{port}/x"), "cannot be reached"),
        (format!("postgresql://u:canary@127.0.0.1:{port}/x?sslmode=require"), "cannot be reached"),
        (format!("{tcp}?sslmode=require"), "certificate is not trusted"),
        (of(&no_certificates), "there is none in it"),
        (of(&folder.path().join("missing.pem")), "cannot be read from"),
    ];
    for (url, expected) in told {
        let error = try_connect(&url).await.err().unwrap_or_default();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn a_server_under_another_name_is_not_trusted() {
    let Some(database) = database() else { return };
    let url = format!("{}?sslmode=verify-ca&sslrootcert={}", database.tcp(), database.authority().display());
    let error = try_connect(&url.replace("127.0.0.1", "127.0.0.2")).await.err().unwrap_or_default();
    assert!(error.contains("cannot be reached") || error.contains("certificate is not trusted"), "{error}");
    let error = try_connect(&format!("{url}&hostaddr=127.0.0.1").replace("@127.0.0.1", "@elsewhere.example")).await;
    let error = error.err().unwrap_or_default();
    assert!(error.contains("certificate is not trusted"), "{error}");
}

#[tokio::test]
async fn a_lost_connection_is_told_from_a_refusal() {
    let Some(database) = database() else { return };
    let client = try_connect(&database.socket()).await.unwrap();
    let fault = Fault::from(client.batch_execute("SELECT nothing").await.unwrap_err());
    assert!(matches!(&fault, Fault::Refused(why) if why.contains("does not exist")), "{fault:?}");
    let ended = client.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())").await.unwrap_err();
    assert!(matches!(Fault::from(ended), Fault::Lost(_)));
    let after = client.batch_execute("SELECT 1").await.unwrap_err();
    assert!(matches!(Fault::from(after), Fault::Lost(_)));
}

#[test]
#[ignore = "started by the_test_server_ends_with_a_test_that_is_killed"]
fn a_test_to_be_killed() {
    let Some(server) = server() else { return };
    println!("\nserver at {}", server.database().sql("SHOW unix_socket_directories"));
    std::thread::park();
}

#[test]
fn the_test_server_ends_with_a_test_that_is_killed() {
    if server().is_none() {
        return;
    }
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "adapters::postgres::tests::a_test_to_be_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(test.stdout.take().unwrap()).lines();
    let folder = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("server at ").map(PathBuf::from)).unwrap();
    let socket = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| {
        path.file_name().unwrap().to_string_lossy().starts_with(".s.PGSQL.") && path.extension().unwrap() != "lock"
    });
    let mut connection = UnixStream::connect(socket.unwrap()).unwrap();
    // By itself the server would wait a minute for the first word.
    connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    test.kill().unwrap();
    test.wait().unwrap();
    match connection.read(&mut [0]) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}
