//! Repair: undoing all that can be undone.

mod report;

pub use report::{
    Failure, Loss, Method, MissingSymbol, PlanTotals, PlannedBlock, RepairOptions, RepairPlan, RepairReport,
    Repaired,
};
