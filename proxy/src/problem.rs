//! What went wrong, as clients are told: the one place that turns causes into statuses.
//!
//! Every problem is an `application/problem+json` document (RFC 9457). What is inside (nodes, paths, causes) goes
//! to the log with the request's identifier, never to the client.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, body::BoxBody};
use archive::{Error, LostSymbol};
use serde::Serialize;
use types::ErrorKind;

use crate::conditions::Validators;
use crate::request_id::RequestId;

/// Seconds after which a name that another upload holds is worth another try.
const BUSY_SECONDS: u32 = 1;

/// Seconds after which storage that is out of reach is worth another try.
const OUTAGE_SECONDS: u32 = 5;

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    /// For the client.
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log.
    internal: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    request_id: &'a str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), headers: Vec::new(), internal: None }
    }

    /// The request makes no sense.
    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The client's condition does not hold; `there` is what is there instead.
    pub(crate) fn precondition_failed(there: Option<&Validators>) -> Self {
        let detail = "a condition of the request does not hold";
        let problem = Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail);
        match there {
            Some(there) => problem.with(ETAG, &there.etag()),
            None => problem,
        }
    }

    /// Not now, but in `seconds` perhaps.
    pub(crate) fn unavailable(code: &'static str, detail: impl Into<String>, seconds: u32) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with(RETRY_AFTER, &seconds.to_string())
    }

    /// A defect, or damage that is nobody's request's fault.
    fn internal(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, detail)
    }

    /// The same with a header; one that cannot be a header is left out.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// The same with what only the log is told.
    fn because(mut self, internal: impl Into<String>) -> Self {
        self.internal = Some(internal.into());
        self
    }

    /// The response; logs what clients are not told.
    pub(crate) fn into_response(self, request_id: &RequestId) -> HttpResponse<BoxBody> {
        self.log(request_id);
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            request_id: request_id.as_str(),
        };
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        for header in self.headers {
            response.insert_header(header);
        }
        response.body(serde_json::to_vec(&document).unwrap_or_default())
    }

    fn log(&self, request_id: &RequestId) {
        let (status, code, detail) = (self.status.as_u16(), self.code, &self.detail);
        let cause = self.internal.as_deref();
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(%request_id, status, code, detail, cause, "request failed");
        } else if self.status.is_server_error() {
            tracing::warn!(%request_id, status, code, detail, cause, "request failed");
        } else {
            tracing::debug!(%request_id, status, code, detail, cause, "request refused");
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "not_found", detail),
            Error::Taken(there) => {
                let validators = Validators::new(there.record.hash, there.record.created);
                Self::new(StatusCode::CONFLICT, "name_taken", detail).with(ETAG, &validators.etag())
            }
            Error::Busy(_) => Self::new(StatusCode::CONFLICT, "upload_in_progress", detail)
                .with(RETRY_AFTER, &BUSY_SECONDS.to_string()),
            Error::Lapsed(_) => Self::new(StatusCode::CONFLICT, "upload_lapsed", detail),
            Error::Empty => Self::bad_request("empty_body", detail),
            Error::Attributes(_) => Self::bad_request("bad_attributes", detail),
            Error::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail),
            Error::Body(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
            }
            Error::Body(_) => Self::bad_request("body_incomplete", detail),
            Error::TooFewNodes(cause) => {
                let detail = "too few storage nodes take the write; nothing of it was kept";
                Self::unavailable("too_few_nodes", detail, OUTAGE_SECONDS).because(cause)
            }
            Error::OutOfReach { lost, .. } => {
                Self::unavailable("out_of_reach", detail, OUTAGE_SECONDS).because(symbols(&lost))
            }
            Error::Unrecoverable { lost, .. } => {
                Self::internal("unrecoverable", detail).because(symbols(&lost))
            }
            Error::Backend(error) => Self::of_backend(&error),
            Error::Internal(cause) => Self::internal("internal", INTERNAL).because(cause),
        }
    }
}

/// What a client is told of a defect.
const INTERNAL: &str = "something went wrong in the service; its log has the details under the request's id";

impl Problem {
    fn of_backend(error: &types::Error) -> Self {
        let problem = match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Timeout => {
                Self::unavailable("unavailable", "the service's own storage does not answer", OUTAGE_SECONDS)
            }
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Conflict
            | ErrorKind::Corrupt
            | ErrorKind::Denied
            | ErrorKind::Invalid
            | ErrorKind::Internal => Self::internal("internal", INTERNAL),
        };
        problem.because(error.to_string())
    }
}

fn symbols(lost: &[LostSymbol]) -> String {
    let told = |symbol: &LostSymbol| {
        format!("{} (symbol {}): {}: {}", symbol.block, symbol.position, symbol.kind, symbol.reason)
    };
    lost.iter().map(told).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn answer(error: Error) -> (u16, &'static str, bool) {
        let problem = Problem::from(error);
        let retry = problem.headers.iter().any(|(name, _)| name == RETRY_AFTER);
        (problem.status.as_u16(), problem.code, retry)
    }

    #[test]
    fn causes_have_their_statuses() {
        let name = types::DocumentName::new("a").unwrap();
        let backend = |kind| Error::Backend(Arc::new(types::Error::new(kind, "node", "secret")));
        let io = |kind: std::io::ErrorKind| Error::Body(kind.into());
        for (error, expected) in [
            (Error::NotFound(name.clone()), (404, "not_found", false)),
            (Error::Busy(name.clone()), (409, "upload_in_progress", true)),
            (Error::Lapsed(name.clone()), (409, "upload_lapsed", false)),
            (Error::Empty, (400, "empty_body", false)),
            (Error::Attributes("x".to_owned()), (400, "bad_attributes", false)),
            (Error::TooLarge { limit: 1 }, (413, "too_large", false)),
            (io(std::io::ErrorKind::UnexpectedEof), (400, "body_incomplete", false)),
            (io(std::io::ErrorKind::TimedOut), (408, "body_timeout", false)),
            (Error::TooFewNodes("node-7".to_owned()), (503, "too_few_nodes", true)),
            (Error::OutOfReach { name: name.clone(), segment: 0, lost: vec![] }, (503, "out_of_reach", true)),
            (Error::Unrecoverable { name, segment: 0, lost: vec![] }, (500, "unrecoverable", false)),
            (backend(ErrorKind::Unavailable), (503, "unavailable", true)),
            (backend(ErrorKind::Timeout), (503, "unavailable", true)),
            (backend(ErrorKind::Corrupt), (500, "internal", false)),
            (Error::Internal("secret".to_owned()), (500, "internal", false)),
        ] {
            let text = error.to_string();
            assert_eq!(answer(error), expected, "{text}");
        }
    }

    #[test]
    fn clients_are_not_told_what_is_inside() {
        for error in [
            Error::TooFewNodes("secret".to_owned()),
            Error::Internal("secret".to_owned()),
            types::Error::new(ErrorKind::Timeout, "secret", "secret").into(),
        ] {
            let problem = Problem::from(error);
            assert!(!problem.detail.contains("secret"), "{}", problem.detail);
            assert!(problem.internal.unwrap().contains("secret"));
        }
    }
}
