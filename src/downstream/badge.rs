//! How a downstream took a commit, as the commit shows it.

use crate::ids::DownstreamName;

/// GitHub takes 140 characters.
const DESCRIPTION: usize = 139;
/// A longer address is none that leads somewhere.
const ADDRESS: usize = 1_000;

/// How a downstream took a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Badge {
    /// The downstream's name.
    pub name: String,
    /// `success`, `failure`, or `error` where it was not told.
    pub state: &'static str,
    /// Why, cut to what GitHub takes.
    pub description: String,
    /// Where more can be seen.
    pub link: Option<String>,
}

/// What came of a delivery, as far as a commit shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was told, and did what it should.
    Well,
    /// It failed.
    Badly,
    /// It was not told.
    NotAtAll,
}

impl Badge {
    /// The badge that says this. `links` are addresses where more may be seen; the first that is one counts.
    pub fn new<'l>(
        name: &DownstreamName,
        taken: Taken,
        message: &str,
        links: impl IntoIterator<Item = &'l str>,
    ) -> Self {
        let state = match taken {
            Taken::Well => "success",
            Taken::Badly => "failure",
            Taken::NotAtAll => "error",
        };
        let is_address = |link: &&str| {
            let is_web = link.starts_with("https://") || link.starts_with("http://");
            is_web && link.len() <= ADDRESS && link.chars().all(|c| c.is_ascii_graphic())
        };
        Self {
            name: name.to_string(),
            state,
            description: shortened(message),
            link: links.into_iter().find(is_address).map(str::to_owned),
        }
    }
}

/// The message on one line, or its beginning.
fn shortened(message: &str) -> String {
    let mut chars = message.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut out: String = chars.by_ref().take(DESCRIPTION).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_fits_into_what_github_takes() {
        let long = "ö\n".repeat(500);
        let links = ["run 7 of org/site", "https://github.com/org/site/actions/runs/7", "https://other"];
        let badge = Badge::new(&DownstreamName::new("site"), Taken::Badly, &long, links);
        assert_eq!((badge.state, badge.link.as_deref()), ("failure", Some(links[1])));
        assert!(badge.description.chars().count() <= 140 && !badge.description.contains('\n'));
    }
}
