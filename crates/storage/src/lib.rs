//! Storage nodes: the trait BlockStore, its backends and decorators.
