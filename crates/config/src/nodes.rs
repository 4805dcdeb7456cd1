//! `storage.nodes`: a count, or a list of nodes.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};
use types::{NodeName, Zone};

use crate::configuration::{Node, NodeBackend};
use crate::kind::{Choice, Integer, Kind, members};
use crate::problem::Problems;
use crate::suggestion::nearest;
use crate::table::{NODE_DIRECTORY, NODE_NAME, NODE_SETTINGS, NODE_TYPE, NODE_URL, NODE_ZONE};

/// The setting's name.
pub(crate) const KEY: &str = "storage.nodes";

/// Types of storage nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeType {
    Directory,
    Memory,
}

/// The names of [`NodeType`].
pub(crate) const NODE_TYPES: Choice<NodeType> = Choice {
    here: &[("directory", NodeType::Directory), ("memory", NodeType::Memory)],
    elsewhere: &["redis", "s3"],
};

/// The nodes as the file gives them.
#[derive(Debug, Clone)]
pub(crate) enum NodesGiven {
    /// So many, all of `storage.type`.
    Count(u16),
    /// These.
    List(Vec<NodeGiven>),
}

/// A node as the file gives it; what is wrong with it has been told.
#[derive(Debug, Clone)]
pub(crate) struct NodeGiven {
    /// `None` if it has none: a problem that has been told.
    name: Option<NodeName>,
    node_type: Option<NodeType>,
    zone: Option<Zone>,
    directory: Option<PathBuf>,
}

/// A count or a list.
pub(crate) struct Nodes;

impl Nodes {
    /// A node's number in records has 16 bits and is never given out twice.
    const COUNT: Integer<u16> = Integer { min: 1, max: 4096 };
}

impl Kind for Nodes {
    type Value = NodesGiven;
    type Default = u16;

    fn read(&self, key: &str, value: &Value, problems: &mut Problems) -> Option<NodesGiven> {
        let fits = |list: &&Vec<Value>| (1..=usize::from(Self::COUNT.max)).contains(&list.len());
        if let Some(list) = value.as_array().filter(fits) {
            let node = |(at, value)| NodeGiven::read(&format!("{key}[{at}]"), value, problems);
            return Some(NodesGiven::List(list.iter().enumerate().filter_map(node).collect()));
        }
        let count = value.as_u64().and_then(|count| u16::try_from(count).ok());
        let count = count.filter(|count| (Self::COUNT.min..=Self::COUNT.max).contains(count));
        if count.is_none() {
            problems.add_value(key, value, self.allowed());
        }
        count.map(NodesGiven::Count)
    }

    fn value_of(&self, default: u16) -> NodesGiven {
        NodesGiven::Count(default)
    }

    fn json_of(&self, default: u16) -> Value {
        default.into()
    }

    fn allowed(&self) -> String {
        format!("{}, or a list of as many nodes", Self::COUNT.allowed())
    }

    fn schema(&self) -> Map<String, Value> {
        let properties: Map<String, Value> =
            NODE_SETTINGS.iter().map(|setting| (setting.key().to_owned(), setting.schema().into())).collect();
        let node = json!({
            "type": "object",
            "properties": properties,
            "required": [NODE_NAME.key],
            "additionalProperties": false,
        });
        let list = json!({ "type": "array", "minItems": 1, "maxItems": Self::COUNT.max, "items": node });
        members(json!({ "oneOf": [Self::COUNT.schema(), list] }))
    }

    fn is_text(&self) -> bool {
        false
    }
}

impl NodeGiven {
    fn read(key: &str, value: &Value, problems: &mut Problems) -> Option<Self> {
        let Some(object) = value.as_object() else {
            problems.add_value(key, value, format_args!("{{...}} with {}", names()));
            return None;
        };
        for name in object.keys() {
            if !NODE_SETTINGS.iter().any(|setting| setting.key() == name) {
                problems.add(&format!("{key}.{name}"), unknown(name));
            }
        }
        if !object.contains_key(NODE_NAME.key) {
            problems.add(&format!("{key}.{}", NODE_NAME.key), "not given; a node must have a name");
        }
        if let Some(url) = object.get(NODE_URL.key) {
            problems.add_value(&format!("{key}.{}", NODE_URL.key), url, NODE_URL.otherwise);
        }
        Some(Self {
            name: member(object, key, NODE_NAME.key, &NODE_NAME.kind, problems),
            node_type: member(object, key, NODE_TYPE.key, &NODE_TYPE.kind, problems),
            zone: member(object, key, NODE_ZONE.key, &NODE_ZONE.kind, problems),
            directory: member(object, key, NODE_DIRECTORY.key, &NODE_DIRECTORY.kind, problems),
        })
    }
}

