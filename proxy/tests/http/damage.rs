//! Storage nodes go away.

use std::fs;
use std::path::Path;

use serde_json::json;
use testkit::{Client, Documents, ProxyProcess, ProxySettings, RawConnection};

use crate::{eventually, names, settings, small_segments};

fn uncached(settings: ProxySettings) -> ProxyProcess {
    settings.configure(json!({ "cache": { "bytes": 0 } })).start()
}

fn fill(client: &Client, seed: u64) -> Vec<(String, Vec<u8>)> {
    let mut documents = Documents::new(seed);
    let lengths = [1, 5000, 65_536, 70_000, 200_000, 300_000];
    let all: Vec<_> = (0..18)
        .map(|number| (format!("/d{number:02}"), documents.random(lengths[number % lengths.len()])))
        .collect();
    for (path, bytes) in &all {
        assert_eq!(client.put(path, bytes).status, 201, "{path}");
    }
    all
}

fn check(client: &Client, all: &[(String, Vec<u8>)]) {
    for (path, bytes) in all {
        let whole = client.get(path);
        assert!(whole.status == 200 && whole.body == *bytes, "{path}: {}", whole.status);
        let middle = bytes.len() / 2;
        let part = client.request("GET", path, &[("range", &format!("bytes={middle}-"))], None);
        assert!(part.status == 206 && part.body == bytes[middle..], "{path}");
    }
}

#[test]
fn any_two_of_sixteen_nodes_may_go_while_it_runs() {
    for (first, second) in [(1, 2), (5, 16)] {
        let proxy = uncached(small_segments());
        let client = proxy.client();
        let all = fill(&client, 10);
        check(&client, &all);
        fs::remove_dir_all(proxy.node_folder(first)).unwrap();
        fs::remove_dir_all(proxy.node_folder(second)).unwrap();
        check(&client, &all);
        assert_eq!(client.put("/after", b"x").status, 201, "and new documents still go in");
        check(&client, &[("/after".to_owned(), b"x".to_vec())]);
    }
}

/// Flips a bit in every file of a folder that is as long as a block.
fn corrupt(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            corrupt(&path);
        } else if entry.metadata().unwrap().len() >= 4096 {
            let mut bytes = fs::read(&path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
}

#[test]
fn a_node_that_lies_is_never_believed() {
    let proxy = uncached(small_segments());
    let client = proxy.client();
    let all = fill(&client, 11);
    corrupt(&proxy.node_folder(3));
    fs::remove_dir_all(proxy.node_folder(4)).unwrap();
    check(&client, &all);
}

#[test]
fn what_cannot_be_recovered_is_told_and_never_made_up() {
    let proxy = uncached(settings());
    let client = proxy.client();
    let bytes = Documents::new(12).random(3 << 20);
    assert_eq!(client.put("/first", &bytes).status, 201);
    // The first document points at anchors only: its parities are all there is of it.
    for number in 1..=16 {
        corrupt(&proxy.node_folder(number));
    }
    let failed = client.get("/first");
    assert_eq!((failed.status, failed.code().as_str()), (500, "unrecoverable"), "{}", failed.text());
    assert!(!failed.text().contains("storage-node"), "what is inside stays inside: {}", failed.text());
    let request_id = failed.header("x-request-id").unwrap();
    eventually("the log says more under the request's id", || proxy.log().contains(request_id));
    assert_eq!(client.head("/first").status, 200, "what is known is still told");
}

#[test]
fn damage_found_on_the_way_cuts_the_download_short() {
    let proxy = uncached(small_segments());
    let client = proxy.client();
    let bytes = Documents::new(13).random(40 * 65_536);
    assert_eq!(client.put("/a", &bytes).status, 201);
    let meta = client.get("/a/__meta").json();
    for block in meta["blocks"].as_array().unwrap().iter().skip(39 * 3) {
        let id = block["id"].as_str().unwrap();
        let node = block["providers"][0].as_str().unwrap().strip_prefix("storage-node-").unwrap();
        remove(&proxy.node_folder(node.parse().unwrap()), id);
    }
    // All other blocks of the last segment's codeword are its own document's or anchors.
    let mut raw = RawConnection::open(proxy.address());
    raw.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = raw.head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("2621440")));
    let received = raw.rest().unwrap_or_default();
    assert!(received.len() <= 39 * 65_536 && bytes.starts_with(&received), "{}", received.len());
    assert!(client.try_request("GET", "/a", &[], None).is_err(), "a client sees that it is short");
    let part = client.request("GET", "/a", &[("range", "bytes=0-999")], None);
    assert!(part.status == 206 && part.body == bytes[..1000], "what is whole still reads");
}

fn remove(folder: &Path, name: &str) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            remove(&path, name);
        } else if entry.file_name() == name {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn too_few_nodes_refuse_the_write_and_keep_nothing() {
    let proxy = uncached(settings());
    let client = proxy.client();
    assert_eq!(client.put("/before", b"x").status, 201);
    for number in 1..=16 {
        fs::remove_dir_all(proxy.node_folder(number)).unwrap();
    }
    let refused = client.put("/a", &vec![1; 100_000]);
    assert_eq!((refused.status, refused.code().as_str()), (503, "too_few_nodes"), "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert_eq!(client.get("/a").status, 404);
    assert_eq!(names(&client), ["before"]);
    let again = client.put("/a", b"x");
    assert_eq!(
        (again.status, again.code().as_str()),
        (503, "too_few_nodes"),
        "the name is free: {}",
        again.text()
    );
    let lost = client.get("/before");
    assert!([500, 503].contains(&lost.status), "{}", lost.text());
}
