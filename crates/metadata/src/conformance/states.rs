//! Clauses on the daemons' own values.

use types::ErrorKind;

use super::fixture::Store;
use crate::{STATE_BYTES_MAX, STATE_KEY_BYTES_MAX};

/// Bytes in, the same bytes out; none and empty are different.
pub async fn state_is_what_was_set(store: Store) {
    assert_eq!(store.state("audit").await.unwrap(), None);
    store.set_state("audit", None, Some(&[0, 255, 7])).await.unwrap();
    store.set_state("audit/äü", None, Some(&[])).await.unwrap();
    assert_eq!(store.state("audit").await.unwrap(), Some(vec![0, 255, 7]));
    assert_eq!(store.state("audit/äü").await.unwrap(), Some(Vec::new()));
    assert_eq!(store.state("audi").await.unwrap(), None);
    store.set_state("audit", Some(&[0, 255, 7]), None).await.unwrap();
    assert_eq!(store.state("audit").await.unwrap(), None);
    assert_eq!(store.state("audit/äü").await.unwrap(), Some(Vec::new()));
}

/// Whoever knows an older value, or none, changes nothing.
pub async fn state_is_replaced_only_if_it_is_as_expected(store: Store) {
    store.set_state("switch", None, Some(b"on")).await.unwrap();
    for expected in [None, Some(&b"off"[..]), Some(b"")] {
        for value in [None, Some(&b"other"[..])] {
            let error = store.set_state("switch", expected, value).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
    }
    assert_eq!(store.state("switch").await.unwrap().as_deref(), Some(&b"on"[..]));
    assert_eq!(store.set_state("none", Some(b""), None).await.unwrap_err().kind(), ErrorKind::Conflict);
    store.set_state("none", None, None).await.unwrap();
    store.set_state("switch", Some(b"on"), Some(b"on")).await.unwrap();
    store.set_state("switch", Some(b"on"), Some(b"off")).await.unwrap();
    assert_eq!(store.state("switch").await.unwrap().as_deref(), Some(&b"off"[..]));
}

/// Of many that replace a value at once, one succeeds.
pub async fn state_has_one_winner_among_many(store: Store) {
    let mut tasks = Vec::new();
    for number in 0..16_u8 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            store.set_state("raced", None, Some(&[number])).await.is_ok().then_some(number)
        }));
    }
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(task.await.unwrap());
    }
    assert_eq!(store.state("raced").await.unwrap(), Some(winners.clone()));
    assert_eq!(winners.len(), 1);
}

/// Keys and values have a limit, and the longest allowed are kept.
pub async fn state_refuses_what_is_over_the_limits(store: Store) {
    let (longest, key) = (vec![7; STATE_BYTES_MAX], "k".repeat(STATE_KEY_BYTES_MAX));
    store.set_state(&key, None, Some(&longest)).await.unwrap();
    assert_eq!(store.state(&key).await.unwrap(), Some(longest));
    let long = vec![7; STATE_BYTES_MAX + 1];
    assert_eq!(store.set_state("k", None, Some(&long)).await.unwrap_err().kind(), ErrorKind::Invalid);
    for key in [String::new(), key + "k"] {
        assert_eq!(store.set_state(&key, None, Some(b"v")).await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(store.state(&key).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
}
