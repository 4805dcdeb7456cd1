//! `repair replace-node`: a new, empty store for a known node.

use anyhow::{Context, Result, bail};
use config::Configuration;
use runtime::ExitStatus;
use runtime::backends::StorageNode;
use serde_json::json;
use storage::{BlockStore, NodeIdentity};
use types::{Incarnation, NodeName};
use uuid::Uuid;

use crate::assemble;
use crate::output::Output;

/// Claims the node's store, which must be empty, and makes it the one that the archive knows.
///
/// Killed between the two, it is done again by being run again: an empty store with this node's own marker is taken.
pub(crate) async fn replace(
    configuration: &Configuration,
    name: &NodeName,
    output: &Output,
) -> Result<ExitStatus> {
    let backends = assemble::backends(configuration).await?;
    let is_it = |node: &&StorageNode| node.name == *name;
    let node = backends.nodes.iter().find(is_it).with_context(|| {
        let names: Vec<&str> = backends.nodes.iter().map(|node| node.name.as_str()).collect();
        format!("the configuration has no node {name}; it has {}", names.join(", "))
    })?;
    let known = backends.metadata.nodes().await?.into_iter().find(|record| record.name == *name);
    let Some(known) = known else {
        bail!(
            "the archive has never seen node {name}: nothing is to be replaced, a proxy takes it when it starts"
        );
    };
    let archive = backends.metadata.archive().id;
    let wanted = NodeIdentity {
        archive,
        node: name.clone(),
        incarnation: Incarnation::from_random(Uuid::new_v4().into_bytes()),
    };
    let store: &dyn BlockStore = &*node.store;
    let claimed = match store.identity().await? {
        Some(found) => found,
        None => store.claim(&wanted).await?,
    };
    if claimed.archive != archive || claimed.node != *name {
        bail!("the store of {name} is of {claimed}: it is somebody else's and stays so");
    }
    if claimed.incarnation == known.incarnation {
        bail!("the store of {name} is the one that the archive knows ({claimed}): nothing is to be replaced");
    }
    store.attach(claimed.clone());
    if !store.list(None, 1).await?.is_empty() {
        bail!(
            "the store of {name} holds blocks and is of {claimed}, which the archive does not know: empty it first"
        );
    }
    backends.metadata.replace_node(name, known.incarnation, claimed.incarnation).await?;
    let told = json!({
        "type": "replaced",
        "node": name.as_str(),
        "was": known.incarnation.to_string(),
        "is": claimed.incarnation.to_string(),
    });
    output.object(&told);
    output.line(format_args!(
        "{name}: the empty store is claimed and is now the node's (incarnation {}, was {}).\n\
         What the old one held is missing there: `repair` writes it again. Proxies that run take the store within \
         seconds if they had none; those that had the old one open must be restarted.",
        claimed.incarnation, known.incarnation
    ));
    Ok(ExitStatus::Ok)
}
