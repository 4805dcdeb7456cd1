//! GET and HEAD of a document.

use std::ops::Range;

use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, LAST_MODIFIED, RANGE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use metadata::Document;
use types::DocumentName;
use uuid::Uuid;

use crate::attributes;
use crate::body::{DocumentBody, Unsent};
use crate::conditions::{self, Validators, Verdict};
use crate::door::Door;
use crate::multipart::{self, Piece};
use crate::problem::Problem;
use crate::ranges::{self, Selected};

/// Sends a document, or what of it is asked for.
pub(crate) async fn get(
    door: &Door,
    request: &HttpRequest,
    name: &DocumentName,
) -> Result<HttpResponse, Problem> {
    let document = door.archive.document(name).await?;
    let validators = Validators::new(document.record.hash, document.record.created);
    match conditions::of_read(request.headers(), &validators) {
        Verdict::Proceed => {}
        Verdict::NotModified => return Ok(head(StatusCode::NOT_MODIFIED, &validators).finish()),
        Verdict::Failed => return Err(Problem::precondition_failed(Some(&validators))),
    }
    let length = document.record.layout.length();
    let content_type = attributes::content_type(document.record.content_type.as_deref(), name);
    if request.method() == Method::HEAD {
        let mut response = whole(&document, &validators, &content_type);
        return Ok(response.body(Unsent(actix_web::body::BodySize::Sized(length))));
    }
    let (mut response, pieces) = match selected(request.headers(), &validators, length) {
        Selected::Whole => (whole(&document, &validators, &content_type), vec![Piece::Document(0..length)]),
        Selected::Ranges(ranges) => partial(&document, &validators, &content_type, &ranges),
        Selected::Unsatisfiable => return Err(unsatisfiable(length)),
    };
    let mut body = DocumentBody::new(&door.archive, &document, pieces);
    body.begin().await?;
    Ok(response.body(body))
}

/// What the `Range` header asks for, if it is to be followed.
fn selected(headers: &HeaderMap, validators: &Validators, length: u64) -> Selected {
    let range = headers.get(RANGE).and_then(|value| value.to_str().ok());
    match range {
        Some(range) if conditions::range_applies(headers, validators) => ranges::select(range, length),
        _ => Selected::Whole,
    }
}

fn head(status: StatusCode, validators: &Validators) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((ETAG, validators.etag()));
    response.insert_header((LAST_MODIFIED, validators.last_modified()));
    response.insert_header((ACCEPT_RANGES, "bytes"));
    response
}

fn whole(document: &Document, validators: &Validators, content_type: &str) -> HttpResponseBuilder {
    let mut response = head(StatusCode::OK, validators);
    response.insert_header((CONTENT_TYPE, content_type));
    attributes::tell_user_metadata(&mut response, &document.record.user_metadata);
    response
}

fn partial(
    document: &Document,
    validators: &Validators,
    content_type: &str,
    ranges: &[Range<u64>],
) -> (HttpResponseBuilder, Vec<Piece>) {
    let length = document.record.layout.length();
    let mut response = head(StatusCode::PARTIAL_CONTENT, validators);
    attributes::tell_user_metadata(&mut response, &document.record.user_metadata);
    if let [range] = ranges {
        response.insert_header((CONTENT_TYPE, content_type));
        response.insert_header((CONTENT_RANGE, multipart::content_range(range, length)));
        return (response, vec![Piece::Document(range.clone())]);
    }
    // Random, so that no document can hold it on purpose.
    let boundary = Uuid::new_v4().simple().to_string();
    response.insert_header((CONTENT_TYPE, format!("multipart/byteranges; boundary={boundary}")));
    (response, multipart::pieces(ranges, length, content_type, &boundary))
}

fn unsatisfiable(length: u64) -> Problem {
    let detail = format!("no byte of the document, which has {length}, is in the range");
    Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", detail)
        .with(CONTENT_RANGE, &format!("bytes */{length}"))
        .with(ACCEPT_RANGES, "bytes")
}
