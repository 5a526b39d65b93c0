//! Schema versions as people write them: `1.1.0`, `v1.1`, `^1.0`, `latest`.

use semver::{Version, VersionReq};

/// A version that may leave out its last parts: `v1.2` is 1.2.0.
pub fn parse(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    if let Ok(version) = Version::parse(text) {
        return Some(version);
    }
    let parts: Vec<&str> = text.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if parts.len() > 2 || !parts.iter().all(is_number) {
        return None;
    }
    let number = |at: usize| parts.get(at).map_or(Some(0), |part| part.parse().ok());
    Some(Version::new(number(0)?, number(1)?, 0))
}

/// Which version is wanted where a range may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The file `latest`, else the newest version.
    Latest,
    /// This one.
    Exact(Version),
    /// The newest one in the range.
    Range(VersionReq),
}

impl Wanted {
    /// Reads `latest`, an exact version or a range (Cargo's notation; `>=1.0, <2.0`).
    pub fn parse(text: &str) -> Option<Self> {
        if text == "latest" {
            return Some(Self::Latest);
        }
        parse(text).map(Self::Exact).or_else(|| VersionReq::parse(text).ok().map(Self::Range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_may_be_short_but_not_strange() {
        assert_eq!(parse("v1.1.0"), Some(Version::new(1, 1, 0)));
        assert_eq!(parse("1.10"), Some(Version::new(1, 10, 0)));
        assert_eq!(parse("2"), Some(Version::new(2, 0, 0)));
        for bad in ["", "v", "latest", "1.", "1.x", "../../x", "1.1\u{200b}", "^1.0", "1.2.3.4"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ten_is_newer_than_nine() {
        assert!(parse("1.10.0") > parse("1.9.0"));
    }

    #[test]
    fn a_range_is_told_from_a_version() {
        assert!(matches!(Wanted::parse("^1.0"), Some(Wanted::Range(_))));
        assert!(matches!(Wanted::parse(">=1.0, <2.0"), Some(Wanted::Range(_))));
        assert_eq!(Wanted::parse("1.0"), Some(Wanted::Exact(Version::new(1, 0, 0))));
        assert_eq!(Wanted::parse("latest"), Some(Wanted::Latest));
        assert_eq!(Wanted::parse("newest"), None);
    }
}
