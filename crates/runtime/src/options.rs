//! Options that every binary takes.

use std::path::PathBuf;

use tracing_subscriber::EnvFilter;

/// Options that every binary takes; flatten them into its own.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The configuration file; the environment's `SELVAGE__SECTION__SETTING` override what is in it.
    #[arg(
        long,
        value_name = "PATH",
        env = "SELVAGE_CONFIGURATION",
        default_value = "configuration.json",
        global = true
    )]
    pub configuration: PathBuf,
    /// What to log: a level, or levels by crate, such as "info,archive=debug".
    #[arg(
        long,
        value_name = "FILTER",
        env = "SELVAGE_LOG",
        default_value = "info,actix_server=warn",
        value_parser = checked_filter,
        global = true
    )]
    pub log: String,
}

/// The filter as it stands, if it is one.
fn checked_filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}; allowed: error, warn, info, debug, trace, off, or crate=level, with commas between"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        assert!(checked_filter("info,archive=debug").is_ok());
        assert!(checked_filter("archive=loud").is_err());
    }
}
