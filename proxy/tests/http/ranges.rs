//! Ranges, over the wire, of a document of several segments.

use testkit::{Client, Documents, ProxyProcess, Response};

use crate::small_segments;

const LENGTH: usize = 300_000;

fn document() -> (ProxyProcess, Client, Vec<u8>) {
    let proxy = small_segments().start();
    let client = proxy.client();
    let bytes = Documents::new(3).random(LENGTH);
    assert_eq!(client.put("/d.bin", &bytes).status, 201);
    (proxy, client, bytes)
}

fn range(client: &Client, range: &str) -> Response {
    client.request("GET", "/d.bin", &[("range", range)], None)
}

#[test]
fn single_ranges_are_cut_out_of_any_segments() {
    let (_proxy, client, bytes) = document();
    for (spec, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=65535-65536", 65_535, 65_537),
        ("bytes=65536-131071", 65_536, 131_072),
        ("bytes=1000-250000", 1000, 250_001),
        ("bytes=299999-", 299_999, 300_000),
        ("bytes=-1", 299_999, 300_000),
        ("bytes=-100000", 200_000, 300_000),
        ("bytes=-999999999", 0, 300_000),
        ("bytes=299000-999999999", 299_000, 300_000),
    ] {
        let part = range(&client, spec);
        assert_eq!(part.status, 206, "{spec}");
        assert!(part.body == bytes[start..end], "{spec}");
        let expected = format!("bytes {start}-{}/{LENGTH}", end - 1);
        assert_eq!(part.header("content-range"), Some(expected.as_str()));
        assert_eq!(part.header("content-length"), Some((end - start).to_string().as_str()));
        assert_eq!(part.header("accept-ranges"), Some("bytes"));
        assert!(part.header("etag").is_some() && part.header("last-modified").is_some());
    }
}

#[test]
fn ranges_without_a_byte_are_not_satisfiable() {
    let (_proxy, client, _) = document();
    for spec in ["bytes=300000-", "bytes=300000-400000", "bytes=-0", "bytes=400000-,-0"] {
        let refused = range(&client, spec);
        assert_eq!((refused.status, refused.code().as_str()), (416, "range_not_satisfiable"), "{spec}");
        assert_eq!(refused.header("content-range"), Some("bytes */300000"));
    }
}

#[test]
fn what_is_no_range_is_ignored() {
    let (_proxy, client, bytes) = document();
    let many = format!("bytes={}", vec!["0-0"; 100].join(","));
    for spec in ["bytes=5-4", "bytes=x", "lines=0-1", "bytes", many.as_str()] {
        let whole = range(&client, spec);
        assert_eq!(whole.status, 200, "{spec}");
        assert!(whole.body == bytes, "{spec}");
    }
}

#[test]
fn if_range_guards_against_another_version() {
    let (_proxy, client, _) = document();
    let head = client.head("/d.bin");
    let (etag, modified) = (head.header("etag").unwrap(), head.header("last-modified").unwrap());
    let weak = format!("W/{etag}");
    for (value, expected) in [
        (etag, 206),
        (modified, 206),
        (weak.as_str(), 200),
        ("\"other\"", 200),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 200),
    ] {
        let headers = [("range", "bytes=0-0"), ("if-range", value)];
        assert_eq!(client.request("GET", "/d.bin", &headers, None).status, expected, "{value}");
    }
    let headers = [("range", "bytes=0-0"), ("if-none-match", etag)];
    assert_eq!(client.request("GET", "/d.bin", &headers, None).status, 304, "conditions go first");
}

#[test]
fn several_ranges_come_in_parts() {
    let (_proxy, client, bytes) = document();
    let answer = range(&client, "bytes=100000-199999, 0-9,-5");
    assert_eq!(answer.status, 206);
    assert_eq!(answer.header("content-range"), None);
    let content_type = answer.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut expected = Vec::new();
    for (number, (start, end)) in [(100_000, 200_000), (0, 10), (299_995, 300_000)].into_iter().enumerate() {
        let line_end = if number == 0 { "" } else { "\r\n" };
        expected.extend_from_slice(
            format!(
                "{line_end}--{boundary}\r\nContent-Type: application/octet-stream\r\n\
                 Content-Range: bytes {start}-{}/{LENGTH}\r\n\r\n",
                end - 1
            )
            .as_bytes(),
        );
        expected.extend_from_slice(&bytes[start..end]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(answer.body == expected, "{}", String::from_utf8_lossy(&answer.body[..200]));
}

#[test]
fn ranges_that_overlap_are_joined() {
    let (_proxy, client, bytes) = document();
    let answer = range(&client, "bytes=0-99,50-149");
    assert_eq!(answer.header("content-range"), Some("bytes 0-149/300000"));
    assert!(answer.body == bytes[..150]);
}
