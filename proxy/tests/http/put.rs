//! Documents come in whole or not at all.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Documents, RawConnection};

use crate::{eventually, names, settings, small_segments, start};

#[test]
fn what_was_put_is_told_by_name_hash_and_place() {
    let proxy = start();
    let put = proxy.client().put("/papers/thesis.pdf", b"thesis");
    assert_eq!(put.status, 201);
    assert_eq!(put.body, b"papers/thesis.pdf");
    assert_eq!(put.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(put.header("location"), Some("/papers/thesis.pdf"));
    let etag = put.header("etag").unwrap();
    assert_eq!((etag.len(), etag.starts_with('"'), etag.ends_with('"')), (66, true, true));
    assert_eq!(proxy.client().get("/papers/thesis.pdf").header("etag"), Some(etag));
}

#[test]
fn documents_of_all_sizes_come_back_the_same() {
    let proxy = small_segments().start();
    let client = proxy.client();
    let mut documents = Documents::new(1);
    for length in [1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 300_000, 1_000_000, 3_000_001] {
        for (kind, bytes) in [("r", documents.random(length)), ("p", documents.repetitive(length))] {
            let path = format!("/{kind}/{length}");
            assert_eq!(client.put(&path, &bytes).status, 201, "{path}");
            assert!(client.get(&path).body == bytes, "{path}");
        }
    }
}

#[test]
fn an_empty_body_is_refused() {
    let proxy = start();
    assert_eq!(proxy.client().put("/a", b"").code(), "empty_body");
    for head in ["Content-Length: 0\r\n\r\n", "\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        let mut raw = RawConnection::open(proxy.address());
        raw.send(format!("PUT /a HTTP/1.1\r\nHost: x\r\n{head}"));
        let refused = raw.response();
        assert_eq!((refused.status, refused.code().as_str()), (400, "empty_body"), "{head:?}");
    }
    assert_eq!(proxy.client().put("/a", b"x").status, 201, "the name is still free");
}

#[test]
fn a_body_in_chunks_is_put_together() {
    let proxy = small_segments().start();
    let bytes = Documents::new(2).random(200_000);
    let mut raw = RawConnection::open(proxy.address());
    raw.send("PUT /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in bytes.chunks(7_777) {
        raw.send(format!("{:x}\r\n", piece.len()));
        raw.send(piece);
        raw.send("\r\n");
    }
    raw.send("0\r\n\r\n");
    assert_eq!(raw.response().status, 201);
    assert!(proxy.client().get("/chunked").body == bytes);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let proxy = start();
    let mut raw = RawConnection::open(proxy.address());
    raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(raw.response().status, 100);
    raw.send("abc");
    assert_eq!(raw.response().status, 201);
    assert_eq!(proxy.client().get("/a").text(), "abc");
}

#[test]
fn a_taken_name_is_refused_with_the_tag_of_what_is_there() {
    let proxy = start();
    let client = proxy.client();
    let first = client.put("/a", b"first");
    let second = client.put("/a", b"second");
    assert_eq!((second.status, second.code().as_str()), (409, "name_taken"));
    assert_eq!(second.header("etag"), first.header("etag"));
    assert_eq!(client.get("/a").text(), "first");
}

#[test]
fn a_refused_upload_is_answered_before_it_has_come() {
    let proxy = start();
    let client = proxy.client();
    assert_eq!(client.put("/a", b"first").status, 201);
    let megabyte = vec![7; 1 << 20];
    for framing in ["Content-Length: 1000000000", "Transfer-Encoding: chunked"] {
        let begin = Instant::now();
        let mut raw = RawConnection::open(proxy.address());
        raw.send(format!("PUT /a HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"));
        // A client that writes a good deal before it reads still sees the answer.
        for _ in 0..8 {
            raw.send(format!("{:x}\r\n", megabyte.len()));
            raw.send(&megabyte);
            raw.send("\r\n");
        }
        let refused = raw.response();
        assert_eq!((refused.status, refused.code().as_str()), (409, "name_taken"), "{framing}");
        assert_eq!(refused.header("connection"), Some("close"));
        let _ = raw.rest();
        assert!(begin.elapsed() < Duration::from_secs(10), "the rest is not read for ever");
    }
}

#[test]
fn documents_over_the_limit_are_refused_early_or_on_the_way() {
    let proxy = settings().configure(json!({ "proxy": { "limits": { "document_bytes": 100_000 } } })).start();
    let client = proxy.client();
    assert_eq!(client.put("/fits", &vec![1; 100_000]).status, 201);
    let mut raw = RawConnection::open(proxy.address());
    raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n");
    let refused = raw.response();
    assert_eq!((refused.status, refused.code().as_str()), (413, "too_large"));
    let mut raw = RawConnection::open(proxy.address());
    raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..3 {
        raw.send(format!("c350\r\n{}\r\n", "x".repeat(50_000)));
    }
    let refused = raw.response();
    assert_eq!((refused.status, refused.code().as_str()), (413, "too_large"));
    assert_eq!(names(&client), ["fits"]);
}

#[test]
fn a_part_of_a_document_cannot_be_put() {
    let proxy = start();
    let refused = proxy.client().request("PUT", "/a", &[("content-range", "bytes 0-0/5")], Some(b"x"));
    assert_eq!((refused.status, refused.code().as_str()), (400, "partial_put"));
}

#[test]
fn of_uploads_that_race_for_a_name_one_wins() {
    let proxy = start();
    let bodies: Vec<Vec<u8>> = (0..8_u8).map(|number| vec![number; 200_000]).collect();
    let answers: Vec<u16> = thread::scope(|scope| {
        let proxy = &proxy;
        let put = |body: &'_ Vec<u8>| proxy.client().put("/contested", body).status;
        let threads: Vec<_> = bodies.iter().map(|body| scope.spawn(move || put(body))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winners: Vec<usize> = (0..8).filter(|number| answers[*number] == 201).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [201, 409].contains(status)), "{answers:?}");
    assert!(proxy.client().get("/contested").body == bodies[winners[0]]);
}

#[test]
fn an_upload_in_progress_holds_its_name() {
    let proxy = start();
    let mut raw = RawConnection::open(proxy.address());
    raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345");
    // A body is not touched before its name is held.
    eventually("the name is held", || {
        proxy.client().get("/-/metrics").text().contains("selvage_http_received_bytes_total 5\n")
    });
    let refused = proxy.client().put("/a", b"x");
    assert_eq!((refused.status, refused.code().as_str()), (409, "upload_in_progress"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    raw.send("67890");
    assert_eq!(raw.response().status, 201);
    assert_eq!(proxy.client().get("/a").text(), "1234567890");
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_and_frees_the_name() {
    let proxy = small_segments().start();
    let client = proxy.client();
    for reset in [false, true] {
        let mut raw = RawConnection::open(proxy.address());
        raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n");
        raw.send(vec![1; 3_000_000]);
        if reset {
            drop(raw);
        } else {
            raw.finish_sending();
            let _ = raw.rest();
        }
        assert_eq!(client.get("/a").status, 404);
        assert_eq!(names(&client), [""; 0]);
    }
    eventually("the name is free", || client.put("/a", b"again").status == 201);
    assert_eq!(client.get("/a").text(), "again");
}

#[test]
fn an_upload_that_stands_still_is_ended() {
    let proxy = settings().configure(json!({ "proxy": { "limits": { "body_timeout_ms": 300 } } })).start();
    let mut raw = RawConnection::open(proxy.address());
    raw.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345");
    let refused = raw.response();
    assert_eq!((refused.status, refused.code().as_str()), (408, "body_timeout"));
    assert_eq!(proxy.client().put("/a", b"x").status, 201);
}
