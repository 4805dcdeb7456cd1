//! What the service says of itself.

use serde_json::json;
use testkit::{Client, Response};

use crate::{settings, start};

/// The sum of the values of all lines of a metric that hold all of `labels`.
fn metric(page: &Response, name: &str, labels: &[&str]) -> f64 {
    let page = page.text();
    let lines = page.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
            && labels.iter().all(|label| line.contains(label))
    });
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn whole(value: f64) -> u64 {
    format!("{value:.0}").parse().unwrap()
}

#[test]
fn it_is_healthy_and_ready() {
    let proxy = start();
    let client = proxy.client();
    assert_eq!(client.get("/-/healthy").json(), json!({ "status": "healthy" }));
    assert_eq!(client.get("/-/ready").json(), json!({ "status": "ready" }));
    let missing = client.get("/-/nothing");
    assert_eq!((missing.status, missing.code().as_str()), (404, "not_found"));
}

#[test]
fn metrics_are_well_formed() {
    let proxy = start();
    let client = proxy.client();
    assert_eq!(client.put("/a", b"x").status, 201);
    let page = client.get("/-/metrics");
    let content_type = page.header("content-type").unwrap();
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
    let text = page.text();
    assert!(text.ends_with("# EOF\n"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(
            name.starts_with("selvage_") && name.matches('{').count() == name.matches('}').count(),
            "{line}"
        );
    }
}

#[test]
fn metrics_count_what_happens() {
    let proxy = settings().configure(json!({ "cache": { "bytes": 0 } })).start();
    let client = proxy.client();
    assert_eq!(client.put("/a", &[1; 10_000]).status, 201);
    assert_eq!(client.get("/a").status, 200);
    assert_eq!(client.get("/b").status, 404);
    let page = client.get("/-/metrics");
    let requests = |method, status| whole(metric(&page, "selvage_http_requests_total", &[method, status]));
    assert_eq!(requests("method=\"PUT\"", "status=\"2xx\""), 1);
    assert_eq!(requests("method=\"GET\"", "status=\"2xx\""), 1);
    assert_eq!(requests("method=\"GET\"", "status=\"4xx\""), 1);
    assert_eq!(whole(metric(&page, "selvage_http_received_bytes_total", &[])), 10_000);
    assert!(metric(&page, "selvage_http_sent_bytes_total", &[]) >= 10_000.0);
    assert_eq!(whole(metric(&page, "selvage_http_requests_in_flight", &[])), 1, "this one");
    assert_eq!(whole(metric(&page, "selvage_http_request_seconds_count", &["PUT"])), 1);
    let puts = ["operation=\"put\"", "outcome=\"ok\""];
    assert_eq!(whole(metric(&page, "selvage_node_operations_total", &puts)), 3);
    assert_eq!(whole(metric(&page, "selvage_node_operation_seconds_count", &puts[..1])), 3);
    assert!(metric(&page, "selvage_node_written_bytes_total", &[]) >= 3.0 * 10_000.0);
    assert_eq!(whole(metric(&page, "selvage_node_usable", &[])), 16);
}

#[test]
fn metrics_tell_of_degraded_reads_and_damage() {
    let proxy = settings().configure(json!({ "cache": { "bytes": 0 } })).start();
    let client = proxy.client();
    for number in 0..12 {
        assert_eq!(client.put(&format!("/{number}"), b"x").status, 201);
    }
    for number in [1, 2] {
        std::fs::remove_dir_all(proxy.node_folder(number)).unwrap();
    }
    for number in 0..12 {
        assert_eq!(client.get(&format!("/{number}")).status, 200);
    }
    let page = client.get("/-/metrics");
    assert!(metric(&page, "selvage_degraded_reads_total", &[]) > 0.0);
    let failed = ["operation=\"get\"", "node=\"storage-node-1\"", "outcome=\"denied\""];
    assert!(metric(&page, "selvage_node_operations_total", &failed) > 0.0, "{}", page.text());
}

#[test]
fn the_graph_is_shown_only_where_that_is_wanted() {
    let mut proxy = start();
    assert_eq!(proxy.client().put("/a", b"x").status, 201);
    let refused = proxy.client().get("/-/graph");
    assert_eq!((refused.status, refused.code().as_str()), (403, "graph_disabled"));
    proxy.restart_with(json!({ "proxy": { "graph": true } }));
    let client: Client = proxy.client();
    assert_eq!(client.put("/b", b"x").status, 201);
    let graph = client.get("/-/graph");
    assert_eq!(graph.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<serde_json::Value> =
        graph.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for (line, name) in lines.iter().zip(["a", "b"]) {
        assert_eq!((&line["document"], &line["segment"]), (&json!(name), &json!(0)));
        let described = client.get(&format!("/{name}/__meta")).json();
        assert_eq!(line["pointers"], described["entangling_blocks"]);
    }
}
