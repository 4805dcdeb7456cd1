//! For tests: an archive of faulty nodes, a proxy process, an HTTP client.

pub mod cluster;
pub mod faulty_metadata;
