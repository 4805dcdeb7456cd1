//! One component that peeling left: inactivate few unknowns, solve densely for these, substitute back.

use std::ops::Range;

use gf::{Matrix, Plan};

use super::dense::{Equation, Row, Tableau};
use super::plan::Core as CoreFigures;
use super::planner::{Lanes, Planner, State, add_scaled};
use super::problem::{ProblemError, Symbol};
use super::program::{Term, Value};

/// How many bytes the coefficients of pivots may take while the dense equations are made: these are made for as many
/// columns at a time.
const TILE_BYTES: usize = 64 << 20;

/// How many inactive unknowns one step computes.
const STEP_OUTPUTS: usize = 32;

/// How many more equations than inactive unknowns are tried at first; that a few do not suffice is rare.
const SPARE_EQUATIONS: usize = 32;

/// A codeword solved for its last waiting unknowns.
struct Group {
    codeword: usize,
    /// The positions solved for.
    pivots: Vec<usize>,
    /// The equations: a row for each of these, then those left over.
    solved: Matrix,
}

/// A component and how far it is solved.
pub(super) struct Core<'a, 'p> {
    planner: &'a mut Planner<'p>,
    codewords: Vec<usize>,
    unknowns: Vec<usize>,
    groups: Vec<Group>,
    /// How many pivots the groups have.
    pivots: usize,
    /// The inactive unknowns.
    inactive: Vec<usize>,
    /// The right-hand sides of the equations left over, in the order of groups.
    sides: Vec<Option<Value>>,
    dense_bytes: usize,
}

impl<'a, 'p> Core<'a, 'p> {
    pub(super) fn new(planner: &'a mut Planner<'p>, codewords: Vec<usize>, unknowns: Vec<usize>) -> Self {
        let (groups, inactive, sides) = (Vec::new(), Vec::new(), Vec::new());
        Self { planner, codewords, unknowns, groups, pivots: 0, inactive, sides, dense_bytes: 0 }
    }

    /// Solves the component: values and lanes of all its unknowns, in terms of what is free.
    pub(super) fn solve(mut self) -> Result<CoreFigures, ProblemError> {
        self.triangulate()?;
        self.draft_constants()?;
        let tableau = self.eliminate();
        self.draft_inactive(&tableau)?;
        self.draft_pivots()?;
        let free = tableau.free();
        if !free.is_empty() {
            self.spread_lanes(&tableau, &free);
        }
        Ok(CoreFigures {
            unknowns: self.unknowns.len(),
            codewords: self.codewords.len(),
            inactivated: self.inactive.len(),
            free: free.len(),
            dense_bytes: self.dense_bytes,
        })
    }

    /// Solves codewords with at most `e` waiting unknowns for these and, where there are none, makes an unknown inactive,
    /// until nothing waits.
    fn triangulate(&mut self) -> Result<(), ProblemError> {
        let mut scores = std::mem::take(&mut self.planner.scores);
        for &index in &self.codewords {
            scores.change(self.planner, index, |score, weight| *score += weight);
        }
        let mut candidates = self.unknowns.clone();
        let mut queue = Vec::new();
        loop {
            while let Some(index) = queue.pop() {
                self.solve_codeword(index, &mut scores, &mut queue)?;
            }
            candidates.retain(|&unknown| self.planner.is_waiting(unknown));
            let best = candidates.iter().copied().max_by_key(|&unknown| scores.of[unknown]);
            let Some(unknown) = best else { break };
            self.planner.state[unknown] = State::Inactive(self.inactive.len());
            self.inactive.push(unknown);
            scores.settle(self.planner, unknown, &mut queue);
        }
        self.planner.scores = scores;
        Ok(())
    }

    fn solve_codeword(
        &mut self,
        index: usize,
        scores: &mut Scores,
        queue: &mut Vec<usize>,
    ) -> Result<(), ProblemError> {
        if std::mem::replace(&mut self.planner.used[index], true) {
            return Ok(());
        }
        let codeword = self.planner.codeword(index);
        let pivots = codeword.positions(|unknown| self.planner.is_waiting(unknown));
        let solved = codeword.solved_for(&pivots)?;
        for &position in &pivots {
            let unknown = codeword.unknown(position);
            self.planner.state[unknown] = State::Pivot(self.pivots);
            self.pivots += 1;
            scores.settle(self.planner, unknown, queue);
        }
        self.groups.push(Group { codeword: index, pivots, solved });
        Ok(())
    }

