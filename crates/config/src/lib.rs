//! configuration.json, checked as a whole.
