//! Small dense matrices, and the generator of the code.

use crate::field;

/// A small dense matrix over GF(2^8), row-major.
///
/// Like a slice, [`row`](Self::row), [`get`](Self::get) and [`set`](Self::set) panic on an index out of bounds:
/// a made-up coefficient would silently code wrong bytes. Nothing else panics.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    cells: Vec<u8>,
}

impl Matrix {
    /// `rows` x `columns` zeros.
    #[must_use]
    pub fn zero(rows: usize, columns: usize) -> Self {
        Self { rows, columns, cells: vec![0; rows * columns] }
    }

    /// `n` x `n`, ones on the diagonal.
    #[must_use]
    pub fn identity(n: usize) -> Self {
        let mut matrix = Self::zero(n, n);
        for i in 0..n {
            matrix.set(i, i, 1);
        }
        matrix
    }

    /// Row after row of `columns` cells. `None` if there are not `rows * columns` cells.
    #[must_use]
    pub fn from_rows(rows: usize, columns: usize, cells: Vec<u8>) -> Option<Self> {
        (rows.checked_mul(columns)? == cells.len()).then_some(Self { rows, columns, cells })
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The cells of row `r`.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "documented to panic, as a slice's index does")]
    pub fn row(&self, r: usize) -> &[u8] {
        assert!(r < self.rows, "row {r} of {}", self.rows);
        &self.cells[r * self.columns..][..self.columns]
    }

    /// The cell in row `r` and column `c`.
    ///
    /// # Panics
    ///
    /// If there is no such cell.
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "documented to panic, as a slice's index does")]
    pub fn get(&self, r: usize, c: usize) -> u8 {
        self.row(r)[c]
    }

    /// Puts `v` in row `r` and column `c`.
    ///
    /// # Panics
    ///
    /// If there is no such cell.
    #[allow(clippy::indexing_slicing, reason = "documented to panic, as a slice's index does")]
    pub fn set(&mut self, r: usize, c: usize, v: u8) {
        self.row_mut(r)[c] = v;
    }

    #[allow(clippy::indexing_slicing, reason = "documented to panic, as a slice's index does")]
    fn row_mut(&mut self, r: usize) -> &mut [u8] {
        assert!(r < self.rows, "row {r} of {}", self.rows);
        &mut self.cells[r * self.columns..][..self.columns]
    }

    /// `self` (a x b) times `other` (b x c): a x c. `None` when the shapes do not fit.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Option<Self> {
        if self.columns != other.rows {
            return None;
        }
        let mut product = Self::zero(self.rows, other.columns);
        for r in 0..self.rows {
            for (c, &factor) in self.row(r).iter().enumerate() {
                add_scaled(product.row_mut(r), other.row(c), factor);
            }
        }
        Some(product)
    }

    /// The matrix whose product with this one is the identity, by Gauss-Jordan elimination. `None` when this one is
    /// singular or not square.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        let n = self.rows;
        if n != self.columns {
            return None;
        }
        let mut left = self.clone();
        let mut right = Self::identity(n);
        for i in 0..n {
            let pivot = (i..n).find(|&r| left.get(r, i) != 0)?;
            left.swap_rows(i, pivot);
            right.swap_rows(i, pivot);
            let scale = field::inverse(left.get(i, i))?;
            left.scale_row(i, scale);
            right.scale_row(i, scale);
            let (left_pivot, right_pivot) = (left.row(i).to_vec(), right.row(i).to_vec());
            for r in (0..n).filter(|&r| r != i) {
                let factor = left.get(r, i);
                add_scaled(left.row_mut(r), &left_pivot, factor);
                add_scaled(right.row_mut(r), &right_pivot, factor);
            }
        }
        Some(right)
    }

    fn swap_rows(&mut self, a: usize, b: usize) {
        for c in 0..self.columns {
            let (at_a, at_b) = (self.get(a, c), self.get(b, c));
            self.set(a, c, at_b);
            self.set(b, c, at_a);
        }
    }

    fn scale_row(&mut self, r: usize, factor: u8) {
        for cell in self.row_mut(r) {
            *cell = field::mul(*cell, factor);
        }
    }
}

/// `row += factor * other`.
fn add_scaled(row: &mut [u8], other: &[u8], factor: u8) {
    if factor != 0 {
        for (cell, &value) in row.iter_mut().zip(other) {
            *cell ^= field::mul(value, factor);
        }
    }
}

/// The parity rows, `p` x `k`, of the systematic code with `k` data and `p` parity symbols that `ReedSolomon::new(k, p)` of
/// the crate `reed-solomon-erasure` uses. `None` if `k` or `p` is zero or `k + p` exceeds 256.
///
/// It is the Vandermonde matrix with `k + p` rows and `k` columns whose row `r` holds the powers `r^c`, times the inverse of
/// its top `k` rows, less the identity that this leaves on top. Any `k` rows of a Vandermonde matrix with distinct `r` are
/// independent, and multiplying by an invertible matrix keeps them so: any `k` symbols decode. (Backblaze's
/// `JavaReedSolomon`; the matrix `(2^r)^c` below an identity, as in ISA-L's `gf_gen_rs_matrix`, has no such guarantee.)
#[must_use]
pub fn generator(k: usize, p: usize) -> Option<Matrix> {
    if k == 0 || p == 0 || k.checked_add(p)? > 256 {
        return None;
    }
    let top = vandermonde(0, k, k)?;
    let bottom = vandermonde(k, p, k)?;
    bottom.mul(&top.inverse()?)
}

/// Rows `first..first + rows` of the matrix `r^c`.
fn vandermonde(first: usize, rows: usize, columns: usize) -> Option<Matrix> {
    let mut matrix = Matrix::zero(rows, columns);
    for r in 0..rows {
        let element = u8::try_from(first + r).ok()?;
        for c in 0..columns {
            matrix.set(r, c, field::pow(element, c));
        }
    }
    Some(matrix)
}
