//! Storage nodes: the trait [`BlockStore`], the buffers its answers come in, its backends and decorators.
//!
//! A node keeps opaque bytes under a [`types::BlockId`]. It is not trusted: whoever reads checks what came back.
//! The conformance suite, not the prose, is the contract.
//!
//! The feature `testing` adds what tests need, here and in other crates: the suite (`conformance`) and a store
//! that fails on purpose (`faulty`).

mod block;
mod directory;
mod marker;
mod memory;
mod metered;
mod open;
mod pool;
mod retry;
mod statistics;
mod store;
mod timeout;

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;

pub use block::Block;
pub use directory::DirectoryStore;
pub use memory::MemoryStore;
pub use metered::Metered;
pub use open::open_node;
pub use pool::{BufferPool, PooledBuffer};
pub use retry::{Retry, RetryPolicy};
pub use statistics::{
    FAILURE_HALF_LIFE, LATENCY_BOUNDS, LatencyHistogram, NodeStatistics, Operation, OperationStatistics,
};
pub use store::{BlockStat, BlockStore, NodeIdentity};
pub use timeout::{Deadlines, Timeout};
