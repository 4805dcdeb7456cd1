//! A coordinator for one process: tests, and archives that one process serves.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use types::{Error, ErrorKind, OwnerId, Result};

use crate::{Coordinator, Lease, Member, Membership, name};

/// A coordinator for one process. Cloning shares it. Leases end when their time is over.
#[derive(Debug, Clone, Default)]
pub struct LocalCoordinator {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The fence last given out. One counter for all leases, so that nothing is remembered of a released one.
    fence: u64,
    leases: HashMap<String, Held>,
    /// The addresses of members, by group and id.
    groups: HashMap<String, BTreeMap<OwnerId, String>>,
}

#[derive(Debug)]
struct Held {
    fence: u64,
    /// `None` is never: the time to live is beyond the clock's range.
    expires: Option<Instant>,
}

impl Held {
    fn until(fence: u64, ttl: Duration) -> Self {
        Self { fence, expires: Instant::now().checked_add(ttl) }
    }

    fn is_over(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= Instant::now())
    }
}

impl LocalCoordinator {
    /// A coordinator that knows of nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Shared {
    /// The state is valid after every statement, so a panic elsewhere poisons nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Coordinator for LocalCoordinator {
    async fn acquire(&self, name: &str, _owner: OwnerId, ttl: Duration) -> Result<Option<Box<dyn Lease>>> {
        name::check("lease", name)?;
        let mut state = self.shared.lock();
        if state.leases.get(name).is_some_and(|held| !held.is_over()) {
            return Ok(None);
        }
        state.fence += 1;
        let fence = state.fence;
        state.leases.insert(name.to_owned(), Held::until(fence, ttl));
        Ok(Some(Box::new(LocalLease { shared: Arc::clone(&self.shared), name: name.to_owned(), fence, ttl })))
    }

    async fn join(&self, group: &str, member: Member) -> Result<Box<dyn Membership>> {
        name::check("group", group)?;
        let mut state = self.shared.lock();
        let members = state.groups.entry(group.to_owned()).or_default();
        if members.contains_key(&member.id) {
            let message = format_args!("member {} is there already", member.id).to_string();
            return Err(Error::new(ErrorKind::AlreadyExists, group, message));
        }
        members.insert(member.id, member.address);
        Ok(Box::new(LocalMembership {
            shared: Arc::clone(&self.shared),
            group: group.to_owned(),
            id: member.id,
        }))
    }

    async fn members(&self, group: &str) -> Result<Vec<Member>> {
        name::check("group", group)?;
        let state = self.shared.lock();
        let members = state.groups.get(group).into_iter().flatten();
        Ok(members.map(|(id, address)| Member { id: *id, address: address.clone() }).collect())
    }
}

#[derive(Debug)]
struct LocalLease {
    shared: Arc<Shared>,
    name: String,
    fence: u64,
    ttl: Duration,
}

#[async_trait]
impl Lease for LocalLease {
    fn fence(&self) -> u64 {
        self.fence
    }

    async fn renew(&self) -> Result<()> {
        let mut state = self.shared.lock();
        match state.leases.get_mut(&self.name) {
            Some(held) if held.fence == self.fence && !held.is_over() => {
                *held = Held::until(self.fence, self.ttl);
                Ok(())
            }
            _ => Err(Error::new(ErrorKind::Conflict, &self.name, "the lease was lost: its time was over")),
        }
    }

    async fn release(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for LocalLease {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // A later holder's lease is not ours to give back.
        if state.leases.get(&self.name).is_some_and(|held| held.fence == self.fence) {
            state.leases.remove(&self.name);
        }
    }
}

#[derive(Debug)]
struct LocalMembership {
    shared: Arc<Shared>,
    group: String,
    id: OwnerId,
}

#[async_trait]
impl Membership for LocalMembership {
    async fn leave(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for LocalMembership {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(members) = state.groups.get_mut(&self.group) {
            members.remove(&self.id);
            if members.is_empty() {
                state.groups.remove(&self.group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    fn owner(number: u8) -> OwnerId {
        OwnerId::from_bytes([number; 16])
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_with_its_time() {
        let coordinator = LocalCoordinator::new();
        let old = coordinator.acquire("a", owner(1), TTL).await.unwrap().unwrap();
        tokio::time::advance(TTL.mul_f64(0.999)).await;
        assert!(coordinator.acquire("a", owner(2), TTL).await.unwrap().is_none());
        tokio::time::advance(TTL.mul_f64(0.001)).await;
        assert_eq!(old.renew().await.unwrap_err().kind(), ErrorKind::Conflict);
        let new = coordinator.acquire("a", owner(2), TTL).await.unwrap().unwrap();
        assert!(new.fence() > old.fence());
        assert_eq!(old.renew().await.unwrap_err().kind(), ErrorKind::Conflict);
        old.release().await.unwrap();
        assert!(coordinator.acquire("a", owner(3), TTL).await.unwrap().is_none(), "the new holder's stands");
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewed_lease_outlives_its_first_time() {
        let coordinator = LocalCoordinator::new();
        let lease = coordinator.acquire("a", owner(1), TTL).await.unwrap().unwrap();
        for _ in 0..5 {
            tokio::time::advance(TTL / 2).await;
            lease.renew().await.unwrap();
        }
        assert!(coordinator.acquire("a", owner(2), TTL).await.unwrap().is_none());
    }
}
