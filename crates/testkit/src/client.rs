//! An HTTP client that takes every status for an answer.

use std::net::SocketAddr;
use std::time::Duration;

use ureq::Agent;
use ureq::http::Request;

use crate::Response;

/// Longest time for a request: long for a busy machine, short for a test that hangs.
const TIME_MAX: Duration = Duration::from_secs(60);

/// A client of one server. Cloning shares its connections.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    address: SocketAddr,
}

impl Client {
    /// A client of the server at `address`.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let configuration = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .timeout_global(Some(TIME_MAX))
            .build();
        Self { agent: configuration.into(), address }
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request whose path stands in the request line exactly as given; `Err` says how it failed, which an
    /// answer that is shorter than announced does too.
    pub fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Response, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answered = match body {
            Some(body) => self.agent.run(request.body(body)?),
            None => self.agent.run(request.body(())?),
        };
        let (head, body) = answered?.into_parts();
        let headers = head.headers.iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let headers = headers.collect();
        let body = body.into_with_config().limit(u64::MAX).read_to_vec()?;
        Ok(Response { status: head.status.as_u16(), headers, body })
    }

    /// As [`Client::try_request`], of a server that is expected to answer.
    #[must_use]
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Response {
        self.try_request(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path} had no answer: {error}"))
    }

    /// GET.
    #[must_use]
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[], None)
    }

    /// HEAD.
    #[must_use]
    pub fn head(&self, path: &str) -> Response {
        self.request("HEAD", path, &[], None)
    }

    /// PUT.
    #[must_use]
    pub fn put(&self, path: &str, body: &[u8]) -> Response {
        self.request("PUT", path, &[], Some(body))
    }
}
