//! Who answers, who is silent, and whose copies count as lost.
//!
//! A node that does not answer is unknown, never empty. Since when a node is gone is kept in the metadata store, so
//! that a grace time outlasts the process.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use metadata::MetadataStore;
use types::{BlockId, DocumentId, ErrorKind, NodeIndex, NodeName, Timestamp};

use crate::core::Core;
use crate::error::Error;

/// How long a node must be gone before its copies count as lost; `None` is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingPolicy {
    /// Its store carries no marker or another's (emptied, replaced, mixed up), or it is no longer configured.
    pub denied_after: Option<Duration>,
    /// It does not answer.
    pub silent_after: Option<Duration>,
}

impl Default for StandingPolicy {
    /// Replaced stores are lost at once; silent ones may come back.
    fn default() -> Self {
        Self { denied_after: Some(Duration::ZERO), silent_after: None }
    }
}

/// What is known of a node's copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The node answers for them.
    Answers,
    /// They may be there: the node does not answer, for this reason.
    Unknown(ErrorKind),
    /// They count as lost, for this reason.
    Lost(ErrorKind),
}

/// A storage node and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStanding {
    /// Its name.
    pub name: NodeName,
    /// Its number.
    pub index: NodeIndex,
    /// What is known of its copies.
    pub standing: Standing,
    /// Since when it is gone.
    pub since: Option<Timestamp>,
}

/// The standing of every node that was ever registered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster {
    nodes: BTreeMap<NodeIndex, NodeStanding>,
}

impl Roster {
    /// Asks every node.
    pub(crate) async fn call(core: &Core, policy: StandingPolicy) -> Result<Self, Error> {
        let records = core.metadata.nodes().await?;
        let unattached: HashSet<NodeName> = core.nodes.unattached().map(|node| node.name.clone()).collect();
        let ask = async |index, name: NodeName| {
            let gone = core.why_gone(index, &name, &unattached).await;
            let since = since(&*core.metadata, &name, gone, core.clock.now()).await?;
            let standing = policy.standing(gone, since, core.clock.now());
            Ok::<_, Error>(NodeStanding { name, index, standing, since })
        };
        let asked = join_all(records.into_iter().map(|record| ask(record.index, record.name))).await;
        let nodes = asked.into_iter().map(|node| node.map(|node| (node.index, node)));
        Ok(Self { nodes: nodes.collect::<Result<_, _>>()? })
    }

    /// What is known of the copies on a node. One that was never registered cannot have any.
    pub(crate) fn standing(&self, index: NodeIndex) -> Standing {
        self.nodes.get(&index).map_or(Standing::Lost(ErrorKind::NotFound), |node| node.standing)
    }

    pub(crate) fn answers(&self, index: NodeIndex) -> bool {
        self.standing(index) == Standing::Answers
    }

    pub(crate) fn is_lost(&self, index: NodeIndex) -> bool {
        matches!(self.standing(index), Standing::Lost(_))
    }

    /// Takes a node that just failed for silent: nothing more is concluded from it.
    pub(crate) fn silence(&mut self, index: NodeIndex, kind: ErrorKind) {
        if let Some(node) = self.nodes.get_mut(&index).filter(|node| node.standing == Standing::Answers) {
            node.standing = Standing::Unknown(kind);
        }
    }

    /// The nodes that answer.
    pub(crate) fn answering(&self) -> impl Iterator<Item = NodeIndex> + '_ {
        self.nodes.values().filter(|node| node.standing == Standing::Answers).map(|node| node.index)
    }

    pub(crate) fn name(&self, index: NodeIndex) -> Option<NodeName> {
        self.nodes.get(&index).map(|node| node.name.clone())
    }

    pub(crate) fn standings(&self) -> Vec<NodeStanding> {
        self.nodes.values().cloned().collect()
    }
}

impl StandingPolicy {
    fn standing(self, gone: Option<ErrorKind>, since: Option<Timestamp>, now: Timestamp) -> Standing {
        let (Some(kind), Some(since)) = (gone, since) else { return Standing::Answers };
        let grace = if kind == ErrorKind::Denied { self.denied_after } else { self.silent_after };
        match grace {
            Some(grace) if since.after(grace) <= now => Standing::Lost(kind),
            Some(_) | None => Standing::Unknown(kind),
        }
    }
}

impl Core {
    /// `None` if the node answers for its blocks.
    async fn why_gone(
        &self,
        index: NodeIndex,
        name: &NodeName,
        unattached: &HashSet<NodeName>,
    ) -> Option<ErrorKind> {
        if let Some(node) = self.nodes.get(index) {
            // A node may only say that it lacks a block after a look at its marker.
            let nobody = BlockId::new(DocumentId::from_bytes([0; 16]), 0, 0);
            let answer = node.store.stat(&nobody).await;
            self.nodes.observe(node, None, &answer);
            return answer.err().map(|error| error.kind()).filter(|kind| *kind != ErrorKind::NotFound);
        }
        if !unattached.contains(name) {
            return Some(ErrorKind::Denied);
        }
        let node = self.nodes.unattached().find(|node| node.name == *name)?;
        match node.store.identity().await {
            // With the right marker it would be attached at the next attempt: it is on its way back.
            Ok(Some(found)) if found.archive == self.info.id && found.node == *name => {
                Some(ErrorKind::Unavailable)
            }
            Ok(_) => Some(ErrorKind::Denied),
            Err(error) => Some(error.kind()),
        }
    }
}

/// Since when a node is gone, which is written down; a node that answers is forgotten.
async fn since(
    metadata: &dyn MetadataStore,
    name: &NodeName,
    gone: Option<ErrorKind>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let key = format!("node-gone/{name}");
    let known = metadata.state(&key).await?;
    let parse = |bytes: &Vec<u8>| bytes.as_slice().try_into().ok().map(i64::from_le_bytes);
    let written = match (gone, &known) {
        (Some(_), Some(known)) => return Ok(Some(parse(known).map_or(now, Timestamp::from_millis))),
        (None, None) => return Ok(None),
        (Some(_), None) => metadata.set_state(&key, None, Some(&now.as_millis().to_le_bytes())).await,
        (None, Some(known)) => metadata.set_state(&key, Some(known), None).await,
    };
    if let Err(error) = written
        && error.kind() != ErrorKind::Conflict
    {
        return Err(error.into());
    }
    Ok(gone.map(|_| now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grace_decides_and_silence_is_not_loss() {
        let policy = StandingPolicy { denied_after: Some(Duration::from_secs(60)), silent_after: None };
        let time = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let standing = |gone, now| policy.standing(gone, gone.map(|_| time(100)), time(now));
        assert_eq!(standing(None, 500), Standing::Answers);
        assert_eq!(standing(Some(ErrorKind::Denied), 159), Standing::Unknown(ErrorKind::Denied));
        assert_eq!(standing(Some(ErrorKind::Denied), 160), Standing::Lost(ErrorKind::Denied));
        assert_eq!(standing(Some(ErrorKind::Timeout), 1 << 40), Standing::Unknown(ErrorKind::Timeout));
    }
}
