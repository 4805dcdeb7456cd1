//! Some codewords and their copies: what is compared, what is read, what is looked at again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use code::BlockHeader;
use code::header::HEADER_BYTES_MAX;
use futures_util::stream::{self, StreamExt};
use metadata::{Damage, DamageKind};
use types::{BlockId, ErrorKind, NodeIndex};

use super::compare::{Difference, Expected, compare};
use super::examine;
use super::inventory::Inventory;
use super::roster::Standing;
use super::run::Audit;
use super::scope::Resolved;
use super::word::{Word, header_pointers};
use super::{Finding, FindingKind};
use crate::core::Core;
use crate::error::Error;

/// A copy to be looked at.
#[derive(Debug, Clone, Copy)]
struct Target {
    word: usize,
    parity: u8,
    node: NodeIndex,
}

/// What a look at a copy came to.
enum Look {
    Healthy(u64),
    Bad(FindingKind, String),
    /// The node did not answer.
    Unknown(ErrorKind),
}

impl Audit<'_> {
    /// Audits codewords in the order of their blocks, and the inventories up to `upto`.
    pub(super) async fn chunk(
        &mut self,
        words: &[Word],
        upto: Option<BlockId>,
        inventories: &mut [Inventory],
    ) -> Result<(), Error> {
        let records: Vec<_> = words.iter().flat_map(|word| self.check_record(word)).collect();
        self.found(records).await?;
        let mut targets = self.judge_by_standing(words, |_, _| true).await?;
        for inventory in inventories.iter_mut() {
            let node = inventory.node;
            let Some(suspects) = self.compare(words, upto, inventory).await? else { continue };
            if !self.deep {
                targets.retain(|target| {
                    target.node != node || suspects.binary_search(&(target.word, target.parity)).is_ok()
                });
            }
        }
        self.look(words, targets).await
    }

    /// Audits those blocks of codewords that are in scope, copy by copy.
    pub(super) async fn chunk_in(&mut self, words: &[Word], scope: &Resolved) -> Result<(), Error> {
        let in_scope = |word: &Word, parity| scope.contains(&word.block(parity));
        let records: Vec<_> = words
            .iter()
            .flat_map(|word| self.check_record(word))
            .filter(|(finding, _)| finding.block.is_some_and(|block| scope.contains(&block)))
            .collect();
        self.found(records).await?;
        let targets = self.judge_by_standing(words, in_scope).await?;
        self.look(words, targets).await
    }

    /// What can be said from the record alone.
    fn check_record(&self, word: &Word) -> Vec<(Finding, Option<NodeIndex>)> {
        let mut findings = Vec::new();
        let mut standing_on: Vec<NodeIndex> = Vec::new();
        let anchors = word.record.pointers.len() - word.pointed().count();
        let symbols = word.document.record.parameters.symbols() - anchors;
        let share = symbols.div_ceil(self.core.nodes.len().max(1));
        for (parity, stored) in (0..=u8::MAX).zip(&word.record.parities) {
            let copies = stored.nodes.len();
            if copies < self.copies_min {
                let detail = format!("{copies} copies, {} should be", self.copies_min);
                findings.push(self.finding(word, parity, None, FindingKind::TooFewCopies, detail));
            }
            let Some(&node) = stored.nodes.first() else { continue };
            if standing_on.iter().filter(|&&other| other == node).count() >= share {
                let detail = format!("with another parity of its codeword; a node's share is {share}");
                findings.push(self.finding(word, parity, Some(node), FindingKind::Misplaced, detail));
            }
            standing_on.push(node);
            if let Some(node) = self.shares_a_zone(&stored.nodes) {
                let detail = "in one zone with another copy, although there are others".to_owned();
                findings.push(self.finding(word, parity, Some(node), FindingKind::Misplaced, detail));
            }
        }
        findings
    }

    /// A node of several that is in the zone of an earlier one, while there is a zone with none of them.
    fn shares_a_zone(&self, nodes: &[NodeIndex]) -> Option<NodeIndex> {
        if nodes.len() < 2 {
            return None;
        }
        let topology = self.core.nodes.topology(&[]);
        let zone = |node: NodeIndex| topology.node(node).map(|node| node.zone);
        let doubled = nodes.iter().enumerate().find(|&(at, &node)| {
            zone(node).is_some() && nodes.iter().take(at).any(|&other| zone(other) == zone(node))
        });
        let free = |all: &code::TopologyNode| !nodes.iter().any(|&node| zone(node) == Some(all.zone));
        doubled.map(|(_, &node)| node).filter(|_| topology.nodes().iter().any(free))
    }

    /// Sorts copies by their nodes: those on lost nodes are missing, those on silent ones unknown, the others are
    /// returned to be looked at, in order.
    async fn judge_by_standing(
        &mut self,
        words: &[Word],
        wanted: impl Fn(&Word, u8) -> bool,
    ) -> Result<Vec<Target>, Error> {
        let (mut targets, mut lost) = (Vec::new(), Vec::new());
        for (number, word) in words.iter().enumerate() {
            for (parity, stored) in (0..=u8::MAX).zip(&word.record.parities) {
                if !wanted(word, parity) {
                    continue;
                }
                self.report.counts.copies += stored.nodes.len() as u64;
                if stored.nodes.is_empty() {
                    let detail = "the record names no node".to_owned();
                    lost.push(self.finding(word, parity, None, FindingKind::Missing, detail));
                }
                for &node in &stored.nodes {
                    match self.roster.standing(node) {
                        Standing::Answers => targets.push(Target { word: number, parity, node }),
                        Standing::Unknown(_) => self.unknown(node),
                        Standing::Lost(kind) => {
                            let detail = format!("its node is lost ({kind})");
                            lost.push(self.finding(word, parity, Some(node), FindingKind::Missing, detail));
                        }
                    }
                }
            }
        }
        self.found(lost).await?;
        Ok(targets)
    }

    fn unknown(&mut self, node: NodeIndex) {
        if let Some(name) = self.roster.name(node) {
            *self.report.unknown.entry(name).or_default() += 1;
        }
    }

    /// Compares one node's inventory with the records. Returns which copies (by codeword and parity, in order) are not
    /// there or have a wrong length; `None` if the node does not answer.
    async fn compare(
        &mut self,
        words: &[Word],
        upto: Option<BlockId>,
        inventory: &mut Inventory,
    ) -> Result<Option<Vec<(usize, u8)>>, Error> {
        let node = inventory.node;
        if !self.roster.answers(node) {
            return Ok(None);
        }
        let expected = expected_on(words, node);
        let mut rest = expected.as_slice();
        let mut suspects = Vec::new();
        loop {
            let piece = match inventory.next(self.core, upto).await {
                Ok(piece) => piece,
                Err(error) => {
                    self.silent(node, error.kind());
                    return Ok(None);
                }
            };
            let end = piece.upto.map_or(rest.len(), |end| rest.partition_point(|one| one.id <= end));
            let (now, later) = rest.split_at(end);
            let mut strays = Vec::new();
            for difference in compare(now, &piece.blocks) {
                match difference {
                    Difference::Absent(one) => suspects.push((one.word, one.id.parity)),
                    Difference::Present(one, length) => {
                        if examine::length(length, one.class).is_err() {
                            suspects.push((one.word, one.id.parity));
                        }
                    }
                    Difference::Unexpected(id) => strays.push(id),
                }
            }
            self.strays(node, &strays).await?;
            rest = later;
            if piece.upto.is_none() {
                return Ok(Some(suspects));
            }
        }
    }

    /// A node fell silent in mid-audit.
    pub(super) fn silent(&mut self, node: NodeIndex, kind: ErrorKind) {
        tracing::warn!(node = %self.core.node_name(node), %kind, "storage node fell silent: its copies are unknown");
        self.roster.silence(node, kind);
    }

    /// Looks at copies one by one, some at once.
    async fn look(&mut self, words: &[Word], targets: Vec<Target>) -> Result<(), Error> {
        let (core, control, deep) = (Arc::clone(self.core), self.control, self.deep);
        let (targets, unknown): (Vec<Target>, Vec<Target>) =
            targets.into_iter().partition(|target| self.roster.answers(target.node));
        for target in unknown {
            self.unknown(target.node);
        }
        let headers = if deep { core.headers(words, control.concurrency).await? } else { Vec::new() };
        // Who falls silent is asked no more: each question may take a deadline.
        let silent: Mutex<HashSet<NodeIndex>> = Mutex::default();
        let is_silent = |node| silent.lock().unwrap_or_else(PoisonError::into_inner).contains(&node);
        let look = |target: Target| {
            let (core, headers, silent, is_silent) = (&core, &headers, &silent, &is_silent);
            async move {
                let word = words.get(target.word)?;
                let header =
                    headers.get(target.word).and_then(|headers| headers.get(usize::from(target.parity)));
                if deep {
                    control.spend(word.record.class.bytes() as u64).await;
                }
                let look = match (header, control.stop()) {
                    (_, Some(_)) => return None,
                    _ if is_silent(target.node) => Look::Unknown(ErrorKind::Unavailable),
                    (Some(Some(header)), None) => core.look_deep(header, target.node).await,
                    _ => core.look_quick(word, target).await,
                };
                if matches!(look, Look::Unknown(_)) {
                    silent.lock().unwrap_or_else(PoisonError::into_inner).insert(target.node);
                }
                Some((target, look))
            }
        };
        let mut looks = stream::iter(targets).map(look).buffer_unordered(control.concurrency);
        let mut bad = Vec::new();
        while let Some(looked) = looks.next().await {
            let Some((target, look)) = looked else { continue };
            match look {
                Look::Healthy(bytes) => self.report.counts.bytes_read += bytes,
                Look::Bad(kind, detail) => bad.push((target, kind, detail)),
                Look::Unknown(kind) => {
                    self.unknown(target.node);
                    self.silent(target.node, kind);
                }
            }
        }
        drop(looks);
        self.confirm(words, bad).await
    }

    /// Reports what is wrong with copies that their records still name.
    async fn confirm(
        &mut self,
        words: &[Word],
        bad: Vec<(Target, FindingKind, String)>,
    ) -> Result<(), Error> {
        let mut findings = Vec::new();
        for (target, kind, detail) in bad {
            let Some(word) = words.get(target.word) else { continue };
            let fresh = self.core.metadata.codewords(&[word.reference()]).await?;
            let fresh = fresh.into_iter().next().flatten();
            let parity =
                fresh.as_ref().and_then(|word| word.segment.parities.get(usize::from(target.parity)));
            if parity.is_some_and(|parity| parity.nodes.contains(&target.node)) {
                findings.push(self.finding(word, target.parity, Some(target.node), kind, detail));
            }
        }
        self.found(findings).await
    }
}

