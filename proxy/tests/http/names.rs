//! Names are what stands in the path, decoded, and nothing else.

use testkit::RawConnection;

use crate::start;

#[test]
fn names_are_taken_exactly() {
    let proxy = start();
    let client = proxy.client();
    let paths = [
        ("/a/b", "a/b"),
        ("/a//b", "a//b"),
        ("/a/./b", "a/./b"),
        ("/a/x/../b", "a/x/../b"),
        ("/a/b/", "a/b/"),
        ("//a/b", "/a/b"),
        ("/A/b", "A/b"),
        ("/%C3%84", "Ä"),
        ("/A%CC%88", "A\u{308}"),
        ("/a%20b+c", "a b+c"),
        ("/100%25", "100%"),
        ("/%2525", "%25"),
        ("/q%3Fx%23y", "q?x#y"),
        ("/-", "-"),
        ("/__meta", "__meta"),
        ("/..", ".."),
    ];
    for (path, name) in paths {
        let put = client.put(path, path.as_bytes());
        assert_eq!((put.status, put.text().as_str()), (201, name), "{path}");
    }
    for (path, name) in paths {
        assert_eq!(client.get(path).text(), path, "{name}");
    }
    assert_eq!(crate::names(&client).len(), paths.len(), "no two are the same");
}

#[test]
fn different_escapes_of_the_same_bytes_are_the_same_name() {
    let proxy = start();
    let client = proxy.client();
    assert_eq!(client.put("/a%2Fb", b"x").text(), "a/b");
    for path in ["/a/b", "/a%2fb", "/%61/b", "/a%2F%62?query=is-not-part-of-it"] {
        assert_eq!(client.get(path).text(), "x", "{path}");
    }
    let mut raw = RawConnection::open(proxy.address());
    raw.send("PUT /Ä HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\ny");
    assert_eq!(raw.response().status, 400, "a request line is ASCII: other bytes are to be escaped");
}

#[test]
fn names_that_are_none_are_refused_with_the_reason() {
    let proxy = start();
    let client = proxy.client();
    let long = format!("/{}", "x".repeat(1025));
    for (path, reason) in [
        ("/a%0Ab", "control character at byte 1"),
        ("/a%7F", "control character at byte 1"),
        ("/%FF", "not UTF-8"),
        ("/a%", "byte 1"),
        ("/a%4", "byte 1"),
        ("/a%zz", "byte 1"),
        ("//__meta", "empty"),
        ("/a/__meta", "/__meta"),
        ("/a%2F__meta", "/__meta"),
        ("/-/healthy", "-/"),
        ("/-/else", "-/"),
        (long.as_str(), "1025 bytes"),
    ] {
        let refused = client.put(path, b"x");
        assert_eq!((refused.status, refused.code().as_str()), (400, "bad_name"), "{path}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(reason), "{path}: {detail}");
    }
    for path in ["/a%0Ab", "/%FF", "/a%zz", "//__meta", long.as_str()] {
        assert_eq!(client.get(path).code(), "bad_name", "{path}");
    }
    assert_eq!(client.put(&format!("/{}", "x".repeat(1024)), b"x").status, 201);
    assert_eq!(client.put(&format!("/{}", "%C3%84".repeat(512)), b"x").status, 201);
}

#[test]
fn a_document_without_a_name_is_given_a_random_one() {
    let proxy = start();
    let client = proxy.client();
    let name = client.put("/", b"x").text();
    let groups: Vec<usize> = name.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{name}");
    assert_eq!(name.as_bytes()[14], b'4', "a UUIDv4: {name}");
    assert_eq!(client.get(&format!("/{name}")).text(), "x");
    assert_ne!(client.put("/", b"x").text(), name);
}

#[test]
fn the_location_leads_to_the_document() {
    let proxy = start();
    let client = proxy.client();
    for path in ["/a%20b/c%3F", "//host/x", "/%C3%84%25"] {
        let put = client.put(path, b"x");
        let location = put.header("location").unwrap();
        assert!(location.starts_with('/') && !location.starts_with("//"), "{location}");
        assert_eq!(client.get(location).status, 200, "{location}");
    }
}

#[test]
fn methods_that_mean_nothing_are_told_which_do() {
    let proxy = start();
    let client = proxy.client();
    for (path, allowed) in [
        ("/a", "GET, HEAD, PUT"),
        ("/", "GET, HEAD, PUT"),
        ("/a/__meta", "GET, HEAD"),
        ("/-/ready", "GET, HEAD"),
    ] {
        for method in ["POST", "DELETE", "PATCH", "OPTIONS", "MADEUP"] {
            let refused = client.request(method, path, &[], None);
            assert_eq!((refused.status, refused.header("allow")), (405, Some(allowed)), "{method} {path}");
            assert_eq!(refused.code(), "method_not_allowed");
        }
    }
    let mut raw = RawConnection::open(proxy.address());
    raw.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(raw.response().status, 400);
}
