//! Codewords, decode plans, pointer selection, placement, block headers: pure.
