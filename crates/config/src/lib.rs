//! `configuration.json`, checked as a whole.
//!
//! One table of settings (`table.rs`) drives everything: the defaults, what is refused, the JSON Schema and
//! `docs/CONFIGURATION.md`. [`Configuration::load`] reads the file and the environment and either returns a
//! configuration in which every value makes sense together with all others, or every problem there is at once.
//!
//! Architecture invariant: nothing here opens, creates or looks at a folder, a socket or a server. No secret is
//! ever read from this file.

mod assemble;
mod configuration;
mod document;
mod generate;
mod kind;
mod nodes;
mod problem;
mod setting;
mod suggestion;
mod table;

pub use configuration::{
    Archive, Cache, Configuration, Coordination, CoordinationBackend, Entanglement, EntanglementScheme,
    Limits, Metadata, MetadataBackend, Node, NodeBackend, Proxy, Repair, Selection, Storage,
};
pub use generate::{document, schema};
pub use problem::{ConfigurationError, Problem};
