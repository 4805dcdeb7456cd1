//! `/-/graph`: what points at what, a line of JSON for each codeword. A censor's map, and so off unless enabled.

use actix_web::HttpResponse;
use actix_web::body::BodyStream;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use archive::{Error, GraphNode};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use crate::door::Door;
use crate::meta;
use crate::problem::Problem;

/// Lines sent at a time, if so many are ready.
const LINES: usize = 256;

#[derive(Serialize)]
struct Line<'a> {
    document: &'a str,
    segment: u32,
    pointers: Vec<(&'a str, u64)>,
}

/// The entanglement graph.
pub(crate) async fn graph(door: &Door) -> Result<HttpResponse, Problem> {
    if !door.shows_graph {
        let detail = "the entanglement graph is not shown; proxy.graph in the configuration enables it";
        return Err(Problem::new(StatusCode::FORBIDDEN, "graph_disabled", detail));
    }
    let mut nodes = door.archive.graph();
    // An error at once is still told by a status.
    let first = nodes.next().await.transpose()?;
    let lines = stream::iter(first.map(Ok))
        .chain(nodes)
        .and_then(|node| async move { line(&node) })
        .ready_chunks(LINES)
        .map(|lines| {
            lines.into_iter().collect::<Result<Vec<_>, _>>().map(|lines| Bytes::from(lines.concat()))
        });
    let body = BodyStream::new(Box::pin(lines));
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/x-ndjson")).body(body))
}

fn line(node: &GraphNode) -> Result<Vec<u8>, Error> {
    let line = Line {
        document: node.name.as_str(),
        segment: node.segment,
        pointers: node.pointers.iter().map(meta::pointer).collect(),
    };
    let mut text = serde_json::to_vec(&line).map_err(|error| Error::Internal(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}
