//! GFNI with AVX-512: 64 bytes per instruction, any 8x8 bit matrix, 32 registers, masked tails.

#![allow(clippy::cast_possible_wrap, reason = "intrinsics take bits as signed numbers")]

use std::arch::x86_64::{
    __m512i, __mmask64, _MM_HINT_T0, _mm_prefetch, _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512,
    _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8, _mm512_set1_epi8, _mm512_set1_epi64,
    _mm512_storeu_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

use super::lanes::{self, Lanes, Xor};
use super::{Job, Kernel};
use crate::tables;

/// The truth table of `a ^ b ^ c`.
const SUM_OF_THREE: i32 = 0x96;

/// Proof that the machine has the instructions: [`Kernel::detect`] alone makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gfni512(());

// SAFETY: each function asks for the features it needs and touches the bytes it is meant to.
unsafe impl Lanes for Gfni512 {
    const BYTES: usize = 64;
    const PAIRS: bool = true;
    type Vector = __m512i;
    type Split = __m512i;
    type Entry = u64;
    type Factor = __m512i;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn splat(byte: u8) -> __m512i {
        _mm512_set1_epi8(byte as i8)
    }
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(from: *const u8) -> __m512i {
        // SAFETY: 64 bytes may be read, as the caller promised.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store(to: *mut u8, vector: __m512i) {
        // SAFETY: 64 bytes may be written, as the caller promised.
        unsafe { _mm512_storeu_si512(to.cast(), vector) }
    }
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn xor(a: __m512i, b: __m512i) -> __m512i {
        _mm512_xor_si512(a, b)
    }
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn split(vector: __m512i) -> __m512i {
        vector
    }
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn factor(entry: &u64) -> __m512i {
        _mm512_set1_epi64(*entry as i64)
    }
    #[inline]
    #[target_feature(enable = "avx512f,gfni")]
    unsafe fn add_product(sum: __m512i, factor: __m512i, split: __m512i) -> __m512i {
        _mm512_xor_si512(sum, _mm512_gf2p8affine_epi64_epi8::<0>(split, factor))
    }
    #[inline]
    #[target_feature(enable = "avx512f,gfni")]
    unsafe fn add_products(sum: __m512i, factors: [__m512i; 2], splits: [__m512i; 2]) -> __m512i {
        let first = _mm512_gf2p8affine_epi64_epi8::<0>(splits[0], factors[0]);
        let second = _mm512_gf2p8affine_epi64_epi8::<0>(splits[1], factors[1]);
        _mm512_ternarylogic_epi64::<SUM_OF_THREE>(sum, first, second)
    }
    #[inline]
    #[target_feature(enable = "avx512f")]
    #[allow(unused_unsafe, reason = "older compilers call it unsafe")]
    unsafe fn prefetch(address: *const u8) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
    #[inline]
    #[target_feature(enable = "avx512bw")]
    unsafe fn load_part(from: *const u8, length: usize) -> __m512i {
        // SAFETY: `length` bytes may be read, as the caller promised, and no others are.
        unsafe { _mm512_maskz_loadu_epi8(first(length), from.cast()) }
    }
    #[inline]
    #[target_feature(enable = "avx512bw")]
    unsafe fn store_part(to: *mut u8, vector: __m512i, length: usize) {
        // SAFETY: `length` bytes may be written, as the caller promised, and no others are.
        unsafe { _mm512_mask_storeu_epi8(to.cast(), first(length), vector) }
    }
}

/// The mask of the first `length < 64` bytes.
#[inline]
fn first(length: usize) -> __mmask64 {
    (1 << length) - 1
}

impl Kernel for Gfni512 {
    const ROWS_MAX: usize = 8;
    type Entry = u64;

    fn detect() -> Option<Self> {
        (is_x86_feature_detected!("gfni")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw"))
        .then_some(Self(()))
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
            3 => kernel::<L, 3, 4, ADD>(job),
            4 => kernel::<L, 4, 4, ADD>(job),
            5 => kernel::<L, 5, 4, ADD>(job),
            6 => kernel::<L, 6, 4, ADD>(job),
            7 => kernel::<L, 7, 3, ADD>(job),
            8 => kernel::<L, 8, 3, ADD>(job),
            _ => {}
        }
    }
}

/// # Safety
///
/// The machine has the instructions, and the job has `ROWS` outputs.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
unsafe fn kernel<L: Lanes, const ROWS: usize, const WIDTH: usize, const ADD: bool>(
    job: &mut Job<'_, '_, L::Entry>,
) {
    // SAFETY: as promised to `dispatch`.
    unsafe { lanes::run::<L, ROWS, WIDTH, ADD>(job) }
}
