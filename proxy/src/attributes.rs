//! What a client says of a document beside its bytes, and how it is told again.

use std::collections::BTreeMap;

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use types::{DocumentName, UserMetadata};

use crate::problem::Problem;

/// Headers that start with this are the client's own, and are given back to it. Kept without it.
const USER_PREFIX: &str = "x-selvage-meta-";

/// The media type of bytes of which nothing is known.
const OCTETS: &str = "application/octet-stream";

/// The media type that was given, whatever it is: `curl --data-binary` says
/// `application/x-www-form-urlencoded`, and so it stays.
pub(crate) fn content_type_given(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let text = value
        .to_str()
        .map_err(|_| Problem::bad_request("bad_attributes", "the Content-Type is not printable ASCII"))?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// The media type that a document is sent with: as given, else by its name's extension, else octets.
pub(crate) fn content_type(given: Option<&str>, name: &DocumentName) -> String {
    match given {
        // What another door let in may be no header.
        Some(given) if HeaderValue::from_str(given).is_ok() => given.to_owned(),
        Some(_) => OCTETS.to_owned(),
        None => mime_guess::from_path(name.as_str()).first_raw().unwrap_or(OCTETS).to_owned(),
    }
}

/// The client's own headers, sorted by name; of one sent several times the values are joined, as HTTP lets anyone
/// on the way do too.
pub(crate) fn user_metadata(headers: &HeaderMap) -> Result<UserMetadata, Problem> {
    let mut found = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let Some(key) = name.as_str().strip_prefix(USER_PREFIX) else { continue };
        if key.is_empty() {
            return Err(Problem::bad_request(
                "bad_attributes",
                format!("a header {USER_PREFIX} without a name"),
            ));
        }
        let value = text(name, value)?;
        found
            .entry(key.to_owned())
            .and_modify(|joined| {
                joined.push_str(", ");
                joined.push_str(&value);
            })
            .or_insert(value.clone());
    }
    Ok(found.into_iter().collect())
}

/// Gives a document's user metadata back. What cannot be a header (another door may have let it in) is left out.
pub(crate) fn tell_user_metadata(response: &mut HttpResponseBuilder, user_metadata: &UserMetadata) {
    for (key, value) in user_metadata {
        let name = HeaderName::try_from(format!("{USER_PREFIX}{key}"));
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.append_header((name, value));
        }
    }
}

fn text(name: &HeaderName, value: &HeaderValue) -> Result<String, Problem> {
    let text = std::str::from_utf8(value.as_bytes());
    text.map(|text| text.trim().to_owned())
        .map_err(|_| Problem::bad_request("bad_attributes", format!("the header {name} is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::try_from(*name).unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn user_metadata_is_sorted_and_joined() {
        let headers = headers(&[
            ("X-Selvage-Meta-B", b"2"),
            ("x-selvage-meta-a", "\u{e4}".as_bytes()),
            ("x-selvage-meta-b", b"3"),
            ("x-other", b"4"),
        ]);
        let expected =
            [("a", "\u{e4}"), ("b", "2, 3")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(user_metadata(&headers).unwrap(), expected);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(user_metadata(&headers(&[("x-selvage-meta-a", b"\xff")])).is_err());
        assert!(user_metadata(&headers(&[("x-selvage-meta-", b"a")])).is_err());
        assert!(content_type_given(&headers(&[("content-type", b"\xff")])).is_err());
    }

    #[test]
    fn a_media_type_is_the_given_one_then_the_extensions_then_octets() {
        let name = |text| DocumentName::new(text).unwrap();
        assert_eq!(content_type(Some("x/y"), &name("a.pdf")), "x/y");
        assert_eq!(content_type(None, &name("papers/a.PDF")), "application/pdf");
        assert_eq!(content_type(None, &name("a.pdf/b")), OCTETS);
        assert_eq!(content_type_given(&headers(&[("content-type", b"")])).unwrap(), None);
    }
}
