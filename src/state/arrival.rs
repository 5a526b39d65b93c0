//! That a target has taken something, as a state keeps it: in one text.

/// What is known of the run that a delivery began at its target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arrival {
    /// What names the run at its receiver; empty where nothing does.
    pub run: String,
    /// Where people can look at it: an address, where it has one; else empty.
    pub place: String,
}

impl Arrival {
    /// The text that goes into [`super::Change::Arrive`]: the run, and behind a space where it is.
    pub fn to_text(&self) -> String {
        let run = self.run.split_whitespace().collect::<String>();
        if self.place.is_empty() { run } else { format!("{run} {}", self.place) }
    }

    /// Takes back what [`Self::to_text`] gave.
    pub fn parse(text: &str) -> Self {
        let (run, place) = text.split_once(' ').unwrap_or((text, ""));
        Self { run: run.to_owned(), place: place.to_owned() }
    }

    /// What people are shown of it: where it is, else what names it; empty where neither is known.
    pub fn for_people(&self) -> &str {
        if self.place.is_empty() { &self.run } else { &self.place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrival_comes_back_from_its_text() {
        for (run, place) in
            [("", ""), ("77", ""), ("77", "https://github.com/o/w/actions/runs/77"), ("", "a place of two words")]
        {
            let arrival = Arrival { run: run.to_owned(), place: place.to_owned() };
            assert_eq!(Arrival::parse(&arrival.to_text()), arrival);
        }
    }

    #[test]
    fn people_see_where_it_is_rather_than_its_number() {
        let shown = |text: &str| Arrival::parse(text).for_people().to_owned();
        assert_eq!(["77 https://x.example/77", "77", ""].map(shown), ["https://x.example/77", "77", ""]);
    }
}
