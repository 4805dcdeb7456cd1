//! Who repairs what: leases on parts of the archive, so that several repairs at once do little twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use coordination::Lease;
use tokio::sync::Mutex;
use types::CodewordRef;

use crate::abort::AbortOnDrop;
use crate::core::Core;

/// Into how many parts codewords fall.
const PARTS: u64 = 64;
/// For how long a part is held without a sign of life.
const LEASE: Duration = Duration::from_secs(30);

type Held = Arc<Mutex<HashMap<u64, Box<dyn Lease>>>>;

/// The parts that this run holds.
#[derive(Debug)]
pub(crate) struct Turns {
    core: Arc<Core>,
    held: Held,
    _renewal: AbortOnDrop,
}

impl Turns {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        let held = Held::default();
        let renewal = core.runtime.spawn(renew(Arc::clone(&held)));
        Self { core: Arc::clone(core), held, _renewal: AbortOnDrop(renewal) }
    }

    /// Whether the part with this codeword is ours, now if not before. Without a coordinator it is: leases save work,
    /// they do not protect data.
    pub(crate) async fn take(&self, codeword: CodewordRef) -> bool {
        let part = part_of(codeword);
        let mut held = self.held.lock().await;
        if held.contains_key(&part) {
            return true;
        }
        match self.core.coordinator.acquire(&format!("repair/part-{part}"), self.core.owner, LEASE).await {
            Ok(Some(lease)) => {
                held.insert(part, lease);
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(%error, "no lease for a repair; going on without");
                true
            }
        }
    }

    /// Gives all parts back.
    pub(crate) async fn release(&self) {
        for (_, lease) in self.held.lock().await.drain() {
            // What is not released lapses.
            let _ = lease.release().await;
        }
    }
}

/// Consecutive codewords fall into different parts.
fn part_of(codeword: CodewordRef) -> u64 {
    let document = codeword.document;
    (document.sequence ^ u64::from(document.partition.0) << 3).wrapping_add(u64::from(codeword.segment))
        % PARTS
}

async fn renew(held: Held) {
    loop {
        tokio::time::sleep(LEASE / 3).await;
        let mut held = held.lock().await;
        let mut lost = Vec::new();
        for (part, lease) in held.iter() {
            if lease.renew().await.is_err() {
                lost.push(*part);
            }
        }
        held.retain(|part, _| !lost.contains(part));
    }
}
