//! The entanglement, as pure functions: codewords and their decoding, alone and jointly, pointer selection, placement, anchors,
//! and the headers by which blocks describe themselves.
//!
//! Architecture invariant: bytes, counts and random numbers in, bytes and decisions out. Nothing here reads a
//! clock, a file or a socket, so the service, the tools and a simulator share every decision.

pub mod anchor;
#[cfg(feature = "testing")]
pub mod attack;
pub mod codeword;
pub mod header;
pub mod joint;
pub mod place;
pub mod select;

pub use codeword::{Code, CodeError, Recovery};
pub use header::{BlockHeader, Ending, HeaderError, HeaderPointer};
pub use place::{Occupancy, Topology, TopologyNode};
pub use select::{Candidate, Choice, Place, Policy, Selector};
