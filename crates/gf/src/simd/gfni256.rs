//! GFNI without AVX-512: 32 bytes per instruction, any 8x8 bit matrix, 16 registers.

#![allow(clippy::cast_possible_wrap, reason = "intrinsics take bits as signed numbers")]

use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_prefetch, _mm256_gf2p8affine_epi64_epi8, _mm256_loadu_si256, _mm256_set1_epi8,
    _mm256_set1_epi64x, _mm256_storeu_si256, _mm256_xor_si256,
};

use super::lanes::{self, Lanes, Xor};
use super::{Job, Kernel};
use crate::tables;

/// Proof that the machine has the instructions: [`Kernel::detect`] alone makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gfni256(());

// SAFETY: each function asks for the features it needs and touches the bytes it is meant to.
unsafe impl Lanes for Gfni256 {
    const BYTES: usize = 32;
    type Vector = __m256i;
    type Split = __m256i;
    type Entry = u64;
    type Factor = __m256i;

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn splat(byte: u8) -> __m256i {
        _mm256_set1_epi8(byte as i8)
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn load(from: *const u8) -> __m256i {
        // SAFETY: 32 bytes may be read, as the caller promised.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store(to: *mut u8, vector: __m256i) {
        // SAFETY: 32 bytes may be written, as the caller promised.
        unsafe { _mm256_storeu_si256(to.cast(), vector) }
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn xor(a: __m256i, b: __m256i) -> __m256i {
        _mm256_xor_si256(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn split(vector: __m256i) -> __m256i {
        vector
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn factor(entry: &u64) -> __m256i {
        _mm256_set1_epi64x(*entry as i64)
    }
    #[inline]
    #[target_feature(enable = "avx2,gfni")]
    unsafe fn add_product(sum: __m256i, factor: __m256i, split: __m256i) -> __m256i {
        _mm256_xor_si256(sum, _mm256_gf2p8affine_epi64_epi8::<0>(split, factor))
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    #[allow(unused_unsafe, reason = "older compilers call it unsafe")]
    unsafe fn prefetch(address: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
}

impl Kernel for Gfni256 {
    const ROWS_MAX: usize = 5;
    type Entry = u64;

    fn detect() -> Option<Self> {
        (is_x86_feature_detected!("gfni") && is_x86_feature_detected!("avx2")).then_some(Self(()))
    }

    fn entry(coefficient: u8) -> u64 {
        tables::affine(coefficient)
    }

    fn run<const ADD: bool>(self, job: &mut Job<'_, '_, u64>) {
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
            3 => kernel::<L, 3, 2, ADD>(job),
            4 => kernel::<L, 4, 2, ADD>(job),
            5 => kernel::<L, 5, 2, ADD>(job),
            _ => {}
        }
    }
}

/// # Safety
///
/// The machine has the instructions, and the job has `ROWS` outputs.
#[target_feature(enable = "avx2,gfni")]
unsafe fn kernel<L: Lanes, const ROWS: usize, const WIDTH: usize, const ADD: bool>(
    job: &mut Job<'_, '_, L::Entry>,
) {
    // SAFETY: as promised to `dispatch`.
    unsafe { lanes::run::<L, ROWS, WIDTH, ADD>(job) }
}
