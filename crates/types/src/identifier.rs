//! Identifiers of archives, documents, nodes and processes.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::{Error, ErrorKind, Timestamp};

macro_rules! uuid_identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// From 16 bytes, most significant first.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes, most significant first.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// A random identifier (UUIDv4) made of 16 random bytes.
            #[must_use]
            pub fn from_random(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_identifier! {
    /// Tells one archive from another; drawn once, when the archive is created.
    ArchiveId
}
uuid_identifier! {
    /// Tells one upload from another: a UUIDv7, so that identifiers sort by time. Never used twice, even for
    /// a second attempt at the same name.
    DocumentId
}
uuid_identifier! {
    /// Tells a storage node from a later one of the same name whose contents are other contents.
    Incarnation
}
uuid_identifier! {
    /// Tells one process from another, for reservations and leases.
    OwnerId
}

impl DocumentId {
    /// A UUIDv7 for an upload that began at `now`, made unique by 10 random bytes.
    #[must_use]
    pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

/// A storage node's number in the metadata store: small, so that records stay small. Given out once for each
/// name, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u16);

impl fmt::Display for NodeIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Longest name of a node or zone, in bytes: it becomes a folder, a bucket and a metric's label.
const LABEL_BYTES_MAX: usize = 63;

fn check_label(what: &str, text: &str) -> Result<(), Error> {
    let fits = (1..=LABEL_BYTES_MAX).contains(&text.len());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let ends = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if fits && ends && text.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        what,
        format_args!(
            "{text:?} is not a name: allowed are 1 to {LABEL_BYTES_MAX} of a-z, A-Z, 0-9, '-', '_', '.', a letter or digit first"
        ),
    ))
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks and takes a name: 1 to 63 of `a-z`, `A-Z`, `0-9`, `-`, `_`, `.`, a letter or digit first.
            pub fn new(text: &str) -> Result<Self, Error> {
                check_label($what, text)?;
                Ok(Self(text.into()))
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

label! {
    /// A storage node's name.
    NodeName, "storage node"
}
label! {
    /// What fails together: a rack, a room, a provider. A node without one is a zone of its own.
    Zone, "zone"
}
