//! The parameters of a code, and the lengths that blocks may have.

use std::fmt;

/// `(s, t, p)` of a STeP archive: sources, pointers and parities of a codeword.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodeParameters {
    s: u8,
    t: u8,
    p: u8,
}

/// Why parameters or sizes are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParametersError(String);

impl fmt::Display for ParametersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParametersError {}

impl ParametersError {
    pub(crate) fn from_message(message: String) -> Self {
        Self(message)
    }
}

impl CodeParameters {
    /// `(1, 10, 3)`.
    pub const DEFAULT: Self = Self { s: 1, t: 10, p: 3 };

    /// Checks `1 <= s <= p`, `0 <= t` and `s + t + p <= 256`.
    pub fn new(s: usize, t: usize, p: usize) -> Result<Self, ParametersError> {
        let refuse = |reason: &str| Err(ParametersError(format!("({s},{t},{p}) is no code: {reason}")));
        if s < 1 {
            return refuse("s, the sources, must be at least 1");
        }
        if p < s {
            return refuse("p, the parities, must be at least s: only parities are kept");
        }
        if s.saturating_add(t).saturating_add(p) > 256 {
            return refuse("s + t + p must be at most 256, the size of the field");
        }
        match (u8::try_from(s), u8::try_from(t), u8::try_from(p)) {
            (Ok(s), Ok(t), Ok(p)) => Ok(Self { s, t, p }),
            _ => refuse("each must be at most 255"),
        }
    }

    /// Source blocks of a codeword.
    #[must_use]
    pub const fn s(self) -> usize {
        self.s as usize
    }

    /// Pointer blocks of a codeword.
    #[must_use]
    pub const fn t(self) -> usize {
        self.t as usize
    }

    /// Parity blocks of a codeword.
    #[must_use]
    pub const fn p(self) -> usize {
        self.p as usize
    }

    /// `k = s + t`: how many of a codeword's blocks determine the others.
    #[must_use]
    pub const fn k(self) -> usize {
        self.s as usize + self.t as usize
    }

    /// `t + p`: how many of a codeword's blocks can be read.
    #[must_use]
    pub const fn symbols(self) -> usize {
        self.t as usize + self.p as usize
    }

    /// `e = p - s`: how many symbols may be missing and the segment still decodes.
    #[must_use]
    pub const fn e(self) -> usize {
        (self.p - self.s) as usize
    }

    /// `s`, `t`, `p`, as they stand in a record.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 3] {
        [self.s, self.t, self.p]
    }
}

impl fmt::Display for CodeParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{},{})", self.s, self.t, self.p)
    }
}

impl fmt::Debug for CodeParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The length of a codeword's blocks: a power of two, kept as its exponent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LengthClass(u8);

impl LengthClass {
    /// The smallest class there can be: 64 bytes (one vector, one cache line).
    pub const MIN: Self = Self(6);
    /// The largest class there can be: 64 MiB.
    pub const MAX: Self = Self(26);

    /// The class of blocks of `1 << log2` bytes, 64 bytes to 64 MiB.
    pub fn new(log2: u8) -> Result<Self, ParametersError> {
        if (Self::MIN.0..=Self::MAX.0).contains(&log2) {
            return Ok(Self(log2));
        }
        Err(ParametersError(format!("2^{log2} bytes is no block length: allowed are 2^6 to 2^26")))
    }

    /// The class of blocks of `bytes` bytes, which must be a power of two, 64 bytes to 64 MiB.
    pub fn of_bytes(bytes: u64) -> Result<Self, ParametersError> {
        if bytes.is_power_of_two()
            && let Ok(log2) = u8::try_from(bytes.trailing_zeros())
            && (Self::MIN.0..=Self::MAX.0).contains(&log2)
        {
            return Ok(Self(log2));
        }
        Err(ParametersError(format!(
            "{bytes} bytes is no block length: allowed are powers of two from 64 to 67108864"
        )))
    }

    /// The exponent.
    #[must_use]
    pub const fn log2(self) -> u8 {
        self.0
    }

    /// The length in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        1 << self.0
    }
}

impl fmt::Display for LengthClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes())
    }
}

impl fmt::Debug for LengthClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The range of length classes that new documents are cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSizes {
    min: LengthClass,
    max: LengthClass,
}

impl BlockSizes {
    /// 4 KiB to 1 MiB.
    pub const DEFAULT: Self = Self { min: LengthClass(12), max: LengthClass(20) };

    /// Checks `min <= max`.
    pub fn new(min: LengthClass, max: LengthClass) -> Result<Self, ParametersError> {
        if min <= max {
            return Ok(Self { min, max });
        }
        Err(ParametersError(format!(
            "the smallest block ({min} bytes) is larger than the largest ({max} bytes)"
        )))
    }

    /// The smallest class.
    #[must_use]
    pub const fn min(self) -> LengthClass {
        self.min
    }

    /// The largest class.
    #[must_use]
    pub const fn max(self) -> LengthClass {
        self.max
    }

    /// The smallest class in range whose blocks hold `bytes`, or the largest class.
    #[must_use]
    pub fn holding(self, bytes: u64) -> LengthClass {
        let log2 = bytes.checked_next_power_of_two().map_or(64, u64::trailing_zeros);
        let log2 = u8::try_from(log2).unwrap_or(u8::MAX);
        LengthClass(log2.clamp(self.min.0, self.max.0))
    }

    /// The largest class in range whose blocks are no longer than `bytes`, if there is one.
    #[must_use]
    pub fn within(self, bytes: u64) -> Option<LengthClass> {
        let log2 = u8::try_from(bytes.checked_ilog2()?).unwrap_or(u8::MAX);
        (log2 >= self.min.0).then(|| LengthClass(log2.min(self.max.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_out_of_range_are_refused() {
        assert_eq!(CodeParameters::new(1, 10, 3), Ok(CodeParameters::DEFAULT));
        assert!(CodeParameters::new(1, 0, 255).is_ok());
        for (s, t, p) in [(0, 10, 3), (4, 10, 3), (1, 253, 3), (128, 0, 129), (usize::MAX, 1, usize::MAX)] {
            assert!(CodeParameters::new(s, t, p).is_err(), "({s},{t},{p})");
        }
    }

    #[test]
    fn classes_hold_what_they_say() {
        let sizes = BlockSizes::DEFAULT;
        for (bytes, class) in
            [(0, 4096), (1, 4096), (4096, 4096), (4097, 8192), (1 << 20, 1 << 20), (u64::MAX, 1 << 20)]
        {
            assert_eq!(sizes.holding(bytes).bytes(), class, "{bytes}");
        }
        assert_eq!(sizes.within(4095), None);
        assert_eq!(sizes.within(8191).map(LengthClass::bytes), Some(4096));
        assert_eq!(sizes.within(u64::MAX).map(LengthClass::bytes), Some(1 << 20));
    }
}
