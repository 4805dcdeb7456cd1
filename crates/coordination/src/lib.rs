//! Leases, membership and leaders: the trait [`Coordinator`] and its backends.
//!
//! Leases save work; they do not protect data. Two processes that both believe they hold a lease waste effort
//! and harm nothing, because every change of metadata is a compare-and-swap.
//!
//! The feature `testing` adds the conformance suite, which, and not the prose, is the contract.

mod coordinator;
mod file;
mod local;
mod name;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;

pub use coordinator::{Coordinator, Lease, Member, Membership};
pub use file::FileCoordinator;
pub use local::LocalCoordinator;
