//! What can be recovered, how, and what it takes.

use std::ops::Range;

/// What becomes of an unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Recovered from one codeword after the other, each with at most `e` unknowns left.
    Peeled,
    /// Recovered from several codewords together.
    Joint,
    /// Not determined by the equations: some other value of it satisfies them all.
    Undetermined {
        /// Its component, an index into [`JointPlan::undetermined`].
        component: u32,
    },
}

/// Unknowns that hang together after peeling, and what solving them took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Core {
    /// How many unknowns it has.
    pub unknowns: usize,
    /// How many codewords.
    pub codewords: usize,
    /// How many of the unknowns were made inactive: the order of the dense system.
    pub inactivated: usize,
    /// How many of these no equation determines.
    pub free: usize,
    /// The most bytes that solving it took, besides the plan.
    pub dense_bytes: usize,
}

/// Where a step takes an input from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    Known(u32),
    Slot(u32),
}

/// Where a step puts an output, and which unknown it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) slot: u32,
    pub(super) unknown: u32,
}

impl Output {
    /// The `unknown` of an output that is none.
    pub(super) const NONE: u32 = u32::MAX;
}

/// `outputs = coefficients x operands`.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) operands: Range<usize>,
    pub(super) outputs: Range<usize>,
    /// Where its coefficients begin; row by row.
    pub(super) coefficients: usize,
}

/// Steps over blocks of working memory, in the order to take them.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) operands: Vec<Operand>,
    pub(super) outputs: Vec<Output>,
    pub(super) coefficients: Vec<u8>,
    pub(super) steps: Vec<Step>,
    pub(super) working_blocks: u32,
}

impl Program {
    pub(super) fn shrink(&mut self) {
        self.operands.shrink_to_fit();
        self.outputs.shrink_to_fit();
        self.coefficients.shrink_to_fit();
        self.steps.shrink_to_fit();
    }

    /// The handles that a step reads, in the order of its operands.
    pub(super) fn known(&self, step: &Step) -> impl Iterator<Item = u32> + '_ {
        self.operands[step.operands.clone()].iter().filter_map(|operand| match operand {
            Operand::Known(handle) => Some(*handle),
            Operand::Slot(_) => None,
        })
    }

    fn memory_bytes(&self) -> usize {
        self.operands.capacity() * size_of::<Operand>()
            + self.outputs.capacity() * size_of::<Output>()
            + self.coefficients.capacity()
            + self.steps.capacity() * size_of::<Step>()
    }
}

/// Reads that a plan makes of known blocks, in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// How many different blocks.
    pub distinct: usize,
    /// How many in all: a block is read once for each codeword that is used and has it.
    pub total: usize,
}

/// Which unknowns the equations determine, and steps that compute these; made by [`Problem::plan`](super::Problem::plan).
#[derive(Debug)]
pub struct JointPlan {
    pub(super) fates: Vec<Fate>,
    pub(super) undetermined: Vec<usize>,
    pub(super) cores: Vec<Core>,
    pub(super) program: Program,
    pub(super) planning_bytes: usize,
}

impl JointPlan {
    /// What becomes of each unknown.
    #[must_use]
    pub fn fates(&self) -> &[Fate] {
        &self.fates
    }

    /// What becomes of this unknown; `None` if there is no such.
    #[must_use]
    pub fn fate(&self, unknown: u32) -> Option<Fate> {
        self.fates.get(unknown as usize).copied()
    }

    /// How many unknowns are recovered.
    #[must_use]
    pub fn recovered(&self) -> usize {
        self.fates.len() - self.undetermined.iter().sum::<usize>()
    }

    /// The components of what is not determined, by how many unknowns they have: two hang together if a codeword has
    /// both.
    #[must_use]
    pub fn undetermined(&self) -> &[usize] {
        &self.undetermined
    }

    /// The components that peeling left and that were solved jointly, determined or not.
    #[must_use]
    pub fn cores(&self) -> &[Core] {
        &self.cores
    }

    /// How many blocks (or tiles of blocks) of working memory the steps need at once.
    #[must_use]
    pub fn working_blocks(&self) -> usize {
        self.program.working_blocks as usize
    }

    /// How many bytes executing the plan takes with tiles of this length: working memory, and what one step reads.
    #[must_use]
    pub fn working_bytes(&self, tile: usize) -> usize {
        let read = self.program.steps.iter().map(|step| self.program.known(step).count()).max().unwrap_or(0);
        (self.working_blocks() + read) * tile
    }

    /// The longest tile, a multiple of 64 bytes, with which executing the plan takes at most `budget` bytes; 64 if
    /// there is none.
    #[must_use]
    pub fn tile_within(&self, budget: usize) -> usize {
        let tile = budget / self.working_bytes(1).max(1);
        (tile & !63).max(64)
    }

    /// How many bytes the plan itself takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.program.memory_bytes()
            + self.fates.capacity() * size_of::<Fate>()
            + self.undetermined.capacity() * size_of::<usize>()
            + self.cores.capacity() * size_of::<Core>()
    }

    /// How many bytes the planner's own tables took at most while the plan was made.
    #[must_use]
    pub fn planning_bytes(&self) -> usize {
        self.planning_bytes
    }

    /// How many known blocks are read.
    #[must_use]
    pub fn reads(&self) -> Reads {
        let known = |step| self.program.known(step);
        let mut handles: Vec<u32> = self.program.steps.iter().flat_map(known).collect();
        let total = handles.len();
        handles.sort_unstable();
        handles.dedup();
        Reads { distinct: handles.len(), total }
    }

    /// The steps in order: what each reads, and what it recovers.
    pub fn steps(&self) -> impl Iterator<Item = StepView<'_>> {
        self.program.steps.iter().map(|step| StepView { program: &self.program, step })
    }
}

/// A step as a caller sees it.
#[derive(Debug, Clone, Copy)]
pub struct StepView<'a> {
    program: &'a Program,
    step: &'a Step,
}

impl<'a> StepView<'a> {
    /// The handles of the known blocks that it reads, in the order in which [`Run::step`](super::Run::step) takes them.
    pub fn reads(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.program.known(self.step)
    }

    /// The unknowns that are recovered by it.
    pub fn recovers(&self) -> impl Iterator<Item = u32> + use<'a> {
        let outputs = self.program.outputs[self.step.outputs.clone()].iter();
        outputs.map(|output| output.unknown).filter(|&unknown| unknown != Output::NONE)
    }
}
