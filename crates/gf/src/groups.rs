//! More outputs than fit the registers, and more inputs than fit the nearest cache.

use std::ops::Range;

use crate::matrix::Matrix;
use crate::simd::{Job, Kernel};

/// A kernel and its tables, in groups of as many outputs as it makes in one pass.
#[derive(Clone)]
pub(crate) struct Groups<K: Kernel> {
    kernel: K,
    list: Vec<Group<K::Entry>>,
    /// How many columns all groups do before any goes on: so many that the inputs are still in the nearest cache when
    /// the next group reads them.
    stretch: usize,
}

#[derive(Clone)]
struct Group<E> {
    rows: usize,
    /// For each input in turn, one for each row.
    entries: Vec<E>,
}

/// How many bytes of inputs the nearest cache keeps while outputs pass through it too: half of a common L1.
const STRETCH_INPUT_BYTES: usize = 24 * 1024;

/// Stretches begin on the boundaries of the widest tiles, and are worth a call.
const STRETCH_UNIT: usize = 1024;

impl<K: Kernel> Groups<K> {
    /// `None` if the machine cannot run the kernel.
    pub(crate) fn new(coefficients: &Matrix) -> Option<Self> {
        let kernel = K::detect()?;
        let (rows, columns) = (coefficients.rows(), coefficients.columns());
        // Groups of like size: 5 and 5 read the inputs as often as 8 and 2 do, and keep the registers busier.
        let count = rows.div_ceil(K::ROWS_MAX);
        let list = (0..count)
            .map(|g| {
                let members = rows * g / count..rows * (g + 1) / count;
                let entry = |c| members.clone().map(move |r| K::entry(coefficients.get(r, c)));
                Group { rows: members.len(), entries: (0..columns).flat_map(entry).collect() }
            })
            .collect();
        let stretch = if count <= 1 {
            usize::MAX
        } else {
            (STRETCH_INPUT_BYTES / columns.max(1)).next_multiple_of(STRETCH_UNIT)
        };
        Some(Self { kernel, list, stretch })
    }

    /// `outputs = coefficients x inputs`, or `outputs += coefficients x inputs`. All slices have this length, and there are
    /// as many as the coefficients say.
    pub(crate) fn run<const ADD: bool>(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]], length: usize) {
        self.each(outputs, length, |group, outputs, columns| {
            let job = Job::new(&group.entries, inputs, outputs, columns);
            debug_assert!(job.is_some(), "the shapes were checked");
            if let Some(mut job) = job {
                self.kernel.run::<ADD>(&mut job);
            }
        });
    }

    /// The same with addition in place of multiplication.
    pub(crate) fn run_xor(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]], length: usize) {
        self.each(outputs, length, |group, outputs, columns| {
            let ones = vec![(); group.entries.len()];
            if let Some(mut job) = Job::new(&ones, inputs, outputs, columns) {
                self.kernel.run_xor(&mut job);
            }
        });
    }

    /// Stretch by stretch, group by group.
    fn each(
        &self,
        outputs: &mut [&mut [u8]],
        length: usize,
        mut work: impl FnMut(&Group<K::Entry>, &mut [&mut [u8]], Range<usize>),
    ) {
        let mut at = 0;
        while at < length {
            let end = length.min(at.saturating_add(self.stretch));
            let mut rest = &mut *outputs;
            for group in &self.list {
                let Some((mine, others)) = rest.split_at_mut_checked(group.rows) else { break };
                rest = others;
                work(group, mine, at..end);
            }
            at = end;
        }
    }
}
