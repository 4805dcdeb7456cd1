//! The contract of a coordinator.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use types::{OwnerId, Result};

/// A process that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The process.
    pub id: OwnerId,
    /// Where it can be reached, in a form that its group agrees on; may be empty.
    pub address: String,
}

/// Says who is there and who does what.
///
/// Names of leases and groups are 1 to 255 bytes of `a-z`, `0-9`, `-`, `_`, `.` and `/`; others are `Invalid`.
/// There are no default methods, so that a decorator forgets none.
#[async_trait]
pub trait Coordinator: fmt::Debug + Send + Sync + 'static {
    /// Takes the lease `name` for `owner`, if nobody holds it; `None` if somebody does (the owner itself included).
    ///
    /// A lease ends when it is released, when its holder's process ends, or `ttl` after it was last taken or
    /// renewed: a backend that sees processes end may let a lease of a living process outlast its `ttl`.
    async fn acquire(&self, name: &str, owner: OwnerId, ttl: Duration) -> Result<Option<Box<dyn Lease>>>;

    /// Makes `member` one of `group` until the answer is left or dropped, or its process ends.
    /// `AlreadyExists` if a living member has the same id.
    async fn join(&self, group: &str, member: Member) -> Result<Box<dyn Membership>>;

    /// The living members of `group`, in order of their ids. A member that died may be listed for as long as
    /// the backend takes to notice; one that lives is never left out.
    async fn members(&self, group: &str) -> Result<Vec<Member>>;
}

/// A lease that was taken. Dropping it releases it, as soon as the backend can.
#[async_trait]
pub trait Lease: fmt::Debug + Send + Sync {
    /// A number that is larger for each later holder of the same lease: whoever checks it knows who is stale.
    fn fence(&self) -> u64;

    /// Holds the lease for another `ttl`. `Conflict` if it was lost.
    async fn renew(&self) -> Result<()>;

    /// Gives the lease back now.
    async fn release(self: Box<Self>) -> Result<()>;
}

/// Membership of a group. Dropping it leaves the group, as soon as the backend can.
#[async_trait]
pub trait Membership: fmt::Debug + Send + Sync {
    /// Leaves the group now.
    async fn leave(self: Box<Self>) -> Result<()>;
}
