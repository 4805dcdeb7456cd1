//! Same bytes as `reed-solomon-erasure`, for every shape, backend, length and alignment tried.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests fail as tests do")]

use gf::{Backend, Matrix, Plan, generator};
use reed_solomon_erasure::galois_8::ReedSolomon;

const SHAPES: [(usize, usize); 14] = [
    (1, 1),
    (1, 3),
    (2, 1),
    (3, 2),
    (4, 4),
    (6, 3),
    (7, 7),
    (8, 8),
    (9, 5),
    (11, 3),
    (16, 6),
    (20, 10),
    (30, 17),
    (200, 56),
];

/// Bytes that look random and are the same in every run.
fn noise(length: usize, seed: usize) -> Vec<u8> {
    let mut state = (seed as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn oracle(k: usize, p: usize) -> ReedSolomon {
    ReedSolomon::new(k, p).unwrap()
}

/// Blocks of one length, of which number `i` begins `i % 67` bytes or so into an allocation that ends with it.
struct Blocks {
    buffers: Vec<Box<[u8]>>,
    skew: usize,
}

impl Blocks {
    fn new(count: usize, length: usize, skew: usize) -> Self {
        let buffers = (0..count).map(|i| noise(length + offset(i, skew), i + 1).into_boxed_slice()).collect();
        Self { buffers, skew }
    }

    fn slices(&self) -> Vec<&[u8]> {
        self.buffers.iter().enumerate().map(|(i, buffer)| &buffer[offset(i, self.skew)..]).collect()
    }

    fn slices_mut(&mut self) -> Vec<&mut [u8]> {
        let skew = self.skew;
        self.buffers.iter_mut().enumerate().map(|(i, buffer)| &mut buffer[offset(i, skew)..]).collect()
    }
}

fn offset(i: usize, skew: usize) -> usize {
    (i * 13 + skew) * skew.min(1) % 67
}

#[track_caller]
fn check_encode(k: usize, p: usize, length: usize, skew: usize, plans: &[Plan]) {
    let data = Blocks::new(k, length, skew);
    let mut expected = Blocks::new(p, length, 0);
    if length > 0 {
        // The oracle refuses empty blocks.
        oracle(k, p).encode_sep(&data.slices(), &mut expected.slices_mut()).unwrap();
    }
    for plan in plans {
        let mut parities = Blocks::new(p, length, skew + 5);
        plan.apply(&data.slices(), &mut parities.slices_mut()).unwrap();
        assert!(
            parities.slices() == expected.slices(),
            "({k},{p}) {length} bytes, skew {skew}, {:?}",
            plan.backend()
        );
        // Adding the same again leaves nothing.
        plan.accumulate(&data.slices(), &mut parities.slices_mut()).unwrap();
        let zero = parities.slices().iter().all(|block| block.iter().all(|&byte| byte == 0));
        assert!(zero, "accumulate ({k},{p}) {length} bytes, skew {skew}, {:?}", plan.backend());
    }
}

fn plans(coefficients: &Matrix) -> Vec<Plan> {
    Backend::available()
        .into_iter()
        .map(|backend| Plan::with_backend(coefficients, backend).unwrap())
        .collect()
}

#[test]
fn the_generator_is_the_oracles_for_every_shape() {
    for k in (1..=40).chain([64, 100, 128, 200, 254, 255]) {
        for p in (1..=12).chain([56, 100, 128]).filter(|p| k + p <= 256) {
            let ours = generator(k, p).unwrap();
            assert_eq!((ours.rows(), ours.columns()), (p, k));
            // Unit vectors, one per byte, come back as the columns.
            let unit = |i: usize| (0..k).map(|at| u8::from(at == i)).collect::<Vec<u8>>();
            let data: Vec<_> = (0..k).map(unit).collect();
            let mut parities = vec![vec![0; k]; p];
            oracle(k, p).encode_sep(&data, &mut parities).unwrap();
            for (r, parity) in parities.iter().enumerate() {
                assert_eq!(ours.row(r), parity, "({k},{p}) row {r}");
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_the_field_have_no_generator() {
    for (k, p) in [(0, 1), (1, 0), (0, 0), (200, 57), (256, 1), (usize::MAX, 1), (1, usize::MAX)] {
        assert!(generator(k, p).is_none(), "({k},{p})");
    }
    assert!(generator(200, 56).is_some() && generator(255, 1).is_some() && generator(1, 255).is_some());
}

#[test]
fn parities_are_the_oracles_at_every_length() {
    for (k, p) in [(11, 3), (3, 2)] {
        let plans = plans(&generator(k, p).unwrap());
        for length in 0..=1100 {
            check_encode(k, p, length, length % 7, &plans);
        }
    }
}

#[test]
fn parities_are_the_oracles_for_every_shape() {
    for (k, p) in SHAPES {
        let plans = plans(&generator(k, p).unwrap());
        for length in (0..=140).step_by(3).chain([255, 511, 512, 513, 1023, 1024, 1025, 1100]) {
            check_encode(k, p, length, length % 3, &plans);
        }
    }
}

#[test]
fn parities_are_the_oracles_at_every_alignment() {
    for (k, p) in [(11, 3), (20, 10)] {
        let plans = plans(&generator(k, p).unwrap());
        for skew in 0..=66 {
            check_encode(k, p, 517, skew, &plans);
        }
    }
}

#[test]
fn parities_are_the_oracles_for_every_number_of_rows() {
    for p in 1..=25 {
        let plans = plans(&generator(5, p).unwrap());
        for length in [1, 31, 64, 200, 575, 1100] {
            check_encode(5, p, length, 1, &plans);
        }
    }
}

#[test]
fn parities_are_the_oracles_across_tiles_and_stretches() {
    for (k, p) in [(11, 3), (20, 10), (7, 7)] {
        let plans = plans(&generator(k, p).unwrap());
        for length in [4095, 4096, 10_007, 65_536, 65_537 + 63, 300_001] {
            check_encode(k, p, length, length % 2, &plans);
        }
    }
}

/// The plan that makes the missing data from the first survivors.
fn decoder(k: usize, p: usize, missing: &[usize]) -> (Matrix, Vec<usize>) {
    let survivors: Vec<_> = (0..k + p).filter(|symbol| !missing.contains(symbol)).take(k).collect();
    let parities = generator(k, p).unwrap();
    let mut rows = Vec::new();
    for &symbol in &survivors {
        let unit = || (0..k).map(|c| u8::from(c == symbol)).collect();
        rows.extend(if symbol < k { unit() } else { parities.row(symbol - k).to_vec() });
    }
    let inverse = Matrix::from_rows(k, k, rows).unwrap().inverse().unwrap();
    let rows = missing.iter().flat_map(|&symbol| inverse.row(symbol).to_vec()).collect();
    (Matrix::from_rows(missing.len(), k, rows).unwrap(), survivors)
}

#[test]
fn missing_data_come_back() {
    for (k, p) in SHAPES.into_iter().filter(|&(k, _)| k < 100) {
        for length in [1, 63, 64, 700, 4097] {
            let data = Blocks::new(k, length, 1);
            let mut parities = Blocks::new(p, length, 0);
            oracle(k, p).encode_sep(&data.slices(), &mut parities.slices_mut()).unwrap();
            let symbols: Vec<_> = data.slices().into_iter().chain(parities.slices()).collect();
            for count in 1..=p.min(k) {
                let missing: Vec<_> = (0..count).map(|i| (i * 3 + length) % k).collect();
                if (1..count).any(|i| missing[..i].contains(&missing[i])) {
                    continue;
                }
                let (coefficients, survivors) = decoder(k, p, &missing);
                let inputs: Vec<_> = survivors.iter().map(|&symbol| symbols[symbol]).collect();
                for plan in plans(&coefficients) {
                    let mut found = Blocks::new(count, length, 3);
                    plan.apply(&inputs, &mut found.slices_mut()).unwrap();
                    for (&symbol, block) in missing.iter().zip(found.slices()) {
                        assert!(
                            block == symbols[symbol],
                            "({k},{p}) {missing:?} {length} {:?}",
                            plan.backend()
                        );
                    }
                }
            }
        }
    }
}
