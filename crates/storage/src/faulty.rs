//! A storage node that fails on purpose, for tests.
//!
//! Faults are switched on and off while it runs, each with a probability, from a [`Faults`] handle; the dice
//! come from a seed. What is built on storage nodes must survive all of them, each on as many nodes at once as the
//! code can miss symbols (`p - s`), and recover when they cease:
//!
//! | fault | what the node does | what must hold |
//! | --- | --- | --- |
//! | [`Fault::Down`] | answers everything with `Unavailable` | reads use other symbols; writes go elsewhere, or fail whole |
//! | [`Fault::Slow`] | answers after a delay | reads are hedged: it costs little time |
//! | [`Fault::Hung`] | never answers | a deadline ends it; nothing waits for ever |
//! | [`Fault::Full`] | refuses to write | as down, for writes |
//! | [`Fault::Corrupting`] | flips a bit of what it returns | no wrong byte is sent; the damage is recorded |
//! | [`Fault::Truncating`] | returns the beginning only | the same |
//! | [`Fault::OtherBlock`] | returns another block, unharmed | the same: a block must be the one asked for |
//! | [`Fault::LosingWrites`] | acknowledges a write and forgets it | the block is found missing and rebuilt |
//! | [`Fault::FailingAfterWrite`] | writes, then answers `Unavailable` | an unacknowledged block harms nobody |
//!
//! What need not be survived: the same on more nodes at once than the code allows. Then reads fail with an
//! error, and still never with wrong bytes.

use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use types::{BlockId, DocumentId, Error, ErrorKind, NodeName, Result};

use crate::{Block, BlockStat, BlockStore, NodeIdentity};

/// One way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Every operation fails with `Unavailable`.
    Down,
    /// Every operation takes a delay more ([`Faults::set_delay`]).
    Slow,
    /// No operation is ever answered.
    Hung,
    /// Puts fail with `Unavailable`, and nothing is written.
    Full,
    /// One bit of a block that is read is another.
    Corrupting,
    /// A block that is read is shorter than it is.
    Truncating,
    /// Another block is read than the one asked for, if the node has another.
    OtherBlock,
    /// Puts succeed, and nothing is written.
    LosingWrites,
    /// Puts fail with `Unavailable`, and the block is written.
    FailingAfterWrite,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 9] = [
        Self::Down,
        Self::Slow,
        Self::Hung,
        Self::Full,
        Self::Corrupting,
        Self::Truncating,
        Self::OtherBlock,
        Self::LosingWrites,
        Self::FailingAfterWrite,
    ];
}

/// The switches of a [`Faulty`] store. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Faults {
    shared: Arc<Switches>,
}

#[derive(Debug)]
struct Switches {
    dials: [Dial; Fault::ALL.len()],
    delay_micros: AtomicU64,
    dice: Mutex<StdRng>,
}

#[derive(Debug, Default)]
struct Dial {
    /// The bits of the probability, an `f64`.
    probability: AtomicU64,
    injected: AtomicU64,
}

impl Faults {
    fn new(seed: u64) -> Self {
        let dials = std::array::from_fn(|_| Dial::default());
        let dice = Mutex::new(StdRng::seed_from_u64(seed));
        Self { shared: Arc::new(Switches { dials, delay_micros: AtomicU64::new(100_000), dice }) }
    }

    /// From now on `fault` strikes with this probability: 0 is never, 1 is always.
    pub fn set(&self, fault: Fault, probability: f64) {
        let bits = probability.clamp(0.0, 1.0).to_bits();
        self.dial(fault).probability.store(bits, Ordering::Relaxed);
    }