/// The copies that a node should have, in the order of their names.
fn expected_on(words: &[Word], node: NodeIndex) -> Vec<Expected> {
    let mut expected = Vec::new();
    for (number, word) in words.iter().enumerate() {
        for (parity, stored) in (0..=u8::MAX).zip(&word.record.parities) {
            if stored.nodes.contains(&node) {
                expected.push(Expected { id: word.block_id(parity), class: word.record.class, word: number });
            }
        }
    }
    expected
}

impl Core {
    /// What the headers of codewords' blocks must be; `None` where a pointer's record is not there.
    async fn headers(
        &self,
        words: &[Word],
        concurrency: usize,
    ) -> Result<Vec<Vec<Option<BlockHeader>>>, Error> {
        let headers = |number: usize| async move {
            let Some(word) = words.get(number) else { return Ok(Vec::new()) };
            let pointers = header_pointers(word, &self.pointed(word).await?);
            let parities = (0..=u8::MAX).take(word.record.parities.len());
            let header = |parity| word.header(self.info.id, parity, pointers.as_ref()?);
            Ok::<_, Error>(parities.map(header).collect())
        };
        let headers =
            stream::iter((0..words.len()).map(headers)).buffered(concurrency).collect::<Vec<_>>().await;
        headers.into_iter().collect()
    }

