//! The listing.

use serde_json::{Value, json};
use testkit::Client;

use crate::{settings, start};

fn page(client: &Client, query: &str) -> (Vec<String>, Value) {
    let listing = client.get(&format!("/?{query}")).json();
    let files = listing["files"].as_array().unwrap_or_else(|| panic!("{query}: {listing}"));
    let names = files.iter().map(|file| file["path"].as_str().unwrap().to_owned());
    (names.collect(), listing["next"].clone())
}

#[test]
fn documents_are_listed_in_the_order_of_their_bytes() {
    let proxy = start();
    let client = proxy.client();
    assert_eq!(client.get("/").json(), json!({ "files": [], "next": null }));
    for path in ["/b", "/a/2", "/a/1", "/%C3%84", "/B"] {
        assert_eq!(client.put(path, b"xyz").status, 201);
    }
    let (names, next) = page(&client, "");
    assert_eq!(names, ["B", "a/1", "a/2", "b", "Ä"]);
    assert_eq!(next, Value::Null);
    let listing = client.get("/");
    assert_eq!(listing.header("content-type"), Some("application/json"));
    let file = &listing.json()["files"][0];
    let etag = client.head("/B").header("etag").unwrap().trim_matches('"').to_owned();
    assert_eq!((&file["original_size"], &file["hash"]), (&json!(3), &json!(etag)));
    assert_eq!(file["content_type"], "application/octet-stream");
    assert!(file["creation_date"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn pages_follow_one_another_to_the_end() {
    let proxy = start();
    let client = proxy.client();
    let all: Vec<String> = (0..7).map(|number| format!("p/{number}")).collect();
    for name in &all {
        assert_eq!(client.put(&format!("/{name}"), b"x").status, 201);
    }
    assert_eq!(client.put("/other", b"x").status, 201);
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let (names, next) = page(&client, &format!("prefix=p%2F&limit=3{after}"));
        assert!(names.len() <= 3);
        found.extend(names);
        let Some(next) = next.as_str() else { break };
        assert_eq!(Some(next), found.last().map(String::as_str));
        after = format!("&after={next}");
    }
    assert_eq!(found, all);
    assert_eq!(page(&client, "prefix=p/&limit=7").1, Value::Null, "a full last page is the last");
    assert_eq!(page(&client, "after=p/6").0.len(), 0);
    assert_eq!(page(&client, "after=o&prefix=o").0, ["other"]);
}

#[test]
fn bad_queries_are_refused() {
    let proxy = settings().configure(json!({ "proxy": { "limits": { "list_max": 5 } } })).start();
    let client = proxy.client();
    for query in ["limit=0", "limit=6", "limit=x", "prefix=%ff", "perfix=a", "after=a&after=b"] {
        let refused = client.get(&format!("/?{query}"));
        assert_eq!((refused.status, refused.code().as_str()), (400, "bad_query"), "{query}");
    }
    assert_eq!(client.get("/?limit=5").status, 200);
}
