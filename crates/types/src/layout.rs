//! How a document is cut into segments.

use std::ops::Range;

use crate::{BlockSizes, CodeParameters, LengthClass, ParametersError};

/// The tail of a document is cut into at most this many segments.
pub const TAIL_SEGMENTS_MAX: usize = 3;

/// A tail of this many bytes or less stays one segment: a codeword costs `t` pointers to read however short it is.
pub const SINGLE_SEGMENT_BYTES_MAX: u64 = 64 * 1024;

/// The shape of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentShape {
    /// The length of its codeword's blocks.
    pub class: LengthClass,
    /// How many bytes of the document it holds, 1 to `s` blocks.
    pub length: u64,
}

/// A segment and where it stands in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The segment's number.
    pub segment: u32,
    /// The offset of its first byte in the document.
    pub offset: u64,
    /// Its shape.
    pub shape: SegmentShape,
}

/// A document's segments: `full` segments of `s` whole blocks of one class, then a tail of at most
/// [`TAIL_SEGMENTS_MAX`] shorter ones. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    full: u32,
    full_shape: SegmentShape,
    tail: Vec<SegmentShape>,
    length: u64,
}

impl Layout {
    /// Cuts a document of `length` bytes for a code with `s` sources.
    ///
    /// What the full segments leave is cut at powers of two, each cut made only where the blocks become shorter
    /// by an eighth of the tail or more, so that padding stays under 15 % for anything over a few blocks.
    pub fn cut(length: u64, parameters: CodeParameters, sizes: BlockSizes) -> Result<Self, ParametersError> {
        let full_shape = Self::full_shape(parameters, sizes.max());
        let full = u32::try_from(length / full_shape.length).map_err(|_| {
            ParametersError::layout(format_args!("{length} bytes are more than 2^32 segments"))
        })?;
        let tail = Self::cut_tail(length % full_shape.length, parameters, sizes);
        Self::from_parts(full, full_shape, tail)
    }

    /// Puts a layout together again from a record: `full` segments of `s` blocks of `class`, then `tail`.
    pub fn restore(
        parameters: CodeParameters,
        full: u32,
        class: LengthClass,
        tail: Vec<SegmentShape>,
    ) -> Result<Self, ParametersError> {
        for shape in &tail {
            let capacity = Self::full_shape(parameters, shape.class).length;
            if shape.length == 0 || shape.length > capacity {
                return Err(ParametersError::layout(format_args!(
                    "a segment of {} bytes does not fit {} blocks of {}",
                    shape.length,
                    parameters.s(),
                    shape.class
                )));
            }
        }
        Self::from_parts(full, Self::full_shape(parameters, class), tail)
    }

    fn from_parts(
        full: u32,
        full_shape: SegmentShape,
        tail: Vec<SegmentShape>,
    ) -> Result<Self, ParametersError> {
        if tail.len() > TAIL_SEGMENTS_MAX {
            return Err(ParametersError::layout(format_args!("a tail of {} segments", tail.len())));
        }
        if full == 0 && tail.is_empty() {
            return Err(ParametersError::layout(format_args!("a document without a byte")));
        }
        if full > u32::MAX - 3 {
            return Err(ParametersError::layout(format_args!(
                "{full} segments and a tail are more than 2^32"
            )));
        }
        let length = tail
            .iter()
            .try_fold(u64::from(full).checked_mul(full_shape.length), |sum, shape| {
                Some(sum?.checked_add(shape.length))
            })
            .flatten();
        let length = length.ok_or_else(|| ParametersError::layout(format_args!("more than 2^64 bytes")))?;
        Ok(Self { full, full_shape, tail, length })
    }

    fn full_shape(parameters: CodeParameters, class: LengthClass) -> SegmentShape {
        SegmentShape { class, length: (parameters.s() * class.bytes()) as u64 }
    }

    /// The shapes of a tail of `length` bytes: what is cheapest, less each cut that saves too little.
    fn cut_tail(length: u64, parameters: CodeParameters, sizes: BlockSizes) -> Vec<SegmentShape> {
        if length == 0 {
            return Vec::new();
        }
        let s = parameters.s() as u64;
        let block_bytes =
            |shapes: &[SegmentShape]| shapes.iter().map(|shape| shape.class.bytes() as u64).sum::<u64>();
        let mut best = Self::cut_at(length, s, sizes, 1);
        if length <= SINGLE_SEGMENT_BYTES_MAX {
            return best;
        }
        for pieces in 2..=TAIL_SEGMENTS_MAX {
            let shapes = Self::cut_at(length, s, sizes, pieces);
            let saved = block_bytes(&best).saturating_sub(block_bytes(&shapes));
            // Bytes of blocks are compared with bytes of blocks: both per parity.
            if saved.saturating_mul(8) >= length.div_ceil(s) {
                best = shapes;
            }
        }
        best
    }

    /// At most `pieces` segments: the largest power of two that fits, again and again, then all that is left.
    fn cut_at(mut length: u64, s: u64, sizes: BlockSizes, pieces: usize) -> Vec<SegmentShape> {
        let mut shapes = Vec::with_capacity(pieces);
        for _ in 1..pieces {
            match sizes.within(length / s) {
                Some(class) if s * (class.bytes() as u64) < length => {
                    let piece = s * class.bytes() as u64;
                    shapes.push(SegmentShape { class, length: piece });
                    length -= piece;
                }
                _ => break,
            }
        }
        shapes.push(SegmentShape { class: sizes.holding(length.div_ceil(s)), length });
        shapes
    }

    /// The document's length in bytes, at least 1.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many segments there are, at least 1.
    #[must_use]
    pub fn segments(&self) -> u32 {
        // At most three: `from_parts` checked it.
        self.full + u32::try_from(self.tail.len()).unwrap_or(0)
    }

