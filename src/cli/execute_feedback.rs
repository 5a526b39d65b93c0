//! Tells a pull request what was found, where that is asked for.

use super::execute::Execution;
use super::words::FailOn;
use crate::commands::gather::Library;
use crate::commands::plan::Plan;
use crate::event::Event;

impl Execution<'_> {
    pub(super) async fn tell_check_run(&self, _: &Library, _: Option<&Event>, _: FailOn) -> bool {
        false
    }

    pub(super) async fn tell_comment(&self, _: &Library, _: Option<&Event>, _: Option<&Plan>) {}
}
