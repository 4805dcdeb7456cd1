//! One request, from its head to its answer.
//!
//! There is one handler for all paths: a document's name may be any path, and a router would normalise it.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::body::{Attended, Unsent};
use crate::connections::Connection;
use crate::door::Door;
use crate::problem::Problem;
use crate::request_id::{RequestId, X_REQUEST_ID};
use crate::target::Target;
use crate::upload::Upload;
use crate::{get, list, meta, put, service};

/// Answers a request.
pub(crate) async fn handle(door: Data<Door>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let request_id = RequestId::of(request.headers());
    let mut measured = door.metrics.begin(request.method(), &request_id);
    let in_use = request.conn_data::<Arc<Connection>>().map(Connection::in_use);
    let mut upload = Upload::new(payload, door.limits.body_timeout, door.metrics.bytes_in());
    let answered = answer(&door, &request, &mut upload).await;
    let mut response = answered.unwrap_or_else(|problem| problem.into_response(&request_id));
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(value) = request_id.to_header() {
        headers.insert(X_REQUEST_ID, value);
    }
    measured.answered(response.status().as_u16());
    let is_head = request.method() == Method::HEAD;
    response.map_body(|_, body| {
        let body =
            if is_head { BoxBody::new(Unsent(actix_web::body::MessageBody::size(&body))) } else { body };
        BoxBody::new(Attended { body, measured, _upload: upload, _in_use: in_use })
    })
}

async fn answer(
    door: &Arc<Door>,
    request: &HttpRequest,
    upload: &mut Upload,
) -> Result<HttpResponse, Problem> {
    check_head(door, request)?;
    let target = Target::parse(request.uri().path())
        .map_err(|error| Problem::bad_request("bad_name", error.to_string()))?;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match target {
        Target::Root if reads => list::list(door, request).await,
        Target::Document(name) if reads => get::get(door, request, &name).await,
        Target::Meta(name) if reads => meta::meta(door, &name).await,
        Target::Service(name) if reads => service::service(door, &name).await,
        Target::Root if request.method() == Method::PUT => put::put(door, request, None, upload).await,
        Target::Document(name) if request.method() == Method::PUT => {
            put::put(door, request, Some(name), upload).await
        }
        Target::Meta(_) if request.method() == Method::PUT => {
            Err(bad_name(&types::NameError::ReservedSuffix))
        }
        Target::Service(_) if request.method() == Method::PUT => {
            Err(bad_name(&types::NameError::ReservedPrefix))
        }
        Target::Root | Target::Document(_) => Err(not_allowed("GET, HEAD, PUT")),
        Target::Meta(_) | Target::Service(_) => Err(not_allowed("GET, HEAD")),
    }
}

fn bad_name(error: &types::NameError) -> Problem {
    Problem::bad_request("bad_name", error.to_string())
}

fn not_allowed(allowed: &str) -> Problem {
    let detail = format!("allowed here: {allowed}; documents are never changed or deleted");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).with(ALLOW, allowed)
}

/// The request line and headers are held to the configured limit; a fixed one, four times the default, has held
/// before they were read.
fn check_head(door: &Door, request: &HttpRequest) -> Result<(), Problem> {
    let field =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + ": \r\n".len();
    let line = request.uri().path().len() + request.query_string().len();
    let bytes = line + request.headers().iter().map(field).sum::<usize>();
    if bytes <= door.limits.header_bytes {
        return Ok(());
    }
    let detail = format!("the request line and headers are longer than {} bytes", door.limits.header_bytes);
    Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail))
}