    /// Drafts what pivots, and the right-hand sides of the equations left over, are when the inactive unknowns are zero.
    fn draft_constants(&mut self) -> Result<(), ProblemError> {
        for group in &self.groups {
            let codeword = self.planner.codeword(group.codeword);
            let (terms, columns) =
                Planner::terms(codeword, &group.pivots, |unknown| self.planner.values[unknown]);
            let cell = |row: usize, input: usize| group.solved.get(row, columns[input]);
            let values = self.planner.builder.push(&terms, group.solved.rows(), cell)?;
            let (constants, sides) = values.split_at(group.pivots.len());
            for (&position, &value) in group.pivots.iter().zip(constants) {
                self.planner.values[codeword.unknown(position)] = value;
            }
            self.sides.extend_from_slice(sides);
        }
        Ok(())
    }

    /// Solves the equations left over for the inactive unknowns.
    fn eliminate(&mut self) -> Tableau {
        let columns = self.inactive.len();
        let mut tableau = Tableau::new(columns);
        let batch = columns + SPARE_EQUATIONS;
        let width = (TILE_BYTES / self.pivots.max(1)).clamp(64, columns.max(64));
        self.dense_bytes = width.min(columns) * self.pivots + (columns + batch) * columns;
        for start in (0..self.sides.len()).step_by(batch) {
            if tableau.full() {
                break;
            }
            let ids = start..self.sides.len().min(start + batch);
            let mut equations: Vec<Equation> =
                ids.clone().map(|id| Equation { id, cells: vec![0; columns] }).collect();
            for first in (0..columns).step_by(width) {
                self.dense_columns(&ids, first..columns.min(first + width), &mut equations);
            }
            tableau.add(equations);
        }
        tableau
    }

    /// Fills in the columns `tile` of the equations `ids`: substitutes for pivots what they are in terms of the inactive
    /// unknowns of these columns, group by group.
    fn dense_columns(&self, ids: &Range<usize>, tile: Range<usize>, equations: &mut [Equation]) {
        let mut known: Vec<Vec<u8>> = Vec::with_capacity(self.pivots);
        let mut id = 0;
        for group in &self.groups {
            if id >= ids.end {
                return;
            }
            let mut rows = self.dense_rows(group, &tile, &known);
            let left_over = rows.split_off(group.pivots.len());
            known.extend(rows);
            for row in left_over {
                if let Some(at) = id.checked_sub(ids.start)
                    && let Some(equation) = equations.get_mut(at)
                {
                    equation.cells[tile.clone()].copy_from_slice(&row);
                }
                id += 1;
            }
        }
    }

    /// The rows of a group over the inactive unknowns of columns `tile`; `known` holds those of the pivots before it.
    fn dense_rows(&self, group: &Group, tile: &Range<usize>, known: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let codeword = self.planner.codeword(group.codeword);
        let mut rows = vec![vec![0; tile.len()]; group.solved.rows()];
        let (mut columns, mut inputs): (Vec<usize>, Vec<&[u8]>) = (Vec::new(), Vec::new());
        for (column, symbol) in codeword.symbols.iter().enumerate() {
            let Symbol::Unknown(unknown) = *symbol else { continue };
            match self.planner.state[unknown as usize] {
                State::Pivot(number) if !group.pivots.contains(&column) => {
                    columns.push(column);
                    inputs.push(&known[number]);
                }
                State::Inactive(number) if tile.contains(&number) => {
                    let cells = rows.iter_mut().enumerate();
                    cells.for_each(|(r, row)| row[number - tile.start] = group.solved.get(r, column));
                }
                _ => {}
            }
        }
        let mut factors = Matrix::zero(rows.len(), columns.len());
        for r in 0..rows.len() {
            columns
                .iter()
                .enumerate()
                .for_each(|(c, &column)| factors.set(r, c, group.solved.get(r, column)));
        }
        let mut outputs: Vec<&mut [u8]> = rows.iter_mut().map(Vec::as_mut_slice).collect();
        let done = Plan::new(&factors).accumulate(&inputs, &mut outputs);
        debug_assert!(done.is_ok(), "rows of one length");
        rows
    }

    /// Drafts the inactive unknowns: sums of right-hand sides, the free ones being zero.
    fn draft_inactive(&mut self, tableau: &Tableau) -> Result<(), ProblemError> {
        let side = |row: &Row| Some((Term::Value(self.sides[row.id]?), row.column));
        let (terms, columns): (Vec<_>, Vec<_>) = tableau.rows().iter().filter_map(side).unzip();
        for rows in tableau.rows().chunks(STEP_OUTPUTS) {
            let cell = |row: usize, input: usize| rows[row].cells[columns[input]];
            let values = self.planner.builder.push(&terms, rows.len(), cell)?;
            for (row, value) in rows.iter().zip(values) {
                self.planner.values[self.inactive[row.column]] = value;
            }
        }
        Ok(())
    }

