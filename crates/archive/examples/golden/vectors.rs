//! Vectors of the code and of the anchors.
//!
//! `tests/format.rs` compares the code with them, `tests/python/vectors.py` computes them without it.
#![allow(clippy::expect_used, reason = "an example and tests may panic")]

use code::{Code, anchor};
use serde_json::{Value, json};
use types::{ArchiveId, CodeParameters, Hash, LengthClass};

use crate::setup::Failure;

/// Shapes of which there is a vector: the default, several sources, no pointers, few of each, as large as can be.
const SHAPES: [(usize, usize, usize); 5] = [(1, 10, 3), (2, 3, 4), (7, 0, 7), (1, 0, 1), (3, 200, 53)];

/// The block length of the vectors of the code.
const BLOCK_BYTES: usize = 64;

/// The vectors.
pub(crate) fn make() -> Result<Value, Failure> {
    let codewords =
        SHAPES.map(|(s, t, p)| codeword_vector(s, t, p)).into_iter().collect::<Result<Vec<_>, _>>()?;
    let anchors = [(7, 6, 9), (7, 6, 0), (0xa5, 12, 255), (0, 16, 1)]
        .map(|(archive, log2, index)| anchor_vector(archive, log2, index))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "codewords": codewords, "anchors": anchors }))
}

/// Block `number` of a vector's inputs: byte `j` is `j * j + 17 * number + 1`, modulo 256.
fn input(number: usize) -> Vec<u8> {
    let byte = |j: usize| u8::try_from((j * j + 17 * number + 1) % 256).expect("a byte");
    (0..BLOCK_BYTES).map(byte).collect()
}

fn codeword_vector(s: usize, t: usize, p: usize) -> Result<Value, Failure> {
    let code = Code::new(CodeParameters::new(s, t, p)?)?;
    let inputs: Vec<Vec<u8>> = (0..s + t).map(input).collect();
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let mut parities = vec![vec![0; BLOCK_BYTES]; p];
    code.encode(&inputs, &mut parities.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>())?;
    let all = Hash::of(&parities.concat()).to_string();
    // Of a large code the hash says enough.
    let parities: Vec<String> = parities.iter().take(7).map(|parity| hex(parity)).collect();
    Ok(json!({ "s": s, "t": t, "p": p, "parities": parities, "blake3_of_all_parities": all }))
}

fn anchor_vector(archive: u8, log2: u8, index: u8) -> Result<Value, Failure> {
    let (id, class) = (ArchiveId::from_bytes([archive; 16]), LengthClass::new(log2)?);
    let mut bytes = vec![0; class.bytes()];
    anchor::derive(&id, class, index, &mut bytes);
    let (start, _) = bytes.split_at(64);
    Ok(json!({
        "archive": id.to_string(),
        "block_length": class.bytes(),
        "index": index,
        "first_64_bytes": hex(start),
        "blake3": Hash::of(&bytes).to_string(),
    }))
}

fn hex(bytes: &[u8]) -> String {
    let digits =
        |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).expect("a digit"));
    bytes.iter().flat_map(digits).collect()
}
