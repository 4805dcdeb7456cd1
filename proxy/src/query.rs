//! The query of a listing: `prefix`, `after`, `limit`.

use crate::target;

/// How many names a page holds where nothing is asked for.
const LIMIT_DEFAULT: usize = 1000;

/// What is to be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListQuery {
    /// Only names that start with this.
    pub(crate) prefix: String,
    /// Only names that sort after this.
    pub(crate) after: Option<String>,
    /// At most this many.
    pub(crate) limit: usize,
}

impl ListQuery {
    /// Reads a query, without its question mark, as HTML forms write it: `+` is a space. A parameter that means
    /// nothing is refused, as whoever misspelt `prefix` should not be sent the whole archive.
    pub(crate) fn parse(query: &str, limit_max: usize) -> Result<Self, String> {
        let (mut prefix, mut after, mut limit) = (None, None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match key {
                "prefix" => &mut prefix,
                "after" => &mut after,
                "limit" => &mut limit,
                _ => return Err(format!("there is no parameter {key:?}; allowed: prefix, after, limit")),
            };
            if slot.replace(decode(key, value)?).is_some() {
                return Err(format!("the parameter {key} is given twice"));
            }
        }
        let limit = match limit {
            Some(text) => parse_limit(&text, limit_max)?,
            None => LIMIT_DEFAULT.min(limit_max),
        };
        Ok(Self { prefix: prefix.unwrap_or_default(), after, limit })
    }
}

fn decode(key: &str, value: &str) -> Result<String, String> {
    let decoded = target::decode(value.replace('+', " ").as_bytes())
        .map_err(|_| format!("the parameter {key} has a % that two hexadecimal digits do not follow"))?;
    String::from_utf8(decoded).map_err(|_| format!("the parameter {key} is not UTF-8"))
}

fn parse_limit(text: &str, limit_max: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(limit) if (1..=limit_max).contains(&limit) => Ok(limit),
        _ => Err(format!("the parameter limit is {text:?}; allowed: 1 to {limit_max}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = ListQuery::parse("prefix=a%2Fb+c%2B&after=%C3%84&limit=7", 10).unwrap();
        let expected = ListQuery { prefix: "a/b c+".to_owned(), after: Some("Ä".to_owned()), limit: 7 };
        assert_eq!(query, expected);
    }

    #[test]
    fn what_is_not_given_has_a_default_within_the_limit() {
        let defaults = |max| ListQuery::parse("", max).unwrap().limit;
        assert_eq!((defaults(5), defaults(10_000)), (5, 1000));
        assert_eq!(ListQuery::parse("&prefix=&", 5).unwrap().prefix, "");
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (query, name) in [
            ("limit=0", "limit"),
            ("limit=11", "limit"),
            ("limit=-1", "limit"),
            ("limit=x", "limit"),
            ("limit=", "limit"),
            ("after=%zz", "after"),
            ("prefix=%ff", "prefix"),
            ("prefix=a&prefix=b", "prefix"),
            ("perfix=a", "perfix"),
        ] {
            let error = ListQuery::parse(query, 10).unwrap_err();
            assert!(error.contains(name), "{query}: {error}");
        }
    }
}
