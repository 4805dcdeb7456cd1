//! The architecture as tests.
fn main() {}
