//! From the equations to the plan: peel, put aside what cannot help, solve what hangs together, come back to what
//! was put aside.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::core::{Core, Scores};
use super::plan::{Core as CoreFigures, Fate, JointPlan};
use super::problem::{Codeword, Problem, ProblemError, Symbol};
use super::program::{Builder, Term, Value};

/// How many random solutions say whether an unknown depends on what is free.
const LANES: usize = 32;

/// An unknown's value in random solutions of the homogeneous system. All zero: the unknown is determined.
pub(super) type Lanes = [u8; LANES];

/// What has been decided about an unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Waiting,
    /// Computed from blocks peeled before it and known ones.
    Peeled,
    /// Computed from inactive unknowns and pivots before it; its number among its core's pivots.
    Pivot(usize),
    /// Its number among its core's inactive unknowns.
    Inactive(usize),
    /// Computed after all cores, by the codeword that was put aside with it.
    Late,
    /// No equation is left for it.
    Free,
}

/// A codeword put aside: at least `e` of its unknowns stand in no other codeword.
struct Aside {
    codeword: usize,
    /// The positions of these unknowns.
    own: Vec<usize>,
}

/// What the planner knows.
pub(super) struct Planner<'p> {
    pub(super) problem: &'p Problem,
    /// For each unknown, its codewords.
    pub(super) around: Vec<Vec<usize>>,
    pub(super) state: Vec<State>,
    /// For each codeword, how many of its unknowns are waiting.
    pub(super) waiting: Vec<usize>,
    /// For each codeword, whether its equations are spent, or put aside.
    pub(super) used: Vec<bool>,
    pub(super) builder: Builder,
    /// For each unknown its value in the solution whose free unknowns are zero; `None` is zero.
    pub(super) values: Vec<Option<Value>>,
    pub(super) lanes: Vec<Lanes>,
    pub(super) rng: StdRng,
    pub(super) scores: Scores,
    dense_bytes: usize,
}

impl Problem {
    /// Determines what can be recovered, and how to recover all of it.
    pub fn plan(&self) -> Result<JointPlan, ProblemError> {
        self.plan_where(|_| true)
    }

    /// Determines what can be recovered, and how to recover those of `wanted` that can be: steps that none of these
    /// needs are left out.
    pub fn plan_for(&self, wanted: &[u32]) -> Result<JointPlan, ProblemError> {
        let mut is_wanted = vec![false; self.unknowns() as usize];
        for &unknown in wanted {
            let unknowns = self.unknowns();
            let place = is_wanted.get_mut(unknown as usize);
            *place.ok_or(ProblemError::Unknown { unknown, unknowns })? = true;
        }
        self.plan_where(|unknown| is_wanted[unknown as usize])
    }

    fn plan_where(&self, wanted: impl Fn(u32) -> bool) -> Result<JointPlan, ProblemError> {
        let mut planner = Planner::new(self);
        planner.peel()?;
        let aside = planner.put_aside();
        let mut cores = Vec::new();
        for (codewords, unknowns) in planner.components() {
            let core = Core::new(&mut planner, codewords, unknowns).solve()?;
            planner.dense_bytes = planner.dense_bytes.max(core.dense_bytes);
            cores.push(core);
        }
        for aside in aside.into_iter().rev() {
            planner.come_back(&aside)?;
        }
        planner.finish(cores, wanted)
    }
}

impl<'p> Planner<'p> {
    fn new(problem: &'p Problem) -> Self {
        let unknowns = problem.unknowns() as usize;
        let waiting = (0..problem.codewords()).map(|index| problem.get(index).unknowns().count()).collect();
        Self {
            problem,
            around: problem.around(),
            state: vec![State::Waiting; unknowns],
            waiting,
            used: vec![false; problem.codewords()],
            builder: Builder::default(),
            values: vec![None; unknowns],
            lanes: vec![[0; LANES]; unknowns],
            scores: Scores::new(unknowns),
            rng: StdRng::seed_from_u64(0x5E1A_6E00),
            dense_bytes: 0,
        }
    }

