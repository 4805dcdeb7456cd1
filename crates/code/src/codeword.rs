//! A codeword: `s` sources and `t` pointers coded into `p` parities, and the way back.
//!
//! The code is systematic Reed-Solomon over GF(2^8), generator as in the crate `reed-solomon-erasure`. Positions
//! in a codeword: sources `0..s`, pointers `s..s+t`, parities `s+t..s+t+p`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gf::{Matrix, Plan};
use types::CodeParameters;

/// How many recovery plans a code keeps. A plan of the default shape takes a few KiB; losing `e` of 13 nodes makes
/// 78 patterns, so only adversity on many nodes at once fills this.
const PLANS_MAX: usize = 1024;

/// Why something cannot be coded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// More symbols are missing than the parities make up for.
    #[error("{missing} of the codeword's {symbols} symbols are missing; {recoverable} may be")]
    TooFewSymbols {
        /// How many symbols are missing.
        missing: usize,
        /// How many may be: `e`.
        recoverable: usize,
        /// How many there are: `t + p`.
        symbols: usize,
    },
    /// A position that the codeword does not have, or one named twice.
    #[error("position {0} is not in the codeword, or named twice")]
    Position(usize),
    /// A block of another length than the others, or more or fewer blocks than the code has.
    #[error("blocks do not fit the code: {0}")]
    Shape(String),
}

/// A set of positions; a codeword has at most 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Positions([u64; 4]);

