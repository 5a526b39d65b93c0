//! Where plain http is what there is, and where a key on it could be read by anybody.

use std::net::IpAddr;

use url::Url;

/// Whether an address is on this machine or in a network of one's own, where plain http is what there is.
pub fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => {
            let ends = [".local", ".localhost", ".internal", ".lan", ".svc"];
            !host.contains('.') || ends.iter().any(|end| host.ends_with(end))
        }
    }
}