    pub(super) fn codeword(&self, index: usize) -> Codeword<'p> {
        self.problem.get(index)
    }

    pub(super) fn is_waiting(&self, unknown: usize) -> bool {
        self.state[unknown] == State::Waiting
    }

    /// What the other positions than `solved` are computed from, with their columns; `value` says what an unknown
    /// stands for.
    pub(super) fn terms(
        codeword: Codeword<'p>,
        solved: &[usize],
        value: impl Fn(usize) -> Option<Value>,
    ) -> (Vec<Term>, Vec<usize>) {
        let term = |symbol: &Symbol| match *symbol {
            Symbol::Known(handle) => Some(Term::Known(handle)),
            Symbol::Unknown(unknown) => value(unknown as usize).map(Term::Value),
        };
        let others = codeword.symbols.iter().enumerate().filter(|(column, _)| !solved.contains(column));
        others.filter_map(|(column, symbol)| Some((term(symbol)?, column))).unzip()
    }

    /// Recovers from one codeword after the other that has at most `e` unknowns left.
    fn peel(&mut self) -> Result<(), ProblemError> {
        let decodes = |planner: &Self, index: usize| planner.waiting[index] <= planner.codeword(index).e();
        let mut queue: Vec<usize> =
            (0..self.problem.codewords()).rev().filter(|&index| decodes(self, index)).collect();
        while let Some(index) = queue.pop() {
            let codeword = self.codeword(index);
            let positions = codeword.positions(|unknown| self.is_waiting(unknown));
            if std::mem::replace(&mut self.used[index], true) || positions.is_empty() {
                continue;
            }
            let solved = codeword.solved_for(&positions)?;
            let (terms, columns) = Self::terms(codeword, &positions, |unknown| self.values[unknown]);
            let values =
                self.builder.push(&terms, positions.len(), |row, input| solved.get(row, columns[input]))?;
            for (position, value) in positions.into_iter().zip(values) {
                let unknown = codeword.unknown(position);
                (self.state[unknown], self.values[unknown]) = (State::Peeled, value);
                for &other in &self.around[unknown] {
                    self.waiting[other] -= 1;
                    if !self.used[other] && decodes(self, other) {
                        queue.push(other);
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts aside, again and again, the codewords of which at least `e` unknowns stand in no other codeword: whatever
    /// the other unknowns are, its own can be chosen to satisfy its equations, so it says nothing of the others.
    fn put_aside(&mut self) -> Vec<Aside> {
        let mut degree: Vec<usize> = self
            .around
            .iter()
            .map(|around| around.iter().filter(|&&index| !self.used[index]).count())
            .collect();
        let mut aside = Vec::new();
        let mut queue: Vec<usize> = (0..self.problem.codewords()).collect();
        while let Some(index) = queue.pop() {
            if self.used[index] {
                continue;
            }
            let codeword = self.codeword(index);
            let own = codeword.positions(|unknown| self.is_waiting(unknown) && degree[unknown] == 1);
            if own.len() < codeword.e() {
                continue;
            }
            self.used[index] = true;
            for &position in &own {
                self.state[codeword.unknown(position)] = State::Late;
            }
            aside.push(Aside { codeword: index, own });
            for unknown in codeword.unknowns().filter(|&unknown| self.is_waiting(unknown)) {
                degree[unknown] -= 1;
                if degree[unknown] == 1 {
                    queue.extend(self.around[unknown].iter().copied().filter(|&other| !self.used[other]));
                }
            }
        }
        self.recount();
        aside
    }

    /// Counts anew what waits in each codeword; what waits in none is free.
    fn recount(&mut self) {
        for unknown in 0..self.state.len() {
            let stands = self.around[unknown].iter().any(|&index| !self.used[index]);
            if self.is_waiting(unknown) && !stands {
                self.set_free(unknown);
            }
        }
        for index in 0..self.waiting.len() {
            let codeword = self.codeword(index);
            self.waiting[index] = codeword.unknowns().filter(|&unknown| self.is_waiting(unknown)).count();
        }
    }

    pub(super) fn set_free(&mut self, unknown: usize) {
        self.state[unknown] = State::Free;
        self.rng.fill_bytes(&mut self.lanes[unknown]);
    }

    /// What is left in components: the codewords and the unknowns of each.
    fn components(&self) -> Vec<(Vec<usize>, Vec<usize>)> {
        let mut components = Vec::new();
        let mut seen = self.used.clone();
        let mut named = vec![false; self.state.len()];
        for start in 0..seen.len() {
            if std::mem::replace(&mut seen[start], true) {
                continue;
            }
            let (mut codewords, mut unknowns) = (vec![start], Vec::new());
            let mut next = 0;
            while let Some(&index) = codewords.get(next) {
                next += 1;
                for unknown in self.codeword(index).unknowns().filter(|&unknown| self.is_waiting(unknown)) {
                    if !std::mem::replace(&mut named[unknown], true) {
                        unknowns.push(unknown);
                        let unseen = |other: &usize| !std::mem::replace(&mut seen[*other], true);
                        codewords.extend(self.around[unknown].iter().copied().filter(unseen));
                    }
                }
            }
            components.push((codewords, unknowns));
        }
        components
    }

    /// Solves a codeword that was put aside for `e` of its own unknowns; the rest of these are free.
    fn come_back(&mut self, aside: &Aside) -> Result<(), ProblemError> {
        let codeword = self.codeword(aside.codeword);
        let (solved_for, free) = aside.own.split_at(codeword.e());
        for &position in free {
            self.set_free(codeword.unknown(position));
        }
        let solved = codeword.solved_for(solved_for)?;
        let (terms, columns) = Self::terms(codeword, solved_for, |unknown| self.values[unknown]);
        let values =
            self.builder.push(&terms, solved_for.len(), |row, input| solved.get(row, columns[input]))?;
        for ((row, &position), value) in solved_for.iter().enumerate().zip(values) {
            self.values[codeword.unknown(position)] = value;
            self.add_lanes(codeword, solved_for, solved.row(row), position);
        }
        Ok(())
    }

    /// Computes the lanes of the unknown at `position` by its row.
    pub(super) fn add_lanes(
        &mut self,
        codeword: Codeword<'p>,
        solved: &[usize],
        row: &[u8],
        position: usize,
    ) {
        let mut sum: Lanes = [0; LANES];
        for (column, symbol) in codeword.symbols.iter().enumerate() {
            if let Symbol::Unknown(unknown) = *symbol
                && row[column] != 0
                && !solved.contains(&column)
            {
                add_scaled(&mut sum, &self.lanes[unknown as usize], row[column]);
            }
        }
        self.lanes[codeword.unknown(position)] = sum;
    }

    fn finish(
        mut self,
        cores: Vec<CoreFigures>,
        wanted: impl Fn(u32) -> bool,
    ) -> Result<JointPlan, ProblemError> {
        let determined: Vec<bool> =
            self.lanes.iter().map(|lanes| lanes.iter().all(|&lane| lane == 0)).collect();
        let (components, undetermined) = self.undetermined(&determined);
        let mut fates = Vec::with_capacity(determined.len());
        let mut outputs = Vec::new();
        for (unknown, number) in (0..self.problem.unknowns()).zip(components) {
            let at = unknown as usize;
            fates.push(match self.state[at] {
                _ if !determined[at] => Fate::Undetermined { component: number },
                State::Peeled => Fate::Peeled,
                _ => Fate::Joint,
            });
            if determined[at] && wanted(unknown) {
                // What is zero whatever the known blocks are is a block like any other.
                let value = self.values[at].map_or_else(|| self.builder.zero(), Ok)?;
                outputs.push((unknown, value));
            }
        }
        let program = self.builder.finish(&outputs);
        let planning_bytes = self.memory_bytes();
        Ok(JointPlan { fates, undetermined, cores, program, planning_bytes })
    }

    fn memory_bytes(&self) -> usize {
        let around: usize =
            self.around.iter().map(|around| size_of_val(around) + size_of_val(&around[..])).sum();
        let unknown = size_of::<State>() + size_of::<Option<Value>>() + size_of::<Lanes>();
        self.builder.memory_bytes() + self.dense_bytes + around + self.state.len() * unknown
    }

    /// For each unknown the number of its component of undetermined ones, and the components' sizes.
    fn undetermined(&self, determined: &[bool]) -> (Vec<u32>, Vec<usize>) {
        const NONE: u32 = u32::MAX;
        let (mut numbers, mut sizes) = (vec![NONE; determined.len()], Vec::new());
        let mut seen = vec![false; self.problem.codewords()];
        let mut number = 0;
        for start in (0..determined.len()).filter(|&unknown| !determined[unknown]) {
            if numbers[start] != NONE {
                continue;
            }
            numbers[start] = number;
            let mut members = vec![start];
            let mut next = 0;
            while let Some(&unknown) = members.get(next) {
                next += 1;
                for &index in &self.around[unknown] {
                    if std::mem::replace(&mut seen[index], true) {
                        continue;
                    }
                    for other in self.codeword(index).unknowns() {
                        if !determined[other] && numbers[other] == NONE {
                            numbers[other] = number;
                            members.push(other);
                        }
                    }
                }
            }
            sizes.push(members.len());
            number += 1;
        }
        (numbers, sizes)
    }
}

/// `sum += factor * lanes`.
pub(super) fn add_scaled(sum: &mut Lanes, lanes: &Lanes, factor: u8) {
    for (to, &from) in sum.iter_mut().zip(lanes) {
        *to ^= gf::field::mul(factor, from);
    }
}
