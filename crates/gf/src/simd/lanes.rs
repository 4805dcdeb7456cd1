//! The loop that all vector backends share.
//!
//! A tile is `WIDTH` vectors of columns by `ROWS` outputs. Its sums stay in registers while the inputs go by: each input
//! vector is loaded once, multiplied by `ROWS` coefficients, and forgotten; each output vector is stored once.

#![allow(clippy::indexing_slicing, reason = "arrays whose lengths are the loops' constant bounds")]
#![allow(
    clippy::needless_range_loop,
    reason = "plain indices unroll into registers; iterators over arrays may not"
)]
#![allow(clippy::inline_always, reason = "the loop must be compiled with its caller's target features")]

use std::marker::PhantomData;

use super::job::Job;

/// How many bytes ahead of the tile inputs are fetched: see docs/KERNEL.md for what was tried.
const PREFETCH_DISTANCE: usize = 1024;

/// The length of a cache line on every machine with a backend here.
const LINE: usize = 64;

/// The widest vector.
const BYTES_MAX: usize = 64;

/// One kind of vector register and how to multiply in it.
///
/// # Safety
///
/// Every function may be called only on a machine that has the instructions the backend needs. Functions that take a
/// pointer read or write exactly the `BYTES` bytes (or, named `_part`, the `length < BYTES` bytes) at it, whatever its
/// alignment, and they must be the caller's to read or write.
pub(super) unsafe trait Lanes {
    /// How many bytes a vector has; at most `BYTES_MAX`.
    const BYTES: usize;
    /// Whether inputs are taken two by two, which needs the registers for it.
    const PAIRS: bool = false;
    /// A register of bytes.
    type Vector: Copy;
    /// An input vector, made ready to be multiplied.
    type Split: Copy;
    /// A coefficient's table as a plan holds it.
    type Entry;
    /// A coefficient's table in registers.
    type Factor: Copy;

    unsafe fn splat(byte: u8) -> Self::Vector;
    unsafe fn load(from: *const u8) -> Self::Vector;
    unsafe fn store(to: *mut u8, vector: Self::Vector);
    unsafe fn xor(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn split(vector: Self::Vector) -> Self::Split;
    unsafe fn factor(entry: &Self::Entry) -> Self::Factor;
    /// `sum + factor * split`.
    unsafe fn add_product(sum: Self::Vector, factor: Self::Factor, split: Self::Split) -> Self::Vector;
    /// `sum` and the products of two factors, for backends that add three vectors at once.
    #[inline(always)]
    unsafe fn add_products(
        sum: Self::Vector,
        factors: [Self::Factor; 2],
        splits: [Self::Split; 2],
    ) -> Self::Vector {
        // SAFETY: the machine has the instructions, as the caller promised.
        unsafe { Self::add_product(Self::add_product(sum, factors[0], splits[0]), factors[1], splits[1]) }
    }
    /// Asks for the cache line at an address that need not be valid.
    unsafe fn prefetch(address: *const u8);

    /// What a row's sums begin with.
    #[inline(always)]
    unsafe fn start(_row: usize) -> Self::Vector {
        // SAFETY: the machine has the instructions, as the caller promised.
        unsafe { Self::splat(0) }
    }

    /// The `length` bytes, then zeros.
    #[inline(always)]
    unsafe fn load_part(from: *const u8, length: usize) -> Self::Vector {
        let mut bytes = [0; BYTES_MAX];
        // SAFETY: `from` has `length` bytes to read, as the caller promised, and the array has more; and it has a whole vector.
        unsafe {
            std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), length);
            Self::load(bytes.as_ptr())
        }
    }

    /// The vector's first `length` bytes.
    #[inline(always)]
    unsafe fn store_part(to: *mut u8, vector: Self::Vector, length: usize) {
        let mut bytes = [0; BYTES_MAX];
        // SAFETY: the array has room for a whole vector, and `to` for `length` bytes, as the caller promised.
        unsafe {
            Self::store(bytes.as_mut_ptr(), vector);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, length);
        }
    }
}

/// The same registers, but adding instead of multiplying: what the kernel would cost if products were free. Output `r`
/// begins as `r`, so that the compiler cannot see that all rows come to the same.
pub(super) struct Xor<L>(PhantomData<L>);

// SAFETY: every function does at most what the same function of `L` does.
unsafe impl<L: Lanes> Lanes for Xor<L> {
    const BYTES: usize = L::BYTES;
    const PAIRS: bool = L::PAIRS;
    type Vector = L::Vector;
    type Split = L::Vector;
    type Entry = ();
    type Factor = ();