    /// How many segments are full.
    #[must_use]
    pub fn full(&self) -> u32 {
        self.full
    }

    /// The class of the full segments' blocks; without full segments, of those that there would be.
    #[must_use]
    pub fn full_class(&self) -> LengthClass {
        self.full_shape.class
    }

    /// The segments after the full ones.
    #[must_use]
    pub fn tail(&self) -> &[SegmentShape] {
        &self.tail
    }

    /// Segment `segment`, if there is one.
    #[must_use]
    pub fn extent(&self, segment: u32) -> Option<Extent> {
        if segment < self.full {
            let offset = u64::from(segment) * self.full_shape.length;
            return Some(Extent { segment, offset, shape: self.full_shape });
        }
        let index = (segment - self.full) as usize;
        let shape = *self.tail.get(index)?;
        let before: u64 = self.tail.iter().take(index).map(|shape| shape.length).sum();
        Some(Extent { segment, offset: u64::from(self.full) * self.full_shape.length + before, shape })
    }

    /// The segments that hold the bytes `range` of the document, as a range of numbers; empty for an empty range.
    /// Bytes past the end hold nothing.
    #[must_use]
    pub fn segments_of(&self, range: &Range<u64>) -> Range<u32> {
        let end = range.end.min(self.length);
        if range.start >= end {
            return 0..0;
        }
        self.segment_at(range.start)..self.segment_at(end - 1) + 1
    }

    fn segment_at(&self, offset: u64) -> u32 {
        let full_bytes = u64::from(self.full) * self.full_shape.length;
        if offset < full_bytes {
            return u32::try_from(offset / self.full_shape.length).unwrap_or(u32::MAX);
        }
        let mut end = full_bytes;
        let mut segment = self.full;
        for shape in &self.tail {
            end += shape.length;
            if offset < end {
                break;
            }
            segment += 1;
        }
        segment
    }
}

impl ParametersError {
    fn layout(message: std::fmt::Arguments<'_>) -> Self {
        Self::from_message(format!("no such layout: {message}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(length: u64, s: usize) -> Vec<usize> {
        let parameters = CodeParameters::new(s, 10, s + 2).unwrap();
        let layout = Layout::cut(length, parameters, BlockSizes::DEFAULT).unwrap();
        (0..layout.segments())
            .map(|segment| layout.extent(segment).unwrap().shape.class.bytes() / 1024)
            .collect()
    }

    #[test]
    fn documents_are_cut_where_it_saves_an_eighth() {
        assert_eq!(blocks(1, 1), [4]);
        assert_eq!(blocks(4097, 1), [8]);
        assert_eq!(blocks(65_536, 1), [64]);
        assert_eq!(blocks(40_000, 1), [64], "a tail of 64 KiB or less stays one segment");
        assert_eq!(blocks(300_000, 1), [256, 64], "a 300 KB document costs 320 KiB a parity");
        assert_eq!(blocks(1 << 20, 1), [1024]);
        assert_eq!(blocks((1 << 20) + 1, 1), [1024, 4]);
        assert_eq!(blocks(5 << 20, 2), [1024, 1024, 512]);
        assert_eq!(blocks(13 << 16, 1), [512, 256, 64]);
    }

    #[test]
    fn padding_stays_under_15_percent() {
        for s in [1_usize, 2, 5] {
            for length in (80 * 1024..4 << 20).step_by(997) {
                let total: usize = blocks(length, s).iter().map(|kib| kib * 1024 * s).sum();
                let padding = total as f64 / length as f64 - 1.0;
                assert!(
                    padding < 0.15 + (4096 * s) as f64 / length as f64,
                    "{length} bytes, s = {s}: {padding}"
                );
            }
        }
    }

    #[test]
    fn extents_tile_the_document_and_ranges_find_them() {
        for length in [1, 4096, 70_000, 300_000, 1 << 20, (5 << 20) + 300_000] {
            let layout = Layout::cut(length, CodeParameters::DEFAULT, BlockSizes::DEFAULT).unwrap();
            let mut at = 0;
            for segment in 0..layout.segments() {
                let extent = layout.extent(segment).unwrap();
                assert_eq!(extent.offset, at);
                at += extent.shape.length;
                assert_eq!(layout.segments_of(&(extent.offset..at)), segment..segment + 1);
                assert_eq!(layout.segments_of(&(at - 1..u64::MAX)), segment..layout.segments());
            }
            assert_eq!(at, length);
            assert_eq!(layout.extent(layout.segments()), None);
            assert_eq!(layout.segments_of(&(length..length + 1)), 0..0);
            let again = Layout::restore(
                CodeParameters::DEFAULT,
                layout.full(),
                layout.full_class(),
                layout.tail().to_vec(),
            );
            assert_eq!(again.as_ref(), Ok(&layout));
        }
    }

    #[test]
    fn impossible_layouts_are_refused() {
        let (code, class) = (CodeParameters::DEFAULT, LengthClass::MIN);
        assert!(Layout::cut(0, code, BlockSizes::DEFAULT).is_err());
        assert!(Layout::cut(u64::MAX, code, BlockSizes::DEFAULT).is_err());
        let shape = |length| SegmentShape { class, length };
        assert!(Layout::restore(code, 0, class, vec![shape(65)]).is_err());
        assert!(Layout::restore(code, 0, class, vec![shape(0)]).is_err());
        assert!(Layout::restore(code, 0, class, vec![shape(1); 4]).is_err());
        assert!(Layout::restore(code, u32::MAX, class, vec![]).is_err());
        let widest = CodeParameters::new(128, 0, 128).unwrap();
        assert!(
            Layout::restore(widest, u32::MAX - 3, LengthClass::MAX, vec![]).is_err(),
            "nearly 2^65 bytes"
        );
    }
}
