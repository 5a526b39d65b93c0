//! Where a database is, who asks, and whether the way there is encrypted.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::secret::Secret;

/// What an address must look like.
const FORM: &str = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with the special characters of a password written as \
                    in URLs (`@` is %40, `/` is %2F, `:` is %3A)";

/// How long the server may take to answer for the first time.
const CONNECT: Duration = Duration::from_secs(10);

/// The address of a database.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    pub(super) authority: Option<PathBuf>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({})", self.shown())
    }
}

/// Why a text is no address that can be used; it repeats nothing of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAddress {
    /// It is something else.
    #[error("the address of the database is not of the form {FORM}")]
    Form,
    /// A part that is needed is missing.
    #[error("the address of the database names no {0}; it must be of the form {FORM}")]
    Lacks(&'static str),
    /// It asks for encryption that gives way silently.
    #[error(
        "`sslmode={0}` in the address of the database would send the password unencrypted to whoever answers. Leave it \
         out for an encrypted connection, or write `sslmode=disable` if the network may be trusted"
    )]
    GivesWay(String),
    /// It asks for a kind of encryption that there is not.
    #[error("the address of the database has an `sslmode` other than disable, require, verify-ca and verify-full")]
    Mode,
    /// It has a parameter that means nothing here.
    #[error("the address of the database has the parameter `{0}`, which is not known here; take it out")]
    Parameter(String),
}

