//! When a node's copies count as lost.

use std::time::Duration;

use archive::audit::StandingPolicy;
use config::Configuration;

/// For an operator's own run: a store that is certainly not the node's any more is lost now, a silent node after the
/// configured grace time.
pub(crate) fn of_operator(configuration: &Configuration) -> StandingPolicy {
    StandingPolicy { denied_after: Some(Duration::ZERO), silent_after: Some(configuration.repair.grace) }
}

/// For the daemon: a store without its marker may be a disk that is not mounted yet, so that it waits for both.
pub(crate) fn of_daemon(configuration: &Configuration) -> StandingPolicy {
    let grace = Some(configuration.repair.grace);
    StandingPolicy { denied_after: grace, silent_after: grace }
}