impl Positions {
    fn insert(&mut self, position: usize) -> bool {
        let Some(word) = self.0.get_mut(position / 64) else { return false };
        let bit = 1 << (position % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn contains(&self, position: usize) -> bool {
        self.0.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }
}

/// Which positions are there, and which are wanted.
type Pattern = (Positions, Positions);

/// The code of one shape: tables for encoding, and recovery plans for the erasure patterns met so far.
#[derive(Debug)]
pub struct Code {
    parameters: CodeParameters,
    /// The parity rows, `p x k`.
    generator: Matrix,
    encode: Plan,
    plans: Mutex<HashMap<Pattern, Arc<Recovery>>>,
}

/// How to compute missing symbols of a codeword from others.
#[derive(Debug)]
pub struct Recovery {
    inputs: Vec<usize>,
    plan: Plan,
}

impl Code {
    /// The code of these parameters.
    pub fn new(parameters: CodeParameters) -> Result<Self, CodeError> {
        let generator = gf::generator(parameters.k(), parameters.p())
            .ok_or_else(|| CodeError::Shape(format!("no generator for {parameters}")))?;
        let encode = Plan::new(&generator);
        Ok(Self { parameters, generator, encode, plans: Mutex::default() })
    }

    /// `(s, t, p)`.
    #[must_use]
    pub fn parameters(&self) -> CodeParameters {
        self.parameters
    }

    /// Codes `k` blocks (sources, then pointers) into `p` parities, all of one length.
    pub fn encode(&self, blocks: &[&[u8]], parities: &mut [&mut [u8]]) -> Result<(), CodeError> {
        self.encode.apply(blocks, parities).map_err(|error| CodeError::Shape(error.to_string()))
    }

    /// How to compute the positions `wanted` from (some of) the positions `available`.
    ///
    /// Solves for the missing ones of the first `k` positions alone: with `m` of them missing, an `m x m` system
    /// over `m` of the available parities. Every square submatrix of the parity rows of an MDS code is invertible,
    /// so any `m` parities do.
    pub fn recovery(&self, available: &[usize], wanted: &[usize]) -> Result<Arc<Recovery>, CodeError> {
        let pattern = self.pattern(available, wanted)?;
        if let Some(plan) = self.plans().get(&pattern) {
            return Ok(Arc::clone(plan));
        }
        let recovery = Arc::new(self.solve(&pattern)?);
        let mut plans = self.plans();
        if plans.len() >= PLANS_MAX {
            plans.clear();
        }
        plans.insert(pattern, Arc::clone(&recovery));
        Ok(recovery)
    }

    fn plans(&self) -> std::sync::MutexGuard<'_, HashMap<Pattern, Arc<Recovery>>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pattern(&self, available: &[usize], wanted: &[usize]) -> Result<Pattern, CodeError> {
        let length = self.parameters.k() + self.parameters.p();
        let collect = |positions: &[usize]| {
            let mut set = Positions::default();
            for &position in positions {
                if position >= length || !set.insert(position) {
                    return Err(CodeError::Position(position));
                }
            }
            Ok(set)
        };
        Ok((collect(available)?, collect(wanted)?))
    }

    fn solve(&self, (available, wanted): &Pattern) -> Result<Recovery, CodeError> {
        let (k, p) = (self.parameters.k(), self.parameters.p());
        let (known, unknown): (Vec<usize>, Vec<usize>) =
            (0..k).partition(|&position| available.contains(position));
        let m = unknown.len();
        let rows: Vec<usize> = (0..p).filter(|&row| available.contains(k + row)).take(m).collect();
        if rows.len() < m {
            return Err(self.too_few(available));
        }
        // Parity row r says: sum over unknown u of g[r][u] x_u = y_r + sum over known d of g[r][d] x_d.
        let mut system = Matrix::zero(m, m);
        let mut right = Matrix::zero(m, k);
        for (i, &row) in rows.iter().enumerate() {
            for (j, &column) in unknown.iter().enumerate() {
                system.set(i, j, self.generator.get(row, column));
            }
            for (j, &column) in known.iter().enumerate() {
                right.set(i, j, self.generator.get(row, column));
            }
            right.set(i, known.len() + i, 1);
        }
        let solved =
            if m == 0 { Some(right) } else { system.inverse().and_then(|inverse| inverse.mul(&right)) };
        let solved = solved.ok_or_else(|| CodeError::Shape("the generator is not MDS".to_owned()))?;
        let wanted: Vec<usize> = (0..k + p).filter(|&position| wanted.contains(position)).collect();
        let mut coefficients = Matrix::zero(wanted.len(), k);
        for (i, &position) in wanted.iter().enumerate() {
            self.express(position, &known, &unknown, &solved, i, &mut coefficients);
        }
        let inputs = known.into_iter().chain(rows.into_iter().map(|row| k + row)).collect();
        Ok(Recovery { inputs, plan: Plan::new(&coefficients) })
    }

    /// Writes into row `out` of `coefficients` what `position` is in terms of the inputs (known blocks, then the
    /// chosen parities), `solved` being that for the unknown ones.
    fn express(
        &self,
        position: usize,
        known: &[usize],
        unknown: &[usize],
        solved: &Matrix,
        out: usize,
        coefficients: &mut Matrix,
    ) {
        let k = self.parameters.k();
        if let Some(column) = known.iter().position(|&data| data == position) {
            coefficients.set(out, column, 1);
        } else if let Some(row) = unknown.iter().position(|&data| data == position) {
            for column in 0..k {
                coefficients.set(out, column, solved.get(row, column));
            }
        } else {
            let row = position - k;
            for (column, &data) in known.iter().enumerate() {
                coefficients.set(out, column, self.generator.get(row, data));
            }
            for (i, &data) in unknown.iter().enumerate() {
                let factor = self.generator.get(row, data);
                for column in 0..k {
                    let term = gf::field::mul(factor, solved.get(i, column));
                    coefficients.set(out, column, coefficients.get(out, column) ^ term);
                }
            }
        }
    }

    fn too_few(&self, available: &Positions) -> CodeError {
        let (s, length) = (self.parameters.s(), self.parameters.k() + self.parameters.p());
        let missing = (s..length).filter(|&position| !available.contains(position)).count();
        CodeError::TooFewSymbols {
            missing,
            recoverable: self.parameters.e(),
            symbols: self.parameters.symbols(),
        }
    }
}

impl Recovery {
    /// The positions of the blocks that [`Recovery::apply`] takes, in the order it takes them; `k` of them.
    #[must_use]
    pub fn inputs(&self) -> &[usize] {
        &self.inputs
    }

    /// Computes the wanted blocks, in the order of their positions, from the blocks at [`Recovery::inputs`].
    pub fn apply(&self, blocks: &[&[u8]], wanted: &mut [&mut [u8]]) -> Result<(), CodeError> {
        self.plan.apply(blocks, wanted).map_err(|error| CodeError::Shape(error.to_string()))
    }
}
