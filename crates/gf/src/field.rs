//! Scalar arithmetic in GF(2^8), polynomial 0x11D, generator 2: for making plans, not for coding blocks.
//!
//! Multiplication adds logarithms (see J. S. Plank, "A tutorial on Reed-Solomon coding for fault-tolerance in RAID-like
//! systems", 1997, with this polynomial). Addition is `^`.

#![allow(
    clippy::indexing_slicing,
    reason = "a table of 256 or 510 cells indexed by a byte or by the sum of two below 255"
)]

/// x^8 + x^4 + x^3 + x^2 + 1.
const POLYNOMIAL: u16 = 0x11D;

/// How many elements are not zero, and so the order of the generator.
const ORDER: usize = 255;

/// `EXP[i] = 2^i`, twice over, so that the sum of two logarithms needs no reduction.
static EXP: [u8; 2 * ORDER] = exponents();

/// `2^LOG[a] = a`; `LOG[0]` means nothing.
static LOG: [u8; 256] = logarithms();

#[allow(clippy::cast_possible_truncation, reason = "the power is reduced below 256")]
const fn exponents() -> [u8; 2 * ORDER] {
    let mut table = [0; 2 * ORDER];
    let mut power: u16 = 1;
    let mut i = 0;
    while i < 2 * ORDER {
        table[i] = power as u8;
        power <<= 1;
        if power > 0xFF {
            power ^= POLYNOMIAL;
        }
        i += 1;
    }
    table
}

#[allow(clippy::cast_possible_truncation, reason = "i is below 255")]
const fn logarithms() -> [u8; 256] {
    let exponents = exponents();
    let mut table = [0; 256];
    let mut i = 0;
    while i < ORDER {
        table[exponents[i] as usize] = i as u8;
        i += 1;
    }
    table
}

/// The discrete logarithm of `a` to base 2. `a` must not be zero.
const fn log(a: u8) -> usize {
    LOG[a as usize] as usize
}

/// The product of `a` and `b`.
#[must_use]
pub const fn mul(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 { 0 } else { EXP[log(a) + log(b)] }
}

/// The `b` for which `mul(a, b) == 1`; zero has none.
#[must_use]
pub const fn inverse(a: u8) -> Option<u8> {
    if a == 0 { None } else { Some(EXP[ORDER - log(a)]) }
}

/// `a` to the power `n`, where zero to the power zero is one.
#[must_use]
pub const fn pow(a: u8, n: usize) -> u8 {
    if n == 0 {
        1
    } else if a == 0 {
        0
    } else {
        // The order of the group, so that the product of the two cannot overflow.
        EXP[log(a) * (n % ORDER) % ORDER]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shift and add: the definition, without tables.
    fn mul_by_definition(mut a: u8, mut b: u8) -> u8 {
        let mut product = 0;
        while b != 0 {
            if b & 1 != 0 {
                product ^= a;
            }
            a = (a << 1) ^ if a & 0x80 != 0 { 0x1D } else { 0 };
            b >>= 1;
        }
        product
    }

    #[test]
    fn every_product_is_as_defined() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(mul(a, b), mul_by_definition(a, b), "{a} * {b}");
            }
        }
    }

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        assert_eq!(inverse(0), None);
        for a in 1..=255 {
            assert_eq!(inverse(a).map(|b| mul(a, b)), Some(1), "{a}");
        }
    }

    #[test]
    fn power_is_repeated_multiplication() {
        for a in 0..=255 {
            let mut product = 1;
            for n in 0..600 {
                assert_eq!(pow(a, n), product, "{a}^{n}");
                product = mul(product, a);
            }
        }
        assert_eq!(pow(2, usize::MAX), pow(2, usize::MAX % 255));
    }
}
