//! Names of leases and groups.

use types::{Error, ErrorKind, Result};

/// Longest name, in bytes: it becomes a file's name.
const NAME_BYTES_MAX: usize = 255;

/// `Invalid` unless `name` may name a `what` (a lease, a group).
pub(crate) fn check(what: &str, name: &str) -> Result<()> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/');
    if fits && name.bytes().all(allowed) {
        return Ok(());
    }
    let message = format_args!(
        "{name:?} does not name a {what}: allowed are 1 to {NAME_BYTES_MAX} of a-z, 0-9, '-', '_', '.', '/'"
    )
    .to_string();
    Err(Error::new(ErrorKind::Invalid, "coordination", message))
}

/// A checked name as a file's name: as long, and none for two. Dots go too, because `..` is not a file's name.
pub(crate) fn encode(name: &str) -> String {
    name.replace('/', "+").replace('.', ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "repair/partition-7", "..", "/", &"x".repeat(255)] {
            assert!(check("lease", good).is_ok(), "{good}");
        }
        for bad in ["", "A", "a b", "a+b", "a,b", "ä", "a\0", &"x".repeat(256)] {
            assert_eq!(check("lease", bad).unwrap_err().kind(), ErrorKind::Invalid, "{bad}");
        }
    }
}