    /// Drafts the pivots: what they are when the inactive unknowns are zero, and the difference that these make. The
    /// difference goes from pivot to pivot, by as few terms as the codeword has unknowns; known blocks need not be
    /// read again.
    fn draft_pivots(&mut self) -> Result<(), ProblemError> {
        let mut differences: Vec<Option<Value>> = vec![None; self.pivots];
        for group in &self.groups {
            let codeword = self.planner.codeword(group.codeword);
            let values = draft_group(self.planner, group, &differences)?;
            let Some((finals, changes)) = values.split_at_checked(group.pivots.len()) else { continue };
            for ((&position, &value), &change) in group.pivots.iter().zip(finals).zip(changes) {
                let unknown = codeword.unknown(position);
                self.planner.values[unknown] = value;
                if let State::Pivot(number) = self.planner.state[unknown] {
                    differences[number] = change;
                }
            }
        }
        Ok(())
    }

    /// Gives the free unknowns random lanes, and all others what follows from them.
    fn spread_lanes(&mut self, tableau: &Tableau, free: &[usize]) {
        for &column in free {
            self.planner.set_free(self.inactive[column]);
        }
        for row in tableau.rows() {
            let mut sum = Lanes::default();
            for &column in free.iter().filter(|&&column| row.cells[column] != 0) {
                add_scaled(&mut sum, &self.planner.lanes[self.inactive[column]], row.cells[column]);
            }
            self.planner.lanes[self.inactive[row.column]] = sum;
        }
        for group in &self.groups {
            let codeword = self.planner.codeword(group.codeword);
            for (row, &position) in group.pivots.iter().enumerate() {
                self.planner.add_lanes(codeword, &group.pivots, group.solved.row(row), position);
            }
        }
    }
}

/// Drafts the pivots of a group, then their differences, which are left out where nothing needs them; nothing if the
/// inactive unknowns make no difference.
fn draft_group(
    planner: &mut Planner<'_>,
    group: &Group,
    differences: &[Option<Value>],
) -> Result<Vec<Option<Value>>, ProblemError> {
    let codeword = planner.codeword(group.codeword);
    let changes = |(column, symbol): (usize, &Symbol)| {
        let Symbol::Unknown(unknown) = *symbol else { return None };
        let change = match planner.state[unknown as usize] {
            State::Inactive(_) => planner.values[unknown as usize],
            State::Pivot(number) if !group.pivots.contains(&column) => differences[number],
            _ => None,
        };
        change.map(|value| (Term::Value(value), column))
    };
    let (mut terms, columns): (Vec<Term>, Vec<usize>) =
        codeword.symbols.iter().enumerate().filter_map(changes).unzip();
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = Vec::new();
    for (row, &position) in group.pivots.iter().enumerate() {
        if let Some(constant) = planner.values[codeword.unknown(position)] {
            terms.push(Term::Value(constant));
            rows.push(row);
        }
    }
    let count = group.pivots.len();
    planner.builder.push(&terms, 2 * count, |row, input| match columns.get(input) {
        Some(&column) => group.solved.get(row % count, column),
        None => u8::from(rows[input - columns.len()] == row),
    })
}

/// How good it is to make an unknown inactive.
#[derive(Default)]
pub(super) struct Scores {
    of: Vec<u32>,
}

impl Scores {
    /// Nothing yet of any of the `unknowns`.
    pub(super) fn new(unknowns: usize) -> Self {
        Self { of: vec![0; unknowns] }
    }

    /// Changes the scores of a codeword's waiting unknowns by what it gives to each: most if it lacks only one to be
    /// solved.
    fn change(&mut self, planner: &Planner<'_>, index: usize, change: impl Fn(&mut u32, u32)) {
        let codeword = planner.codeword(index);
        let weight = match planner.waiting[index].saturating_sub(codeword.e()) {
            0 => 0,
            1 => 1 << 12,
            2 => 1 << 6,
            _ => 1,
        };
        for unknown in codeword.unknowns().filter(|&unknown| planner.is_waiting(unknown)) {
            change(&mut self.of[unknown], weight);
        }
    }

    /// Takes an unknown that no longer waits out of its codewords; those that can be solved now go to `queue`.
    fn settle(&mut self, planner: &mut Planner<'_>, unknown: usize, queue: &mut Vec<usize>) {
        for at in 0..planner.around[unknown].len() {
            let index = planner.around[unknown][at];
            if planner.used[index] {
                continue;
            }
            self.change(planner, index, |score, weight| *score -= weight);
            planner.waiting[index] -= 1;
            self.change(planner, index, |score, weight| *score += weight);
            if planner.waiting[index] <= planner.codeword(index).e() {
                queue.push(index);
            }
        }
    }
}
