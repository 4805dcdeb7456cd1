//! For tests: an archive of faulty nodes, a proxy process, an HTTP client.
