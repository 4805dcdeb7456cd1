//! Being told to stop.

use std::future::Future;
use std::io;

use tokio::signal::unix;

use crate::ExitStatus;

/// A signal that means: stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGTERM: the system asks.
    Terminate,
    /// SIGINT: somebody at a terminal asks.
    Interrupt,
}

impl Signal {
    /// The signal's usual name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }
}

/// Signals that mean: stop, from now on no longer the end of the process.
struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

impl Signals {
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

/// Completes on the first SIGTERM or SIGINT after this call, even if nobody waits yet. From then on a second one
/// exits at once, with [`ExitStatus::Interrupted`]: whoever sends it does not want to wait for the drain.
///
/// Call it once, in the asynchronous runtime, before serving.
pub fn shutdown() -> io::Result<impl Future<Output = Signal> + Send + 'static> {
    let mut signals = Signals {
        terminate: unix::signal(unix::SignalKind::terminate())?,
        interrupt: unix::signal(unix::SignalKind::interrupt())?,
    };
    Ok(async move {
        let signal = signals.next().await;
        tracing::info!(signal = signal.as_str(), "stopping; a second signal exits at once");
        tokio::spawn(async move {
            let signal = signals.next().await;
            tracing::warn!(signal = signal.as_str(), "exiting at once");
            std::process::exit(ExitStatus::Interrupted.code().into());
        });
        signal
    })
}
