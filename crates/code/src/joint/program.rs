//! The block arithmetic as a straight-line program: first with one name per value, then with what is not needed
//! left out and the rest assigned to as few blocks of memory as are in use at once.

use super::plan::{Operand, Output, Program, Step};
use super::problem::ProblemError;

/// A value of the program in the making.
pub(super) type Value = u32;

/// What a value is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    /// A known block.
    Known(u32),
    /// An earlier value.
    Value(Value),
}

#[derive(Debug)]
struct Draft {
    inputs: std::ops::Range<usize>,
    outputs: std::ops::Range<Value>,
    coefficients: usize,
}

/// A program in the making. Every value is written once.
#[derive(Debug, Default)]
pub(super) struct Builder {
    terms: Vec<Term>,
    coefficients: Vec<u8>,
    drafts: Vec<Draft>,
    values: Value,
}

impl Builder {
    /// Adds `rows` sums of products with `inputs`; `None` for a sum that is zero whatever the inputs are.
    pub(super) fn push(
        &mut self,
        inputs: &[Term],
        rows: usize,
        coefficient: impl Fn(usize, usize) -> u8,
    ) -> Result<Vec<Option<Value>>, ProblemError> {
        let (first, start) = (self.values, self.coefficients.len());
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            let before = self.coefficients.len();
            self.coefficients.extend((0..inputs.len()).map(|input| coefficient(row, input)));
            if self.coefficients[before..].iter().any(|&cell| cell != 0) {
                values.push(Some(self.values));
                self.values = self.values.checked_add(1).ok_or(ProblemError::TooLarge)?;
            } else {
                self.coefficients.truncate(before);
                values.push(None);
            }
        }
        if first != self.values {
            let before = self.terms.len();
            self.terms.extend_from_slice(inputs);
            let (inputs, outputs) = (before..self.terms.len(), first..self.values);
            self.drafts.push(Draft { inputs, outputs, coefficients: start });
        }
        Ok(values)
    }

    /// Adds a value that is zero.
    pub(super) fn zero(&mut self) -> Result<Value, ProblemError> {
        let value = self.values;
        self.values = value.checked_add(1).ok_or(ProblemError::TooLarge)?;
        let (inputs, coefficients) = (self.terms.len()..self.terms.len(), self.coefficients.len());
        self.drafts.push(Draft { inputs, outputs: value..self.values, coefficients });
        Ok(value)
    }

    /// How many bytes are allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        self.terms.capacity() * size_of::<Term>()
            + self.coefficients.capacity()
            + self.drafts.capacity() * size_of::<Draft>()
    }

    /// The program that computes `wanted`, pairs of an unknown and its value, and nothing else.
    pub(super) fn finish(&self, wanted: &[(u32, Value)]) -> Program {
        let mut unknown = vec![Output::NONE; self.values as usize];
        for &(block, value) in wanted {
            unknown[value as usize] = block;
        }
        let last = self.last_uses(&unknown);
        let mut slots = Slots { of: vec![0; self.values as usize], ..Slots::default() };
        let mut program = Program::default();
        for (index, draft) in self.drafts.iter().enumerate() {
            self.emit(index, draft, &unknown, &last, &mut slots, &mut program);
        }
        program.working_blocks = slots.count;
        program.shrink();
        program
    }

    /// For each value the draft that uses it last; its own where it is only wanted; `NEVER` where it is not needed.
    fn last_uses(&self, unknown: &[u32]) -> Vec<usize> {
        let mut last = vec![NEVER; self.values as usize];
        for (index, draft) in self.drafts.iter().enumerate().rev() {
            for (row, value) in draft.outputs.clone().enumerate() {
                let value = value as usize;
                if last[value] == NEVER && unknown[value] == Output::NONE {
                    continue;
                }
                if last[value] == NEVER {
                    last[value] = index;
                }
                for (term, _) in self.row(draft, row).filter(|(_, cell)| *cell != 0) {
                    if let Term::Value(input) = term
                        && last[input as usize] == NEVER
                    {
                        last[input as usize] = index;
                    }
                }
            }
        }
        last
    }

    fn row(&self, draft: &Draft, row: usize) -> impl Iterator<Item = (Term, u8)> + '_ {
        let width = draft.inputs.len();
        let cells = &self.coefficients[draft.coefficients + row * width..][..width];
        self.terms[draft.inputs.clone()].iter().copied().zip(cells.iter().copied())
    }

    fn emit(
        &self,
        index: usize,
        draft: &Draft,
        unknown: &[u32],
        last: &[usize],
        slots: &mut Slots,
        program: &mut Program,
    ) {
        let rows = |(_, value): &(usize, Value)| last[*value as usize] != NEVER;
        let rows: Vec<(usize, Value)> = draft.outputs.clone().enumerate().filter(rows).collect();
        if rows.is_empty() {
            return;
        }
        let width = draft.inputs.len();
        let cell = |row: usize, input: usize| self.coefficients[draft.coefficients + row * width + input];
        let used = |input: &usize| rows.iter().any(|&(row, _)| cell(row, *input) != 0);
        let inputs: Vec<usize> = (0..width).filter(used).collect();
        let (operands, outputs) = (program.operands.len(), program.outputs.len());
        let coefficients = program.coefficients.len();
        // Outputs take their blocks before the inputs give theirs up: a step never writes what it reads.
        for &(row, value) in &rows {
            let slot = slots.take(value);
            program.outputs.push(Output { slot, unknown: unknown[value as usize] });
            program.coefficients.extend(inputs.iter().map(|&input| cell(row, input)));
        }
        for input in inputs {
            program.operands.push(match self.terms[draft.inputs.start + input] {
                Term::Known(handle) => Operand::Known(handle),
                Term::Value(value) => {
                    if last[value as usize] == index {
                        slots.give_up(value);
                    }
                    Operand::Slot(slots.of[value as usize])
                }
            });
        }
        rows.iter().filter(|(_, value)| last[*value as usize] == index).for_each(|row| slots.give_up(row.1));
        program.steps.push(Step {
            operands: operands..program.operands.len(),
            outputs: outputs..program.outputs.len(),
            coefficients,
        });
    }
}

/// What `last_uses` says of a value that nothing needs.
const NEVER: usize = usize::MAX;

/// Blocks of working memory.
#[derive(Debug, Default)]
struct Slots {
    of: Vec<u32>,
    spare: Vec<u32>,
    count: u32,
}

impl Slots {
    fn take(&mut self, value: Value) -> u32 {
        let slot = self.spare.pop().unwrap_or(self.count);
        self.count = self.count.max(slot + 1);
        self.of[value as usize] = slot;
        slot
    }

    fn give_up(&mut self, value: Value) {
        self.spare.push(self.of[value as usize]);
    }
}
