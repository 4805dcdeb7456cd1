//! The dense rest: equations over the inactive columns alone, as a tableau that is exchanged in place.
//!
//! An equation `b = E x` over inactive unknowns `x` becomes, exchanging `b` for one of the `x`, an expression for that
//! unknown; in the tableau the column of the unknown then holds the coefficient of `b`. (Stiefel's exchange step; it
//! yields what Gauss-Jordan elimination of `[E | 1]` does, in half the space.) When no more can be exchanged, the
//! rows are the reduced row echelon form: an unknown's row says which `b` it is a sum of, and which free unknowns, if
//! any, keep it from being determined.

use gf::{Matrix, Plan, field};

/// An equation: the number of its `b`, and its coefficients.
#[derive(Debug)]
pub(super) struct Equation {
    pub(super) id: usize,
    pub(super) cells: Vec<u8>,
}

/// An unknown in terms of the exchanged `b` and the free unknowns.
#[derive(Debug)]
pub(super) struct Row {
    /// The unknown.
    pub(super) column: usize,
    /// The `b` it was exchanged for.
    pub(super) id: usize,
    /// In a column that was exchanged the coefficient of its `b`, in a free one that of its unknown.
    pub(super) cells: Vec<u8>,
}

/// The tableau.
#[derive(Debug)]
pub(super) struct Tableau {
    columns: usize,
    exchanged: Vec<bool>,
    rows: Vec<Row>,
}

impl Tableau {
    /// No equations yet over `columns` unknowns.
    pub(super) fn new(columns: usize) -> Self {
        Self { columns, exchanged: vec![false; columns], rows: Vec::new() }
    }

    /// Whether every unknown is determined, so that more equations say nothing.
    pub(super) fn full(&self) -> bool {
        self.rows.len() == self.columns
    }

    /// The exchanged rows, one for each pivot.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The unknowns that nothing determines.
    pub(super) fn free(&self) -> Vec<usize> {
        (0..self.columns).filter(|&column| !self.exchanged[column]).collect()
    }

    /// Takes in equations, exchanging as many as say something new.
    pub(super) fn add(&mut self, mut equations: Vec<Equation>) {
        for equation in &mut equations {
            self.substitute(&mut equation.cells);
        }
        while let Some(mut equation) = equations.pop() {
            if self.full() {
                return;
            }
            let free = |(&cell, &exchanged): (&u8, &bool)| cell != 0 && !exchanged;
            let Some(column) = equation.cells.iter().zip(&self.exchanged).position(free) else { continue };
            solve_for(&mut equation.cells, column);
            let rows = self.rows.iter_mut().map(|row| &mut row.cells);
            eliminate(column, &equation.cells, rows.chain(equations.iter_mut().map(|e| &mut e.cells)));
            self.exchanged[column] = true;
            self.rows.push(Row { column, id: equation.id, cells: equation.cells });
        }
    }

    /// Puts what the exchanged unknowns are in their place.
    fn substitute(&self, cells: &mut [u8]) {
        let mut factors = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            factors.push(std::mem::take(&mut cells[row.column]));
        }
        let inputs: Vec<&[u8]> = self.rows.iter().map(|row| row.cells.as_slice()).collect();
        accumulate(1, factors, &inputs, &mut [cells]);
    }
}

/// Turns `b = cells x` into what the unknown of `column` is.
fn solve_for(cells: &mut [u8], column: usize) {
    let scale = field::inverse(std::mem::replace(&mut cells[column], 1)).unwrap_or(0);
    for cell in cells {
        *cell = field::mul(*cell, scale);
    }
}

/// Puts `pivot`, which the unknown of `column` is, in its place in `rows`.
fn eliminate<'a>(column: usize, pivot: &[u8], rows: impl Iterator<Item = &'a mut Vec<u8>>) {
    let (mut factors, mut outputs): (Vec<u8>, Vec<&mut [u8]>) = (Vec::new(), Vec::new());
    for row in rows {
        let factor = std::mem::take(&mut row[column]);
        if factor != 0 {
            factors.push(factor);
            outputs.push(row);
        }
    }
    accumulate(factors.len(), factors, &[pivot], &mut outputs);
}

/// `outputs += factors inputs`, `factors` having `rows` rows.
fn accumulate(rows: usize, factors: Vec<u8>, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    if let Some(factors) = Matrix::from_rows(rows, inputs.len(), factors) {
        let done = Plan::new(&factors).accumulate(inputs, outputs);
        debug_assert!(done.is_ok(), "rows of one length");
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    fn product(cells: &[u8], x: &[u8]) -> u8 {
        cells.iter().zip(x).fold(0, |sum, (&a, &b)| sum ^ field::mul(a, b))
    }

    #[test]
    fn rows_express_the_unknowns_by_right_hand_sides_and_free_unknowns() {
        let mut rng = StdRng::seed_from_u64(3);
        for round in 0..500 {
            let columns = rng.random_range(1..9);
            // Few values, so that ranks are often lacking.
            let x: Vec<u8> = (0..columns).map(|_| rng.random()).collect();
            let system: Vec<Vec<u8>> = (0..rng.random_range(0..12))
                .map(|_| (0..columns).map(|_| u8::from(rng.random_ratio(1, 4))).collect())
                .collect();
            let mut tableau = Tableau::new(columns);
            let equations =
                system.iter().enumerate().map(|(id, cells)| Equation { id, cells: cells.clone() });
            let mut equations: Vec<Equation> = equations.collect();
            let later = equations.split_off(equations.len() / 2);
            tableau.add(equations);
            tableau.add(later);
            let mut values = x.clone();
            for row in tableau.rows() {
                values[row.column] = product(&system[row.id], &x);
            }
            for row in tableau.rows() {
                assert_eq!(product(&row.cells, &values), x[row.column], "round {round}");
            }
            assert_eq!(tableau.rows().len() + tableau.free().len(), columns);
        }
    }
}
