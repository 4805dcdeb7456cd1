//! Clauses on listings.

use super::fixture::{NOW, Store, put};
use crate::ListEntry;

const NAMES: [&str; 14] = [
    "a",
    "a ",
    "a-b",
    "a.b",
    "a/",
    "a/b",
    "a/b/c",
    "aa",
    "b",
    "z%_*",
    "ä",
    "€",
    "\u{fffd}\u{fffd}",
    "\u{10ffff}\u{10ffff}",
];

async fn listed(store: &Store, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let entries = store.list(prefix, after, limit).await.unwrap();
    entries.iter().map(|entry| entry.name.to_string()).collect()
}

async fn put_names(store: &Store) {
    for name in ["\u{10ffff}", "Z"].iter().chain(NAMES.iter().rev()) {
        put(store, name, 100).await;
    }
}

fn all() -> Vec<&'static str> {
    let mut names: Vec<&str> = NAMES.into_iter().chain(["\u{10ffff}", "Z"]).collect();
    names.sort_unstable();
    names
}

/// The order is that of the names' bytes, over all partitions.
pub async fn list_is_in_the_order_of_bytes(store: Store) {
    assert!(listed(&store, "", None, 100).await.is_empty());
    put_names(&store).await;
    assert_eq!(listed(&store, "", None, 100).await, all());
}

/// A prefix is bytes of the name, nothing more: no folders, no patterns.
pub async fn list_takes_names_with_the_prefix_only(store: Store) {
    put_names(&store).await;
    for prefix in ["a", "a/", "a/b", "aa", "aaa", "%", "z%", "z_", "ä", "\u{10ffff}", "\u{fffd}", "Z", "z"] {
        let expected: Vec<&str> = all().into_iter().filter(|name| name.starts_with(prefix)).collect();
        assert_eq!(listed(&store, prefix, None, 100).await, expected, "{prefix:?}");
    }
}

/// A listing goes on after any text, whether it is a name or not.
pub async fn list_goes_on_after_a_name(store: Store) {
    put_names(&store).await;
    for prefix in ["", "a", "a/", "ä", "\u{10ffff}"] {
        for after in ["", "a", "a/", "a/a", "a/b", "aa", "b", "\u{10ffff}", "\u{10ffff}\u{10ffff}", "a\0"] {
            let expected: Vec<&str> =
                all().into_iter().filter(|name| name.starts_with(prefix) && *name > after).collect();
            assert_eq!(listed(&store, prefix, Some(after), 100).await, expected, "{prefix:?} {after:?}");
        }
    }
}

/// Page by page, every name comes once.
pub async fn list_stops_at_the_limit(store: Store) {
    put_names(&store).await;
    assert!(listed(&store, "", None, 0).await.is_empty());
    for limit in [1, 3, 5, 100, usize::MAX] {
        let (mut names, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = listed(&store, "", after.as_deref(), limit).await;
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            names.extend(page);
        }
        assert_eq!(names, all(), "limit {limit}");
    }
}

/// A line tells what the record tells.
pub async fn list_shows_what_was_committed(store: Store) {
    let mut lines = Vec::new();
    for (text, length) in [("one", 100), ("two", 20 << 20)] {
        let record = put(&store, text, length).await.record;
        lines.push(ListEntry {
            name: record.name,
            length,
            hash: record.hash,
            created: NOW,
            content_type: record.content_type,
        });
    }
    assert_eq!(store.list("", None, 10).await.unwrap(), lines);
}
