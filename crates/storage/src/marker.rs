//! The marker: whose store it is, written in the store itself.

use std::fmt;

use serde::{Deserialize, Serialize};
use types::{Error, ErrorKind, NodeName, Result};

use crate::NodeIdentity;

/// The version of the marker that this program writes, and the only one it reads.
const VERSION: u32 = 1;

/// The marker as every backend keeps it: a JSON object.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    /// The format's version, 1.
    selvage_node: u32,
    /// The archive's identifier.
    archive: String,
    /// The node's name.
    node: String,
    /// The incarnation.
    incarnation: String,
}

/// The marker's bytes.
pub(crate) fn encode(identity: &NodeIdentity) -> Result<Vec<u8>> {
    let marker = Marker {
        selvage_node: VERSION,
        archive: identity.archive.to_string(),
        node: identity.node.to_string(),
        incarnation: identity.incarnation.to_string(),
    };
    let mut bytes = serde_json::to_vec_pretty(&marker).map_err(|error| {
        Error::new(ErrorKind::Internal, &identity.node, "writing a marker as JSON").with_source(error)
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads the marker that node `node` found at `place`; `Corrupt` if it is none.
pub(crate) fn decode(node: &NodeName, place: impl fmt::Display, bytes: &[u8]) -> Result<NodeIdentity> {
    let corrupt = |why: &dyn fmt::Display| {
        Error::new(ErrorKind::Corrupt, node, format_args!("the marker {place} cannot be read: {why}"))
    };
    let marker: Marker = serde_json::from_slice(bytes).map_err(|error| corrupt(&error).with_source(error))?;
    if marker.selvage_node != VERSION {
        return Err(corrupt(&format_args!("its version is {}, not {VERSION}", marker.selvage_node)));
    }
    Ok(NodeIdentity {
        archive: marker.archive.parse().map_err(|error| corrupt(&error))?,
        node: NodeName::new(&marker.node).map_err(|error| corrupt(&error))?,
        incarnation: marker.incarnation.parse().map_err(|error| corrupt(&error))?,
    })
}

/// `Denied` unless the store at `place` carries the identity that it must.
pub(crate) fn check(
    place: impl fmt::Display,
    expected: &NodeIdentity,
    found: Option<&NodeIdentity>,
) -> Result<()> {
    let denied = |what: &dyn fmt::Display| {
        let message = format_args!("expected {place} to be of {expected}, but {what}").to_string();
        Err(Error::new(ErrorKind::Denied, &expected.node, message))
    };
    match found {
        Some(found) if found == expected => Ok(()),
        Some(found) => denied(&format_args!("it is of {found}")),
        None => denied(&"it carries no marker: replaced, emptied or unmounted"),
    }
}

/// The error of an operation on blocks before a store was told whose it must be.
pub(crate) fn not_attached(node: &NodeName) -> Error {
    Error::new(ErrorKind::Denied, node, "no identity is attached yet")
}

#[cfg(test)]
mod tests {
    use types::{ArchiveId, Incarnation};

    use super::*;

    fn identity() -> NodeIdentity {
        NodeIdentity {
            archive: ArchiveId::from_bytes([1; 16]),
            node: NodeName::new("a").unwrap(),
            incarnation: Incarnation::from_bytes([2; 16]),
        }
    }

    #[test]
    fn a_marker_round_trips() {
        let bytes = encode(&identity()).unwrap();
        assert_eq!(decode(&identity().node, "here", &bytes).unwrap(), identity());
    }

    #[test]
    fn what_is_no_marker_is_corrupt() {
        let good = String::from_utf8(encode(&identity()).unwrap()).unwrap();
        for bad in [
            String::new(),
            "{}".to_owned(),
            good.replace(": 1", ": 2"),
            good.replace("\"a\"", "\"-\""),
            good.replace("02", "zz"),
            good.replace("\"node\"", "\"mode\""),
            good + "x",
        ] {
            let error = decode(&identity().node, "here", bad.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{bad}");
        }
    }

    #[test]
    fn a_refusal_says_where_and_what_was_expected_and_found() {
        let other = NodeIdentity { node: NodeName::new("b").unwrap(), ..identity() };
        let text = check("folder /x", &identity(), Some(&other)).unwrap_err().to_string();
        for part in ["folder /x", "node a of", "node b of"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
