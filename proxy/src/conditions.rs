//! Conditional requests (RFC 9110, section 13): decided from the headers and from what is there, and nothing else.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::http::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
};
use types::{Hash, Timestamp};

/// What conditions are compared with: a document's version, of which there is only ever one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validators {
    hash: Hash,
    /// To the second, as `Last-Modified` tells it.
    modified: SystemTime,
}

/// What a condition comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Do what was asked.
    Proceed,
    /// The client has it already: 304.
    NotModified,
    /// The client's condition does not hold: 412.
    Failed,
}

impl Validators {
    pub(crate) fn new(hash: Hash, created: Timestamp) -> Self {
        let seconds = created.to_system_time().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { hash, modified: UNIX_EPOCH + Duration::from_secs(seconds) }
    }

    /// The `ETag` header: strong, as the bytes never change.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.hash)
    }

    /// The `Last-Modified` header.
    pub(crate) fn last_modified(&self) -> String {
        httpdate::fmt_http_date(self.modified)
    }

    /// Whether a strong comparison with any of the listed tags succeeds.
    fn strongly_matches(&self, tags: &[Tag]) -> bool {
        tags.iter().any(|tag| match tag {
            Tag::Any => true,
            Tag::Entity { opaque, weak } => !weak && *opaque == self.hash.to_string(),
        })
    }

    /// Whether a weak comparison with any of the listed tags succeeds.
    fn weakly_matches(&self, tags: &[Tag]) -> bool {
        tags.iter().any(|tag| match tag {
            Tag::Any => true,
            Tag::Entity { opaque, .. } => *opaque == self.hash.to_string(),
        })
    }
}

/// Decides a GET or HEAD of a document that is there.
pub(crate) fn of_read(headers: &HeaderMap, document: &Validators) -> Verdict {
    if write_fails(headers, Some(document)) {
        return Verdict::Failed;
    }
    if let Some(tags) = tags(headers, &IF_NONE_MATCH) {
        return if document.weakly_matches(&tags) { Verdict::NotModified } else { Verdict::Proceed };
    }
    match date(headers, &IF_MODIFIED_SINCE) {
        Some(since) if document.modified <= since => Verdict::NotModified,
        _ => Verdict::Proceed,
    }
}

/// Whether a PUT has a condition that needs to know what is there.
pub(crate) fn any_of_write(headers: &HeaderMap) -> bool {
    [IF_MATCH, IF_UNMODIFIED_SINCE, IF_NONE_MATCH].iter().any(|name| headers.contains_key(name))
}

/// Decides a PUT, of which `document` is what is there. Never 304: that is for reads.
pub(crate) fn of_write(headers: &HeaderMap, document: Option<&Validators>) -> Verdict {
    let taken = match (tags(headers, &IF_NONE_MATCH), document) {
        (Some(tags), Some(document)) => document.weakly_matches(&tags),
        _ => false,
    };
    if taken || write_fails(headers, document) { Verdict::Failed } else { Verdict::Proceed }
}

/// Whether `If-Match`, or in its absence `If-Unmodified-Since`, forbids.
fn write_fails(headers: &HeaderMap, document: Option<&Validators>) -> bool {
    if let Some(tags) = tags(headers, &IF_MATCH) {
        return !document.is_some_and(|document| document.strongly_matches(&tags));
    }
    match (date(headers, &IF_UNMODIFIED_SINCE), document) {
        (Some(since), Some(document)) => document.modified > since,
        _ => false,
    }
}

/// Whether a `Range` header is to be followed: there is no `If-Range`, or it names this version.
pub(crate) fn range_applies(headers: &HeaderMap, document: &Validators) -> bool {
    let Some(value) = headers.get(IF_RANGE) else { return true };
    let Ok(value) = value.to_str() else { return false };
    match parse_tags(value).as_slice() {
        [] => httpdate::parse_http_date(value).is_ok_and(|date| date == document.modified),
        // `*` is no validator of a range.
        [tag @ Tag::Entity { .. }] => document.strongly_matches(std::slice::from_ref(tag)),
        _ => false,
    }
}

/// An element of a list of entity tags.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tag {
    /// `*`
    Any,
    /// `"opaque"` or `W/"opaque"`
    Entity { opaque: String, weak: bool },
}

/// The tags of all headers of this name; `None` where there is no such header. What cannot be read matches nothing.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<Tag>> {
    let values: Vec<_> = headers.get_all(name).collect();
    if values.is_empty() {
        return None;
    }
    Some(values.into_iter().filter_map(|value| value.to_str().ok()).flat_map(parse_tags).collect())
}

fn parse_tags(list: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = list.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let Some((tag, after)) = parse_tag(rest) else { break };
        tags.push(tag);
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    tags
}

