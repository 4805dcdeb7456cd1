//! Runs of segments of one class: what the class index is made of.

use types::{Layout, LengthClass};

/// Consecutive segments of a document that have one length class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) class: LengthClass,
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// The runs of a layout, in order; neighbours differ in class.
pub(crate) fn runs(layout: &Layout) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::with_capacity(1 + layout.tail().len());
    if layout.full() > 0 {
        runs.push(Run { class: layout.full_class(), first: 0, count: layout.full() });
    }
    for (first, shape) in (layout.full()..).zip(layout.tail()) {
        match runs.last_mut() {
            Some(run) if run.class == shape.class => run.count += 1,
            _ => runs.push(Run { class: shape.class, first, count: 1 }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use types::{BlockSizes, CodeParameters};

    use super::*;

    fn of(length: u64) -> Vec<(usize, u32, u32)> {
        let layout = Layout::cut(length, CodeParameters::DEFAULT, BlockSizes::DEFAULT).unwrap();
        runs(&layout).iter().map(|run| (run.class.bytes() / 1024, run.first, run.count)).collect()
    }

    #[test]
    fn runs_tile_the_segments() {
        assert_eq!(of(1), [(4, 0, 1)]);
        assert_eq!(of(300_000), [(256, 0, 1), (64, 1, 1)]);
        assert_eq!(of(5 << 20), [(1024, 0, 5)]);
        assert_eq!(of((5 << 20) - 1), [(1024, 0, 5)], "a tail of the full segments' class joins them");
        assert_eq!(of((5 << 20) + 300_000), [(1024, 0, 5), (256, 5, 1), (64, 6, 1)]);
    }
}
