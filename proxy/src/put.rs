//! PUT: a document comes in.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH, LOCATION, TRANSFER_ENCODING,
};
use actix_web::{HttpRequest, HttpResponse};
use archive::{Error, PutRequest};
use types::DocumentName;

use crate::attributes;
use crate::conditions::{self, Validators, Verdict};
use crate::door::Door;
use crate::problem::Problem;
use crate::target;
use crate::upload::Upload;

/// Takes a document under `name`, or under a name of the archive's choice.
pub(crate) async fn put(
    door: &Arc<Door>,
    request: &HttpRequest,
    name: Option<DocumentName>,
    upload: &mut Upload,
) -> Result<HttpResponse, Problem> {
    let headers = request.headers();
    if headers.contains_key(CONTENT_RANGE) {
        let detail = "a document is put whole; Content-Range is not taken";
        return Err(Problem::bad_request("partial_put", detail));
    }
    let length = announced(headers);
    let limit = door.limits.document_bytes;
    if length.is_some_and(|length| length > limit) {
        return Err(Error::TooLarge { limit }.into());
    }
    let name = name.unwrap_or_else(|| door.archive.random_name());
    let put = PutRequest {
        name: name.clone(),
        length,
        content_type: attributes::content_type_given(headers)?,
        user_metadata: attributes::user_metadata(headers)?,
    };
    check_conditions(door, headers, &name).await?;
    match door.archive.put(put, upload).await {
        Ok(document) => Ok(created(&document)),
        // Somebody came first since the conditions were checked.
        Err(Error::Taken(there)) if headers.contains_key(IF_NONE_MATCH) => {
            let there = Validators::new(there.record.hash, there.record.created);
            match conditions::of_write(headers, Some(&there)) {
                Verdict::Failed => Err(Problem::precondition_failed(Some(&there))),
                Verdict::Proceed | Verdict::NotModified => Err(taken(&name, &there)),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The length that the client announced, if it did.
fn announced(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn check_conditions(door: &Door, headers: &HeaderMap, name: &DocumentName) -> Result<(), Problem> {
    if !conditions::any_of_write(headers) {
        return Ok(());
    }
    let there = match door.archive.document(name).await {
        Ok(document) => Some(Validators::new(document.record.hash, document.record.created)),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match conditions::of_write(headers, there.as_ref()) {
        Verdict::Proceed | Verdict::NotModified => Ok(()),
        Verdict::Failed => Err(Problem::precondition_failed(there.as_ref())),
    }
}

fn taken(name: &DocumentName, there: &Validators) -> Problem {
    let detail = format!("the name {:?} is taken", name.as_str());
    Problem::new(StatusCode::CONFLICT, "name_taken", detail).with(ETAG, &there.etag())
}

/// The answer: the name, exactly.
fn created(document: &metadata::Document) -> HttpResponse {
    let record = &document.record;
    HttpResponse::Created()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((ETAG, Validators::new(record.hash, record.created).etag()))
        .insert_header((LOCATION, target::path_of(&record.name)))
        .body(record.name.as_str().to_owned())
}
