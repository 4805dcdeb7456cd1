//! What is known of a document.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::{Documents, ProxyProcess};

use crate::{settings, start};

/// The names of all files on a node.
fn files_on_node(proxy: &ProxyProcess, number: usize) -> BTreeSet<String> {
    let mut folders = vec![proxy.node_folder(number)];
    let mut files = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                files.insert(entry.file_name().into_string().unwrap());
            }
        }
    }
    files
}

#[test]
fn the_keys_are_recasts_and_then_ours() {
    let proxy = start();
    let client = proxy.client();
    let put = client.put("/a/b.txt", b"hello");
    let answer = client.get("/a/b.txt/__meta");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let meta = answer.json();
    let keys: Vec<&str> = meta.as_object().unwrap().keys().map(String::as_str).collect();
    let recast = ["path", "creation_date", "original_size", "entangling_blocks", "blocks"];
    assert_eq!(keys[..5], recast);
    assert_eq!(keys[5..], ["hash", "content_type", "user_metadata", "code", "segments"]);
    assert_eq!((&meta["path"], &meta["original_size"]), (&json!("a/b.txt"), &json!(5)));
    assert_eq!(meta["code"], json!({ "s": 1, "t": 10, "p": 3 }));
    assert_eq!(meta["hash"].as_str().unwrap(), put.header("etag").unwrap().trim_matches('"'));
    let anchors: Vec<Value> = (0..10).map(|number| json!(["-/anchor", number])).collect();
    assert_eq!(meta["entangling_blocks"], json!(anchors), "the first document points at anchors only");
    let segment = &meta["segments"][0];
    assert_eq!(
        (&segment["index"], &segment["offset"], &segment["length"]),
        (&json!(0), &json!(0), &json!(5))
    );
    assert_eq!(segment["block_length"], 4096);
}

#[test]
fn blocks_are_found_on_the_nodes_under_their_ids() {
    let proxy = start();
    assert_eq!(proxy.client().put("/a/b.txt", b"hello").status, 201);
    let meta = proxy.client().get("/a/b.txt/__meta").json();
    let blocks = meta["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 3);
    for (index, block) in blocks.iter().enumerate() {
        let keys: Vec<&str> = block.as_object().unwrap().keys().map(String::as_str).collect();
        let recast = ["key", "id", "providers", "creation_date", "block_type", "checksum", "entangled_with"];
        assert_eq!(keys, recast);
        assert_eq!(block["key"], format!("a/b.txt-{index:02}"));
        assert_eq!(block["block_type"], if index == 0 { "DATA" } else { "PARITY" });
        assert_eq!(block["checksum"].as_str().unwrap().len(), 64);
        let node = block["providers"][0].as_str().unwrap().strip_prefix("storage-node-").unwrap();
        let files = files_on_node(&proxy, node.parse().unwrap());
        assert!(files.contains(block["id"].as_str().unwrap()), "{block} among {files:?}");
    }
}

#[test]
fn entanglement_is_told_from_both_sides() {
    let proxy = start();
    let client = proxy.client();
    for number in 0..20 {
        assert_eq!(client.put(&format!("/d{number:02}"), b"x").status, 201);
    }
    let last = client.get("/d19/__meta").json();
    let pointers = last["entangling_blocks"].as_array().unwrap();
    assert_eq!(pointers.len(), 10);
    for pointer in pointers {
        let (name, index) = (pointer[0].as_str().unwrap(), pointer[1].as_u64().unwrap());
        assert_ne!(name, "-/anchor", "nineteen documents are enough for ten pointers");
        let target = client.get(&format!("/{name}/__meta")).json();
        let block = &target["blocks"][usize::try_from(index).unwrap()];
        assert_eq!(block["key"], format!("{name}-{index:02}"));
        assert!(block["entangled_with"].as_array().unwrap().contains(&json!("d19")), "{block}");
    }
}

#[test]
fn a_document_of_many_segments_is_described_whole() {
    // 4 KiB segments: 300 of them are several pages.
    let proxy = settings().configure(json!({ "archive": { "max_block": 4096 } })).start();
    let client = proxy.client();
    let bytes = Documents::new(4).random(300 * 4096 - 1);
    assert_eq!(client.put("/many", &bytes).status, 201);
    let meta = client.get("/many/__meta").json();
    let length = |key: &str| meta[key].as_array().unwrap().len();
    assert_eq!((length("entangling_blocks"), length("blocks"), length("segments")), (3000, 900, 300));
    for (number, segment) in meta["segments"].as_array().unwrap().iter().enumerate() {
        assert_eq!((&segment["index"], &segment["offset"]), (&json!(number), &json!(number * 4096)));
    }
    for (index, block) in meta["blocks"].as_array().unwrap().iter().enumerate() {
        assert_eq!(block["key"], format!("many-{index:02}"));
        assert_eq!(block["block_type"], if index % 3 == 0 { "DATA" } else { "PARITY" });
    }
    assert!(client.get("/many").body == bytes);
}
