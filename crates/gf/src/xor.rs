//! Plain addition of one block to another.

use crate::ShapeError;

/// `dst ^= src`: what a coefficient of one needs, without a plan. Both slices are of one length.
///
/// Compilers vectorise the loop, and two streams from memory keep pace with no more than that.
pub fn xor(dst: &mut [u8], src: &[u8]) -> Result<(), ShapeError> {
    if dst.len() != src.len() {
        return Err(ShapeError::Length { expected: dst.len(), found: src.len() });
    }
    for (to, from) in dst.iter_mut().zip(src) {
        *to ^= from;
    }
    Ok(())
}
