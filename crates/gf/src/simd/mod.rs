//! The kernel for machines with vector instructions: the only module with `unsafe`.
//!
//! `lanes` holds the one loop that all of them share, written once over a trait; each backend's file says how its
//! registers load, multiply and store. Two proofs make the doors safe: a [`Job`] has its shape checked where it is made,
//! and a [`Kernel`] exists only on a machine that can run it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod gfni256;
#[cfg(target_arch = "x86_64")]
mod gfni512;
mod job;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod lanes;
#[cfg(target_arch = "aarch64")]
mod neon;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use gfni256::Gfni256;
#[cfg(target_arch = "x86_64")]
pub(crate) use gfni512::Gfni512;
pub(crate) use job::Job;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;

/// A backend's kernel. Its value is the proof that the machine can run it.
pub(crate) trait Kernel: Copy {
    /// The most outputs that one pass over the inputs makes: as many as the registers hold sums of.
    const ROWS_MAX: usize;
    /// A coefficient, expanded.
    type Entry;

    /// The proof, if the machine gives it.
    fn detect() -> Option<Self>;
    /// Expands a coefficient.
    fn entry(coefficient: u8) -> Self::Entry;
    /// Does the job, adding to the outputs or replacing them. With more than `ROWS_MAX` outputs, or none, does nothing.
    fn run<const ADD: bool>(self, job: &mut Job<'_, '_, Self::Entry>);
    /// Like `run`, but with all coefficients one, and output `r` begins as `r`.
    fn run_xor(self, job: &mut Job<'_, '_, ()>);
}