    #[inline(always)]
    unsafe fn splat(byte: u8) -> Self::Vector {
        // SAFETY: as promised to this function.
        unsafe { L::splat(byte) }
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self::Vector {
        // SAFETY: as promised to this function.
        unsafe { L::load(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut u8, vector: Self::Vector) {
        // SAFETY: as promised to this function.
        unsafe { L::store(to, vector) }
    }
    #[inline(always)]
    unsafe fn xor(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: as promised to this function.
        unsafe { L::xor(a, b) }
    }
    #[inline(always)]
    unsafe fn split(vector: Self::Vector) -> Self::Split {
        vector
    }
    #[inline(always)]
    unsafe fn factor((): &()) -> Self::Factor {}
    #[inline(always)]
    unsafe fn add_product(sum: Self::Vector, (): (), split: Self::Split) -> Self::Vector {
        // SAFETY: as promised to this function.
        unsafe { L::xor(sum, split) }
    }
    #[inline(always)]
    unsafe fn prefetch(address: *const u8) {
        // SAFETY: as promised to this function.
        unsafe { L::prefetch(address) }
    }
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "any value that tells rows apart will do")]
    unsafe fn start(row: usize) -> Self::Vector {
        // SAFETY: as promised to this function.
        unsafe { L::splat(row as u8) }
    }
}

/// Does the job, tile by tile, then vector by vector, then what is left.
///
/// # Safety
///
/// The machine has `L`'s instructions, and the job has `ROWS` outputs.
#[inline(always)]
pub(super) unsafe fn run<L: Lanes, const ROWS: usize, const WIDTH: usize, const ADD: bool>(
    job: &mut Job<'_, '_, L::Entry>,
) {
    let range = job.range();
    let mut at = range.start;
    while range.end - at >= WIDTH * L::BYTES {
        // SAFETY: the machine and the rows as promised; the columns are within the range.
        unsafe { tile::<L, ROWS, WIDTH, ADD>(job, at) };
        at += WIDTH * L::BYTES;
    }
    while range.end - at >= L::BYTES {
        // SAFETY: as above.
        unsafe { tile::<L, ROWS, 1, ADD>(job, at) };
        at += L::BYTES;
    }
    if at < range.end {
        // SAFETY: as above, and less than a vector is left.
        unsafe { part::<L, ROWS, ADD>(job, at, range.end - at) };
    }
}

/// `WIDTH` vectors of columns, beginning with column `at`.
///
/// # Safety
///
/// As for [`run`], and these columns are within the job's range.
#[inline(always)]
unsafe fn tile<L: Lanes, const ROWS: usize, const WIDTH: usize, const ADD: bool>(
    job: &mut Job<'_, '_, L::Entry>,
    at: usize,
) {
    debug_assert_eq!(job.rows(), ROWS);
    let (entries, inputs) = (job.entries(), job.inputs());
    let outputs = job.outputs();
    // SAFETY: the machine has the instructions. A job has an entry for each pair of input and output, and its slices
    // reach to the end of its range, so all `WIDTH` vectors at `at` are within every input and output.
    unsafe {
        let mut sums = [[L::splat(0); WIDTH]; ROWS];
        for r in 0..ROWS {
            for w in 0..WIDTH {
                sums[r][w] = if ADD {
                    L::load(outputs.get_unchecked(r).as_ptr().add(at + w * L::BYTES))
                } else {
                    L::start(r)
                };
            }
        }
        let (pairs, rest) = if L::PAIRS { inputs.as_chunks() } else { ([].as_slice(), inputs) };
        for (i, &[first, second]) in pairs.iter().enumerate() {
            let [a, b] = [load_splits::<L, WIDTH>(first, at), load_splits::<L, WIDTH>(second, at)];
            for r in 0..ROWS {
                let factors = [
                    L::factor(entries.get_unchecked(2 * i * ROWS + r)),
                    L::factor(entries.get_unchecked((2 * i + 1) * ROWS + r)),
                ];
                for w in 0..WIDTH {
                    sums[r][w] = L::add_products(sums[r][w], factors, [a[w], b[w]]);
                }
            }
        }
        for (i, input) in rest.iter().enumerate() {
            let splits = load_splits::<L, WIDTH>(input, at);
            for r in 0..ROWS {
                let factor = L::factor(entries.get_unchecked((2 * pairs.len() + i) * ROWS + r));
                for w in 0..WIDTH {
                    sums[r][w] = L::add_product(sums[r][w], factor, splits[w]);
                }
            }
        }
        for r in 0..ROWS {
            let to = outputs.get_unchecked_mut(r).as_mut_ptr().add(at);
            for w in 0..WIDTH {
                L::store(to.add(w * L::BYTES), sums[r][w]);
            }
        }
    }
}

/// `WIDTH` vectors of an input, beginning with column `at`; what is a little further on is asked for.
///
/// # Safety
///
/// The machine has `L`'s instructions, and the input has these columns.
#[inline(always)]
unsafe fn load_splits<L: Lanes, const WIDTH: usize>(input: &[u8], at: usize) -> [L::Split; WIDTH] {
    // SAFETY: as promised. Prefetching accesses nothing, and its address does not claim to be within the slice.
    unsafe {
        let from = input.as_ptr().add(at);
        let mut splits = [L::split(L::splat(0)); WIDTH];
        for w in 0..WIDTH {
            if w * L::BYTES % LINE == 0 {
                L::prefetch(from.wrapping_add(PREFETCH_DISTANCE + w * L::BYTES));
            }
            splits[w] = L::split(L::load(from.add(w * L::BYTES)));
        }
        splits
    }
}

/// The last `length` columns, less than a vector, beginning with column `at`.
///
/// # Safety
///
/// As for [`run`], and these columns are within the job's range.
#[inline(always)]
unsafe fn part<L: Lanes, const ROWS: usize, const ADD: bool>(
    job: &mut Job<'_, '_, L::Entry>,
    at: usize,
    length: usize,
) {
    debug_assert!(job.rows() == ROWS && length < L::BYTES);
    let (entries, inputs) = (job.entries(), job.inputs());
    let outputs = job.outputs();
    // SAFETY: as in `tile`, with `length` bytes of every input and output at `at` instead of whole vectors.
    unsafe {
        let mut sums = [L::splat(0); ROWS];
        for r in 0..ROWS {
            sums[r] = if ADD {
                L::load_part(outputs.get_unchecked(r).as_ptr().add(at), length)
            } else {
                L::start(r)
            };
        }
        for (c, input) in inputs.iter().enumerate() {
            let split = L::split(L::load_part(input.as_ptr().add(at), length));
            for r in 0..ROWS {
                let factor = L::factor(entries.get_unchecked(c * ROWS + r));
                sums[r] = L::add_product(sums[r], factor, split);
            }
        }
        for r in 0..ROWS {
            L::store_part(outputs.get_unchecked_mut(r).as_mut_ptr().add(at), sums[r], length);
        }
    }
}
