//! The listing.

use actix_web::{HttpRequest, HttpResponse};
use metadata::ListEntry;
use serde::Serialize;

use crate::attributes;
use crate::door::Door;
use crate::problem::Problem;
use crate::query::ListQuery;

#[derive(Serialize)]
struct Listing<'a> {
    files: Vec<File<'a>>,
    /// What to pass as `after` for the next page; null at the end.
    next: Option<&'a str>,
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a str,
    original_size: u64,
    creation_date: String,
    hash: String,
    content_type: String,
}

impl<'a> File<'a> {
    fn of(entry: &'a ListEntry) -> Self {
        Self {
            path: entry.name.as_str(),
            original_size: entry.length,
            creation_date: entry.created.to_string(),
            hash: entry.hash.to_string(),
            content_type: attributes::content_type(entry.content_type.as_deref(), &entry.name),
        }
    }
}

/// A page of names.
pub(crate) async fn list(door: &Door, request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let query = ListQuery::parse(request.query_string(), door.limits.list_max)
        .map_err(|detail| Problem::bad_request("bad_query", detail))?;
    // One more than asked for tells whether there is another page.
    let limit = query.limit.saturating_add(1);
    let entries = door.archive.list(&query.prefix, query.after.as_deref(), limit).await?;
    let page = entries.get(..query.limit).unwrap_or(&entries);
    let more = entries.len() > page.len();
    let next = page.last().filter(|_| more).map(|last| last.name.as_str());
    let listing = Listing { files: page.iter().map(File::of).collect(), next };
    Ok(HttpResponse::Ok().json(listing))
}
