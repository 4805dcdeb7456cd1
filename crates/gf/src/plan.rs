//! Coefficients made ready, and applied.

use std::fmt;

use crate::groups::Groups;
use crate::matrix::Matrix;
use crate::portable;
use crate::simd;
use crate::{Backend, ShapeError, UnavailableBackend};

/// A matrix of coefficients, `outputs` x `inputs`, with their tables expanded for one backend: built once per shape or
/// erasure pattern, applied to any number of blocks, from any number of threads.
///
/// ```
/// // Two outputs: the sum of three inputs, and the first input times two.
/// let coefficients = gf::Matrix::from_rows(2, 3, vec![1, 1, 1, 2, 0, 0]).expect("six cells");
/// let plan = gf::Plan::new(&coefficients);
/// let (mut sum, mut double) = ([0; 2], [0; 2]);
/// plan.apply(&[&[1, 0x80], &[2, 0], &[4, 1]], &mut [&mut sum, &mut double])?;
/// assert_eq!((sum, double), ([7, 0x81], [2, 0x1D]));
/// # Ok::<(), gf::ShapeError>(())
/// ```
#[derive(Clone)]
pub struct Plan {
    inputs: usize,
    outputs: usize,
    backend: Backend,
    tables: Tables,
}

#[derive(Clone)]
enum Tables {
    #[cfg(target_arch = "x86_64")]
    Gfni512(Groups<simd::Gfni512>),
    #[cfg(target_arch = "x86_64")]
    Gfni256(Groups<simd::Gfni256>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Groups<simd::Avx2>),
    #[cfg(target_arch = "aarch64")]
    Neon(Groups<simd::Neon>),
    Portable(Vec<portable::Row>),
}

impl Plan {
    /// A plan for the best backend that the machine can run.
    #[must_use]
    pub fn new(coefficients: &Matrix) -> Self {
        let portable = || Self::of(coefficients, Backend::Portable, Tables::portable(coefficients));
        Self::with_backend(coefficients, Backend::detect()).unwrap_or_else(|_| portable())
    }

    /// A plan for this backend, if the machine can run it.
    pub fn with_backend(coefficients: &Matrix, backend: Backend) -> Result<Self, UnavailableBackend> {
        let tables = match backend {
            #[cfg(target_arch = "x86_64")]
            Backend::Gfni512 => Groups::new(coefficients).map(Tables::Gfni512),
            #[cfg(target_arch = "x86_64")]
            Backend::Gfni256 => Groups::new(coefficients).map(Tables::Gfni256),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 => Groups::new(coefficients).map(Tables::Avx2),
            #[cfg(target_arch = "aarch64")]
            Backend::Neon => Groups::new(coefficients).map(Tables::Neon),
            Backend::Portable => Some(Tables::portable(coefficients)),
            #[allow(unreachable_patterns, reason = "which of them are left depends on the target")]
            Backend::Gfni512 | Backend::Gfni256 | Backend::Avx2 | Backend::Neon => None,
        };
        Ok(Self::of(coefficients, backend, tables.ok_or(UnavailableBackend(backend))?))
    }

    fn of(coefficients: &Matrix, backend: Backend, tables: Tables) -> Self {
        Self { inputs: coefficients.columns(), outputs: coefficients.rows(), backend, tables }
    }

    /// How many inputs it takes: the coefficients' columns.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How many outputs it makes: the coefficients' rows.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// What it runs on.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// `outputs[r] = sum over c of coefficients[r][c] * inputs[c]`.
    ///
    /// There must be [`inputs`](Self::inputs) inputs and [`outputs`](Self::outputs) outputs, all of one length: any length,
    /// at any alignment. What the outputs held is not read. It is fastest when no slice begins in the middle of a cache
    /// line.
    pub fn apply(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), ShapeError> {
        self.run::<false>(inputs, outputs)
    }

    /// `outputs[r] ^= sum over c of coefficients[r][c] * inputs[c]`, on the same conditions as [`apply`](Self::apply).
    pub fn accumulate(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), ShapeError> {
        self.run::<true>(inputs, outputs)
    }

    fn run<const ADD: bool>(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), ShapeError> {
        let length = self.check(inputs, outputs)?;
        match &self.tables {
            #[cfg(target_arch = "x86_64")]
            Tables::Gfni512(groups) => groups.run::<ADD>(inputs, outputs, length),
            #[cfg(target_arch = "x86_64")]
            Tables::Gfni256(groups) => groups.run::<ADD>(inputs, outputs, length),
            #[cfg(target_arch = "x86_64")]
            Tables::Avx2(groups) => groups.run::<ADD>(inputs, outputs, length),
            #[cfg(target_arch = "aarch64")]
            Tables::Neon(groups) => groups.run::<ADD>(inputs, outputs, length),
            Tables::Portable(rows) => portable::run::<ADD>(rows, inputs, outputs, length),
        }
        Ok(())
    }

    /// What `apply` does, with addition in place of multiplication: see `yardstick`.
    pub(crate) fn run_xor(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> Result<(), ShapeError> {
        let length = self.check(inputs, outputs)?;
        match &self.tables {
            #[cfg(target_arch = "x86_64")]
            Tables::Gfni512(groups) => groups.run_xor(inputs, outputs, length),
            #[cfg(target_arch = "x86_64")]
            Tables::Gfni256(groups) => groups.run_xor(inputs, outputs, length),
            #[cfg(target_arch = "x86_64")]
            Tables::Avx2(groups) => groups.run_xor(inputs, outputs, length),
            #[cfg(target_arch = "aarch64")]
            Tables::Neon(groups) => groups.run_xor(inputs, outputs, length),
            Tables::Portable(_) => portable::run_xor(inputs, outputs, length),
        }
        Ok(())
    }

    /// The length that all slices have, if there are as many as there must be.
    fn check(&self, inputs: &[&[u8]], outputs: &[&mut [u8]]) -> Result<usize, ShapeError> {
        if inputs.len() != self.inputs {
            return Err(ShapeError::Inputs { expected: self.inputs, found: inputs.len() });
        }
        if outputs.len() != self.outputs {
            return Err(ShapeError::Outputs { expected: self.outputs, found: outputs.len() });
        }
        let mut lengths =
            inputs.iter().map(|input| input.len()).chain(outputs.iter().map(|output| output.len()));
        let expected = lengths.next().unwrap_or(0);
        match lengths.find(|&found| found != expected) {
            Some(found) => Err(ShapeError::Length { expected, found }),
            None => Ok(expected),
        }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

impl Tables {
    fn portable(coefficients: &Matrix) -> Self {
        Self::Portable((0..coefficients.rows()).map(|r| portable::Row::new(coefficients.row(r))).collect())
    }
}
