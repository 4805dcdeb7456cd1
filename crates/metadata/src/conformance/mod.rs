//! The contract of a metadata store as tests: one function for each clause, run against every backend.
//!
//! A backend's tests call `metadata::metadata_conformance!(open)`, where `open` is an asynchronous function that
//! returns a new and empty store, as `Arc<dyn MetadataStore>`, and whatever must live as long as it (a folder).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "these are tests, kept in the library so that other crates' backends can run them"
)]

mod commits;
pub mod fixture;
mod listings;
mod queries;
mod repairs;
mod reservations;
mod restores;
mod states;
mod uploads;

pub use commits::*;
pub use listings::*;
pub use queries::*;
pub use repairs::*;
pub use reservations::*;
pub use restores::*;
pub use states::*;
pub use uploads::*;

/// One test for each clause of the contract of a metadata store.
#[macro_export]
macro_rules! metadata_conformance {
    ($open:path) => {
        $crate::metadata_conformance! { $open;
            reserve_grants_a_free_name
            reserve_tells_who_holds_the_name
            reserve_tells_which_document_has_the_name
            reserve_is_granted_again_to_the_upload_that_holds_the_name
            reserve_has_one_winner_among_many
            reserve_takes_over_a_lapsed_name
            reserve_takes_over_from_the_upload_named
            reserve_does_not_take_over_from_another_upload
            reserve_refuses_an_identifier_that_was_used
            renew_holds_the_name_for_longer
            renew_refuses_a_lapsed_reservation
            renew_refuses_a_reservation_taken_over
            intents_are_those_expired_oldest_first
            intent_of_a_taken_over_upload_stays
            intent_ends_with_the_commit
            abandon_frees_the_name_and_forgets_the_upload
            abandon_keeps_the_intent_of_leftovers
            abandon_does_not_free_a_name_taken_over
            abandon_of_nothing_succeeds
            abandon_does_nothing_to_a_committed_document
            stage_counts_from_the_segments_staged
            stage_refuses_a_lapsed_reservation
            stage_refuses_a_reservation_taken_over
            staged_segments_are_invisible_before_the_commit
            staged_segments_are_dropped_by_abandon
            staged_segments_of_a_short_document_are_committed
            staged_segments_in_odd_batches_are_committed
            commit_makes_the_document_exist
            commit_refuses_a_lapsed_reservation
            commit_refuses_a_reservation_taken_over
            commit_refuses_another_document
            commit_again_returns_the_document
            commit_refuses_a_wrong_number_of_segments
            commit_refuses_a_segment_unlike_the_layout
            commit_refuses_pointers_and_parities_unlike_the_code
            commit_refuses_a_parity_on_no_node
            commit_refuses_two_copies_on_one_node
            commit_refuses_an_only_segment_of_another_hash
            commit_refuses_pointers_at_nothing
            commit_refuses_a_pointer_of_another_class
            commit_refuses_what_is_over_the_limits
            commit_refused_changes_nothing
            commits_of_one_upload_at_once_agree
            sequences_have_no_gaps
            documents_of_ten_thousand_segments_are_kept
            reads_follow_acknowledged_commits
            documents_that_are_not_there_are_none
            segments_are_as_many_as_there_are
            scan_goes_in_the_order_of_commits
            class_ordinals_cover_the_committed_segments_in_order
            class_ordinals_cover_documents_of_several_classes
            codewords_that_are_not_there_are_none
            pointing_at_pages_in_order
            pointing_at_tells_blocks_apart
            list_is_in_the_order_of_bytes
            list_takes_names_with_the_prefix_only
            list_goes_on_after_a_name
            list_stops_at_the_limit
            list_shows_what_was_committed
            nodes_are_numbered_once
            nodes_have_one_incarnation_among_many
            damage_keeps_the_first_time
            damage_is_in_order_and_pages
            damage_cleared_is_gone
            damage_refuses_a_name_of_another_block
            relocate_replaces_the_expected_nodes
            relocate_refuses_other_nodes_than_expected
            relocate_has_one_winner_among_many
            relocate_reaches_every_segment_of_a_long_document
            relocate_finds_no_block_that_is_not_there
            replace_node_changes_the_expected_incarnation
            replace_node_refuses_another_incarnation_than_expected
            replace_node_finds_no_node_that_is_not_known
            state_is_what_was_set
            state_is_replaced_only_if_it_is_as_expected
            state_has_one_winner_among_many
            state_refuses_what_is_over_the_limits
            scan_ids_goes_in_the_order_of_identifiers
            restore_takes_parities_on_no_node
            restore_makes_the_same_document_as_a_commit
        }
    };
    ($open:path; $($clause:ident)*) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $clause() {
                let (store, _kept) = $open().await;
                $crate::conformance::$clause(store).await;
            }
        )*
    };
}
