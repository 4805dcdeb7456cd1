//! What a process tells whoever started it.

use std::process::ExitCode;

use config::ConfigurationError;
use types::ErrorKind;

/// How a binary ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// It did what it was asked.
    Ok,
    /// It could not.
    Failed,
    /// It was asked for something that makes no sense.
    Usage,
    /// It did what can be done now, and damage is left that can be repaired later.
    DamageLeft,
    /// It did what can be done, and documents are lost for good.
    Lost,
    /// The configuration is refused.
    Configuration,
    /// It was interrupted before it was done.
    Interrupted,
}

impl ExitStatus {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::DamageLeft => 3,
            Self::Lost => 4,
            Self::Configuration => 64,
            Self::Interrupted => 130,
        }
    }

    /// How a binary ends whose work ended with an error of this kind.
    #[must_use]
    pub const fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Conflict
            | ErrorKind::Corrupt
            | ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::Denied
            | ErrorKind::Internal => Self::Failed,
        }
    }

    /// How a binary ends whose work ended with this error: by its first cause that says.
    #[must_use]
    pub fn of_error(error: &anyhow::Error) -> Self {
        let status = |cause: &(dyn std::error::Error + 'static)| {
            if cause.is::<ConfigurationError>() {
                return Some(Self::Configuration);
            }
            cause.downcast_ref::<types::Error>().map(|error| Self::of_kind(error.kind()))
        };
        error.chain().find_map(status).unwrap_or(Self::Failed)
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        status.code().into()
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn an_error_is_judged_by_its_first_cause_that_says() {
        let error = |kind| anyhow::Error::new(types::Error::new(kind, "node", "x")).context("while starting");
        assert_eq!(ExitStatus::of_error(&error(ErrorKind::Invalid)), ExitStatus::Usage);
        assert_eq!(ExitStatus::of_error(&error(ErrorKind::Corrupt)), ExitStatus::Failed);
        assert_eq!(ExitStatus::of_error(&anyhow::anyhow!("something")), ExitStatus::Failed);
        let refused =
            config::Configuration::from_text("[]", std::path::Path::new("/")).context("x").unwrap_err();
        assert_eq!(ExitStatus::of_error(&refused), ExitStatus::Configuration);
    }
}
