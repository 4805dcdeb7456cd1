//! A code, run off the asynchronous threads.
