//! Leases, membership, leader: the trait Coordinator and its backends.
