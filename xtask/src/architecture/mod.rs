//! The architecture as tests: what depends on what, how long things may be, what stands nowhere.
//!
//! Every check names the file and line of each place that breaks it. A crate that is added needs a line in
//! [`floors`] and nothing else: everything but the floors is found in the tree.

mod floors;
mod scan;
mod sources;
mod text;
mod tree;

/// Fails with all of `broken`, if there is any.
fn assert_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}
