//! The system of record: the trait MetadataStore, its records and backends.
