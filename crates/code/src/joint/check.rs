//! What a codeword says about its symbols alone, its sources being unknown: `e = p - s` equations.
//!
//! Parities are `Y = G_S S + G_X X` with sources `S` and pointers `X`. The rows of `N`, a basis of the left null
//! space of `G_S`, take the sources out: `N Y = N G_X X`, so the check matrix `H = [N G_X | N]`, `e x (t + p)`, has
//! `H (X, Y) = 0`.
//!
//! The symbols are the code punctured at its `s` sources. Puncturing `s <= p` positions leaves an MDS code, of length
//! `t + p` and dimension `k`, so any `e` columns of `H` are independent: the equations can be solved for any `e`
//! symbols.

use gf::Matrix;
use types::CodeParameters;

/// The check matrix of one shape.
#[derive(Debug)]
pub(super) struct Check {
    parameters: CodeParameters,
    matrix: Matrix,
}

impl Check {
    /// `None` if the shape has no generator or the generator is not MDS.
    pub(super) fn new(parameters: CodeParameters) -> Option<Self> {
        let (s, t, p, e) = (parameters.s(), parameters.t(), parameters.p(), parameters.e());
        let generator = gf::generator(parameters.k(), p)?;
        let cells = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
            let row = |r: usize| generator.row(r)[columns.clone()].to_vec();
            Matrix::from_rows(rows.len(), columns.len(), rows.flat_map(row).collect())
        };
        // G_S in two parts: N = [bottom top^-1 | identity].
        let left = cells(s..p, 0..s)?.mul(&cells(0..s, 0..s)?.inverse()?)?;
        let mut null = Matrix::zero(e, p);
        for r in 0..e {
            (0..s).for_each(|c| null.set(r, c, left.get(r, c)));
            null.set(r, s + r, 1);
        }
        let pointers = null.mul(&cells(0..p, s..s + t)?)?;
        let mut matrix = Matrix::zero(e, t + p);
        for r in 0..e {
            (0..t).for_each(|c| matrix.set(r, c, pointers.get(r, c)));
            (0..p).for_each(|c| matrix.set(r, t + c, null.get(r, c)));
        }
        Some(Self { parameters, matrix })
    }

    pub(super) fn parameters(&self) -> CodeParameters {
        self.parameters
    }

    /// `e`.
    pub(super) fn equations(&self) -> usize {
        self.matrix.rows()
    }

    /// The equations combined so that the columns at `pivots`, `e` of them, are the identity.
    pub(super) fn solved_for(&self, pivots: &[usize]) -> Option<Matrix> {
        let e = self.equations();
        let mut square = Matrix::zero(e, e);
        for r in 0..e {
            pivots.iter().enumerate().for_each(|(c, &pivot)| square.set(r, c, self.matrix.get(r, pivot)));
        }
        square.inverse()?.mul(&self.matrix)
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::Code;

    const SHAPES: [(usize, usize, usize); 7] =
        [(1, 10, 3), (1, 5, 3), (2, 7, 5), (1, 2, 2), (3, 3, 5), (1, 0, 2), (2, 3, 2)];

    #[test]
    fn every_codeword_satisfies_the_checks_of_its_shape() {
        let mut rng = StdRng::seed_from_u64(1);
        for (s, t, p) in SHAPES {
            let parameters = CodeParameters::new(s, t, p).unwrap();
            let check = Check::new(parameters).unwrap();
            assert_eq!(check.equations(), p - s);
            let mut data = vec![[0_u8; 1]; s + t];
            for block in &mut data {
                rng.fill_bytes(block);
            }
            let mut parities = vec![[0_u8; 1]; p];
            let inputs: Vec<&[u8]> = data.iter().map(<[u8; 1]>::as_slice).collect();
            let mut outputs: Vec<&mut [u8]> = parities.iter_mut().map(<[u8; 1]>::as_mut_slice).collect();
            Code::new(parameters).unwrap().encode(&inputs, &mut outputs).unwrap();
            for r in 0..p - s {
                let symbols = data[s..].iter().chain(&parities).map(|block| block[0]);
                let sum = symbols
                    .enumerate()
                    .fold(0, |sum, (c, x)| sum ^ gf::field::mul(check.matrix.get(r, c), x));
                assert_eq!(sum, 0, "({s},{t},{p})");
            }
        }
    }

    #[test]
    fn the_checks_can_be_solved_for_any_e_symbols() {
        for (s, t, p) in SHAPES.into_iter().filter(|(s, t, p)| t + p <= 13 && p > s) {
            let check = Check::new(CodeParameters::new(s, t, p).unwrap()).unwrap();
            for mask in (0_u32..1 << (t + p)).filter(|mask| mask.count_ones() as usize == p - s) {
                let pivots: Vec<usize> = (0..t + p).filter(|c| mask >> c & 1 == 1).collect();
                let solved = check.solved_for(&pivots).unwrap();
                for (r, _) in pivots.iter().enumerate() {
                    let cells: Vec<u8> = pivots.iter().map(|&c| solved.get(r, c)).collect();
                    assert!(cells.iter().enumerate().all(|(c, &cell)| cell == u8::from(c == r)));
                }
            }
        }
    }
}
