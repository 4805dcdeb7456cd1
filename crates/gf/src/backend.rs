//! Which instructions to multiply with.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::simd::{self, Kernel};

/// One implementation of the kernel. All give the same bytes; they differ in speed and in what they ask of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// x86-64 with GFNI, AVX-512F and AVX-512BW: 64 bytes per `GF2P8AFFINEQB`.
    Gfni512,
    /// x86-64 with GFNI and AVX2: 32 bytes per `GF2P8AFFINEQB`.
    Gfni256,
    /// x86-64 with AVX2: 32 bytes per pair of `PSHUFB`.
    Avx2,
    /// `AArch64`: 16 bytes per pair of `TBL`.
    Neon,
    /// Safe Rust for any machine.
    Portable,
}

impl Backend {
    /// Every backend there is, fastest first.
    const ALL: [Self; 5] = [Self::Gfni512, Self::Gfni256, Self::Avx2, Self::Neon, Self::Portable];

    /// The fastest backend that this machine can run.
    #[must_use]
    pub fn detect() -> Self {
        Self::ALL.into_iter().find(|backend| backend.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this machine can run it. The answer is cached by the standard library, so asking is cheap.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gfni512 => simd::Gfni512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Gfni256 => simd::Gfni256::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => simd::Avx2::detect().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => simd::Neon::detect().is_some(),
            Self::Portable => true,
            #[allow(unreachable_patterns, reason = "which of them are left depends on the target")]
            Self::Gfni512 | Self::Gfni256 | Self::Avx2 | Self::Neon => false,
        }
    }

    /// The backends that this machine can run, fastest first. [`Backend::Portable`] is always the last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|backend| backend.is_available()).collect()
    }

    /// Its name, as in logs and benchmarks.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gfni512 => "gfni-512",
            Self::Gfni256 => "gfni-256",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }
}
