//! The system of equations: which blocks are unknown, and the codewords around them.

use std::collections::HashMap;

use gf::Matrix;
use types::CodeParameters;

use super::check::Check;

/// What stands at a position of a codeword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Symbol {
    /// A block that can be read, or an anchor: the caller's handle for it.
    Known(u32),
    /// The missing block of this number.
    Unknown(u32),
}

/// Why a codeword is refused, or a system cannot be solved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProblemError {
    /// Not as many symbols as the parameters say.
    #[error("a codeword of {parameters} has {expected} symbols, not {found}")]
    Symbols {
        /// The parameters.
        parameters: CodeParameters,
        /// `t + p`.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// An unknown that the problem does not have.
    #[error("unknown {unknown} of {unknowns}")]
    Unknown {
        /// The number that was given.
        unknown: u32,
        /// How many unknowns there are.
        unknowns: u32,
    },
    /// The same unknown at two positions of one codeword.
    #[error("unknown {0} stands twice in one codeword")]
    Twice(u32),
    /// The generator lacks the property that every construction of it must have.
    #[error("the generator of {0} is not MDS")]
    NotMds(CodeParameters),
    /// More than fits the plan's 32-bit numbers.
    #[error("too many values for one plan; solve fewer codewords at once")]
    TooLarge,
}

/// Unknown blocks and the codewords around them, all of one length class (or of several: what shares no unknown is
/// solved apart).
#[derive(Debug, Default)]
pub struct Problem {
    unknowns: u32,
    checks: Vec<Check>,
    shapes: HashMap<CodeParameters, usize>,
    /// For each codeword, its shape and where its symbols begin.
    codewords: Vec<(usize, usize)>,
    symbols: Vec<Symbol>,
}

/// A codeword and the equations of its shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Codeword<'a> {
    pub(super) check: &'a Check,
    pub(super) symbols: &'a [Symbol],
}

impl Codeword<'_> {
    /// How many equations it gives.
    pub(super) fn e(&self) -> usize {
        self.check.equations()
    }

    /// Its unknowns.
    pub(super) fn unknowns(&self) -> impl Iterator<Item = usize> + '_ {
        self.symbols.iter().filter_map(|symbol| match symbol {
            Symbol::Unknown(unknown) => Some(*unknown as usize),
            Symbol::Known(_) => None,
        })
    }

    /// The positions of the unknowns for which `wanted` holds.
    pub(super) fn positions(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        let is_wanted = |symbol: &Symbol| matches!(symbol, Symbol::Unknown(u) if wanted(*u as usize));
        self.symbols.iter().enumerate().filter(|(_, symbol)| is_wanted(symbol)).map(|(at, _)| at).collect()
    }

    /// The unknown at a position that has one.
    pub(super) fn unknown(&self, position: usize) -> usize {
        match self.symbols[position] {
            Symbol::Unknown(unknown) => unknown as usize,
            Symbol::Known(_) => usize::MAX,
        }
    }

    /// The equations, solved for the positions `first` and, as far as these are fewer than the equations, for known
    /// ones, which spares reading them.
    pub(super) fn solved_for(&self, first: &[usize]) -> Result<Matrix, ProblemError> {
        let known = |position: &usize| matches!(self.symbols[*position], Symbol::Known(_));
        let (known, unknown): (Vec<usize>, Vec<usize>) =
            (0..self.symbols.len()).rev().filter(|position| !first.contains(position)).partition(known);
        let pivots: Vec<usize> = first.iter().copied().chain(known).chain(unknown).take(self.e()).collect();
        self.check.solved_for(&pivots).ok_or(ProblemError::NotMds(self.check.parameters()))
    }
}

impl Problem {
    /// A problem with unknowns `0..unknowns` and no codewords yet.
    #[must_use]
    pub fn new(unknowns: u32) -> Self {
        Self { unknowns, ..Self::default() }
    }

    /// How many unknowns there are.
    #[must_use]
    pub fn unknowns(&self) -> u32 {
        self.unknowns
    }

    /// Adds a codeword: its `t + p` symbols, pointers first, as they stand in it.
    ///
    /// Those without unknowns may be added and say nothing.
    pub fn codeword(&mut self, parameters: CodeParameters, symbols: &[Symbol]) -> Result<(), ProblemError> {
        self.validate(parameters, symbols)?;
        if parameters.e() == 0 || !symbols.iter().any(|symbol| matches!(symbol, Symbol::Unknown(_))) {
            return Ok(());
        }
        let shape = self.shape(parameters)?;
        self.codewords.push((shape, self.symbols.len()));
        self.symbols.extend_from_slice(symbols);
        Ok(())
    }

    fn validate(&self, parameters: CodeParameters, symbols: &[Symbol]) -> Result<(), ProblemError> {
        if symbols.len() != parameters.symbols() {
            let (expected, found) = (parameters.symbols(), symbols.len());
            return Err(ProblemError::Symbols { parameters, expected, found });
        }
        for (at, symbol) in symbols.iter().enumerate() {
            let Symbol::Unknown(unknown) = *symbol else { continue };
            if unknown >= self.unknowns {
                return Err(ProblemError::Unknown { unknown, unknowns: self.unknowns });
            }
            if symbols[..at].contains(symbol) {
                return Err(ProblemError::Twice(unknown));
            }
        }
        Ok(())
    }

    fn shape(&mut self, parameters: CodeParameters) -> Result<usize, ProblemError> {
        if let Some(&shape) = self.shapes.get(&parameters) {
            return Ok(shape);
        }
        self.checks.push(Check::new(parameters).ok_or(ProblemError::NotMds(parameters))?);
        let shape = self.checks.len() - 1;
        self.shapes.insert(parameters, shape);
        Ok(shape)
    }

    /// How many codewords with unknowns and equations there are.
    pub(super) fn codewords(&self) -> usize {
        self.codewords.len()
    }

    /// Codeword `index`.
    pub(super) fn get(&self, index: usize) -> Codeword<'_> {
        let (shape, start) = self.codewords[index];
        let check = &self.checks[shape];
        Codeword { check, symbols: &self.symbols[start..start + check.parameters().symbols()] }
    }

    /// For each unknown, the codewords that it is in.
    pub(super) fn around(&self) -> Vec<Vec<usize>> {
        let mut around = vec![Vec::new(); self.unknowns as usize];
        for index in 0..self.codewords() {
            self.get(index).unknowns().for_each(|unknown| around[unknown].push(index));
        }
        around
    }
}
