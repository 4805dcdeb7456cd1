//! What a request's path means.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use types::{DocumentName, NameError};

/// Where a document's description is found, after its name.
const META_SUFFIX: &[u8] = b"/__meta";

/// Where the service itself answers.
const SERVICE_PREFIX: &[u8] = b"-/";

/// What is escaped in a name that becomes a path: everything but what RFC 3986 leaves unreserved, and slashes.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// What a path means. Which methods make sense for it is the server's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/`: the listing, or a name of the archive's own choice.
    Root,
    /// A document.
    Document(DocumentName),
    /// `<name>/__meta`: what is known of a document.
    Meta(DocumentName),
    /// `-/<name>`: the service's own answers, by the name.
    Service(String),
}

/// Why a path means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetError {
    /// Not a path: `*`, for example.
    NotAPath,
    /// A `%` without two hexadecimal digits after it.
    Escape {
        /// Where, in bytes after the first slash.
        at: usize,
    },
    /// No document can have this name.
    Name(NameError),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPath => f.write_str("the request's target is no path: it does not start with a slash"),
            Self::Escape { at } => {
                write!(f, "the name has a % at byte {at} that two hexadecimal digits do not follow")
            }
            Self::Name(error) => error.fmt(f),
        }
    }
}

impl Target {
    /// Reads the path of a request as it was sent. Nothing is normalised: what comes after the first slash is
    /// percent-decoded, once, and is the name.
    pub(crate) fn parse(path: &str) -> Result<Self, TargetError> {
        let encoded = path.strip_prefix('/').ok_or(TargetError::NotAPath)?;
        if encoded.is_empty() {
            return Ok(Self::Root);
        }
        let decoded = decode(encoded.as_bytes())?;
        if let Some(service) = decoded.strip_prefix(SERVICE_PREFIX) {
            return Ok(Self::Service(String::from_utf8_lossy(service).into_owned()));
        }
        if let Some(name) = decoded.strip_suffix(META_SUFFIX) {
            return DocumentName::from_bytes(name).map(Self::Meta).map_err(TargetError::Name);
        }
        DocumentName::from_bytes(&decoded).map(Self::Document).map_err(TargetError::Name)
    }
}

/// The path under which a document is found: what [`Target::parse`] reads back as its name.
pub(crate) fn path_of(name: &DocumentName) -> String {
    match name.as_str().strip_prefix('/') {
        // Two slashes in front would be taken for a host.
        Some(rest) => format!("/%2F{}", utf8_percent_encode(rest, ESCAPED)),
        None => format!("/{}", utf8_percent_encode(name.as_str(), ESCAPED)),
    }
}

/// Percent-decodes strictly: a `%` that is no escape is refused rather than taken for itself, so that no two
/// readings of one path are possible.
pub(crate) fn decode(encoded: &[u8]) -> Result<Vec<u8>, TargetError> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|(_, digit)| hex(digit));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(TargetError::Escape { at });
        };
        decoded.push(high << 4 | low);
    }
    Ok(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(path: &str) -> String {
        match Target::parse(path) {
            Ok(Target::Document(name)) => name.as_str().to_owned(),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn names_are_what_follows_the_first_slash_decoded_once() {
        for (path, name) in [
            ("/a", "a"),
            ("/a/b", "a/b"),
            ("/a%2Fb", "a/b"),
            ("//a", "/a"),
            ("/a//b/", "a//b/"),
            ("/./a/../b", "./a/../b"),
            ("/%252F", "%2F"),
            ("/a+b%20c", "a+b c"),
            ("/%C3%84", "Ä"),
            ("/Ä", "Ä"),
            ("/-", "-"),
            ("/__meta", "__meta"),
            ("/%3f%23", "?#"),
        ] {
            assert_eq!(document(path), name, "{path}");
        }
    }

    #[test]
    fn reserved_paths_are_the_services_own() {
        let name = |text| DocumentName::new(text).unwrap();
        assert_eq!(Target::parse("/"), Ok(Target::Root));
        assert_eq!(Target::parse("/a/b/__meta"), Ok(Target::Meta(name("a/b"))));
        assert_eq!(Target::parse("/__meta/__meta"), Ok(Target::Meta(name("__meta"))));
        assert_eq!(Target::parse("/-/healthy"), Ok(Target::Service("healthy".to_owned())));
        assert_eq!(Target::parse("/%2D%2Fx/__meta"), Ok(Target::Service("x/__meta".to_owned())));
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        assert_eq!(Target::parse("*"), Err(TargetError::NotAPath));
        for path in ["/a%", "/a%2", "/a%zz", "/a%+1"] {
            assert_eq!(Target::parse(path), Err(TargetError::Escape { at: 1 }), "{path}");
        }
        assert_eq!(Target::parse("/%ff"), Err(TargetError::Name(NameError::NotUtf8)));
        assert_eq!(Target::parse("/a%0ab"), Err(TargetError::Name(NameError::Control { at: 1 })));
        assert_eq!(Target::parse("//__meta"), Err(TargetError::Name(NameError::Empty)));
        let long = format!("/{}", "%61".repeat(1025));
        assert_eq!(Target::parse(&long), Err(TargetError::Name(NameError::TooLong { bytes: 1025 })));
    }

    #[test]
    fn a_names_path_leads_back_to_the_name() {
        for name in ["a", "a/b", "/a", "a b?c#d%2F", "Ä/é", "..", "a\\b\"<>", "-", "__meta", "+&=;"] {
            let name = DocumentName::new(name).unwrap();
            assert_eq!(Target::parse(&path_of(&name)), Ok(Target::Document(name)));
        }
    }
}
