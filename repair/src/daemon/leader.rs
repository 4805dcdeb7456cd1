//! The lease of the leader.

use std::sync::Arc;
use std::time::Duration;

use archive::audit::Cancel;
use coordination::{Coordinator, Lease};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use types::{ErrorKind, OwnerId};

/// The lease's name.
const NAME: &str = "repair/leader";

/// After so long without a sign of life, another may lead.
const TTL: Duration = Duration::from_secs(15);

/// How often to give one: several may be lost.
const RENEW: Duration = Duration::from_secs(4);

/// How often those that stand by look whether nobody leads, and the leader whether it is to pause.
pub(super) const STANDBY: Duration = Duration::from_secs(1);

/// Being the leader. Dropping it ends it.
pub(super) struct Leadership {
    lease: Arc<Mutex<Option<Box<dyn Lease>>>>,
    fence: u64,
    lost: Cancel,
    renewing: JoinHandle<()>,
}

impl Leadership {
    /// Leads, if nobody does.
    pub(super) async fn take(coordinator: &dyn Coordinator, id: OwnerId) -> types::Result<Option<Self>> {
        let Some(lease) = coordinator.acquire(NAME, id, TTL).await? else { return Ok(None) };
        let fence = lease.fence();
        let (lease, lost) = (Arc::new(Mutex::new(Some(lease))), Cancel::new());
        let renewing = tokio::spawn(renew(Arc::clone(&lease), lost.clone()));
        Ok(Some(Self { lease, fence, lost, renewing }))
    }

    /// Larger than every earlier leader's.
    pub(super) fn fence(&self) -> u64 {
        self.fence
    }

    /// Returns when another may lead.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Lets another lead at once.
    pub(super) async fn resign(self) {
        self.renewing.abort();
        if let Some(lease) = self.lease.lock().await.take()
            && let Err(error) = lease.release().await
        {
            tracing::debug!(%error, "the lease was not given back; it ends by itself");
        }
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// Renews the lease until it is lost: to another, or because nobody answers for as long as it lasts.
async fn renew(lease: Arc<Mutex<Option<Box<dyn Lease>>>>, lost: Cancel) {
    let mut renewed = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(RENEW).await;
        let lease = lease.lock().await;
        let Some(lease) = lease.as_ref() else { return };
        match lease.renew().await {
            Ok(()) => renewed = tokio::time::Instant::now(),
            Err(error) if error.kind() != ErrorKind::Conflict && renewed.elapsed() + RENEW < TTL => {
                tracing::warn!(%error, "the leader's lease was not renewed");
            }
            Err(error) => {
                tracing::warn!(%error, "the leader's lease is lost");
                lost.cancel();
                return;
            }
        }
    }
}
