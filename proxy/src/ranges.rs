//! The `Range` header (RFC 9110, section 14): which bytes of a document are asked for.

use std::ops::Range;

/// Most ranges in one request. More are no reader's wish but an attempt to make us work: the whole document is
/// sent instead, which costs no more than it does anybody.
const RANGES_MAX: usize = 32;

/// What a `Range` header comes to for a document of a given length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selected {
    /// The header says nothing that can be followed: the whole document.
    Whole,
    /// These bytes, at least one range, each at least one byte, none overlapping another.
    Ranges(Vec<Range<u64>>),
    /// No byte that there is.
    Unsatisfiable,
}

/// Reads `header` for a document of `length` bytes.
pub(crate) fn select(header: &str, length: u64) -> Selected {
    let Some(specs) = parse(header) else { return Selected::Whole };
    if specs.len() > RANGES_MAX {
        return Selected::Whole;
    }
    let ranges: Vec<_> = specs.into_iter().filter_map(|spec| spec.within(length)).collect();
    if ranges.is_empty() {
        return Selected::Unsatisfiable;
    }
    Selected::Ranges(apart(ranges))
}

/// One element of a `Range` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    /// `first-last`, both counted, or `first-`.
    From(u64, Option<u64>),
    /// `-length`: the last bytes.
    Last(u64),
}

impl Spec {
    /// The bytes of a document of `length` bytes that are meant, if there are any.
    fn within(self, length: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first, last) => first..last.map_or(length, |last| last.saturating_add(1)).min(length),
            Self::Last(count) => length.saturating_sub(count)..length,
        };
        (!range.is_empty()).then_some(range)
    }
}

/// All elements, or nothing if one is malformed or the unit is not bytes.
fn parse(header: &str) -> Option<Vec<Spec>> {
    let (unit, specs) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let specs = specs.split(',').map(str::trim).filter(|spec| !spec.is_empty());
    let specs = specs.map(parse_spec).collect::<Option<Vec<_>>>()?;
    (!specs.is_empty()).then_some(specs)
}

fn parse_spec(spec: &str) -> Option<Spec> {
    let (first, last) = spec.split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => number(last).map(Spec::Last),
        (first, "") => number(first).map(|first| Spec::From(first, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::From(first, Some(last)))
        }
    }
}

/// Digits, as a number; one too large for us is past the end of any document.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Leaves ranges that do not overlap in the order asked for; else sorts and joins them, so that no byte is sent
/// twice.
fn apart(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut sorted = ranges.clone();
    sorted.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    if joined.len() == ranges.len() { ranges } else { joined }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one range is one range")]
mod tests {
    use super::*;

    fn ranges(header: &str) -> Vec<Range<u64>> {
        match select(header, 100) {
            Selected::Ranges(ranges) => ranges,
            other => panic!("{header}: {other:?}"),
        }
    }

    #[test]
    fn single_ranges_are_read() {
        for (header, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=10-19", 10..20),
            ("bytes=90-", 90..100),
            ("bytes=90-1000", 90..100),
            ("bytes=-1", 99..100),
            ("bytes=-1000", 0..100),
            ("Bytes = 5-6 ", 5..7),
            ("bytes=0-99999999999999999999999999", 0..100),
        ] {
            assert_eq!(ranges(header), [range], "{header}");
        }
    }

    #[test]
    fn several_ranges_keep_their_order_unless_they_overlap() {
        assert_eq!(ranges("bytes=50-59,0-9, -10"), [50..60, 0..10, 90..100]);
        assert_eq!(ranges("bytes=0-9,10-19"), [0..10, 10..20]);
        assert_eq!(ranges("bytes=50-59,0-9,5-20"), [0..21, 50..60]);
        assert_eq!(ranges("bytes=0-9,200-300"), [0..10], "what is past the end is passed over");
        assert_eq!(ranges("bytes=0-,0-,0-"), [0..100]);
    }

    #[test]
    fn what_is_past_the_end_is_unsatisfiable() {
        for header in
            ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999999-", "bytes=100-,-0"]
        {
            assert_eq!(select(header, 100), Selected::Unsatisfiable, "{header}");
        }
    }

    #[test]
    fn malformed_headers_and_too_many_ranges_are_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "lines=0-1",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=1",
            "bytes=+1-2",
            "bytes=0-1;2-3",
        ] {
            assert_eq!(select(header, 100), Selected::Whole, "{header}");
        }
        let many = |count: usize| format!("bytes={}", vec!["1-1"; count].join(","));
        assert_eq!(select(&many(33), 100), Selected::Whole);
        assert_eq!(select(&many(32), 100), Selected::Ranges(vec![1..2]));
    }
}
