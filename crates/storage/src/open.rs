//! Opening a node: the one place that decides whether a store is the node that the archive knows.

use types::{ArchiveId, Error, ErrorKind, Incarnation, Result};

use crate::{BlockStore, NodeIdentity};

/// Opens a node for `archive`: checks whose store it is, claims one that is nobody's, and attaches its identity.
///
/// `known` is the incarnation that the archive has recorded for this node, `None` for a node that it has never
/// seen. A store without a marker is claimed, with the incarnation `fresh`, only for a node never seen:
/// otherwise it was replaced or is not mounted, and is never taken for an empty one. `Denied` in that case,
/// and where the store is another archive's, another node's, or of another incarnation.
pub async fn open_node(
    store: &dyn BlockStore,
    archive: ArchiveId,
    known: Option<Incarnation>,
    fresh: Incarnation,
) -> Result<NodeIdentity> {
    let node = store.node().clone();
    let denied = |why: String| Error::new(ErrorKind::Denied, store.node(), format_args!("{store:?}: {why}"));
    let found = match (store.identity().await?, known) {
        (Some(found), _) => found,
        (None, None) => {
            store.claim(&NodeIdentity { archive, node: node.clone(), incarnation: fresh }).await?
        }
        (None, Some(known)) => {
            return Err(denied(format!(
                "expected node {node} of archive {archive} (incarnation {known}), but the store carries no marker: \
                 replaced or unmounted; never taken for an empty one"
            )));
        }
    };
    if found.archive != archive || found.node != node {
        return Err(denied(format!("expected node {node} of archive {archive}, but found {found}")));
    }
    if let Some(known) = known.filter(|known| *known != found.incarnation) {
        return Err(denied(format!(
            "expected node {node} of archive {archive} (incarnation {known}), but found {found}: replaced"
        )));
    }
    store.attach(found.clone());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use types::NodeName;

    use super::*;
    use crate::MemoryStore;

    const ARCHIVE: ArchiveId = ArchiveId::from_bytes([1; 16]);
    const FRESH: Incarnation = Incarnation::from_bytes([2; 16]);
    const OTHER: Incarnation = Incarnation::from_bytes([3; 16]);

    fn store() -> MemoryStore {
        MemoryStore::new(NodeName::new("node-1").unwrap())
    }

    async fn refusal(store: &MemoryStore, archive: ArchiveId, known: Option<Incarnation>) -> String {
        let error = open_node(store, archive, known, FRESH).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(store.list(None, 1).await.is_err(), "a refused store stays closed");
        error.to_string()
    }

    #[tokio::test]
    async fn a_store_never_seen_is_claimed_and_attached() {
        let store = store();
        let identity = open_node(&store, ARCHIVE, None, FRESH).await.unwrap();
        assert_eq!(identity.incarnation, FRESH);
        assert_eq!(store.identity().await.unwrap(), Some(identity));
        assert_eq!(store.list(None, 1).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_known_store_is_opened_again() {
        let store = store();
        let first = open_node(&store, ARCHIVE, None, FRESH).await.unwrap();
        for known in [None, Some(FRESH)] {
            let again = open_node(&store.reopened(), ARCHIVE, known, OTHER).await.unwrap();
            assert_eq!(again, first, "the fresh incarnation is for a claim only");
        }
    }

    #[tokio::test]
    async fn a_known_store_without_a_marker_is_never_claimed() {
        let store = store();
        let text = refusal(&store, ARCHIVE, Some(FRESH)).await;
        assert!(text.contains("never taken for an empty one"), "{text}");
        assert_eq!(store.identity().await.unwrap(), None);
    }

    #[tokio::test]
    async fn another_archives_store_is_refused_by_name() {
        let store = store();
        open_node(&store, ARCHIVE, None, FRESH).await.unwrap();
        let other = ArchiveId::from_bytes([9; 16]);
        let text = refusal(&store.reopened(), other, None).await;
        assert!(text.contains(&ARCHIVE.to_string()) && text.contains(&other.to_string()), "{text}");
    }

    #[tokio::test]
    async fn another_nodes_store_is_refused_by_name() {
        let store = store();
        let node = NodeName::new("node-2").unwrap();
        store.claim(&NodeIdentity { archive: ARCHIVE, node, incarnation: FRESH }).await.unwrap();
        let text = refusal(&store, ARCHIVE, None).await;
        assert!(text.contains("node node-1 of") && text.contains("node node-2 of"), "{text}");
    }

    #[tokio::test]
    async fn another_incarnation_is_refused_as_replaced() {
        let store = store();
        open_node(&store, ARCHIVE, None, FRESH).await.unwrap();
        let text = refusal(&store.reopened(), ARCHIVE, Some(OTHER)).await;
        assert!(text.contains("replaced"), "{text}");
    }
}
