//! One error for everything that talks to a backend.

use std::fmt;

/// What a caller can act on. Every status and exit code is chosen from this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// What was asked for is not there, and the one who says so would know.
    NotFound,
    /// What was to be made is there already.
    AlreadyExists,
    /// Somebody else changed it first: read again, then decide.
    Conflict,
    /// Bytes that are not what they claim to be.
    Corrupt,
    /// Not answering, or out of space: another node, or a later time, may serve.
    Unavailable,
    /// No answer within the time given; whether it was carried out is unknown.
    Timeout,
    /// Refused: wrong archive, wrong node, wrong credentials.
    Denied,
    /// The request itself is impossible.
    Invalid,
    /// A defect of ours.
    Internal,
}

impl ErrorKind {
    /// Every kind, for tables and metrics.
    pub const ALL: [Self; 9] = [
        Self::NotFound,
        Self::AlreadyExists,
        Self::Conflict,
        Self::Corrupt,
        Self::Unavailable,
        Self::Timeout,
        Self::Denied,
        Self::Invalid,
        Self::Internal,
    ];

    /// The kind in `snake_case`, as it stands in logs, metrics and problem documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::Internal => "internal",
        }
    }

    /// Whether the same request may succeed later without anyone's help.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unavailable | Self::Timeout | Self::Conflict)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error of a backend: its kind, whose it is (a node, a store, a document), what happened, and the cause.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    subject: String,
    message: String,
    source: Option<Source>,
}

/// The result of talking to a backend.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `subject` (a node's name, `metadata`, a document's name).
    pub fn new(kind: ErrorKind, subject: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { kind, subject: subject.to_string(), message: message.to_string(), source: None }
    }

    /// The same error with the cause kept.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Classifies an error of the operating system met by `subject` while doing `action`.
    #[must_use]
    pub fn from_io(subject: impl fmt::Display, action: impl fmt::Display, error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::AlreadyExists => ErrorKind::AlreadyExists,
            Io::PermissionDenied => ErrorKind::Denied,
            Io::TimedOut => ErrorKind::Timeout,
            Io::InvalidInput => ErrorKind::Invalid,
            Io::UnexpectedEof | Io::InvalidData => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, subject, format_args!("{action}: {error}")).with_source(error)
    }

    /// What a caller can act on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whose error it is.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What happened, without the subject.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.subject, self.message, self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
