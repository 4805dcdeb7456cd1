//! NEON: 16 bytes per pair of table look-ups (`TBL`), 32 registers.

use std::arch::aarch64::{
    uint8x16_t, vandq_u8, vdupq_n_u8, veorq_u8, vld1q_u8, vqtbl1q_u8, vshrq_n_u8, vst1q_u8,
};

use super::lanes::{self, Lanes, Xor};
use super::{Job, Kernel};
use crate::tables::Nibbles;

/// Proof that the machine has the instructions: [`Kernel::detect`] alone makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon(());

// SAFETY: each function asks for the features it needs and touches the bytes it is meant to.
unsafe impl Lanes for Neon {
    const BYTES: usize = 16;
    type Vector = uint8x16_t;
    /// The low and the high half of each byte.
    type Split = (uint8x16_t, uint8x16_t);
    type Entry = Nibbles;
    /// The tables of the low and of the high half.
    type Factor = (uint8x16_t, uint8x16_t);

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn splat(byte: u8) -> uint8x16_t {
        vdupq_n_u8(byte)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(from: *const u8) -> uint8x16_t {
        // SAFETY: 16 bytes may be read, as the caller promised.
        unsafe { vld1q_u8(from) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn store(to: *mut u8, vector: uint8x16_t) {
        // SAFETY: 16 bytes may be written, as the caller promised.
        unsafe { vst1q_u8(to, vector) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn xor(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
        veorq_u8(a, b)
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn split(vector: uint8x16_t) -> Self::Split {
        (vandq_u8(vector, vdupq_n_u8(15)), vshrq_n_u8::<4>(vector))
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn factor(entry: &Nibbles) -> Self::Factor {
        // SAFETY: each half has 16 bytes.
        unsafe { (vld1q_u8(entry.low.as_ptr()), vld1q_u8(entry.high.as_ptr())) }
    }
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn add_product(sum: uint8x16_t, factor: Self::Factor, split: Self::Split) -> uint8x16_t {
        veorq_u8(sum, veorq_u8(vqtbl1q_u8(factor.0, split.0), vqtbl1q_u8(factor.1, split.1)))
    }
    /// Left to the machine: the language has no stable intrinsic for it on this target.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn prefetch(_address: *const u8) {}
}

impl Kernel for Neon {
    const ROWS_MAX: usize = 6;
    type Entry = Nibbles;

    fn detect() -> Option<Self> {
        (std::arch::is_aarch64_feature_detected!("neon")).then_some(Self(()))
    }

    fn entry(coefficient: u8) -> Nibbles {
        Nibbles::new(coefficient)
    }

    fn run<const ADD: bool>(self, job: &mut Job<'_, '_, Nibbles>) {
        // SAFETY: `self` is the proof that the machine has the instructions.
        unsafe { dispatch::<Self, ADD>(job) }
    }

    fn run_xor(self, job: &mut Job<'_, '_, ()>) {
        // SAFETY: as above.
        unsafe { dispatch::<Xor<Self>, false>(job) }
    }
}

/// # Safety
///
/// The machine has the instructions.
unsafe fn dispatch<L: Lanes, const ADD: bool>(job: &mut Job<'_, '_, L::Entry>) {
    // SAFETY: the machine as promised, and as many rows as the job has outputs.
    unsafe {
        match job.rows() {
            1 => kernel::<L, 1, 8, ADD>(job),
            2 => kernel::<L, 2, 4, ADD>(job),
            3 => kernel::<L, 3, 4, ADD>(job),
            4 => kernel::<L, 4, 4, ADD>(job),
            5 => kernel::<L, 5, 3, ADD>(job),
            6 => kernel::<L, 6, 2, ADD>(job),
            _ => {}
        }
    }
}

/// # Safety
///
/// The machine has the instructions, and the job has `ROWS` outputs.
#[target_feature(enable = "neon")]
unsafe fn kernel<L: Lanes, const ROWS: usize, const WIDTH: usize, const ADD: bool>(
    job: &mut Job<'_, '_, L::Entry>,
) {
    // SAFETY: as promised to `dispatch`.
    unsafe { lanes::run::<L, ROWS, WIDTH, ADD>(job) }
}
