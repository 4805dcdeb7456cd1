//! Damage seen on the way is queued for repair, without holding up whoever saw it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metadata::{Damage, MetadataStore};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Most entries that wait to be written down. An audit finds again what is dropped beyond that.
const QUEUE_MAX: usize = 16 * 1024;
/// Most entries written at once.
const BATCH_MAX: usize = 256;
/// How long to wait after the metadata store refused a batch.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often a batch is tried before it is left to the next audit.
const TRIES: u32 = 10;

/// Takes damage and writes it into the metadata store's repair queue in the background.
#[derive(Debug)]
pub(crate) struct DamageLog {
    sender: mpsc::Sender<Damage>,
    seen: Arc<AtomicU64>,
}

impl DamageLog {
    pub(crate) fn new(metadata: Arc<dyn MetadataStore>, runtime: &Handle) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        runtime.spawn(write_down(receiver, metadata));
        Self { sender, seen: Arc::default() }
    }

    /// Queues what was seen.
    pub(crate) fn record(&self, damage: Damage) {
        self.seen.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(block = %damage.id, node = ?damage.node.map(|node| node.0), kind = ?damage.kind, "damage seen");
        if self.sender.try_send(damage).is_err() {
            tracing::warn!("the queue of damage is full: the next audit finds the rest");
        }
    }

    /// How much damage was seen since the start.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }
}

async fn write_down(mut receiver: mpsc::Receiver<Damage>, metadata: Arc<dyn MetadataStore>) {
    let mut batch = Vec::new();
    while receiver.recv_many(&mut batch, BATCH_MAX).await > 0 {
        for attempt in 1..=TRIES {
            match metadata.record_damage(&batch).await {
                Ok(()) => break,
                Err(error) if attempt == TRIES => {
                    tracing::error!(%error, lost = batch.len(), "damage not queued");
                }
                Err(_) => tokio::time::sleep(RETRY_AFTER).await,
            }
        }
        batch.clear();
    }
}
