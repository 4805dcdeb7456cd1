//! The rest of the contract: arithmetic against the definition, shapes that do not fit, and what is cheap to promise.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of tests fail as tests do")]

use gf::{Backend, Matrix, Plan, ShapeError, UnavailableBackend, field, xor};
use proptest::prelude::*;

fn matrix(rows: usize, columns: usize) -> impl Strategy<Value = Matrix> {
    proptest::collection::vec(any::<u8>(), rows * columns)
        .prop_map(move |cells| Matrix::from_rows(rows, columns, cells).unwrap())
}

/// Coefficients of any shape, zeros and ones among them, with inputs and what the outputs held before.
fn request() -> impl Strategy<Value = (Matrix, Vec<Vec<u8>>, Vec<Vec<u8>>)> {
    (0_usize..14, 0_usize..14, 0_usize..700).prop_flat_map(|(rows, columns, length)| {
        let blocks = |count| proptest::collection::vec(proptest::collection::vec(any::<u8>(), length), count);
        (matrix(rows, columns), blocks(columns), blocks(rows))
    })
}

/// The definition, byte by byte.
fn reference(coefficients: &Matrix, inputs: &[Vec<u8>], r: usize, at: usize) -> u8 {
    inputs.iter().enumerate().fold(0, |sum, (c, input)| sum ^ field::mul(coefficients.get(r, c), input[at]))
}

fn borrowed(blocks: &[Vec<u8>]) -> Vec<&[u8]> {
    blocks.iter().map(Vec::as_slice).collect()
}

