//! The layout of a document, told by its segments one after the other.

use types::{CodeParameters, Layout, LengthClass, ParametersError, SegmentShape, TAIL_SEGMENTS_MAX};

/// The shapes of a document's segments so far, in constant memory.
#[derive(Debug, Clone)]
pub(super) struct Shapes {
    parameters: CodeParameters,
    /// The first segment's class, and how many segments at the start are full blocks of it.
    full: Option<(LengthClass, u32)>,
    tail: Vec<SegmentShape>,
}

impl Shapes {
    pub(super) fn new(parameters: CodeParameters) -> Self {
        Self { parameters, full: None, tail: Vec::new() }
    }

    /// Adds the next segment; `false` if no layout has so many short ones.
    pub(super) fn push(&mut self, shape: SegmentShape) -> bool {
        let (class, count) = self.full.get_or_insert((shape.class, 0));
        if self.tail.is_empty()
            && shape.class == *class
            && shape.length == full_length(self.parameters, *class)
        {
            *count += 1;
            return true;
        }
        self.tail.push(shape);
        self.tail.len() <= TAIL_SEGMENTS_MAX
    }

    /// The layout of all of them.
    pub(super) fn finish(self) -> Result<Layout, ParametersError> {
        let (class, count) = self.full.unwrap_or((LengthClass::MIN, 0));
        Layout::restore(self.parameters, count, class, self.tail)
    }
}

/// The length of a segment that fills its blocks.
pub(super) fn full_length(parameters: CodeParameters, class: LengthClass) -> u64 {
    (parameters.s() * class.bytes()) as u64
}

/// The shapes of `count` lost segments that hold `bytes` bytes, followed by one of class `next` and not the last of
/// their document: each fills its blocks, and none has shorter blocks than the one after it.
///
/// `None` if no such shapes add up.
pub(super) fn gap(
    parameters: CodeParameters,
    count: u32,
    bytes: u64,
    before: Option<LengthClass>,
    next: LengthClass,
) -> Option<Vec<SegmentShape>> {
    let shape = |class| SegmentShape { class, length: full_length(parameters, class) };
    // Far the commonest: the gap lies among full segments.
    if full_length(parameters, next).checked_mul(u64::from(count)) == Some(bytes) {
        return Some(vec![shape(next); count as usize]);
    }
    let mut left = bytes;
    let mut class_max = before.unwrap_or(LengthClass::MAX);
    let mut shapes = Vec::new();
    for later in (0..count).rev() {
        // Each takes the longest blocks that leave enough for those after it, as the tail of a document is cut.
        let room = left.checked_sub(u64::from(later).checked_mul(full_length(parameters, next))?)?;
        let class = (next.log2()..=class_max.log2())
            .rev()
            .filter_map(|log2| LengthClass::new(log2).ok())
            .find(|class| full_length(parameters, *class) <= room)?;
        left -= full_length(parameters, class);
        class_max = class;
        shapes.push(shape(class));
    }
    (left == 0).then_some(shapes)
}

#[cfg(test)]
mod tests {
    use types::BlockSizes;

    use super::*;

    fn shapes_of(layout: &Layout) -> Vec<SegmentShape> {
        (0..layout.segments())
            .filter_map(|segment| layout.extent(segment))
            .map(|extent| extent.shape)
            .collect()
    }

    fn layouts() -> impl Iterator<Item = (CodeParameters, Layout)> {
        [1, 4096, 70_000, 300_000, 1 << 20, (3 << 20) + 900_001, (5 << 20) + 300_000, 13 << 16]
            .into_iter()
            .flat_map(|length| [1, 2, 5].map(|s| (length, CodeParameters::new(s, 4, s + 2).unwrap())))
            .map(|(length, code)| (code, Layout::cut(length, code, BlockSizes::DEFAULT).unwrap()))
    }

    #[test]
    fn shapes_make_a_layout_of_the_same_segments() {
        for (parameters, layout) in layouts() {
            let mut shapes = Shapes::new(parameters);
            assert!(shapes_of(&layout).into_iter().all(|shape| shapes.push(shape)));
            assert_eq!(shapes_of(&shapes.finish().unwrap()), shapes_of(&layout));
        }
    }

    #[test]
    fn a_lost_segment_is_told_by_those_around_it() {
        for (parameters, layout) in layouts() {
            let shapes = shapes_of(&layout);
            for lost in 0..shapes.len().saturating_sub(1) {
                let before = lost.checked_sub(1).map(|before| shapes[before].class);
                let found = gap(parameters, 1, shapes[lost].length, before, shapes[lost + 1].class);
                assert_eq!(found, Some(vec![shapes[lost]]), "{lost} of {shapes:?}");
            }
        }
    }

    #[test]
    fn bytes_that_fill_no_blocks_are_no_gap() {
        let parameters = CodeParameters::DEFAULT;
        assert_eq!(gap(parameters, 1, 5000, None, LengthClass::MIN), None);
        assert_eq!(gap(parameters, 3, 64, None, LengthClass::MIN), None);
    }
}
