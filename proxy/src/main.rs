//! The HTTP door of an archive.
fn main() {}
