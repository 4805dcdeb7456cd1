//! Which archive the nodes say they are of, and opening them for a scan.

use std::sync::Arc;

use metadata::MetadataStore;
use storage::{BlockStore, NodeIdentity};
use types::{ArchiveId, ErrorKind, NodeIndex, NodeName};

use crate::error::Error;
use crate::settings::NodeParts;

/// A node that cannot be scanned, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingNode {
    /// The node.
    pub name: NodeName,
    /// Why.
    pub reason: String,
}

/// What the nodes' markers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// The archive that all of them are of.
    pub archive: ArchiveId,
    /// The nodes that say so.
    pub nodes: Vec<NodeName>,
    /// Nodes that do not answer, or carry no marker.
    pub missing: Vec<MissingNode>,
}

/// An opened node.
#[derive(Debug, Clone)]
pub(super) struct ScanNode {
    pub(super) index: NodeIndex,
    pub(super) name: NodeName,
    pub(super) store: Arc<dyn BlockStore>,
}

/// What is to be done with nodes that the metadata store does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    Register,
    LeaveOut,
}

fn denied(node: &NodeName, message: String) -> Error {
    types::Error::new(ErrorKind::Denied, node, message).into()
}

/// A node's marker; `Err` inside is why there is none to go by. A marker that is another node's is an error: the
/// configuration is mixed up.
async fn marker(node: &NodeParts) -> Result<Result<NodeIdentity, MissingNode>, Error> {
    let missing = |reason: String| Ok(Err(MissingNode { name: node.name.clone(), reason }));
    match node.store.identity().await {
        Ok(Some(found)) if found.node == node.name => Ok(Ok(found)),
        Ok(Some(found)) => Err(denied(&node.name, format!("its store is of {found}"))),
        Ok(None) => missing("its store carries no marker: new, replaced or unmounted".to_owned()),
        Err(error) => missing(error.to_string()),
    }
}

/// Reads the nodes' markers: which archive are they of? `NotFound` if none carries a marker, `Denied` if they disagree.
pub async fn discover(nodes: &[NodeParts]) -> Result<Discovered, Error> {
    let mut first: Option<NodeIdentity> = None;
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for node in nodes {
        let identity = match marker(node).await? {
            Ok(identity) => identity,
            Err(reason) => {
                missing.push(reason);
                continue;
            }
        };
        found.push(node.name.clone());
        match &first {
            Some(first) if first.archive != identity.archive => {
                return Err(denied(&node.name, format!("it is {identity}, but another is {first}")));
            }
            Some(_) => {}
            None => first = Some(identity),
        }
    }
    let Some(first) = first else {
        let message = format!("none of {} storage nodes carries an archive's marker", nodes.len());
        return Err(types::Error::new(ErrorKind::NotFound, "archive", message).into());
    };
    Ok(Discovered { archive: first.archive, nodes: found, missing })
}

/// Opens the nodes of the metadata store's archive; those that cannot be opened are an error, or left out if that is
/// asked for.
pub(super) async fn open(
    nodes: &[NodeParts],
    metadata: &dyn MetadataStore,
    unknown: Unknown,
    without_missing: bool,
) -> Result<(Vec<ScanNode>, Vec<MissingNode>), Error> {
    let (mut opened, mut missing) = (Vec::new(), Vec::new());
    for node in nodes {
        match open_one(node, metadata, unknown).await? {
            Ok(node) => opened.push(node),
            Err(reason) if without_missing => missing.push(reason),
            Err(MissingNode { name, reason }) => {
                return Err(types::Error::new(ErrorKind::Unavailable, name, reason).into());
            }
        }
    }
    Ok((opened, missing))
}

async fn open_one(
    node: &NodeParts,
    metadata: &dyn MetadataStore,
    unknown: Unknown,
) -> Result<Result<ScanNode, MissingNode>, Error> {
    let identity = match marker(node).await? {
        Ok(identity) => identity,
        Err(missing) => return Ok(Err(missing)),
    };
    let archive = metadata.archive().id;
    if identity.archive != archive {
        return Err(denied(
            &node.name,
            format!("its store is of {identity}, the metadata of archive {archive}"),
        ));
    }
    let known = metadata.nodes().await?.into_iter().find(|record| record.name == node.name);
    let record = match (known, unknown) {
        (Some(record), _) => record,
        (None, Unknown::Register) => metadata.register_node(&node.name, identity.incarnation).await?,
        (None, Unknown::LeaveOut) => {
            let reason = "the metadata does not know it".to_owned();
            return Ok(Err(MissingNode { name: node.name.clone(), reason }));
        }
    };
    if record.incarnation != identity.incarnation {
        let message = format!("incarnation {} is known, but its store is {identity}", record.incarnation);
        return Err(denied(&node.name, message));
    }
    node.store.attach(identity);
    Ok(Ok(ScanNode { index: record.index, name: node.name.clone(), store: Arc::clone(&node.store) }))
}
