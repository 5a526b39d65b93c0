//! Opens a connection, and says in a sentence why one cannot be had.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;

/// How long it may take until the server has let us in: name, connection, encryption and password.
const LET_IN: Duration = Duration::from_secs(20);

/// Why the database cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is gone; whether the last statement took effect is not known.
    Lost(String),
    /// Another session holds what this one needs, for too long.
    Busy,
    /// The values of the statement are at fault, in a sentence; with others it may go.
    Values(String),
    /// Anything else, in a sentence that says what to do.
    Refused(String),
}

impl Fault {
    /// The fault in a sentence without its end.
    pub fn why(&self) -> String {
        match self {
            Self::Lost(how) => format!(
                "the connection was lost ({how}). Run again: the next run reads what took effect, and goes on from there"
            ),
            Self::Busy => {
                "another process has been writing to it for too long. Run again when that has ended".to_owned()
            }
            Self::Values(why) | Self::Refused(why) => why.clone(),
        }
    }
}

/// Connects; the connection ends with the client.
pub async fn connect(address: &Address) -> Result<Client, Fault> {
    match tokio::time::timeout(LET_IN, let_in(address)).await {
        Ok(connected) => connected,
        Err(_) => Err(Fault::Refused(format!(
            "it did not answer within {} seconds. Look whether something between here and the server holds connections up",
            LET_IN.as_secs()
        ))),
    }
}

async fn let_in(address: &Address) -> Result<Client, Fault> {
    let refused = |error: tokio_postgres::Error| Fault::Refused(why_not_let_in(address, &error));
    if address.is_encrypted() {
        let tls = MakeRustlsConnect::new(encryption(address)?);
        let (client, connection) = address.config.connect(tls).await.map_err(refused)?;
        tokio::spawn(connection);
        return Ok(client);
    }
    let (client, connection) = address.config.connect(NoTls).await.map_err(refused)?;
    tokio::spawn(connection);
    Ok(client)
}

/// Trusts the authority that the address names, else those of the system, else Mozilla's.
fn encryption(address: &Address) -> Result<rustls::ClientConfig, Fault> {
    let refused = |error: &dyn std::fmt::Display| Fault::Refused(format!("encryption cannot be set up: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = || {
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider));
        builder.with_safe_default_protocol_versions().map_err(|error| refused(&error))
    };
    let mut roots = rustls::RootCertStore::empty();
    if let Some(file) = &address.authority {
        let unreadable = |why: &dyn std::fmt::Display| {
            let file = file.display();
            Fault::Refused(format!("the certificates of `sslrootcert` cannot be read from {file}: {why}"))
        };
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))? {
            let certificate = certificate.map_err(|error| unreadable(&error))?;
            roots.add(certificate).map_err(|error| unreadable(&error))?;
        }
        if roots.is_empty() {
            return Err(unreadable(&"there is none in it"));
        }
    } else {
        if let Ok(systems) = builder()?.with_platform_verifier() {
            return Ok(systems.with_no_client_auth());
        }
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(builder()?.with_root_certificates(roots).with_no_client_auth())
}

/// Why a connection could not be made.
fn why_not_let_in(address: &Address, error: &tokio_postgres::Error) -> String {
    let Some(code) = error.code() else { return why_not_reached(address, error) };
    let said = error.as_db_error().map(|error| error.message().to_owned()).unwrap_or_default();
    if [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code) {
        format!("the server does not let this user in ({said}). Look at the user and the password in the address")
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        format!("the server has no such database ({said}). Make it, or look at the name in the address")
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        format!("the user may not connect to it ({said}). Grant CONNECT on the database")
    } else if *code == SqlState::TOO_MANY_CONNECTIONS {
        format!("the server has no connection left ({said}). Run again later, or allow more connections")
    } else if *code == SqlState::CANNOT_CONNECT_NOW {
        format!("the server is starting or stopping ({said}). Run again later")
    } else {
        format!("the server refuses the connection ({said})")
    }
}

fn why_not_reached(address: &Address, error: &tokio_postgres::Error) -> String {
    let cause = innermost(error);
    if !address.is_encrypted() {
        return format!("it cannot be reached: {cause}. Look at the host and port in the address, and whether it runs");
    }
    let lower = cause.to_lowercase();
    if lower.contains("certificate") {
        format!(
            "its certificate is not trusted: {cause}. If an authority of your own vouches for the server, name its \
             certificate in the address, as in `sslrootcert=/path/to/ca.pem`"
        )
    } else if lower.contains("does not support tls") {
        "the server does not encrypt connections. Switch that on there, or write `sslmode=disable` in the address if the \
         network may be trusted"
            .to_owned()
    } else {
        format!("it cannot be reached: {cause}. Look at the host and port in the address, and whether it runs")
    }
}

/// What a statement's failure means.
impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(code) = error.code() else {
            return if error.is_closed() || has_io_cause(&error) {
                Self::Lost(innermost(&error))
            } else {
                Self::Refused(innermost(&error))
            };
        };
        let said = error.as_db_error().map(|error| error.message().to_owned()).unwrap_or_default();
        let lost = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT];
        if [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) {
            Self::Busy
        } else if lost.contains(code) {
            Self::Lost(said)
        } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
            Self::Refused(format!(
                "the user may not do what is needed ({said}). Grant CREATE on the database for the first run, and the \
                 tables of the schema afterwards"
            ))
        } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
            Self::Refused(format!("it can only be read ({said}). Give the address of the primary server"))
        } else if [SqlState::DISK_FULL, SqlState::OUT_OF_MEMORY].contains(code) {
            Self::Refused(format!("the server has no room left ({said}). Make room there, and run again"))
        } else if *code == SqlState::QUERY_CANCELED {
            Self::Refused(format!("it took too long ({said}). Run again when the server has less to do"))
        } else if ["22", "54"].iter().any(|class| code.code().starts_with(class)) {
            Self::Values(format!("the server says: {said}"))
        } else {
            Self::Refused(format!("the server says: {said}"))
        }
    }
}

fn innermost(error: &tokio_postgres::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

fn has_io_cause(error: &tokio_postgres::Error) -> bool {
    let mut cause = error.source();
    while let Some(below) = cause {
        if below.is::<std::io::Error>() {
            return true;
        }
        cause = below.source();
    }
    false
}