/// The first tag of `text` and what follows it.
fn parse_tag(text: &str) -> Option<(Tag, &str)> {
    if let Some(after) = text.strip_prefix('*') {
        return Some((Tag::Any, after));
    }
    let (weak, quoted) = text.strip_prefix("W/").map_or((false, text), |quoted| (true, quoted));
    let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
    Some((Tag::Entity { opaque: opaque.to_owned(), weak }, after))
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const BEFORE: &str = "Sat, 21 Nov 2026 09:29:59 GMT";
    const AT: &str = "Sat, 21 Nov 2026 09:30:00 GMT";
    const AFTER: &str = "Sat, 21 Nov 2026 09:30:01 GMT";

    fn there() -> Validators {
        Validators::new(Hash::of(b"a"), Timestamp::from_millis(1_795_253_400_125))
    }

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn read(pairs: &[(HeaderName, &str)]) -> Verdict {
        of_read(&headers(pairs), &there())
    }

    #[test]
    fn dates_are_told_to_the_second() {
        assert_eq!(there().last_modified(), AT);
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let (same, weak) = (there().etag(), format!("\"x, y\", W/{}", there().etag()));
        assert_eq!(read(&[(IF_NONE_MATCH, &same)]), Verdict::NotModified);
        assert_eq!(read(&[(IF_NONE_MATCH, &weak)]), Verdict::NotModified);
        assert_eq!(read(&[(IF_NONE_MATCH, "*")]), Verdict::NotModified);
        assert_eq!(read(&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, &same)]), Verdict::NotModified);
        assert_eq!(read(&[(IF_NONE_MATCH, "\"x\"")]), Verdict::Proceed);
        assert_eq!(read(&[(IF_NONE_MATCH, same.trim_matches('"'))]), Verdict::Proceed, "a tag is quoted");
    }

    #[test]
    fn if_match_compares_strongly() {
        let (same, weak) = (there().etag(), format!("W/{}", there().etag()));
        assert_eq!(read(&[(IF_MATCH, &same)]), Verdict::Proceed);
        assert_eq!(read(&[(IF_MATCH, "*")]), Verdict::Proceed);
        assert_eq!(read(&[(IF_MATCH, &weak)]), Verdict::Failed);
        assert_eq!(read(&[(IF_MATCH, "\"x\"")]), Verdict::Failed);
        assert_eq!(read(&[(IF_MATCH, "nonsense")]), Verdict::Failed);
    }

    #[test]
    fn dates_are_compared_where_there_is_no_tag() {
        assert_eq!(read(&[(IF_MODIFIED_SINCE, BEFORE)]), Verdict::Proceed);
        assert_eq!(read(&[(IF_MODIFIED_SINCE, AT)]), Verdict::NotModified);
        assert_eq!(read(&[(IF_MODIFIED_SINCE, AFTER)]), Verdict::NotModified);
        assert_eq!(read(&[(IF_MODIFIED_SINCE, "yesterday")]), Verdict::Proceed);
        assert_eq!(read(&[(IF_UNMODIFIED_SINCE, BEFORE)]), Verdict::Failed);
        assert_eq!(read(&[(IF_UNMODIFIED_SINCE, AT)]), Verdict::Proceed);
    }

    #[test]
    fn tags_go_before_dates_and_what_forbids_before_what_spares() {
        let same = there().etag();
        assert_eq!(read(&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, AFTER)]), Verdict::Proceed);
        assert_eq!(read(&[(IF_MATCH, &same), (IF_UNMODIFIED_SINCE, BEFORE)]), Verdict::Proceed);
        assert_eq!(read(&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, &same)]), Verdict::Failed);
        assert_eq!(read(&[(IF_UNMODIFIED_SINCE, BEFORE), (IF_NONE_MATCH, &same)]), Verdict::Failed);
    }

    #[test]
    fn writes_fail_where_the_condition_does_not_hold() {
        let same = there().etag();
        let write =
            |pairs: &[(HeaderName, &str)], there: Option<&Validators>| of_write(&headers(pairs), there);
        assert_eq!(write(&[], Some(&there())), Verdict::Proceed);
        assert_eq!(write(&[(IF_NONE_MATCH, "*")], Some(&there())), Verdict::Failed);
        assert_eq!(write(&[(IF_NONE_MATCH, "*")], None), Verdict::Proceed);
        assert_eq!(write(&[(IF_MATCH, "*")], None), Verdict::Failed);
        assert_eq!(write(&[(IF_MATCH, &same)], Some(&there())), Verdict::Proceed);
        assert_eq!(write(&[(IF_MATCH, "\"x\"")], Some(&there())), Verdict::Failed);
        assert_eq!(write(&[(IF_UNMODIFIED_SINCE, BEFORE)], Some(&there())), Verdict::Failed);
        assert_eq!(write(&[(IF_UNMODIFIED_SINCE, BEFORE)], None), Verdict::Proceed);
    }

    #[test]
    fn ranges_apply_to_this_version_only() {
        let (same, weak) = (there().etag(), format!("W/{}", there().etag()));
        let applies = |value: &str| range_applies(&headers(&[(IF_RANGE, value)]), &there());
        assert!(range_applies(&HeaderMap::new(), &there()));
        assert!(applies(&same) && applies(AT));
        for value in [weak.as_str(), "\"x\"", BEFORE, AFTER, "*", "nonsense", "\"a\", \"b\""] {
            assert!(!applies(value), "{value}");
        }
    }
}
