//! What every coordinator must do, as tests: one clause, one test, so that a failure names the clause.
//!
//! A backend's test crate says how to make a coordinator and gets a module of tests:
//!
//! ```text
//! fn local() -> Box<dyn Fixture> { ... }
//! coordination::conformance!(local);
//! ```

mod clauses;

use std::sync::Arc;

use async_trait::async_trait;

pub use clauses::*;

use crate::Coordinator;

/// A world in which nobody holds anything, which lives as long as the fixture.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// Another handle: what another process would open.
    async fn open(&self) -> Arc<dyn Coordinator>;
}

/// Runs a clause. Tests of backends that have no asynchronous runtime of their own need nothing else.
#[allow(clippy::expect_used, clippy::missing_panics_doc, reason = "part of a test")]
pub fn run(fixture: impl FnOnce() -> Box<dyn Fixture>, clause: impl AsyncFnOnce(&dyn Fixture)) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async { clause(&*fixture()).await });
}

/// Makes a module of tests, one for each clause, from a function that makes a fixture; the module has the
/// function's name.
#[macro_export]
macro_rules! conformance {
    ($fixture:ident) => {
        $crate::conformance!(@clauses $fixture
            a_free_lease_is_acquired
            a_held_lease_is_refused_to_everyone
            a_released_lease_is_free_at_once
            a_dropped_lease_is_freed
            later_holders_have_larger_fences
            concurrent_acquires_have_one_winner
            a_renewed_lease_is_held_on
            leases_of_different_names_do_not_meet
            bad_names_are_invalid
            a_member_is_seen_by_others
            an_address_may_be_any_text
            members_are_in_order_of_ids
            a_member_that_left_is_gone
            a_dropped_membership_is_left
            a_living_members_id_is_taken
            a_members_id_may_be_used_again_after_leaving
            groups_do_not_meet
            an_unknown_group_has_no_members
            a_lease_and_a_group_may_have_one_name
            a_living_member_is_never_left_out
        );
    };
    (@clauses $fixture:ident $($clause:ident)+) => {
        mod $fixture {
            $(
                #[test]
                fn $clause() {
                    $crate::conformance::run(super::$fixture, $crate::conformance::$clause);
                }
            )+
        }
    };
}
