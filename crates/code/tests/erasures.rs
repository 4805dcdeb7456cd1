//! Erasure patterns, exhaustively for small shapes and at random for others, against the crate
//! `reed-solomon-erasure`, with which alone an archive can be decoded.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use code::{Code, CodeError};
use proptest::prelude::*;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use reed_solomon_erasure::galois_8::ReedSolomon;
use types::CodeParameters;

/// A codeword of random blocks of `length` bytes: `s + t + p` of them.
fn codeword(code: &Code, length: usize, rng: &mut StdRng) -> Vec<Vec<u8>> {
    let (k, p) = (code.parameters().k(), code.parameters().p());
    let mut blocks = vec![vec![0; length]; k + p];
    blocks[..k].iter_mut().for_each(|block| rng.fill_bytes(block));
    let (data, parities) = blocks.split_at_mut(k);
    let data: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
    let mut parities: Vec<&mut [u8]> = parities.iter_mut().map(Vec::as_mut_slice).collect();
    code.encode(&data, &mut parities).unwrap();
    blocks
}

fn recover(
    code: &Code,
    blocks: &[Vec<u8>],
    available: &[usize],
    wanted: &[usize],
) -> Result<Vec<Vec<u8>>, CodeError> {
    let recovery = code.recovery(available, wanted)?;
    assert_eq!(recovery.inputs().len(), code.parameters().k());
    assert!(recovery.inputs().iter().all(|input| available.contains(input)));
    let inputs: Vec<&[u8]> = recovery.inputs().iter().map(|&input| blocks[input].as_slice()).collect();
    let mut out = vec![vec![0; blocks[0].len()]; wanted.len()];
    recovery.apply(&inputs, &mut out.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>())?;
    Ok(out)
}

/// Every set of missing symbols up to `e + 1`: up to `e` all positions come back, with `e + 1` an error says so.
fn exhaust(s: usize, t: usize, p: usize) {
    let code = Code::new(CodeParameters::new(s, t, p).unwrap()).unwrap();
    let blocks = codeword(&code, 5, &mut StdRng::seed_from_u64(1));
    let (symbols, e) = (t + p, p - s);
    let everything: Vec<usize> = (0..s + symbols).collect();
    let mut patterns = 0;
    for mask in 0..1_u32 << symbols {
        let missing = mask.count_ones() as usize;
        if missing > e + 1 {
            continue;
        }
        patterns += 1;
        let available: Vec<usize> = (0..symbols).filter(|i| mask >> i & 1 == 0).map(|i| s + i).collect();
        match recover(&code, &blocks, &available, &everything) {
            Ok(recovered) => {
                assert!(missing <= e);
                assert_eq!(recovered, blocks, "missing {mask:b}");
            }
            Err(error) => {
                assert_eq!(error, CodeError::TooFewSymbols { missing, recoverable: e, symbols });
                assert_eq!(missing, e + 1);
            }
        }
    }
    assert!(patterns > 1);
}

#[test]
fn all_erasures_of_1_10_3() {
    exhaust(1, 10, 3);
}

#[test]
fn all_erasures_of_1_5_3() {
    exhaust(1, 5, 3);
}

#[test]
fn all_erasures_of_2_7_5() {
    exhaust(2, 7, 5);
}

#[test]
fn all_erasures_of_5_2_7() {
    exhaust(5, 2, 7);
}

#[test]
fn all_erasures_of_4_4_8() {
    exhaust(4, 4, 8);
}

#[test]
fn positions_that_are_not_there_or_named_twice_are_refused() {
    let code = Code::new(CodeParameters::DEFAULT).unwrap();
    assert_eq!(code.recovery(&[14], &[0]).unwrap_err(), CodeError::Position(14));
    assert_eq!(code.recovery(&[3, 3], &[0]).unwrap_err(), CodeError::Position(3));
    assert_eq!(code.recovery(&[3], &[usize::MAX]).unwrap_err(), CodeError::Position(usize::MAX));
}

#[test]
fn blocks_that_do_not_fit_are_refused() {
    let code = Code::new(CodeParameters::DEFAULT).unwrap();
    let block = [0; 8];
    let mut out = [0; 8];
    assert!(matches!(code.encode(&[&block[..]; 11], &mut [&mut out[..]]), Err(CodeError::Shape(_))));
    let available: Vec<usize> = (1..14).collect();
    let recovery = code.recovery(&available, &[0]).unwrap();
    assert!(matches!(recovery.apply(&[&block[..]; 10], &mut [&mut out[..]]), Err(CodeError::Shape(_))));
    assert!(matches!(recovery.apply(&[&block[..7]; 11], &mut [&mut out[..]]), Err(CodeError::Shape(_))));
}

fn shapes() -> impl Strategy<Value = (usize, usize, usize)> {
    (1_usize..20, 0_usize..40, 0_usize..10).prop_map(|(s, t, more)| (s, t, s + more))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_shapes_agree_with_the_oracle_and_decode((s, t, p) in shapes(), seed: u64, length in 0_usize..70) {
        let mut rng = StdRng::seed_from_u64(seed);
        let code = Code::new(CodeParameters::new(s, t, p).unwrap()).unwrap();
        let blocks = codeword(&code, length, &mut rng);
        if length > 0 {
            let mut oracle = blocks.clone();
            oracle[s + t..].iter_mut().for_each(|parity| parity.fill(0));
            ReedSolomon::new(s + t, p).unwrap().encode(&mut oracle).unwrap();
            prop_assert_eq!(&oracle, &blocks);
        }
        let mut available: Vec<usize> = (s..s + t + p).collect();
        for _ in 0..rng.random_range(0..=p - s) {
            let at = rng.random_range(0..available.len());
            available.swap_remove(at);
        }
        let everything: Vec<usize> = (0..s + t + p).collect();
        prop_assert_eq!(recover(&code, &blocks, &available, &everything).unwrap(), blocks.clone());
        let sources: Vec<usize> = (0..s).collect();
        prop_assert_eq!(&recover(&code, &blocks, &available, &sources).unwrap()[..], &blocks[..s]);
        available.truncate(s + t - 1);
        prop_assert!(recover(&code, &blocks, &available, &sources).is_err());
    }
}
