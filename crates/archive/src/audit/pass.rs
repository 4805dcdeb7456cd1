//! One pass over the archive, shared by everyone who works on it: a record in the metadata store, changed by
//! compare-and-swap.
//!
//! The archive is cut into ranges of document identifiers. Whoever wants work claims the next range and holds a lease
//! for it; a range whose holder is gone is claimed again. What is claimed twice is audited twice, and harms nobody.

use std::fmt::Write;
use std::time::Duration;

use coordination::Lease;
use metadata::MetadataStore;
use types::{DocumentId, ErrorKind};

use crate::core::Core;
use crate::error::Error;

/// Documents in a range.
const RANGE_DOCUMENTS: usize = 1024;
/// How often a lost race for the record is run again: each time somebody else made progress.
const RACES_MAX: usize = 1000;
/// For how long a range is held without a sign of life.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// How long to wait for somebody else who is just claiming the same range.
const RETRY: Duration = Duration::from_millis(5);

/// A range of document identifiers, both ends as in "after ... up to ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) number: u64,
    /// `None` is the beginning of the archive.
    pub(crate) after: Option<DocumentId>,
    /// `None` is its end.
    pub(crate) upto: Option<DocumentId>,
}

/// The state of a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Tells this pass from earlier ones.
    pub(crate) number: u64,
    /// How many ranges were claimed so far.
    claimed: u64,
    /// The end of the last range claimed; `None` before the first.
    cursor: Option<DocumentId>,
    /// Whether no range is left to be claimed.
    exhausted: bool,
    /// Ranges that were claimed and not finished.
    open: Vec<Claim>,
}

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Work {
    /// This range, newly claimed, and the lease for it.
    Range(Claim, Box<dyn Lease>),
    /// Others hold what is left of the pass: these ranges.
    Held(Vec<Claim>),
    /// Nothing: the pass is over.
    Over,
}

impl Pass {
    fn new(number: u64) -> Self {
        Self { number, claimed: 0, cursor: None, exhausted: false, open: Vec::new() }
    }

    fn encode(&self) -> Vec<u8> {
        let id = |id: &Option<DocumentId>| id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        let mut text = format!(
            "audit-pass 1 {} {} {} {}",
            self.number,
            self.claimed,
            id(&self.cursor),
            u8::from(self.exhausted)
        );
        for claim in &self.open {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{} {} {}", claim.number, id(&claim.after), id(&claim.upto));
        }
        text.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let id = |text: &str| if text == "-" { Some(None) } else { text.parse().ok().map(Some) };
        let mut lines = std::str::from_utf8(bytes).ok()?.lines();
        let head: Vec<&str> = lines.next()?.split(' ').collect();
        let [_, "1", number, claimed, cursor, exhausted] = head.as_slice() else { return None };
        let claim = |line: &str| {
            let mut fields = line.split(' ');
            let mut field = || fields.next();
            Some(Claim { number: field()?.parse().ok()?, after: id(field()?)?, upto: id(field()?)? })
        };
        Some(Self {
            number: number.parse().ok()?,
            claimed: claimed.parse().ok()?,
            cursor: id(cursor)?,
            exhausted: *exhausted == "1",
            open: lines.map(claim).collect::<Option<_>>()?,
        })
    }
}

/// A pass as one of its workers sees it.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    metadata: &'a dyn MetadataStore,
    key: String,
    pub(crate) number: u64,
}

impl<'a> Share<'a> {
    /// Joins the pass of this name that is under way, or begins one.
    pub(crate) async fn join(metadata: &'a dyn MetadataStore, name: &str) -> Result<Self, Error> {
        let mut share = Self { metadata, key: format!("audit/{name}"), number: 0 };
        for _ in 0..RACES_MAX {
            let (bytes, pass) = share.load().await?;
            let number = match pass {
                Some(pass) if !pass.exhausted || !pass.open.is_empty() => pass.number,
                // Finished, or unreadable: a new one begins.
                ended => {
                    let new = Pass::new(ended.map_or(1, |pass| pass.number + 1));
                    if !share.swap(bytes.as_deref(), &new).await? {
                        continue;
                    }
                    new.number
                }
            };
            share.number = number;
            return Ok(share);
        }
        Err(share.contended())
    }

