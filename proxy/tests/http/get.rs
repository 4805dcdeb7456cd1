//! Documents go out as they came in.

use testkit::RawConnection;

use crate::start;

#[test]
fn what_is_not_there_is_a_problem_document() {
    let proxy = start();
    for path in ["/nothing", "/nothing/__meta"] {
        let missing = proxy.client().request("GET", path, &[("x-request-id", "mine-1")], None);
        assert_eq!(missing.status, 404);
        assert_eq!(missing.header("content-type"), Some("application/problem+json"));
        assert_eq!(missing.header("x-request-id"), Some("mine-1"));
        let problem = missing.json();
        let keys: Vec<&str> = problem.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["type", "title", "status", "code", "detail", "request_id"]);
        assert_eq!(
            (&problem["status"], &problem["code"], &problem["request_id"]),
            (&404.into(), &"not_found".into(), &"mine-1".into())
        );
    }
}

#[test]
fn every_answer_has_a_request_id_and_forbids_guessing() {
    let proxy = start();
    let client = proxy.client();
    let answers =
        [client.put("/a", b"x"), client.get("/a"), client.get("/b"), client.get("/"), client.head("/a")];
    for answer in answers {
        assert_eq!(answer.header("x-request-id").map(str::len), Some(36));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn head_says_what_get_would() {
    let proxy = start();
    let client = proxy.client();
    assert_eq!(client.put("/a.txt", &vec![b'x'; 100_000]).status, 201);
    for path in ["/a.txt", "/-/healthy", "/", "/b"] {
        let (get, head) = (client.get(path), client.head(path));
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.body, b"", "{path}");
        for name in ["content-length", "content-type", "etag", "last-modified", "accept-ranges"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    assert_eq!(client.head("/a.txt").header("content-length"), Some("100000"));
    assert_eq!(client.head("/a.txt/__meta").status, 200);
    let range = client.request("HEAD", "/a.txt", &[("range", "bytes=0-0")], None);
    assert_eq!((range.status, range.header("content-length")), (200, Some("100000")), "only GET has ranges");
}

#[test]
fn a_connection_serves_one_request_after_another() {
    let proxy = start();
    assert_eq!(proxy.client().put("/a", b"abc").status, 201);
    let mut raw = RawConnection::open(proxy.address());
    raw.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(raw.head().status, 200);
    raw.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(raw.response().text(), "abc");
    assert_eq!(raw.response().status, 404);
    raw.send("PUT /c HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nc");
    assert_eq!(raw.response().status, 201);
    raw.send("GET /c HTTP/1.0\r\n\r\n");
    assert_eq!(raw.response().text(), "c");
    assert_eq!(raw.rest().unwrap(), b"", "HTTP/1.0 closes");
}

#[test]
fn the_media_type_is_the_given_one_else_the_extensions_else_octets() {
    let proxy = start();
    let client = proxy.client();
    let put = |path: &str, content_type: &str| {
        let header = match content_type {
            "" => String::new(),
            given => format!("Content-Type: {given}\r\n"),
        };
        let mut raw = RawConnection::open(proxy.address());
        raw.send(format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n{header}\r\nx"));
        assert_eq!(raw.response().status, 201, "{path}");
    };
    for (path, given, expected) in [
        ("/a.pdf", "", "application/pdf"),
        ("/b.pdf", "text/x-mine; charset=x", "text/x-mine; charset=x"),
        ("/c", "", "application/octet-stream"),
        ("/d.unheard-of", "", "application/octet-stream"),
        ("/e", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
    ] {
        put(path, given);
        assert_eq!(client.get(path).header("content-type"), Some(expected), "{path}");
        assert_eq!(client.get(&format!("{path}/__meta")).json()["content_type"], expected, "{path}");
    }
}

#[test]
fn a_clients_own_headers_are_given_back() {
    let proxy = start();
    let client = proxy.client();
    let headers = [("X-Selvage-Meta-Author", "Ada"), ("x-selvage-meta-year", "1843"), ("x-other", "gone")];
    assert_eq!(client.request("PUT", "/a", &headers, Some(b"x")).status, 201);
    for answer in [client.get("/a"), client.head("/a")] {
        assert_eq!(answer.header("x-selvage-meta-author"), Some("Ada"));
        assert_eq!(answer.header("x-selvage-meta-year"), Some("1843"));
        assert_eq!(answer.header("x-other"), None);
    }
    let meta = client.get("/a/__meta").json();
    assert_eq!(meta["user_metadata"], serde_json::json!({ "author": "Ada", "year": "1843" }));
    let huge = "x".repeat(20_000);
    let refused = client.request("PUT", "/b", &[("x-selvage-meta-a", &huge)], Some(b"x"));
    assert_eq!((refused.status, refused.code().as_str()), (400, "bad_attributes"));
}
