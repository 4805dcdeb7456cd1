//! Checks every backend that this machine can run against scalar arithmetic, byte by byte, and says which ran.
//!
//! A plain program, because it also runs where the test harness does not: under emulation (`scripts/neon`) and under
//! `AddressSanitizer` (`scripts/asan`). Every block is an allocation of its own that ends with it, so that a read
//! or write past either end is seen.

use std::process::ExitCode;

use gf::{Backend, Matrix, Plan, field, generator};

/// Inputs, outputs: every number of outputs that a kernel has code for, and more.
const SHAPES: [(usize, usize); 13] = [
    (1, 1),
    (3, 2),
    (11, 3),
    (5, 4),
    (9, 5),
    (2, 6),
    (7, 7),
    (4, 8),
    (3, 9),
    (20, 10),
    (2, 17),
    (200, 1),
    (0, 2),
];

fn main() -> ExitCode {
    let mut checks = 0;
    for backend in Backend::available() {
        match check(backend) {
            Ok(count) => checks += count,
            Err(failure) => {
                eprintln!("{}: {failure}", backend.as_str());
                return ExitCode::FAILURE;
            }
        }
        println!("{}: ok", backend.as_str());
    }
    println!("{checks} checks passed");
    ExitCode::SUCCESS
}

fn check(backend: Backend) -> Result<usize, String> {
    let mut checks = 0;
    for (k, m) in SHAPES {
        let coefficients = generator(k, m).unwrap_or(Matrix::zero(m, k));
        let plan = Plan::with_backend(&coefficients, backend).map_err(|error| error.to_string())?;
        let lengths = (0..=130).chain((131..=1100).step_by(if k == 11 { 1 } else { 61 })).chain([5000]);
        for length in lengths {
            check_one(&plan, &coefficients, length, length % 5)?;
            checks += 1;
        }
        for skew in 1..=64 {
            check_one(&plan, &coefficients, 259, skew)?;
            checks += 1;
        }
    }
    Ok(checks)
}

fn check_one(plan: &Plan, coefficients: &Matrix, length: usize, skew: usize) -> Result<(), String> {
    let inputs: Vec<_> = (0..plan.inputs()).map(|c| Block::new(length, c * skew % 65, c + 1)).collect();
    let sources: Vec<_> = inputs.iter().map(Block::bytes).collect();
    let mut outputs: Vec<_> =
        (0..plan.outputs()).map(|r| Block::new(length, (r + 3) * skew % 65, 99)).collect();
    let expected: Vec<_> =
        (0..plan.outputs()).map(|r| combine(coefficients.row(r), &sources, length)).collect();

    let mut targets: Vec<_> = outputs.iter_mut().map(Block::bytes_mut).collect();
    plan.apply(&sources, &mut targets).map_err(|error| error.to_string())?;
    let context = |what: &str| {
        format!("{what}: {} inputs, {} outputs, {length} bytes, skew {skew}", plan.inputs(), plan.outputs())
    };
    if targets.iter().zip(&expected).any(|(target, expected)| **target != **expected) {
        return Err(context("apply gives other bytes than scalar arithmetic"));
    }
    for target in &mut targets {
        target.fill(0xA5);
    }
    plan.accumulate(&sources, &mut targets).map_err(|error| error.to_string())?;
    let wrong =
        |(target, expected): (&&mut [u8], &Vec<u8>)| target.iter().zip(expected).any(|(a, b)| *a != b ^ 0xA5);
    if targets.iter().zip(&expected).any(wrong) {
        return Err(context("accumulate gives other bytes than scalar arithmetic"));
    }
    if outputs.iter().any(|output| !output.margin_is_intact()) {
        return Err(context("bytes before an output were written"));
    }
    Ok(())
}

/// The definition.
fn combine(coefficients: &[u8], inputs: &[&[u8]], length: usize) -> Vec<u8> {
    let mut sum = vec![0; length];
    for (&coefficient, input) in coefficients.iter().zip(inputs) {
        for (to, &byte) in sum.iter_mut().zip(*input) {
            *to ^= field::mul(coefficient, byte);
        }
    }
    sum
}

/// Some bytes that end where their allocation ends, and begin `margin` bytes into it.
#[derive(Debug)]
struct Block {
    allocation: Box<[u8]>,
    margin: usize,
}

impl Block {
    const MARGIN: u8 = 0x5A;

    fn new(length: usize, margin: usize, seed: usize) -> Self {
        let mut state = u32::try_from(seed).unwrap_or(0);
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        });
        let allocation = std::iter::repeat_n(Self::MARGIN, margin).chain(noise.take(length)).collect();
        Self { allocation, margin }
    }

    fn bytes(&self) -> &[u8] {
        self.allocation.get(self.margin..).unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.allocation.get_mut(self.margin..).unwrap_or_default()
    }

    fn margin_is_intact(&self) -> bool {
        self.allocation.iter().take(self.margin).all(|&byte| byte == Self::MARGIN)
    }
}
