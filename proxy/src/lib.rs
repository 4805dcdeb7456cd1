//! The HTTP door of an archive: documents in by PUT, out by GET.
//!
//! What the archive does is the crate `archive`'s business. Here are the words of HTTP: names in paths, conditions,
//! ranges, statuses, limits.
//!
//! Architecture invariant: a byte that was not verified is never sent, and an error is never told as a success; once
//! the head of an answer is out, the only way to tell an error is to cut the connection.

mod assemble;
mod attributes;
mod body;
mod conditions;
mod connections;
mod door;
mod get;
mod graph;
mod handle;
mod limits;
mod list;
mod meta;
mod metrics;
mod multipart;
mod node_metrics;
mod problem;
mod put;
mod query;
mod ranges;
mod request_id;
mod run;
mod server;
mod service;
mod target;
mod upload;

pub use run::run;
