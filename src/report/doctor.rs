//! What `doctor` has found of everything that a run needs.

use std::fmt::Write as _;

use super::human::Style;
use super::log_text::for_people;
use crate::diagnosis::{Conclusion, Diagnosis, Health, Service};

/// A line for each thing that was looked at, and one for all of them.
pub fn human(diagnosis: &Diagnosis, style: Style) -> String {
    let mut out = String::new();
    for Service { name, conclusion: Conclusion { health, message } } in &diagnosis.services {
        let padding = " ".repeat(10_usize.saturating_sub(health.as_str().len()));
        let _ = writeln!(out, "{}{padding} {}: {}", word(*health, style), for_people(name), for_people(message));
    }
    let worst = diagnosis.overall();
    let ill = diagnosis.services.iter().filter(|service| service.conclusion.health != Health::Healthy).count();
    let _ = match ill {
        0 => writeln!(out, "{}: everything that a run needs is there", word(worst, style)),
        1 => writeln!(out, "{}: 1 of {} needs a look", word(worst, style), diagnosis.services.len()),
        _ => writeln!(out, "{}: {ill} of {} need a look", word(worst, style), diagnosis.services.len()),
    };
    out
}

fn word(health: Health, style: Style) -> String {
    match health {
        Health::Healthy => style.good(health.as_str()),
        Health::Degraded => style.warning(health.as_str()),
        Health::Unhealthy => style.error(health.as_str()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn mixed() -> Diagnosis {
        let mut diagnosis = Diagnosis::default();
        diagnosis.add("configuration", Conclusion::healthy("stockroom.yml: 2 collections"));
        diagnosis.add("downstream/website", Conclusion::degraded("no token in STOCKROOM_TOKEN\u{1b}[2J"));
        diagnosis.add("manifest", Conclusion::unhealthy("the bucket cannot be read"));
        diagnosis
    }

    #[test]
    fn people_get_a_line_for_each_and_one_for_all() {
        insta::assert_snapshot!(human(&mixed(), Style::Plain), @r"
        healthy    configuration: stockroom.yml: 2 collections
        degraded   downstream/website: no token in STOCKROOM_TOKEN\u{1b}[2J
        unhealthy  manifest: the bucket cannot be read
        unhealthy: 2 of 3 need a look
        ");
    }

    #[test]
    fn nothing_ill_is_healthy() {
        let mut diagnosis = mixed();
        diagnosis.services.truncate(1);
        assert!(human(&diagnosis, Style::Plain).ends_with("healthy: everything that a run needs is there\n"));
    }
}
