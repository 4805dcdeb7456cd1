//! The allowed name that a wrong one was probably meant to be.

/// The candidate nearest to `wrong`, if one is near enough to be worth naming.
///
/// A right last word in the wrong section is near (`listen` for `proxy.listen`), and so is a name with few
/// letters wrong.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    candidates
        .map(|candidate| (score(&wrong, candidate), candidate))
        .min_by_key(|(score, _)| *score)
        .filter(|(score, _)| *score <= tolerance(&wrong))
        .map(|(_, candidate)| candidate)
}

/// How many letters may be wrong: a third of the last word's, at least one and at most four.
fn tolerance(wrong: &str) -> usize {
    (last_word(wrong).chars().count() / 3).clamp(1, 4)
}

fn score(wrong: &str, candidate: &str) -> usize {
    let whole = distance(wrong, candidate);
    // One more than a slip of the same size in the right section.
    let elsewhere = distance(last_word(wrong), last_word(candidate)) + 1;
    if last_word(wrong) == last_word(candidate) { whole.min(1) } else { whole.min(elsewhere) }
}

fn last_word(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Insertions, deletions and substitutions that make one text of the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, from) in left.chars().enumerate() {
        let mut before = above + 1;
        let mut next = vec![before];
        for (pair, to) in row.windows(2).zip(&right) {
            let &[diagonal, over] = pair else { continue };
            before = (diagonal + usize::from(from != *to)).min(over + 1).min(before + 1);
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (left, right, edits) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0)]
        {
            assert_eq!(distance(left, right), edits, "{left} {right}");
            assert_eq!(distance(right, left), edits, "{right} {left}");
        }
    }

    #[test]
    fn slips_and_wrong_sections_are_near_and_nonsense_is_not() {
        let names = ["proxy.listen", "proxy.limits.connections", "storage.nodes", "storage"];
        for (wrong, meant) in [
            ("proxy.listne", Some("proxy.listen")),
            ("listen", Some("proxy.listen")),
            ("proxy.connections", Some("proxy.limits.connections")),
            ("Storage.Nodes", Some("storage.nodes")),
            ("storag", Some("storage")),
            ("colour", None),
            ("proxy.colour", None),
        ] {
            assert_eq!(nearest(wrong, names.into_iter()), meant, "{wrong}");
        }
    }
}