fn borrowed_mut(blocks: &mut [Vec<u8>]) -> Vec<&mut [u8]> {
    blocks.iter_mut().map(Vec::as_mut_slice).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_backend_computes_the_definition((coefficients, inputs, before) in request()) {
        for backend in Backend::available() {
            let plan = Plan::with_backend(&coefficients, backend).unwrap();
            let (mut replaced, mut added) = (before.clone(), before.clone());
            plan.apply(&borrowed(&inputs), &mut borrowed_mut(&mut replaced)).unwrap();
            plan.accumulate(&borrowed(&inputs), &mut borrowed_mut(&mut added)).unwrap();
            for (r, old) in before.iter().enumerate() {
                for (at, &byte) in old.iter().enumerate() {
                    let product = reference(&coefficients, &inputs, r, at);
                    prop_assert_eq!(replaced[r][at], product, "{:?} [{}][{}]", backend, r, at);
                    prop_assert_eq!(added[r][at], byte ^ product, "{:?} [{}][{}]", backend, r, at);
                }
            }
        }
    }

    #[test]
    fn an_inverse_undoes_its_matrix(matrix in (1_usize..20).prop_flat_map(|n| matrix(n, n))) {
        // A random matrix is singular once in 255 times or so, and then one row depends on the others.
        if let Some(inverse) = matrix.inverse() {
            let identity = Matrix::identity(matrix.rows());
            prop_assert_eq!(matrix.mul(&inverse), Some(identity.clone()));
            prop_assert_eq!(inverse.mul(&matrix), Some(identity));
        }
    }

    #[test]
    fn a_matrix_with_dependent_rows_has_no_inverse(
        matrix in (2_usize..12).prop_flat_map(|n| matrix(n, n)),
        factor: u8,
    ) {
        let (mut dependent, last) = (matrix.clone(), matrix.rows() - 1);
        for c in 0..matrix.columns() {
            dependent.set(last, c, field::mul(factor, matrix.get(0, c)));
        }
        prop_assert_eq!(dependent.inverse(), None);
    }

    #[test]
    fn products_distribute_over_the_blocks(a in matrix(3, 5), b in matrix(5, 4), blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 77), 4)) {
        let mut between = vec![vec![0; 77]; 5];
        let (mut twice, mut once) = (vec![vec![0; 77]; 3], vec![vec![0; 77]; 3]);
        Plan::new(&b).apply(&borrowed(&blocks), &mut borrowed_mut(&mut between)).unwrap();
        Plan::new(&a).apply(&borrowed(&between), &mut borrowed_mut(&mut twice)).unwrap();
        Plan::new(&a.mul(&b).unwrap()).apply(&borrowed(&blocks), &mut borrowed_mut(&mut once)).unwrap();
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn xor_adds(a in proptest::collection::vec(any::<u8>(), 0..600), seed: u8) {
        let b: Vec<u8> = a.iter().map(|byte| byte.rotate_left(3) ^ seed).collect();
        let mut sum = a.clone();
        xor(&mut sum, &b).unwrap();
        prop_assert!(sum.iter().zip(a.iter().zip(&b)).all(|(sum, (a, b))| *sum == a ^ b));
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_and_nothing_is_written() {
    let coefficients = gf::generator(3, 2).unwrap();
    let (long, short) = ([1; 8], [1; 7]);
    for backend in Backend::available() {
        let plan = Plan::with_backend(&coefficients, backend).unwrap();
        let (mut a, mut b, mut c) = ([9; 8], [9; 8], [9; 7]);
        let inputs = [long.as_slice(); 3];
        let apply = |inputs: &[&[u8]], outputs: &mut [&mut [u8]]| {
            let accumulated = plan.accumulate(inputs, outputs);
            assert_eq!(plan.apply(inputs, outputs), accumulated);
            accumulated
        };
        let expected = Err(ShapeError::Inputs { expected: 3, found: 2 });
        assert_eq!(apply(&inputs[..2], &mut [&mut a, &mut b]), expected);
        let expected = Err(ShapeError::Outputs { expected: 2, found: 1 });
        assert_eq!(apply(&inputs, &mut [&mut a]), expected);
        let expected = Err(ShapeError::Length { expected: 8, found: 7 });
        assert_eq!(apply(&inputs, &mut [&mut a, &mut c]), expected);
        assert_eq!(apply(&[&long, &long, &short], &mut [&mut a, &mut b]), expected);
        assert_eq!((a, b, c), ([9; 8], [9; 8], [9; 7]));
    }
    let mut dst = long;
    assert_eq!(xor(&mut dst, &short), Err(ShapeError::Length { expected: 8, found: 7 }));
    assert_eq!(dst, long);
}

#[test]
fn matrices_that_do_not_fit_are_refused() {
    assert_eq!(Matrix::from_rows(2, 2, vec![0; 3]), None);
    assert_eq!(Matrix::from_rows(usize::MAX, 2, vec![0; 2]), None);
    assert_eq!(Matrix::zero(2, 3).mul(&Matrix::zero(2, 3)), None);
    assert_eq!(Matrix::zero(2, 3).inverse(), None);
    assert_eq!(Matrix::zero(2, 2).inverse(), None);
    assert_eq!(Matrix::zero(0, 0).inverse(), Some(Matrix::zero(0, 0)));
}

#[test]
fn a_backend_is_available_or_refused_by_name() {
    let available = Backend::available();
    assert_eq!(available.first(), Some(&Backend::detect()));
    assert_eq!(available.last(), Some(&Backend::Portable));
    let matrix = Matrix::identity(2);
    assert_eq!(Plan::new(&matrix).backend(), Backend::detect());
    for backend in [Backend::Gfni512, Backend::Gfni256, Backend::Avx2, Backend::Neon, Backend::Portable] {
        assert_eq!(available.contains(&backend), backend.is_available());
        match Plan::with_backend(&matrix, backend) {
            Ok(plan) => assert!(backend.is_available() && plan.backend() == backend),
            Err(UnavailableBackend(refused)) => assert!(!backend.is_available() && refused == backend),
        }
    }
}

#[test]
fn a_plan_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + std::fmt::Debug>(_: &T) {}
    let plan = Plan::new(&gf::generator(11, 3).unwrap());
    shared(&plan);
    assert_eq!((plan.inputs(), plan.outputs()), (11, 3));
}

#[test]
fn the_yardstick_adds_all_inputs() {
    for backend in Backend::available() {
        let bound = gf::yardstick::XorBound::new(3, 1, backend).unwrap();
        let mut sum = [0; 100];
        bound.apply(&[&[1; 100], &[2; 100], &[12; 100]], &mut [&mut sum]).unwrap();
        assert_eq!(sum, [15; 100], "{backend:?}");
    }
}
