//! Leases, membership and leaders: the trait [`Coordinator`] and its backends.
//!
//! Leases save work; they do not protect data. Two processes that both believe they hold a lease waste effort
//! and harm nothing, because every change of metadata is a compare-and-swap.

mod coordinator;

pub use coordinator::{Coordinator, Lease, Member, Membership};
