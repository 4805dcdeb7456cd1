//! Doing what a plan says, tile by tile, in bounded memory.

use gf::{Matrix, Plan};

use super::plan::{JointPlan, Operand, Output, Program, Step};
use crate::CodeError;

/// The tile that suits most machines: long enough to be worth a read, short enough that a step's inputs stay in the cache.
pub const TILE: usize = 64 << 10;

/// Where known blocks come from and recovered ones go.
pub trait Blocks {
    /// What may go wrong.
    type Error: From<CodeError>;

    /// Fills `into` with the bytes from `offset` on of the known block `handle`.
    fn read(&mut self, handle: u32, offset: usize, into: &mut [u8]) -> Result<(), Self::Error>;

    /// Takes the bytes from `offset` on of the recovered block `unknown`. They count for nothing until the whole
    /// block's hash is checked: a known block may have been wrong.
    fn write(&mut self, unknown: u32, offset: usize, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl JointPlan {
    /// Recovers all determined blocks, which are `length` bytes long, `tile` bytes at a time (the last tile may be
    /// shorter). Takes [`working_bytes`](JointPlan::working_bytes) of memory.
    pub fn execute<B: Blocks>(&self, length: usize, tile: usize, blocks: &mut B) -> Result<(), B::Error> {
        let tile = tile.clamp(1, length.max(1));
        let mut run = Run::new(self, tile);
        let mut inputs: Vec<Vec<u8>> = Vec::new();
        for offset in (0..length).step_by(tile) {
            let end = length.min(offset + tile);
            run.rewind(end - offset);
            for step in self.steps() {
                let mut count = 0;
                for handle in step.reads() {
                    if inputs.len() == count {
                        inputs.push(vec![0; tile]);
                    }
                    blocks.read(handle, offset, &mut inputs[count][..end - offset])?;
                    count += 1;
                }
                let known: Vec<&[u8]> = inputs[..count].iter().map(|input| &input[..end - offset]).collect();
                for (unknown, bytes) in run.step(&known)? {
                    blocks.write(unknown, offset, bytes)?;
                }
            }
        }
        Ok(())
    }
}

/// A plan being executed over one tile after the other, for callers that read and write in their own way: for each of
/// [`JointPlan::steps`] in order, read what it [`reads`](super::StepView::reads) and call [`Run::step`].
///
/// Several may run at once, each over tiles of its own.
#[derive(Debug)]
pub struct Run<'p> {
    program: &'p Program,
    length: usize,
    slots: Vec<Vec<u8>>,
    next: usize,
}

impl<'p> Run<'p> {
    /// Before the first step, with tiles of `length` bytes.
    #[must_use]
    pub fn new(plan: &'p JointPlan, length: usize) -> Self {
        let slots = vec![Vec::new(); plan.working_blocks()];
        Self { program: &plan.program, length, slots, next: 0 }
    }

    /// Goes back to before the first step, for a tile of `length` bytes.
    pub fn rewind(&mut self, length: usize) {
        self.length = length;
        self.next = 0;
    }

    /// Does the next step with the tiles of the blocks that it reads; returns the unknowns recovered by it with their
    /// tiles. After the last step there is nothing to do.
    pub fn step(&mut self, known: &[&[u8]]) -> Result<Vec<(u32, &[u8])>, CodeError> {
        let Some(step) = self.program.steps.get(self.next) else { return Ok(Vec::new()) };
        self.next += 1;
        let targets = &self.program.outputs[step.outputs.clone()];
        let mut outputs: Vec<Vec<u8>> =
            targets.iter().map(|target| std::mem::take(&mut self.slots[target.slot as usize])).collect();
        for output in &mut outputs {
            output.resize(self.length, 0);
        }
        let done = self.apply(step, known, &mut outputs);
        for (target, output) in targets.iter().zip(outputs) {
            self.slots[target.slot as usize] = output;
        }
        done?;
        let recovered = targets.iter().filter(|target| target.unknown != Output::NONE);
        Ok(recovered.map(|target| (target.unknown, self.slots[target.slot as usize].as_slice())).collect())
    }

    fn apply(&self, step: &Step, known: &[&[u8]], outputs: &mut [Vec<u8>]) -> Result<(), CodeError> {
        let shape = |what: String| CodeError::Shape(what);
        let mut left = known.iter();
        let operands = &self.program.operands[step.operands.clone()];
        let mut inputs: Vec<&[u8]> = Vec::with_capacity(operands.len());
        for operand in operands {
            inputs.push(match operand {
                Operand::Known(handle) => {
                    left.next().ok_or_else(|| shape(format!("known block {handle} is lacking")))?
                }
                Operand::Slot(slot) => &self.slots[*slot as usize],
            });
        }
        if left.next().is_some() {
            return Err(shape("more known blocks than the step reads".to_owned()));
        }
        let cells = &self.program.coefficients[step.coefficients..][..inputs.len() * outputs.len()];
        let coefficients = Matrix::from_rows(outputs.len(), inputs.len(), cells.to_vec());
        let coefficients = coefficients.ok_or_else(|| shape("coefficients do not fit".to_owned()))?;
        let mut outputs: Vec<&mut [u8]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        // Tables are made anew for each tile: kept, they would take eight times the plan's memory, and making them
        // costs less than a tenth of a tile's arithmetic.
        Plan::new(&coefficients).apply(&inputs, &mut outputs).map_err(|error| shape(error.to_string()))
    }
}
