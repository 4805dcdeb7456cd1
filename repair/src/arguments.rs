//! The arguments.

use std::ffi::OsString;
use std::time::Duration;

use archive::audit::{AuditMode, BlockKey, Scope};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use types::NodeName;

use crate::quantity;

/// Finds every damage of an archive and undoes all that can be undone.
///
/// Exits with 0 if the archive is healthy or all was repaired, 1 if it failed, 2 if it was asked for nonsense, 3 if
/// damage is left that can be repaired later, 4 if documents are lost for good, 64 if the configuration is refused,
/// and 130 if it was interrupted.
#[derive(Debug, Parser)]
#[command(name = "repair", version)]
pub struct Arguments {
    #[command(flatten)]
    pub(crate) common: runtime::Options,
    /// Tells everything on standard output as JSON, one object per line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) work: Work,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to work on, and how.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag, and clap knows which exclude which")]
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct Work {
    /// Blocks to audit and repair: a document's name, a hyphen and two digits or more. Without any: everything.
    #[arg(value_name = "BLOCK")]
    pub(crate) blocks: Vec<BlockKey>,
    /// A document to audit and repair, or, ending with '/', all documents whose names begin so. May be repeated.
    #[arg(long = "document", value_name = "NAME", conflicts_with = "blocks")]
    pub(crate) documents: Vec<String>,
    /// Audits and tells what would be repaired, and how; no block and no document's record is changed.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How to audit: quick (compare inventories with records), deep (read and hash every copy), or sample=5% (so much
    /// of it, another part each time). Default: quick; for named blocks, deep.
    #[arg(long, value_name = "MODE", value_parser = quantity::audit_mode)]
    pub(crate) audit: Option<AuditMode>,
    /// Goes on until it is stopped: a quick audit, a part of a deep one, and repair, again and again.
    #[arg(long, conflicts_with_all = ["blocks", "documents", "dry_run", "audit", "max_duration"])]
    pub(crate) daemon: bool,
    /// Time between two passes of the daemon, such as 10m, or a number of seconds. Default: `repair.interval_ms`.
    #[arg(long, value_name = "TIME", requires = "daemon", value_parser = quantity::time)]
    pub(crate) interval: Option<Duration>,
    /// Makes the metadata again from the blocks of the nodes. Refused while there is any.
    #[arg(long, conflicts_with_all = ["blocks", "documents", "dry_run", "audit", "daemon", "max_duration"])]
    pub(crate) rebuild_metadata: bool,
    /// Compares the metadata with the blocks of the nodes, in place; with `--audit deep`, reads every copy.
    #[arg(long, conflicts_with_all = ["blocks", "documents", "dry_run", "daemon", "rebuild_metadata", "max_duration"])]
    pub(crate) verify_metadata: bool,
    /// Goes on without nodes that do not answer; what only they hold is then taken for lost.
    #[arg(long)]
    pub(crate) without_missing_nodes: bool,
    /// Writes what the metadata says of the archive as text, the same for the same archive.
    #[arg(
        long,
        conflicts_with_all = ["blocks", "documents", "dry_run", "audit", "daemon", "rebuild_metadata", "verify_metadata"]
    )]
    pub(crate) export: bool,
    /// The most bytes read and written a second, such as 50MiB. Default: `repair.bandwidth_bytes`.
    #[arg(long, value_name = "BYTES", value_parser = quantity::bytes)]
    pub(crate) bandwidth: Option<u64>,
    /// Blocks read, or codewords rebuilt, at once. Default: `repair.concurrency`.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: Option<u16>,
    /// Stops cleanly after this time, such as 2h; the next run goes on from there.
    #[arg(long, value_name = "TIME", value_parser = quantity::time)]
    pub(crate) max_duration: Option<Duration>,
}

/// Everything but repairing.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Tells who leads, whether repair is paused, how the last pass ended, what is left to do and what is lost.
    Status,
    /// Makes the daemons pause, until `repair resume`, over restarts too.
    Pause,
    /// Lets the daemons go on.
    Resume,
    /// Takes a new, empty store for a known node whose old one is gone.
    ReplaceNode {
        /// The node, as in the configuration.
        #[arg(value_parser = node_name)]
        name: NodeName,
    },
    /// Writes a shell's completions.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

fn node_name(text: &str) -> Result<NodeName, String> {
    NodeName::new(text).map_err(|error| error.to_string())
}

impl AsRef<runtime::Options> for Arguments {
    fn as_ref(&self) -> &runtime::Options {
        &self.common
    }
}

impl Arguments {
    /// Refuses what clap cannot: options of a repair beside a subcommand.
    pub(crate) fn check(&self) -> Result<(), clap::Error> {
        if self.command.is_some() && self.work != Work::default() {
            let message = "options of a repair make no sense beside a subcommand";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, message));
        }
        Ok(())
    }

    /// The shell whose completions are asked for, and nothing else is.
    pub(crate) fn shell(arguments: impl IntoIterator<Item = OsString>) -> Option<Shell> {
        let matches = Self::command().try_get_matches_from(arguments).ok()?;
        match Self::from_arg_matches(&matches).ok()?.command {
            Some(Command::Completions { shell }) => Some(shell),
            _ => None,
        }
    }
}

impl Work {
    pub(crate) fn scope(&self) -> Scope {
        if !self.blocks.is_empty() {
            Scope::Blocks(self.blocks.clone())
        } else if !self.documents.is_empty() {
            Scope::Documents(self.documents.clone())
        } else {
            Scope::Everything
        }
    }

    /// Whoever names blocks suspects them: they are read.
    pub(crate) fn audit_mode(&self) -> AuditMode {
        let default = if self.blocks.is_empty() { AuditMode::Quick } else { AuditMode::Deep };
        self.audit.unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, clap::Error> {
        let arguments = Arguments::try_parse_from(line.split(' '))?;
        arguments.check()?;
        Ok(arguments)
    }

    #[test]
    fn the_command_line_is_well_made() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn blocks_and_subcommands_do_not_get_in_each_others_way() {
        let arguments = parsed("repair thesis.pdf-01 photo-00").unwrap();
        assert_eq!((arguments.work.blocks.len(), arguments.command), (2, None));
        let arguments = parsed("repair --configuration x status --json").unwrap();
        assert_eq!((arguments.json, arguments.command), (true, Some(Command::Status)));
        assert_eq!(parsed("repair -- status-00").unwrap().work.blocks.len(), 1);
        assert!(parsed("repair nonsense").is_err());
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        for line in [
            "repair a-00 --document b",
            "repair --daemon --dry-run",
            "repair --interval 600",
            "repair --rebuild-metadata --export",
            "repair --dry-run status",
            "repair --audit thorough",
            "repair --concurrency 0",
            "repair replace-node ../x",
            "repair --frobnicate",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn blocks_that_are_named_are_read() {
        assert_eq!(parsed("repair a-00").unwrap().work.audit_mode(), AuditMode::Deep);
        assert_eq!(parsed("repair").unwrap().work.audit_mode(), AuditMode::Quick);
        assert_eq!(parsed("repair a-00 --audit quick").unwrap().work.audit_mode(), AuditMode::Quick);
    }
}
