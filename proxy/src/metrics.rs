//! What is counted of requests.

use std::time::Instant;

use actix_web::http::Method;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::request_id::RequestId;

/// Upper bounds of the time that requests take, in seconds: from a small document in the cache to a large one.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

type Labels = [(&'static str, &'static str); 2];
type MethodLabel = [(&'static str, &'static str); 1];

/// The counters of requests.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: Family<Labels, Counter>,
    seconds: Family<MethodLabel, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    bytes_in: Counter,
    bytes_out: Counter,
    cut: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            in_flight: Gauge::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            cut: Counter::default(),
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "selvage_http_requests",
            "Requests by method and class of status; none where the client left before",
            self.requests.clone(),
        );
        registry.register(
            "selvage_http_request_seconds",
            "Time from a request's headers to the end of its answer",
            self.seconds.clone(),
        );
        registry.register(
            "selvage_http_requests_in_flight",
            "Requests that have not been answered to the end",
            self.in_flight.clone(),
        );
        registry.register(
            "selvage_http_received_bytes",
            "Bytes of bodies of requests",
            self.bytes_in.clone(),
        );
        registry.register("selvage_http_sent_bytes", "Bytes of bodies of answers", self.bytes_out.clone());
        registry.register(
            "selvage_http_answers_cut",
            "Answers that were cut short because of an error after their head was sent",
            self.cut.clone(),
        );
    }

    pub(crate) fn bytes_in(&self) -> Counter {
        self.bytes_in.clone()
    }

    /// A request has begun.
    pub(crate) fn begin(&self, method: &Method, request_id: &RequestId) -> Measured {
        self.in_flight.inc();
        Measured {
            metrics: self.clone(),
            method: method_label(method),
            status: "none",
            started: Instant::now(),
            request_id: request_id.clone(),
        }
    }
}

/// A request under way; its end, whichever way it comes, is when this is dropped.
pub(crate) struct Measured {
    metrics: Metrics,
    method: &'static str,
    status: &'static str,
    started: Instant,
    request_id: RequestId,
}

impl Measured {
    /// The answer has this status.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.metrics.bytes_out.inc_by(bytes as u64);
    }

    /// The answer is cut short.
    pub(crate) fn cut(&self, error: &dyn std::error::Error) {
        self.metrics.cut.inc();
        tracing::error!(request_id = %self.request_id, %error, "answer cut short");
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.metrics.in_flight.dec();
        let labels = [("method", self.method), ("status", self.status)];
        self.metrics.requests.get_or_create(&labels).inc();
        self.metrics.seconds.get_or_create(&[("method", self.method)]).observe(took.as_secs_f64());
        tracing::debug!(
            request_id = %self.request_id, method = self.method, status = self.status,
            milliseconds = took.as_millis(), "request ended"
        );
    }
}

/// The methods there are, and one label for all that clients make up.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        _ => "other",
    }
}
