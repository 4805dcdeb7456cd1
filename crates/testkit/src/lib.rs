//! For tests: a proxy process, an HTTP client, documents, and an archive in this process whose nodes fail when told to.
//!
//! Whatever goes wrong here panics with what is known: a test's kit has nobody to hand an error to.
//!
//! Architecture invariant: nothing outside tests depends on this crate.

#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking, so everything here may"
)]

mod client;
pub mod cluster;
mod documents;
pub mod faulty_metadata;
mod process;
mod raw;
mod response;

pub use client::Client;
pub use documents::Documents;
pub use process::{Exit, ProxyProcess, ProxySettings};
pub use raw::RawConnection;
pub use response::Response;
