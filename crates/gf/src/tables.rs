//! Coefficients, expanded for the instruction that multiplies with them.

use crate::field::mul;

/// The 8x8 bit matrix that multiplies by `coefficient`, as `GF2P8AFFINEQB` wants it: bit `j` of byte `7 - i` says
/// whether bit `j` of the input counts for bit `i` of the product. (The instruction `GF2P8MULB` knows only the
/// polynomial of AES, 0x11B; multiplication by a constant is linear over the bits, whatever the polynomial.)
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) fn affine(coefficient: u8) -> u64 {
    let mut rows = [0; 8];
    for j in 0..8 {
        let column = mul(coefficient, 1 << j);
        for (i, row) in rows.iter_mut().rev().enumerate() {
            *row |= (column >> i & 1) << j;
        }
    }
    u64::from_le_bytes(rows)
}

/// The products of one coefficient with every low and every high half of a byte: their sum is the product with the
/// byte. (J. S. Plank, K. M. Greenan, E. L. Miller, "Screaming fast Galois field arithmetic using Intel SIMD
/// instructions", FAST 2013.)
#[derive(Clone, Copy, Debug)]
#[repr(C, align(32))]
pub(crate) struct Nibbles {
    /// `low[x] = coefficient * x`.
    pub(crate) low: [u8; 16],
    /// `high[x] = coefficient * 16 x`.
    pub(crate) high: [u8; 16],
}

impl Nibbles {
    pub(crate) fn new(coefficient: u8) -> Self {
        let mut tables = Self { low: [0; 16], high: [0; 16] };
        for (x, (low, high)) in (0..16).zip(tables.low.iter_mut().zip(&mut tables.high)) {
            *low = mul(coefficient, x);
            *high = mul(coefficient, x << 4);
        }
        tables
    }

    /// What the vectors of `PSHUFB` and `TBL` compute, for the last bytes.
    #[cfg(test)]
    fn product(&self, byte: u8) -> u8 {
        self.low[usize::from(byte & 15)] ^ self.high[usize::from(byte >> 4)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affine_matrices_multiply() {
        for coefficient in 0..=255 {
            let rows = affine(coefficient).to_le_bytes();
            for x in 0..=255_u8 {
                let bit = |i: usize| u8::from((rows[7 - i] & x).count_ones() % 2 == 1) << i;
                let product = (0..8).fold(0, |bits, i| bits | bit(i));
                assert_eq!(product, mul(coefficient, x), "{coefficient} * {x}");
            }
        }
    }

    #[test]
    fn nibbles_multiply() {
        for coefficient in 0..=255 {
            let tables = Nibbles::new(coefficient);
            for x in 0..=255 {
                assert_eq!(tables.product(x), mul(coefficient, x), "{coefficient} * {x}");
            }
        }
    }
}
