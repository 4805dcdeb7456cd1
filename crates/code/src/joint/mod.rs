//! Joint decoding: which missing blocks the codewords around them determine together, and how.
//!
//! Where peeling is stuck, every codeword near the damage has more than `e` symbols missing, but the missing blocks
//! stand in several codewords each, and all their equations together may determine them. A [`Problem`] holds the
//! unknown blocks and the codewords that have them; [`Problem::plan`] makes a [`JointPlan`], which says what becomes of
//! each unknown and how to compute those that are determined; [`JointPlan::execute`] does it, tile by tile, in
//! bounded memory. `docs/JOINT.md` tells how it works and what it costs.
//!
//! Sparse linear systems are solved by structured Gaussian elimination (B. A. `LaMacchia` and A. M. Odlyzko, "Solving
//! large sparse linear systems over finite fields", CRYPTO 1990), here as inactivation decoding (RFC 6330, section
//! 5.4): peel; where that is stuck declare a block inactive, that is known by another name, and go on; in the end
//! solve what is left over for the inactive ones alone, densely, and substitute back.
//!
//! **Exactness.** A block is recovered if and only if the equations determine it; the one liberty taken is that
//! "does not depend on what is free" is tested with 32 random values per free unknown, which errs with a probability
//! of 2^-256 per block, much like the hash that every recovered block must have anyway.
//!
//! ```
//! use code::joint::{Fate, Problem, Symbol::{Known, Unknown}};
//! use types::CodeParameters;
//!
//! // Two codewords of (1,2,2), each giving one equation: a stuck pair, which peeling cannot recover.
//! let parameters = CodeParameters::new(1, 2, 2).map_err(|error| error.to_string())?;
//! let mut problem = Problem::new(2);
//! problem.codeword(parameters, &[Known(0), Known(1), Unknown(0), Unknown(1)]).map_err(|error| error.to_string())?;
//! problem.codeword(parameters, &[Unknown(1), Unknown(0), Known(2), Known(3)]).map_err(|error| error.to_string())?;
//! let plan = problem.plan().map_err(|error| error.to_string())?;
//! assert_eq!(plan.fates(), [Fate::Joint, Fate::Joint]);
//! # Ok::<(), String>(())
//! ```

#![allow(
    clippy::indexing_slicing,
    reason = "numbers of unknowns, codewords, columns and values, checked where they enter `Problem` or given out here"
)]

mod check;
mod core;
mod dense;
mod plan;
mod planner;
mod problem;
mod program;
mod run;

pub use plan::{Core, Fate, JointPlan, Reads, StepView};
pub use problem::{Problem, ProblemError, Symbol};
pub use run::{Blocks, Run, TILE};
