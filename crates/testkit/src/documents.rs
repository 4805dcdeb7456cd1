//! Documents to put: the same from the same seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What compressible documents are made of.
const PATTERN: &[u8] = b"The selvage keeps the cloth from unravelling. ";

/// Makes documents.
#[derive(Debug)]
pub struct Documents {
    rng: StdRng,
}

impl Documents {
    /// Documents that are the same for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed) }
    }

    /// `length` random bytes.
    pub fn random(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// `length` bytes that hold little: one sentence over and over, from a random place in it.
    pub fn repetitive(&mut self, length: usize) -> Vec<u8> {
        let start = self.rng.next_u32() as usize % PATTERN.len();
        PATTERN.iter().copied().cycle().skip(start).take(length).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_documents_again() {
        let documents = |seed| {
            let mut documents = Documents::new(seed);
            (documents.random(100), documents.repetitive(100), documents.random(0))
        };
        assert_eq!(documents(1), documents(1));
        assert_ne!(documents(1), documents(2));
        assert_eq!(documents(1).1.len(), 100);
    }
}
