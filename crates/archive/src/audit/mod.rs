//! Auditing: finding every damage, and writing it down.
//!
//! Architecture invariant: an audit changes nothing on storage nodes. What it finds is in the damage ledger when it
//! is reported, and nothing is reported before it was looked at twice: a block on its way from one node to another is
//! no damage, and a document that was committed meanwhile is no leftover.

pub mod alarm;
mod chunk;
mod compare;
pub(crate) mod control;
mod examine;
mod inventory;
mod ledger;
mod pass;
mod report;
pub(crate) mod roster;
mod run;
pub(crate) mod scope;
mod strays;
pub(crate) mod word;

pub use control::{Cancel, Limits, Stop};
pub use report::{AuditCounts, AuditMode, AuditOptions, AuditReport, Event, Finding, FindingKind, Progress};
pub use roster::{NodeStanding, Standing, StandingPolicy};
pub use scope::{BlockKey, Scope};
