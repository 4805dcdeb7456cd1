//! What can be wrong with a request: its shape, or the machine it came to.

use std::error::Error;
use std::fmt;

use crate::Backend;

/// The slices given do not fit the plan, or one another. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeError {
    /// Not as many inputs as the plan has columns.
    Inputs {
        /// How many the plan takes.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// Not as many outputs as the plan has rows.
    Outputs {
        /// How many the plan makes.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// Not all slices have one length.
    Length {
        /// The first slice's length in bytes.
        expected: usize,
        /// The length in bytes of the first slice that differs.
        found: usize,
    },
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inputs { expected, found } => write!(f, "the plan takes {expected} inputs, not {found}"),
            Self::Outputs { expected, found } => write!(f, "the plan makes {expected} outputs, not {found}"),
            Self::Length { expected, found } => {
                write!(f, "slices must be of one length: one has {expected} bytes, another {found}")
            }
        }
    }
}

impl Error for ShapeError {}

/// The backend asked for cannot run on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnavailableBackend(pub Backend);

impl fmt::Display for UnavailableBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this machine cannot run the backend {}", self.0.as_str())
    }
}

impl Error for UnavailableBackend {}
