//! Whoever is slow or rude holds up nobody but itself.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Documents, RawConnection};

use crate::{eventually, settings, start};

#[test]
fn slow_clients_hold_up_no_others() {
    let proxy = start();
    let client = proxy.client();
    let bytes = Documents::new(8).random(16 << 20);
    assert_eq!(client.put("/large", &bytes).status, 201);
    let mut slow = Vec::new();
    for number in 0..30 {
        let mut raw = RawConnection::open(proxy.address());
        match number % 3 {
            0 => raw.send("GET /lar"),
            1 => raw.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n"),
            _ => raw.send(format!("PUT /slow{number} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1")),
        }
        slow.push(raw);
    }
    let begin = Instant::now();
    for number in 0..10 {
        assert_eq!(client.put(&format!("/{number}"), b"x").status, 201);
        assert_eq!(client.get(&format!("/{number}")).text(), "x");
    }
    assert!(client.get("/large").body == bytes);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let limits = json!({ "proxy": { "limits": { "body_timeout_ms": 1000 } } });
    let proxy = settings().configure(limits).start();
    let client = proxy.client();
    // More than the system's buffers take.
    assert_eq!(client.put("/large", &Documents::new(9).random(32 << 20)).status, 201);
    let mut raw = RawConnection::open(proxy.address());
    raw.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(raw.head().status, 200);
    let in_flight = |count: u32| {
        let line = format!("selvage_http_requests_in_flight {count}\n");
        client.get("/-/metrics").text().contains(&line)
    };
    eventually("the download is under way", || in_flight(2));
    eventually("the download has been cut off", || in_flight(1));
    assert!(raw.bytes(32 << 20).is_err(), "not all of it comes");
}

#[test]
fn a_request_that_is_never_finished_is_ended() {
    let limits = json!({ "proxy": { "limits": { "header_timeout_ms": 500 } } });
    let proxy = settings().configure(limits).start();
    let mut raw = RawConnection::open(proxy.address());
    raw.send("GET /a HTT");
    let begin = Instant::now();
    let rest = raw.rest().unwrap_or_default();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
}

#[test]
fn long_heads_are_refused() {
    let limits = json!({ "proxy": { "limits": { "header_bytes": 8192 } } });
    let proxy = settings().configure(limits).start();
    let client = proxy.client();
    let long = "x".repeat(9000);
    let refused = client.request("GET", "/", &[("x-long", &long)], None);
    assert_eq!((refused.status, refused.code().as_str()), (431, "headers_too_large"));
    assert_eq!(client.request("GET", "/", &[("x-long", &long[..7000])], None).status, 200);
}

#[test]
fn nonsense_is_answered_and_the_connection_closed() {
    let proxy = start();
    for nonsense in
        ["nonsense\r\n\r\n", "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n"]
    {
        let mut raw = RawConnection::open(proxy.address());
        raw.send(nonsense);
        let answer = raw.rest().unwrap_or_default();
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{nonsense:?}: {}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(proxy.client().get("/-/healthy").status, 200);
}

#[test]
fn a_second_request_that_is_never_finished_is_ended_too() {
    let limits = json!({ "proxy": { "limits": { "header_timeout_ms": 500, "body_timeout_ms": 500 } } });
    let proxy = settings().configure(limits).start();
    let mut raw = RawConnection::open(proxy.address());
    raw.send("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(raw.response().status, 200);
    raw.send("GET /a HTT");
    let begin = Instant::now();
    let _ = raw.rest();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[test]
fn a_connection_that_is_not_used_is_closed() {
    let proxy = settings().configure(json!({ "proxy": { "limits": { "body_timeout_ms": 500 } } })).start();
    let mut raw = RawConnection::open(proxy.address());
    raw.send("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(raw.response().status, 200);
    let begin = Instant::now();
    assert_eq!(raw.rest().unwrap(), b"");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}
