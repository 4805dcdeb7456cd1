//! Finds every damage of an archive and undoes all that can be undone.

use std::process::ExitCode;

fn main() -> ExitCode {
    // They are about this program alone: no configuration need be there.
    if let Some(done) = repair::completions(std::env::args_os()) {
        return done.into();
    }
    runtime::run(async |arguments: repair::Arguments, configuration| {
        repair::run(&arguments, &configuration).await
    })
}