    /// How long [`Fault::Slow`] delays; 100 ms at first.
    pub fn set_delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.shared.delay_micros.store(micros, Ordering::Relaxed);
    }

    /// No faults from now on. Operations that hang already hang on.
    pub fn clear(&self) {
        for fault in Fault::ALL {
            self.set(fault, 0.0);
        }
    }

    /// How often `fault` struck.
    #[must_use]
    pub fn injected(&self, fault: Fault) -> u64 {
        self.dial(fault).injected.load(Ordering::Relaxed)
    }

    /// How often any fault struck.
    #[must_use]
    pub fn injected_total(&self) -> u64 {
        Fault::ALL.into_iter().map(|fault| self.injected(fault)).sum()
    }

    fn dial(&self, fault: Fault) -> &Dial {
        let [down, slow, hung, full, corrupting, truncating, other_block, losing_writes, failing_after_write] =
            &self.shared.dials;
        match fault {
            Fault::Down => down,
            Fault::Slow => slow,
            Fault::Hung => hung,
            Fault::Full => full,
            Fault::Corrupting => corrupting,
            Fault::Truncating => truncating,
            Fault::OtherBlock => other_block,
            Fault::LosingWrites => losing_writes,
            Fault::FailingAfterWrite => failing_after_write,
        }
    }

    /// Throws the dice, and counts.
    fn strikes(&self, fault: Fault) -> bool {
        let strikes = self.would_strike(fault);
        if strikes {
            self.count(fault);
        }
        strikes
    }

    fn would_strike(&self, fault: Fault) -> bool {
        let probability = f64::from_bits(self.dial(fault).probability.load(Ordering::Relaxed));
        probability > 0.0 && self.throw(|dice| dice.random_bool(probability))
    }

    fn count(&self, fault: Fault) {
        self.dial(fault).injected.fetch_add(1, Ordering::Relaxed);
    }

    fn throw<T>(&self, throw: impl FnOnce(&mut StdRng) -> T) -> T {
        throw(&mut self.shared.dice.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A store that fails on purpose. Cloning shares it.
#[derive(Clone)]
pub struct Faulty {
    inner: Arc<dyn BlockStore>,
    faults: Faults,
}

/// As the store inside: a decorator is of no interest where an error names a store.
impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Faulty {
    /// `inner`, with all faults switched off; `seed` is for the dice.
    #[must_use]
    pub fn new(inner: Arc<dyn BlockStore>, seed: u64) -> Self {
        Self { inner, faults: Faults::new(seed) }
    }

    /// The switches.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    fn unavailable(&self, message: &str) -> Error {
        Error::new(ErrorKind::Unavailable, self.inner.node(), message)
    }

    /// The faults that any operation meets.
    async fn enter(&self) -> Result<()> {
        if self.faults.strikes(Fault::Slow) {
            let micros = self.faults.shared.delay_micros.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
        if self.faults.strikes(Fault::Hung) {
            pending::<()>().await;
        }
        if self.faults.strikes(Fault::Down) { Err(self.unavailable("injected: down")) } else { Ok(()) }
    }

    /// Another block of the node than `id`, as it stands.
    async fn other_block(&self, id: &BlockId, bytes_max: usize) -> Option<Bytes> {
        let mut others = self.inner.list(None, 16).await.ok()?;
        others.retain(|stat| stat.id != *id);
        if others.is_empty() {
            return None;
        }
        let index = self.faults.throw(|dice| dice.random_range(0..others.len()));
        self.inner.get(&others.get(index)?.id, bytes_max).await.ok()
    }

    fn flip_a_bit(&self, bytes: &Bytes) -> Bytes {
        let mut bytes = bytes.to_vec();
        let bit = self.faults.throw(|dice| dice.random_range(0..bytes.len() * 8));
        if let Some(byte) = bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        bytes.into()
    }
}

#[async_trait]
impl BlockStore for Faulty {
    fn node(&self) -> &NodeName {
        self.inner.node()
    }

    async fn identity(&self) -> Result<Option<NodeIdentity>> {
        self.enter().await?;
        self.inner.identity().await
    }

    async fn claim(&self, identity: &NodeIdentity) -> Result<NodeIdentity> {
        self.enter().await?;
        self.inner.claim(identity).await
    }

    fn attach(&self, identity: NodeIdentity) {
        self.inner.attach(identity);
    }

    async fn put(&self, id: &BlockId, block: &Block) -> Result<()> {
        self.enter().await?;
        if self.faults.strikes(Fault::Full) {
            return Err(self.unavailable("injected: no space left"));
        }
        if self.faults.strikes(Fault::LosingWrites) {
            return Ok(());
        }
        self.inner.put(id, block).await?;
        if self.faults.strikes(Fault::FailingAfterWrite) {
            return Err(self.unavailable("injected: failed after the write"));
        }
        Ok(())
    }

    async fn get(&self, id: &BlockId, bytes_max: usize) -> Result<Bytes> {
        self.enter().await?;
        let mut bytes = self.inner.get(id, bytes_max).await?;
        if self.faults.would_strike(Fault::OtherBlock)
            && let Some(other) = self.other_block(id, bytes_max).await
        {
            self.faults.count(Fault::OtherBlock);
            bytes = other;
        }
        if !bytes.is_empty() && self.faults.strikes(Fault::Truncating) {
            bytes.truncate(self.faults.throw(|dice| dice.random_range(0..bytes.len())));
        }
        if !bytes.is_empty() && self.faults.strikes(Fault::Corrupting) {
            bytes = self.flip_a_bit(&bytes);
        }
        Ok(bytes)
    }

    async fn stat(&self, id: &BlockId) -> Result<BlockStat> {
        self.enter().await?;
        self.inner.stat(id).await
    }

    async fn delete(&self, id: &BlockId) -> Result<()> {
        self.enter().await?;
        self.inner.delete(id).await
    }

    async fn list(&self, after: Option<&BlockId>, limit: usize) -> Result<Vec<BlockStat>> {
        self.enter().await?;
        self.inner.list(after, limit).await
    }

    async fn list_document(&self, document: &DocumentId) -> Result<Vec<BlockStat>> {
        self.enter().await?;
        self.inner.list_document(document).await
    }
}
