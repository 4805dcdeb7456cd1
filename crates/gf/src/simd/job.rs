//! What a kernel call is told to do, checked once.

use std::ops::Range;

/// Columns `range` of `outputs = entries x inputs`, or of `outputs += entries x inputs`.
///
/// Invariant, on which the kernels rely for memory safety: there is an entry for every pair of input and output, the
/// range is not reversed, and no slice ends before it does. Outputs are exclusive borrows, so nothing overlaps them.
pub(crate) struct Job<'a, 'o, E> {
    entries: &'a [E],
    inputs: &'a [&'a [u8]],
    outputs: &'a mut [&'o mut [u8]],
    range: Range<usize>,
}

impl<'a, 'o, E> Job<'a, 'o, E> {
    /// `entries` holds, for each input in turn, one entry per output. `None` if the invariant would not hold.
    pub(crate) fn new(
        entries: &'a [E],
        inputs: &'a [&'a [u8]],
        outputs: &'a mut [&'o mut [u8]],
        range: Range<usize>,
    ) -> Option<Self> {
        let complete = Some(entries.len()) == inputs.len().checked_mul(outputs.len());
        let long_enough = inputs.iter().all(|input| input.len() >= range.end)
            && outputs.iter().all(|output| output.len() >= range.end);
        (complete && long_enough && range.start <= range.end).then_some(Self {
            entries,
            inputs,
            outputs,
            range,
        })
    }

    pub(super) fn entries(&self) -> &'a [E] {
        self.entries
    }

    pub(super) fn inputs(&self) -> &'a [&'a [u8]] {
        self.inputs
    }

    pub(super) fn outputs(&mut self) -> &mut [&'o mut [u8]] {
        self.outputs
    }

    pub(super) fn rows(&self) -> usize {
        self.outputs.len()
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}
