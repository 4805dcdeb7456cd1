//! `/-/...`: what the service says of itself.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::door::Door;
use crate::graph;
use crate::problem::Problem;

/// What Prometheus is told that it gets: prometheus-client writes `OpenMetrics`.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Longest time that asking whether the service is ready may take: who asks has little patience.
const READY_MAX: Duration = Duration::from_secs(5);

/// Seconds after which it is worth asking again.
const READY_SECONDS: u32 = 5;

/// Answers `/-/<name>`.
pub(crate) async fn service(door: &Door, name: &str) -> Result<HttpResponse, Problem> {
    match name {
        "healthy" => Ok(status("healthy")),
        "ready" => ready(door).await,
        "metrics" => metrics(door),
        "graph" => graph::graph(door).await,
        _ => {
            let detail = format!("there is no /-/{name}; there are healthy, ready, metrics, graph");
            Err(Problem::new(StatusCode::NOT_FOUND, "not_found", detail))
        }
    }
}

fn status(text: &str) -> HttpResponse {
    let json = serde_json::json!({ "status": text });
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json)
}

async fn ready(door: &Door) -> Result<HttpResponse, Problem> {
    if door.is_draining() {
        let detail = "the service is stopping";
        return Err(Problem::unavailable("draining", detail, READY_SECONDS));
    }
    match tokio::time::timeout(READY_MAX, door.archive.ready()).await {
        Ok(Ok(())) => Ok(status("ready")),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => {
            let detail = "the service's own storage does not answer";
            Err(Problem::unavailable("unavailable", detail, READY_SECONDS))
        }
    }
}

fn metrics(door: &Door) -> Result<HttpResponse, Problem> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &door.registry)
        .map_err(|error| archive::Error::Internal(format!("metrics: {error}")))?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, METRICS_TYPE)).body(text))
}