fn member<K: Kind>(
    object: &Map<String, Value>,
    node: &str,
    name: &str,
    kind: &K,
    problems: &mut Problems,
) -> Option<K::Value> {
    kind.read(&format!("{node}.{name}"), object.get(name)?, problems)
}

fn names() -> String {
    NODE_SETTINGS.iter().map(|setting| setting.key()).collect::<Vec<_>>().join(", ")
}

fn unknown(name: &str) -> String {
    match nearest(name, NODE_SETTINGS.iter().map(|setting| setting.key())) {
        Some(meant) => format!("no such setting of a node; did you mean {meant}?"),
        None => format!("no such setting of a node; allowed: {}", names()),
    }
}

/// The nodes, each with its folder if it is one, checked against each other.
pub(crate) fn resolve(
    given: NodesGiven,
    fallback: NodeType,
    archive: &Path,
    folder: &Path,
    problems: &mut Problems,
) -> Vec<Node> {
    let given = match given {
        NodesGiven::Count(count) => (1..=count).map(numbered).collect(),
        NodesGiven::List(list) => list,
    };
    let mut nodes: Vec<Node> = Vec::with_capacity(given.len());
    for node in given {
        let Some(name) = node.name else { continue };
        let backend = match node.node_type.unwrap_or(fallback) {
            NodeType::Directory => NodeBackend::Directory(match node.directory {
                Some(directory) => resolved(folder, &directory),
                None => archive.join("nodes").join(name.as_str()),
            }),
            NodeType::Memory => {
                if let Some(directory) = node.directory {
                    problems.add(
                        KEY,
                        format_args!(
                            "{name} is of type \"memory\" and has the directory {}; allowed: a directory for nodes of type \"directory\" only",
                            directory.display()
                        ),
                    );
                }
                NodeBackend::Memory
            }
        };
        nodes.push(Node { name, zone: node.zone, backend });
    }
    check_distinct(&nodes, problems);
    nodes
}

fn numbered(number: u16) -> NodeGiven {
    let name = NodeName::new(&format!("storage-node-{number}")).ok();
    NodeGiven { name, node_type: None, zone: None, directory: None }
}

/// No two nodes of one name, none in another's folder: they would be lost together.
fn check_distinct(nodes: &[Node], problems: &mut Problems) {
    let mut names: Vec<&NodeName> = nodes.iter().map(|node| &node.name).collect();
    names.sort();
    for pair in names.windows(2) {
        if let [name, again] = pair
            && name == again
        {
            problems.add(
                KEY,
                format_args!("two nodes have the name {name}; allowed: a name of its own for each"),
            );
        }
    }
    let mut folders: Vec<(&Path, &NodeName)> = nodes
        .iter()
        .filter_map(|node| match &node.backend {
            NodeBackend::Directory(folder) => Some((folder.as_path(), &node.name)),
            NodeBackend::Memory => None,
        })
        .collect();
    // Paths sort by component, so what is in a folder follows on it.
    folders.sort();
    for pair in folders.windows(2) {
        if let [(outer, one), (inner, other)] = pair
            && inner.starts_with(outer)
            && one != other
        {
            problems.add(
                KEY,
                format_args!(
                    "{other} is in the folder of {one}, {}; allowed: a folder of its own for each",
                    outer.display()
                ),
            );
        }
    }
}

/// The path, absolute and without `.` and `..`, so that equal folders look equal. Links are not followed.
pub(crate) fn resolved(folder: &Path, path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => whole.push(component),
        }
    }
    whole
}
