//! Starting, stopping, being killed.

use std::thread;
use std::time::Duration;

use serde_json::json;
use testkit::{Documents, RawConnection};

use crate::{eventually, settings, small_segments, start};

#[test]
fn a_restart_keeps_everything() {
    let mut proxy = small_segments().start();
    let mut documents = Documents::new(5);
    let all: Vec<(String, Vec<u8>)> =
        (0..12).map(|number| (format!("/{number}"), documents.random(number * 30_000 + 1))).collect();
    for (path, bytes) in &all {
        assert_eq!(proxy.client().put(path, bytes).status, 201);
    }
    let exit = proxy.terminate();
    assert_eq!(exit.code, Some(0), "{}", exit.log);
    for crash in [false, true] {
        if crash {
            proxy.kill9();
        }
        proxy.restart();
        for (path, bytes) in &all {
            assert!(proxy.client().get(path).body == *bytes, "{path}");
        }
    }
    assert_eq!(proxy.client().put("/0", b"x").status, 409);
}

#[test]
fn a_crash_in_the_middle_of_an_upload_leaves_nothing_visible() {
    let mut proxy = small_segments().start();
    let mut raw = RawConnection::open(proxy.address());
    raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    raw.send(vec![1; 500_000]);
    thread::sleep(Duration::from_millis(100));
    proxy.kill9();
    proxy.restart();
    let client = proxy.client();
    assert_eq!(client.get("/a").status, 404);
    assert_eq!(crate::names(&client), [""; 0]);
    assert_eq!(client.put("/a", b"again").status, 201, "whoever held the name is dead");
}

#[test]
fn idle_connections_do_not_delay_the_end() {
    let mut proxy = start();
    assert_eq!(proxy.client().put("/a", b"x").status, 201);
    let mut connections: Vec<_> = (0..20).map(|_| RawConnection::open(proxy.address())).collect();
    for connection in connections.iter_mut().skip(5) {
        connection.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(connection.response().text(), "x");
    }
    let exit = proxy.terminate();
    assert_eq!(exit.code, Some(0), "{}", exit.log);
    assert!(exit.took < Duration::from_secs(3), "{:?}", exit.took);
}

#[test]
fn an_upload_under_way_is_finished() {
    let mut proxy = small_segments().start();
    let bytes = Documents::new(6).random(400_000);
    let mut raw = RawConnection::open(proxy.address());
    raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n");
    raw.send(&bytes[..200_000]);
    eventually("the upload is under way", || proxy.client().get("/-/metrics").text().contains("in_flight 2"));
    proxy.ask_to_stop();
    thread::sleep(Duration::from_millis(300));
    raw.send(&bytes[200_000..]);
    let put = raw.response();
    assert_eq!((put.status, put.header("connection")), (201, Some("close")));
    let exit = proxy.wait();
    assert_eq!(exit.code, Some(0), "{}", exit.log);
    proxy.restart();
    assert!(proxy.client().get("/a").body == bytes);
}

#[test]
fn a_download_under_way_is_finished() {
    let mut proxy = start();
    let bytes = Documents::new(7).random(24 << 20);
    assert_eq!(proxy.client().put("/a", &bytes).status, 201);
    let mut raw = RawConnection::open(proxy.address());
    raw.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(raw.head().status, 200);
    let begin = raw.bytes(1 << 20).unwrap();
    proxy.ask_to_stop();
    thread::sleep(Duration::from_millis(300));
    let rest = raw.bytes(bytes.len() - begin.len()).unwrap();
    assert!([begin, rest].concat() == bytes);
    drop(raw);
    let exit = proxy.wait();
    assert_eq!(exit.code, Some(0), "{}", exit.log);
}

#[test]
fn a_stopping_proxy_takes_no_new_connections() {
    let proxy = start();
    let mut raw = RawConnection::open(proxy.address());
    raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1");
    eventually("the upload is under way", || proxy.client().get("/-/metrics").text().contains("in_flight 2"));
    proxy.ask_to_stop();
    eventually("no more connections", || proxy.client().try_request("GET", "/-/ready", &[], None).is_err());
    raw.send("2");
    assert_eq!(raw.response().status, 201);
}

#[test]
fn a_request_that_does_not_end_is_cut_off_after_the_drain_time() {
    let mut proxy = settings().configure(json!({ "proxy": { "limits": { "drain_ms": 1000 } } })).start();
    let mut raw = RawConnection::open(proxy.address());
    raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1");
    eventually("the upload is under way", || proxy.client().get("/-/metrics").text().contains("in_flight 2"));
    let exit = proxy.terminate();
    assert_eq!(exit.code, Some(0), "{}", exit.log);
    assert!(exit.took < Duration::from_secs(8), "{:?}", exit.took);
    proxy.restart();
    assert_eq!(proxy.client().put("/a", b"x").status, 201);
}
