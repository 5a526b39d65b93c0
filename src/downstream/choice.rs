//! Which downstreams a run serves when somebody names them, and whether it tells them again what they have.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Action, Delivery};
use super::settings::Settings;
use crate::ids::{CorrelationId, DownstreamName};
use crate::state::State;

/// Which downstreams are served, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Those that are served; all of them when nobody is named.
    pub only: Option<BTreeSet<DownstreamName>>,
    /// Whether a delivery goes out also to those that are in step, and to those from which it is withheld.
    pub force: bool,
}

/// Why a choice cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadChoice {
    /// There is no such downstream.
    #[error("there is no downstream {name:?}; {advice}")]
    Unknown {
        /// The name.
        name: String,
        /// The name that was probably meant, or those that there are.
        advice: String,
    },
    /// Somebody must be told first.
    #[error(
        "{name} needs {need}, which was not named and is not in step ({why}). Name it too (`--to {need},{name}`); with \
         --force {name} is told all the same"
    )]
    Needs {
        /// Who was named.
        name: DownstreamName,
        /// Who must be told first.
        need: DownstreamName,
        /// What that one lacks.
        why: String,
    },
}

impl Choice {
    /// The choice of these names; of everybody where there are none.
    pub fn of(names: &[String], force: bool, all: &BTreeMap<DownstreamName, Settings>) -> Result<Self, BadChoice> {
        let known = |name: &String| match all.get_key_value(&DownstreamName::new(name.trim())) {
            Some((known, _)) => Ok(known.clone()),
            None => Err(BadChoice::Unknown { name: name.trim().to_owned(), advice: advice(name.trim(), all) }),
        };
        let only: BTreeSet<DownstreamName> = names.iter().map(known).collect::<Result<_, _>>()?;
        Ok(Self { only: (!only.is_empty()).then_some(only), force })
    }

    /// Leaves of the planned deliveries those that were chosen, and has them go out where they would not by themselves.
    pub fn restrict(&self, deliveries: Vec<Delivery>, state: &State) -> Result<Vec<Delivery>, BadChoice> {
        let is_chosen = |name: &DownstreamName| self.only.as_ref().is_none_or(|only| only.contains(name));
        let (chosen, others): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(|one| is_chosen(&one.name));
        let behind: BTreeMap<&DownstreamName, &Delivery> =
            others.iter().filter(|one| one.action != Action::None).map(|one| (&one.name, one)).collect();
        for one in chosen.iter().filter(|one| !self.force && one.action != Action::None) {
            if let Some(other) = one.needs.iter().find_map(|need| behind.get(need)) {
                let (name, need, why) = (one.name.clone(), other.name.clone(), other.why.clone());
                return Err(BadChoice::Needs { name, need, why });
            }
        }
        Ok(if self.force { chosen.into_iter().map(|one| forced(one, state)).collect() } else { chosen })
    }
}

/// A delivery that goes out even if nothing is to be done; one whose fate is not known is still looked for first.
fn forced(delivery: Delivery, state: &State) -> Delivery {
    if !matches!(delivery.action, Action::None | Action::Withheld | Action::Restore) {
        return delivery;
    }
    // Not the id of an earlier one: whoever looks for its run must not find that one's.
    let salt = format!("{}\0forced\0{}", state.lineage, state.serial.0);
    Delivery {
        correlation: CorrelationId::of(&delivery.target, &delivery.slice.digest, &salt),
        action: Action::Deliver,
        why: format!("asked for; without --force: {}", delivery.why),
        // It is told again because what it has is in doubt.
        complete: false,
        ..delivery
    }
}

/// The name that comes closest, else all that there are.
fn advice(name: &str, all: &BTreeMap<DownstreamName, Settings>) -> String {
    let most = name.chars().count() / 3 + 1;
    let near = all.keys().map(|known| (strsim::damerau_levenshtein(known.as_str(), name), known));
    match near.filter(|(distance, _)| *distance <= most).min() {
        Some((_, near)) => format!("did you mean {:?}?", near.as_str()),
        None if all.is_empty() => "no downstreams are configured".to_owned(),
        None => {
            let names: Vec<&str> = all.keys().take(SHOWN).map(DownstreamName::as_str).collect();
            let further = match all.len().saturating_sub(SHOWN) {
                0 => String::new(),
                further => format!(" and {further} more"),
            };
            format!("there are {}{further}", names.join(", "))
        }
    }
}