    /// Whether a copy that was damaged is whole: what was missing must be there, what was wrong must read right.
    pub(super) async fn copy_is_whole(&self, entry: &Damage, node: NodeIndex) -> Result<bool, Error> {
        let word = self.word(entry.block.codeword).await?;
        let target = Target { word: 0, parity: entry.block.parity, node };
        if entry.kind == DamageKind::Missing {
            return Ok(matches!(self.look_quick(&word, target).await, Look::Healthy(_)));
        }
        let headers = self.headers(std::slice::from_ref(&word), 1).await?;
        let header = headers.first().and_then(|headers| headers.get(usize::from(target.parity)));
        let Some(Some(header)) = header else { return Ok(false) };
        Ok(matches!(self.look_deep(header, node).await, Look::Healthy(_)))
    }

    /// Asks a node for a copy's length.
    async fn look_quick(&self, word: &Word, target: Target) -> Look {
        let node = match self.attached(target.node) {
            Ok(node) => node,
            Err(error) => return Look::Unknown(error.kind()),
        };
        let stat = node.store.stat(&word.block_id(target.parity)).await;
        self.nodes.observe(node, None, &stat);
        match stat {
            Ok(stat) => match examine::length(stat.length, word.record.class) {
                Ok(()) => Look::Healthy(0),
                Err((kind, detail)) => Look::Bad(kind, detail),
            },
            Err(error) => Look::of(&error),
        }
    }

    /// Reads a copy and judges it.
    async fn look_deep(&self, expected: &BlockHeader, index: NodeIndex) -> Look {
        let node = match self.attached(index) {
            Ok(node) => node,
            Err(error) => return Look::Unknown(error.kind()),
        };
        let Ok(_memory) = self.reserve_memory(1, expected.class).await else {
            return Look::Unknown(ErrorKind::Internal);
        };
        let read = node.store.get(&expected.id, expected.class.bytes() + HEADER_BYTES_MAX).await;
        self.nodes.observe(node, None, &read);
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => return Look::of(&error),
        };
        let (length, expected) = (bytes.len() as u64, expected.clone());
        match self.coder.run(move || examine::copy(&bytes, &expected)).await {
            Ok(Ok(())) => Look::Healthy(length),
            Ok(Err((kind, detail))) => Look::Bad(kind, detail),
            Err(_) => Look::Unknown(ErrorKind::Internal),
        }
    }
}

impl Look {
    fn of(error: &types::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Bad(FindingKind::Missing, "the node does not have it".to_owned()),
            ErrorKind::Corrupt => Self::Bad(FindingKind::Corrupt, error.to_string()),
            kind @ (ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::Denied
            | ErrorKind::Conflict
            | ErrorKind::AlreadyExists
            | ErrorKind::Invalid
            | ErrorKind::Internal) => Self::Unknown(kind),
        }
    }
}