    async fn load(&self) -> Result<(Option<Vec<u8>>, Option<Pass>), Error> {
        let bytes = self.metadata.state(&self.key).await?;
        let pass = bytes.as_deref().and_then(Pass::decode);
        Ok((bytes, pass))
    }

    /// Whether the pass was replaced; not if somebody else was faster.
    async fn swap(&self, expected: Option<&[u8]>, pass: &Pass) -> Result<bool, Error> {
        match self.metadata.set_state(&self.key, expected, Some(&pass.encode())).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn contended(&self) -> Error {
        Error::Internal(format!("{:?} was changed {RACES_MAX} times meanwhile", self.key))
    }

    /// Takes the lease for a range, unless somebody holds it.
    pub(crate) async fn lease(&self, core: &Core, number: u64) -> Result<Option<Box<dyn Lease>>, Error> {
        let name = format!("{}/{}/{number}", self.key, self.number);
        Ok(core.coordinator.acquire(&name, core.owner, LEASE).await?)
    }

    /// Whether a range is still to be finished.
    pub(crate) async fn is_open(&self, claim: &Claim) -> Result<bool, Error> {
        let (_, pass) = self.load().await?;
        Ok(pass.is_some_and(|pass| pass.number == self.number && pass.open.contains(claim)))
    }

    /// Claims the next range.
    pub(crate) async fn claim(&self, core: &Core) -> Result<Work, Error> {
        for _ in 0..RACES_MAX {
            let (bytes, pass) = self.load().await?;
            let Some(mut pass) = pass.filter(|pass| pass.number == self.number) else {
                return Ok(Work::Over);
            };
            if pass.exhausted {
                return Ok(if pass.open.is_empty() { Work::Over } else { Work::Held(pass.open) });
            }
            let documents = self.metadata.scan_ids(pass.cursor.as_ref(), RANGE_DOCUMENTS).await?;
            let upto = documents.last().filter(|_| documents.len() == RANGE_DOCUMENTS);
            let upto = upto.map(|document| document.record.id);
            let claim = Claim { number: pass.claimed, after: pass.cursor, upto };
            // The lease comes first: a range that nobody holds is taken for one whose holder is gone.
            let Some(lease) = self.lease(core, claim.number).await? else {
                tokio::time::sleep(RETRY).await;
                continue;
            };
            pass.claimed += 1;
            pass.exhausted = upto.is_none();
            pass.cursor = upto.or(pass.cursor);
            pass.open.push(claim);
            if self.swap(bytes.as_deref(), &pass).await? {
                return Ok(Work::Range(claim, lease));
            }
        }
        Err(self.contended())
    }

    /// Writes down that a range was audited.
    pub(crate) async fn finish(&self, claim: &Claim) -> Result<(), Error> {
        for _ in 0..RACES_MAX {
            let (bytes, pass) = self.load().await?;
            let Some(mut pass) = pass.filter(|pass| pass.number == self.number) else { return Ok(()) };
            pass.open.retain(|open| open.number != claim.number);
            if self.swap(bytes.as_deref(), &pass).await? {
                return Ok(());
            }
        }
        Err(self.contended())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_read_as_it_was_written() {
        let id = |n| Some(DocumentId::from_bytes([n; 16]));
        let mut pass = Pass::new(7);
        assert_eq!(Pass::decode(&pass.encode()), Some(pass.clone()));
        pass.open = vec![
            Claim { number: 0, after: None, upto: id(1) },
            Claim { number: 4, after: id(9), upto: None },
        ];
        (pass.claimed, pass.cursor, pass.exhausted) = (5, id(9), true);
        assert_eq!(Pass::decode(&pass.encode()), Some(pass));
        for bad in
            [b"".as_slice(), b"audit-pass 2 1 0 - 0", b"audit-pass 1 x 0 - 0", b"audit-pass 1 1 0 - 0\n1 -"]
        {
            assert_eq!(Pass::decode(bad), None);
        }
    }
}