impl Address {
    /// Reads an address.
    ///
    /// The connection is encrypted, and the server's certificate and name are verified, unless the address says
    /// `sslmode=disable`, or says nothing and leads to this machine. `require`, `verify-ca` and `verify-full` are one.
    pub fn parse(url: &Secret) -> Result<Self, NotAnAddress> {
        let url = url.reveal().trim();
        if !(url.starts_with("postgresql://") || url.starts_with("postgres://")) {
            return Err(NotAnAddress::Form);
        }
        let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
        // In a password that is not written as a URL wants it, `?` stands too: what follows may not be repeated.
        // So would the second half of a password in which `@` stands: it would be taken for the host.
        if parameters.contains('@') || place.matches('@').count() > 1 {
            return Err(NotAnAddress::Form);
        }
        let (mut mode, mut authority, mut others) = (None, None, Vec::new());
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or(NotAnAddress::Form)?;
            let decoded = percent_encoding::percent_decode_str(value).decode_utf8().map_err(|_| NotAnAddress::Form)?;
            match name {
                "sslmode" => mode = Some(decoded.into_owned()),
                "sslrootcert" => {
                    authority = Some(decoded.into_owned()).filter(|file| file != "system").map(PathBuf::from)
                }
                _ => {
                    let alone = format!("postgresql://?{parameter}").parse::<Config>();
                    alone.map_err(|_| NotAnAddress::Parameter(name_to_show(name)))?;
                    others.push(parameter);
                }
            }
        }
        let config: Config = format!("{place}?{}", others.join("&")).parse().map_err(|_| NotAnAddress::Form)?;
        Self { config, authority }.completed(mode.as_deref())
    }

    /// With what the address leaves open.
    fn completed(mut self, mode: Option<&str>) -> Result<Self, NotAnAddress> {
        let config = &mut self.config;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(NotAnAddress::Lacks("host"));
        }
        if config.get_user().is_none_or(str::is_empty) {
            return Err(NotAnAddress::Lacks("user"));
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(NotAnAddress::Lacks("database"));
        }
        let is_here = config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
            && config.get_hosts().iter().all(is_this_machine);
        config.ssl_mode(match mode {
            None if is_here => SslMode::Disable,
            Some("disable") => SslMode::Disable,
            None | Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some(mode @ ("allow" | "prefer")) => return Err(NotAnAddress::GivesWay(mode.to_owned())),
            Some(_) => return Err(NotAnAddress::Mode),
        });
        if config.get_application_name().is_none() {
            config.application_name(concat!("stockroom/", env!("CARGO_PKG_VERSION")));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        // A firewall that forgets a connection, or a server that is unplugged, is noticed within a minute.
        config
            .keepalives_idle(Duration::from_secs(20))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3);
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(60));
        }
        Ok(self)
    }

    /// The address for people, without the user and the password.
    pub fn shown(&self) -> String {
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let hosts = self.config.get_hosts().iter().enumerate().map(|(at, host)| match host {
            Host::Tcp(name) => format!("{name}:{}", port(at)),
            #[cfg(unix)]
            Host::Unix(folder) => folder.display().to_string(),
        });
        let mut hosts: Vec<String> = hosts.collect();
        if hosts.is_empty() {
            hosts.extend(self.config.get_hostaddrs().iter().map(ToString::to_string));
        }
        format!("the PostgreSQL database {:?} on {}", self.config.get_dbname().unwrap_or_default(), hosts.join(", "))
    }

    /// The password alone, which must not be shown either.
    pub fn password(&self) -> Option<Secret> {
        let password = std::str::from_utf8(self.config.get_password()?).ok()?;
        Some(Secret::new(password)).filter(|password| !password.is_empty())
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Require
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// A parameter's name, if it looks like one.
fn name_to_show(name: &str) -> String {
    let is_name = name.len() <= 30 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if is_name { name.to_owned() } else { "…".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, NotAnAddress> {
        Address::parse(&Secret::new(url))
    }

    #[test]
    fn half_of_a_password_is_not_taken_for_the_host() {
        for url in ["postgresql://u:half@canary@db.example/x", "postgresql://u:a?b@canary/x"] {
            let error = parse(url).unwrap_err();
            assert!(error == NotAnAddress::Form && !error.to_string().contains("canary"), "{error}");
        }
        assert!(parse("postgresql://u:half%40canary@db.example/x").is_ok());
    }

    #[test]
    fn a_connection_to_another_machine_is_encrypted_unless_the_address_says_otherwise() {
        let encrypted = |url: &str| parse(url).unwrap().is_encrypted();
        for url in ["postgres://u:p@db.example/x", "postgresql://u@db.example,localhost/x", "postgresql://u@10.0.0.1/x"]
        {
            assert!(encrypted(url), "{url}");
        }
        for mode in ["require", "verify-ca", "verify-full"] {
            assert!(encrypted(&format!("postgresql://u@localhost/x?sslmode={mode}")), "{mode}");
        }
        for url in [
            "postgresql://u@localhost/x",
            "postgresql://u@127.0.0.1:6000/x",
            "postgresql://u@%2Fvar%2Frun%2Fpostgresql/x",
            "postgresql://u:p@db.example/x?sslmode=disable",
        ] {
            assert!(!encrypted(url), "{url}");
        }
    }

    #[test]
    fn what_would_give_way_silently_is_refused() {
        for mode in ["prefer", "allow"] {
            let refused = parse(&format!("postgresql://u:canary@db.example/x?sslmode={mode}")).unwrap_err();
            assert_eq!(refused, NotAnAddress::GivesWay(mode.to_owned()));
        }
        assert_eq!(parse("postgresql://u@db.example/x?sslmode=canary").unwrap_err(), NotAnAddress::Mode);
    }

    #[test]
    fn no_complaint_repeats_the_password() {
        for url in [
            "canary",
            "host=db.example password=canary",
            "postgresql://u:canary@",
            "postgresql://u:can?canary=x@db.example/x",
            "postgresql://u:p@db.example:canary/x",
            "postgresql://u:canary@db.example/x?Canary=1",
            "postgresql://u:canary@db.example/x?connect_timeout=canary",
            "postgresql://u:canary@db.example",
            "postgresql://:canary@db.example/x",
            "postgresql://u:canary@/x",
            "postgresql://u:canary@db.example/x?%",
            "postgresql://u:canary@db.example/x?a=%ff",
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(!error.to_lowercase().contains("canary"), "{url}: {error}");
        }
        let unknown = parse("postgresql://u:canary@db.example/x?pgbouncer=true").unwrap_err();
        assert_eq!(unknown, NotAnAddress::Parameter("pgbouncer".to_owned()));
    }

    #[test]
    fn an_address_is_shown_without_user_and_password() {
        let address = parse("postgresql://u:canary@db.example:6000/stock?channel_binding=require").unwrap();
        assert_eq!(address.shown(), r#"the PostgreSQL database "stock" on db.example:6000"#);
        assert!(!format!("{address:?}").contains("canary"));
        assert_eq!(address.config.get_password(), Some(&b"canary"[..]));
    }
}
