//! AVX2: 32 bytes per pair of table look-ups (`PSHUFB`), 16 registers.

#![allow(clippy::cast_possible_wrap, reason = "intrinsics take bits as signed numbers")]

use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_load_si128, _mm_prefetch, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_loadu_si256, _mm256_set1_epi8, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_si256,
    _mm256_xor_si256,
};

use super::lanes::{self, Lanes, Xor};
use super::{Job, Kernel};
use crate::tables::Nibbles;

/// Proof that the machine has the instructions: [`Kernel::detect`] alone makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

// SAFETY: each function asks for the features it needs and touches the bytes it is meant to.
unsafe impl Lanes for Avx2 {
    const BYTES: usize = 32;
    type Vector = __m256i;
    /// The low and the high half of each byte.
    type Split = (__m256i, __m256i);
    type Entry = Nibbles;
    /// The tables of the low and of the high half, each twice.
    type Factor = (__m256i, __m256i);

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
    unsafe fn split(vector: __m256i) -> Self::Split {
        let mask = _mm256_set1_epi8(15);
        (_mm256_and_si256(vector, mask), _mm256_and_si256(_mm256_srli_epi16::<4>(vector), mask))
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn factor(entry: &Nibbles) -> Self::Factor {
        // SAFETY: each half has 16 bytes, the first at a multiple of 32 bytes, the second 16 bytes on.
        unsafe {
            (
                _mm256_broadcastsi128_si256(_mm_load_si128(entry.low.as_ptr().cast())),
                _mm256_broadcastsi128_si256(_mm_load_si128(entry.high.as_ptr().cast())),
            )
        }
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn add_product(sum: __m256i, factor: Self::Factor, split: Self::Split) -> __m256i {
        let low = _mm256_shuffle_epi8(factor.0, split.0);
        let high = _mm256_shuffle_epi8(factor.1, split.1);
        _mm256_xor_si256(sum, _mm256_xor_si256(low, high))
    }
    #[inline]
    #[target_feature(enable = "avx2")]
    #[allow(unused_unsafe, reason = "older compilers call it unsafe")]
    unsafe fn prefetch(address: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
}

impl Kernel for Avx2 {
    const ROWS_MAX: usize = 5;
    type Entry = Nibbles;

    fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2")).then_some(Self(()))
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
            1 => kernel::<L, 1, 4, ADD>(job),
            2 => kernel::<L, 2, 2, ADD>(job),
            3 => kernel::<L, 3, 2, ADD>(job),
            4 => kernel::<L, 4, 2, ADD>(job),
            5 => kernel::<L, 5, 1, ADD>(job),
            _ => {}
        }
    }
}

/// # Safety
///
/// The machine has the instructions, and the job has `ROWS` outputs.
#[target_feature(enable = "avx2")]
unsafe fn kernel<L: Lanes, const ROWS: usize, const WIDTH: usize, const ADD: bool>(
    job: &mut Job<'_, '_, L::Entry>,
) {
    // SAFETY: as promised to `dispatch`.
    unsafe { lanes::run::<L, ROWS, WIDTH, ADD>(job) }
}
