//! What every binary does: options, logging, signals, exit status.
