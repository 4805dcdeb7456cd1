//! Storage nodes: the trait [`BlockStore`], the buffers its answers come in, its backends and decorators.
//!
//! A node keeps opaque bytes under a [`types::BlockId`]. It is not trusted: whoever reads checks what came back.
//! The conformance suite, not the prose, is the contract.

mod block;
mod pool;
mod store;

pub use block::Block;
pub use pool::{BufferPool, PooledBuffer};
pub use store::{BlockStat, BlockStore, NodeIdentity};
