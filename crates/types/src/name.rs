//! A document's name.

use std::fmt;
use std::sync::Arc;

/// Longest name of a document, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 1024;

/// A document's name: 1 to 1,024 bytes of UTF-8 without control characters, taken exactly as it is (no case
/// folding, no normalisation, slashes mean nothing).
///
/// Refused as well, because the service answers under them itself: names that end in `/__meta` or start with `-/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentName(Arc<str>);

/// Why a text is no document's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// No bytes at all.
    Empty,
    /// More than [`NAME_BYTES_MAX`] bytes.
    TooLong {
        /// How many bytes there were.
        bytes: usize,
    },
    /// A control character (general category Cc).
    Control {
        /// Where, in bytes.
        at: usize,
    },
    /// Not UTF-8.
    NotUtf8,
    /// Ends in `/__meta`.
    ReservedSuffix,
    /// Starts with `-/`.
    ReservedPrefix,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty; 1 to 1024 bytes of UTF-8 are allowed"),
            Self::TooLong { bytes } => {
                write!(f, "the name has {bytes} bytes; at most {NAME_BYTES_MAX} are allowed")
            }
            Self::Control { at } => {
                write!(f, "the name holds a control character at byte {at}; none is allowed")
            }
            Self::NotUtf8 => f.write_str("the name is not UTF-8"),
            Self::ReservedSuffix => {
                f.write_str("the name ends in /__meta, under which the service itself answers")
            }
            Self::ReservedPrefix => {
                f.write_str("the name starts with -/, under which the service itself answers")
            }
        }
    }
}

impl std::error::Error for NameError {}

impl DocumentName {
    /// Checks and takes a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong { bytes: text.len() });
        }
        if let Some((at, _)) = text.char_indices().find(|(_, character)| character.is_control()) {
            return Err(NameError::Control { at });
        }
        if text.ends_with("/__meta") {
            return Err(NameError::ReservedSuffix);
        }
        if text.starts_with("-/") {
            return Err(NameError::ReservedPrefix);
        }
        Ok(Self(text.into()))
    }

    /// Checks and takes a name that arrived as bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NameError> {
        // The length is looked at first: a megabyte that is not UTF-8 is too long before it is anything else.
        if bytes.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong { bytes: bytes.len() });
        }
        Self::new(std::str::from_utf8(bytes).map_err(|_| NameError::NotUtf8)?)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_exactly() {
        for name in
            ["a", "a/b", "/a", "a//b", "..", "a/../b", "Ä", "A\u{308}", "-", "__meta", "a b", "%2F", "-a/"]
        {
            assert_eq!(DocumentName::new(name).unwrap().as_str(), name);
        }
        assert!(DocumentName::new(&"x".repeat(NAME_BYTES_MAX)).is_ok());
    }

    #[test]
    fn other_names_are_refused_with_the_reason() {
        assert_eq!(DocumentName::new(""), Err(NameError::Empty));
        assert_eq!(DocumentName::new(&"x".repeat(1025)), Err(NameError::TooLong { bytes: 1025 }));
        assert_eq!(DocumentName::new("a\nb"), Err(NameError::Control { at: 1 }));
        assert_eq!(DocumentName::new("a\u{85}"), Err(NameError::Control { at: 1 }));
        assert_eq!(DocumentName::new("a/__meta"), Err(NameError::ReservedSuffix));
        assert_eq!(DocumentName::new("-/healthy"), Err(NameError::ReservedPrefix));
        assert_eq!(DocumentName::from_bytes(b"\xff"), Err(NameError::NotUtf8));
    }
}
