//! The kernel for any machine, in safe Rust that compilers turn into vector instructions by themselves.
//!
//! A row's sum is evaluated by Horner's rule over the coefficients' bits: from the highest bit down, double the sum
//! and add the inputs whose coefficient has that bit. Doubling and adding are byte-wise and need no tables, so every
//! compiler vectorises them; a row costs seven doublings in all and, on average, four additions per input.

/// How many bytes of sum are kept in registers: eight of the 16-byte ones that every 64-bit machine has. Half as many
/// leave the loop's bookkeeping to dominate, twice as many spill; both took about half as long again.
const BLOCK: usize = 128;

/// How many bytes of each input are used for all rows before any row goes on, so that they stay in the nearest cache.
const STRETCH: usize = 1024;

/// One row of coefficients: for each bit, highest first, the inputs whose coefficient has it.
#[derive(Clone)]
pub(crate) struct Row {
    planes: [Vec<usize>; 8],
}

impl Row {
    pub(crate) fn new(coefficients: &[u8]) -> Self {
        let members = |bit: usize| {
            let has = move |&(_, &coefficient): &(usize, &u8)| coefficient & (0x80 >> bit) != 0;
            coefficients.iter().enumerate().filter(has).map(|(c, _)| c).collect()
        };
        Self { planes: std::array::from_fn(members) }
    }

    /// The sum of one block of columns; `load` takes the block from an input.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the loop over an input's block must see which `load` it has")]
    fn sum(&self, inputs: &[&[u8]], load: impl Fn(&[u8]) -> [u8; BLOCK]) -> [u8; BLOCK] {
        let mut sum = [0; BLOCK];
        for plane in &self.planes {
            for byte in &mut sum {
                *byte = double(*byte);
            }
            for input in plane.iter().filter_map(|&c| inputs.get(c)) {
                add(&mut sum, &load(input));
            }
        }
        sum
    }
}

fn double(byte: u8) -> u8 {
    // The sign, smeared over the byte, says whether to reduce.
    byte << 1 ^ 0x1D & (byte.cast_signed() >> 7).cast_unsigned()
}

fn add(sum: &mut [u8], bytes: &[u8]) {
    for (to, from) in sum.iter_mut().zip(bytes) {
        *to ^= from;
    }
}

/// `outputs = rows x inputs`, or `outputs += rows x inputs`, in columns `..length`, which all slices have.
pub(crate) fn run<const ADD: bool>(rows: &[Row], inputs: &[&[u8]], outputs: &mut [&mut [u8]], length: usize) {
    for start in (0..length).step_by(STRETCH) {
        for (row, output) in rows.iter().zip(&mut *outputs) {
            let Some(stretch) = output.get_mut(start..length.min(start + STRETCH)) else { continue };
            for (block, at) in stretch.chunks_mut(BLOCK).zip((start..).step_by(BLOCK)) {
                run_block::<ADD>(row, inputs, block, at);
            }
        }
    }
}

fn run_block<const ADD: bool>(row: &Row, inputs: &[&[u8]], output: &mut [u8], at: usize) {
    let sum = if output.len() == BLOCK {
        row.sum(inputs, |input| {
            input.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; BLOCK])
        })
    } else {
        row.sum(inputs, |input| {
            let mut block = [0; BLOCK];
            add(&mut block, input.get(at..).unwrap_or_default());
            block
        })
    };
    if ADD {
        add(output, &sum);
    } else {
        output.iter_mut().zip(sum).for_each(|(to, from)| *to = from);
    }
}

/// Each output is the sum of all inputs, and of its own number in each byte: what [`run`] would cost if products were
/// free.
pub(crate) fn run_xor(inputs: &[&[u8]], outputs: &mut [&mut [u8]], length: usize) {
    for at in (0..length).step_by(STRETCH) {
        let columns = at..length.min(at + STRETCH);
        for (output, number) in outputs.iter_mut().zip((0..=u8::MAX).cycle()) {
            let Some(output) = output.get_mut(columns.clone()) else { continue };
            output.fill(number);
            for input in inputs.iter().filter_map(|input| input.get(columns.clone())) {
                add(output, input);
            }
        }
    }
}