/// How many names are shown to who has named another.
const SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::downstream::{Channel, Slice, plan};
    use crate::ids::{AssetId, AssetKey, CollectionName, Sha256Hex};
    use crate::state::{Change, Delivered, Timestamp};

    fn all() -> BTreeMap<DownstreamName, Settings> {
        let entries = [("addon", "{repo: o/a, needs: [website]}"), ("docs", "repo: o/d"), ("website", "repo: o/w")];
        entries.map(|(name, yaml)| (DownstreamName::new(name), serde_yaml::from_str(yaml).unwrap())).into()
    }

    fn chosen(names: &[&str], force: bool) -> Result<Choice, BadChoice> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Choice::of(&names, force, &all())
    }

    fn planned(state: &State) -> Vec<Delivery> {
        let key = AssetKey { collection: CollectionName::new("products"), id: AssetId::new("bolt") };
        plan(&all(), &[(key, Sha256Hex::of(b"1"))].into_iter().collect(), state, &|_| WAY)
    }

    fn told(state: &mut State, name: &str) {
        let one = planned(state).into_iter().find(|one| one.name.as_str() == name).unwrap();
        let Slice { assets, digest } = one.slice;
        let delivered = Delivered { commit: None, digest, assets, at: Timestamp(1) };
        state.apply(&Change::Deliver { target: one.target, delivered });
    }

    fn shown(deliveries: &[Delivery]) -> Vec<(&str, Action)> {
        deliveries.iter().map(|one| (one.name.as_str(), one.action)).collect()
    }

    #[test]
    fn nobody_named_is_everybody() {
        let state = State::new("org/library:", "line");
        let choice = chosen(&[], false).unwrap();
        assert_eq!(choice, Choice::default());
        assert_eq!(choice.restrict(planned(&state), &state).unwrap(), planned(&state));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest() {
        let said = |name: &str| chosen(&[name], false).unwrap_err().to_string();
        assert_eq!(said("webiste"), "there is no downstream \"webiste\"; did you mean \"website\"?");
        assert_eq!(said("shop"), "there is no downstream \"shop\"; there are addon, docs, website");
        let none = Choice::of(&["x".to_owned()], false, &BTreeMap::new()).unwrap_err().to_string();
        assert_eq!(none, "there is no downstream \"x\"; no downstreams are configured");
    }

    #[test]
    fn those_that_are_named_are_served_once_what_they_need_is_in_step() {
        let mut state = State::new("org/library:", "line");
        let addon = chosen(&["addon"], false).unwrap();
        let refused = addon.restrict(planned(&state), &state).unwrap_err().to_string();
        assert!(refused.starts_with("addon needs website, which was not named and is not in step ("), "{refused}");
        let both = chosen(&["addon", " website"], false).unwrap().restrict(planned(&state), &state).unwrap();
        assert_eq!(shown(&both), [("website", Action::Deliver), ("addon", Action::Deliver)]);
        told(&mut state, "website");
        let one = addon.restrict(planned(&state), &state).unwrap();
        assert_eq!(shown(&one), [("addon", Action::Deliver)]);
    }

    #[test]
    fn force_tells_again_what_is_in_step_under_an_id_of_its_own() {
        let mut state = State::new("org/library:", "line");
        for name in ["addon", "website"] {
            told(&mut state, name);
        }
        let quiet = chosen(&["addon"], false).unwrap().restrict(planned(&state), &state).unwrap();
        let forced = chosen(&["addon"], true).unwrap().restrict(planned(&state), &state).unwrap();
        assert_eq!((shown(&quiet), shown(&forced)), (vec![("addon", Action::None)], vec![("addon", Action::Deliver)]));
        assert_ne!(quiet[0].correlation, forced[0].correlation);
        assert!(!forced[0].complete, "the receiver has to read the manifest");
        told(&mut state, "addon");
        let again = chosen(&["addon"], true).unwrap().restrict(planned(&state), &state).unwrap();
        assert_ne!(again[0].correlation, forced[0].correlation);
    }

    #[test]
    fn force_leaves_what_is_in_doubt_to_be_found_out() {
        let mut state = State::new("org/library:", "line");
        let one = planned(&state).remove(0);
        let (correlation, digest) = (one.correlation.clone(), one.slice.digest.clone());
        let intent = crate::state::Intent { correlation, digest, at: Timestamp(1), arrived: None };
        state.apply(&Change::Intend { target: one.target, intent });
        let forced = chosen(&[one.name.as_str()], true).unwrap().restrict(planned(&state), &state).unwrap();
        assert_eq!((forced[0].action, &forced[0].correlation), (Action::Resolve, &one.correlation));
    }

    const WAY: Channel = Channel::Remote;
}
