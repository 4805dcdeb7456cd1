//! GF(2^8) kernels: fused multiply-accumulate over many inputs and outputs.
//!
//! A linear code over GF(2^8) spends its time in one operation, `outputs = coefficients x inputs`, where inputs and
//! outputs are blocks of bytes. A [`Plan`] holds the coefficients, expanded once for the machine's best [`Backend`], and
//! is applied to as many blocks as one likes: each input byte is read once per group of outputs, and outputs stay in
//! registers until they are done. `docs/KERNEL.md` tells why it is built as it is, and how fast it is.
//!
//! The field is GF(2)\[x\] / (x^8 + x^4 + x^3 + x^2 + 1), polynomial 0x11D, and [`generator`] gives the parity rows of the
//! crate `reed-solomon-erasure`, which is the oracle of the tests: whatever is coded here can be decoded with it.
//!
//! ```
//! let generator = gf::generator(2, 1).expect("2 + 1 symbols fit the field");
//! let plan = gf::Plan::new(&generator);
//! let mut parity = [0; 5];
//! plan.apply(&[b"hello", b"world"], &mut [&mut parity])?;
//! # let oracle = { let mut shards = [b"hello".to_vec(), b"world".to_vec(), vec![0; 5]];
//! #     reed_solomon_erasure::galois_8::ReedSolomon::new(2, 1).unwrap().encode(&mut shards).unwrap(); shards[2].clone() };
//! # assert_eq!(parity.as_slice(), oracle);
//! # Ok::<(), gf::ShapeError>(())
//! ```
//!
//! **Architecture invariant:** this is the workspace's only crate with `unsafe`, and `src/simd` its only module with it.
//! Nothing here allocates per block, spawns a thread, or knows what a codeword is.

mod backend;
mod error;
pub mod field;
mod groups;
mod matrix;
mod plan;
mod portable;
#[allow(unsafe_code, reason = "intrinsics")]
mod simd;
mod tables;
mod xor;
pub mod yardstick;

pub use backend::Backend;
pub use error::{ShapeError, UnavailableBackend};
pub use matrix::{Matrix, generator};
pub use plan::Plan;
pub use xor::xor;
