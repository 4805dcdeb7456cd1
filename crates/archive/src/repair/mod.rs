//! Repair: undoing all that can be undone.
//!
//! Deciding what to do is pure (`plan`, `diagnose`); doing it is thin. Architecture invariant: a block is written
//! only when its hash is the recorded one, counts as repaired only when it was read back and recorded, and nothing is
//! ever deleted here: what a run that was killed leaves behind is a copy that no record names, and scrub's business.

mod alarm;
mod decode;
mod diagnose;
mod joint;
mod load;
mod lost;
mod plan;
mod report;
mod run;
mod target;
mod turns;
mod write;

pub use report::{
    Failure, Loss, Method, MissingSymbol, PlanTotals, PlannedBlock, RepairOptions, RepairPlan, RepairReport,
    Repaired,
};
