//! What the kernel is measured against.

use crate::{Backend, Matrix, Plan, ShapeError, UnavailableBackend};

/// The kernel's own loop, with the same registers, groups, tiles and prefetching, but with addition in place of
/// multiplication: each output is the sum of all inputs. No kernel of this structure can be faster; `benches/kernel.rs`
/// reports how near [`Plan`] comes. It codes nothing.
///
/// (Output `r` of a group begins as `r` in each byte, not as zero: else compilers would see that all outputs are equal and
/// compute one.)
#[derive(Clone, Debug)]
pub struct XorBound(Plan);

impl XorBound {
    /// The bound of a plan with so many inputs and outputs on this backend, if the machine can run it.
    pub fn new(inputs: usize, outputs: usize, backend: Backend) -> Result<Self, UnavailableBackend> {
        Plan::with_backend(&Matrix::zero(outputs, inputs), backend).map(Self)
    }

    /// Adds all inputs into each output, on the same conditions as [`Plan::apply`].
    pub fn apply(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), ShapeError> {
        self.0.run_xor(inputs, outputs)
    }
}
