//! A configuration that makes no sense is refused before anything is done.

use std::net::TcpListener;

use serde_json::json;

use crate::settings;

#[test]
fn wrong_values_are_named_and_end_the_process_with_64() {
    for (changes, key, value) in [
        (json!({ "storage": { "replication_factor": 17 } }), "storage.replication_factor", "17"),
        (json!({ "entanglement": { "configuration": { "s": 0 } } }), "entanglement.configuration.s", "0"),
        (json!({ "proxy": { "listen": "nowhere" } }), "proxy.listen", "nowhere"),
        (json!({ "proxy": { "colour": "red" } }), "proxy.colour", ""),
    ] {
        let exit = settings().configure(changes).run_to_exit();
        assert_eq!(exit.code, Some(64), "{}", exit.log);
        assert!(exit.log.contains(key) && exit.log.contains(value), "{}", exit.log);
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let exit = settings().environment("SELVAGE__STORAGE__NODES", "0").run_to_exit();
    assert_eq!(exit.code, Some(64), "{}", exit.log);
    assert!(exit.log.contains("SELVAGE__STORAGE__NODES"), "{}", exit.log);
    let proxy = settings().environment("SELVAGE__PROXY__LIMITS__DOCUMENT_BYTES", "3").start();
    assert_eq!(proxy.client().put("/a", b"four").status, 413);
    assert_eq!(proxy.client().put("/a", b"3ok").status, 201);
}

#[test]
fn an_address_in_use_is_named_and_nothing_is_made() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let exit = settings().configure(json!({ "proxy": { "listen": address } })).run_to_exit();
    assert_eq!(exit.code, Some(1), "{}", exit.log);
    assert!(exit.log.contains(&address), "{}", exit.log);
}
