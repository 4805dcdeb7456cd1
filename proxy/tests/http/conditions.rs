//! Conditional requests, over the wire.

use testkit::Client;

use crate::start;

const LONG_AGO: &str = "Sat, 01 Jan 2000 00:00:00 GMT";
const FAR_AHEAD: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

fn status(client: &Client, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let body = (method == "PUT").then_some(&b"new"[..]);
    client.request(method, path, headers, body).status
}

#[test]
fn reads_follow_their_conditions() {
    let proxy = start();
    let client = proxy.client();
    let put = client.put("/a", b"x");
    let etag = put.header("etag").unwrap();
    let modified = client.get("/a").header("last-modified").unwrap().to_owned();
    let weak = format!("W/{etag}");
    for (name, value, expected) in [
        ("if-none-match", etag, 304),
        ("if-none-match", "*", 304),
        ("if-none-match", weak.as_str(), 304),
        ("if-none-match", "\"other\"", 200),
        ("if-match", etag, 200),
        ("if-match", "*", 200),
        ("if-match", weak.as_str(), 412),
        ("if-match", "\"other\"", 412),
        ("if-modified-since", modified.as_str(), 304),
        ("if-modified-since", FAR_AHEAD, 304),
        ("if-modified-since", LONG_AGO, 200),
        ("if-unmodified-since", modified.as_str(), 200),
        ("if-unmodified-since", LONG_AGO, 412),
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(status(&client, method, "/a", &[(name, value)]), expected, "{method} {name}: {value}");
        }
    }
    let precedence = [("if-none-match", "\"other\""), ("if-modified-since", FAR_AHEAD)];
    assert_eq!(status(&client, "GET", "/a", &precedence), 200);
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let proxy = start();
    let client = proxy.client();
    let put = client.put("/a", b"x");
    let etag = put.header("etag").unwrap();
    let unchanged = client.request("GET", "/a", &[("if-none-match", etag)], None);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(unchanged.header("etag"), Some(etag));
    assert!(unchanged.header("last-modified").is_some());
    let failed = client.request("GET", "/a", &[("if-match", "\"other\"")], None);
    assert_eq!((failed.code().as_str(), failed.header("etag")), ("precondition_failed", Some(etag)));
}

#[test]
fn writes_follow_their_conditions() {
    let proxy = start();
    let client = proxy.client();
    let put = client.put("/a", b"x");
    let etag = put.header("etag").unwrap();
    for (name, value, expected) in [
        ("if-none-match", "*", 412),
        ("if-none-match", etag, 412),
        ("if-none-match", "\"other\"", 409),
        ("if-match", "*", 409),
        ("if-match", etag, 409),
        ("if-match", "\"other\"", 412),
        ("if-unmodified-since", LONG_AGO, 412),
        ("if-unmodified-since", FAR_AHEAD, 409),
    ] {
        assert_eq!(status(&client, "PUT", "/a", &[(name, value)]), expected, "{name}: {value}");
    }
    assert_eq!(client.get("/a").text(), "x");
    assert_eq!(status(&client, "PUT", "/b", &[("if-match", "*")]), 412, "nothing is there");
    assert_eq!(status(&client, "PUT", "/b", &[("if-match", etag)]), 412, "nothing is there");
    assert_eq!(client.get("/b").status, 404);
    assert_eq!(status(&client, "PUT", "/b", &[("if-none-match", "*")]), 201);
    assert_eq!(status(&client, "PUT", "/c", &[("if-unmodified-since", LONG_AGO)]), 201);
}
