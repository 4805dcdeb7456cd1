//! Clauses on nodes, the repair queue and relocation.

use std::time::Duration;

use types::{BlockId, BlockRef, CodewordRef, ErrorKind, Incarnation, NodeIndex, NodeName};

use super::fixture::{NOW, Store, block, draft, put, put_draft};
use crate::{Damage, DamageKind, Document};

fn node(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

/// A node's number and incarnation are those of its first registration; numbers go up from 0.
pub async fn nodes_are_numbered_once(store: Store) {
    assert!(store.nodes().await.unwrap().is_empty());
    let mut records = Vec::new();
    for (number, name) in (0..).zip(["storage-node-2", "storage-node-1", "a"]) {
        let incarnation = Incarnation::from_bytes([number; 16]);
        let record = store.register_node(&node(name), incarnation).await.unwrap();
        assert_eq!(record.index, NodeIndex(u16::from(number)));
        assert_eq!((record.name.as_str(), record.incarnation), (name, incarnation));
        records.push(record);
    }
    let again = store.register_node(&node("storage-node-1"), Incarnation::from_bytes([9; 16])).await.unwrap();
    assert_eq!(again, records[1]);
    assert_eq!(store.nodes().await.unwrap(), records);
}

/// Of many incarnations at once one wins, and all are told which.
pub async fn nodes_have_one_incarnation_among_many(store: Store) {
    let mut tasks = Vec::new();
    for number in 0..16 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            store.register_node(&node("raced"), Incarnation::from_bytes([number; 16])).await.unwrap()
        }));
    }
    let nodes = loop {
        let nodes = store.nodes().await.unwrap();
        if !nodes.is_empty() {
            break nodes;
        }
        tokio::task::yield_now().await;
    };
    for task in tasks {
        assert_eq!(task.await.unwrap(), nodes[0]);
    }
    assert_eq!(store.nodes().await.unwrap(), nodes);
}

/// The number stays, the incarnation is the new one.
pub async fn replace_node_changes_the_expected_incarnation(store: Store) {
    let [first, second] = [1, 2].map(|number| Incarnation::from_bytes([number; 16]));
    let other = store.register_node(&node("other"), first).await.unwrap();
    let before = store.register_node(&node("replaced"), first).await.unwrap();
    let after = store.replace_node(&node("replaced"), first, second).await.unwrap();
    assert_eq!(after, crate::NodeRecord { incarnation: second, ..before });
    assert_eq!(store.nodes().await.unwrap(), [other, after.clone()]);
    assert_eq!(store.register_node(&node("replaced"), first).await.unwrap(), after);
}

/// Whoever knows an older store of the node changes nothing.
pub async fn replace_node_refuses_another_incarnation_than_expected(store: Store) {
    let [first, second] = [1, 2].map(|number| Incarnation::from_bytes([number; 16]));
    let known = store.register_node(&node("kept"), first).await.unwrap();
    let error = store.replace_node(&node("kept"), second, second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(store.nodes().await.unwrap(), [known]);
}

/// A name that was never registered is not made known by this.
pub async fn replace_node_finds_no_node_that_is_not_known(store: Store) {
    let incarnation = Incarnation::from_bytes([1; 16]);
    let error = store.replace_node(&node("unknown"), incarnation, incarnation).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(store.nodes().await.unwrap().is_empty());
}

fn damage_of(document: &Document, segment: u32, parity: u8, node: Option<u16>, kind: DamageKind) -> Damage {
    Damage {
        block: block(document, segment, parity),
        id: BlockId::new(document.record.id, segment, parity),
        node: node.map(NodeIndex),
        kind,
        seen: NOW,
    }
}

/// Damage seen again is not new.
pub async fn damage_keeps_the_first_time(store: Store) {
    let document = put(&store, "damaged", 100).await;
    let first = damage_of(&document, 0, 1, Some(4), DamageKind::Missing);
    let later = Damage { seen: NOW.after(Duration::from_secs(9)), ..first.clone() };
    store.record_damage(std::slice::from_ref(&first)).await.unwrap();
    store.record_damage(&[later.clone(), later.clone()]).await.unwrap();
    assert_eq!(store.damage(None, 10).await.unwrap(), [first]);
    let other = Damage { kind: DamageKind::Corrupt, ..later };
    store.record_damage(&[other.clone(), other]).await.unwrap();
    assert_eq!(store.damage(None, 10).await.unwrap().len(), 2);
}

async fn queue(store: &Store) -> Vec<Damage> {
    let documents = [put(store, "one", 100).await, put(store, "two", 2 << 20).await];
    let mut damage = Vec::new();
    for (document, segment, parity) in [(0, 0, 0), (0, 0, 2), (1, 0, 0), (1, 1, 0), (1, 1, 1)] {
        for node in [None, Some(0), Some(3), Some(u16::MAX)] {
            for kind in DamageKind::ALL {
                damage.push(damage_of(&documents[document], segment, parity, node, kind));
            }
        }
    }
    for entry in damage.iter().rev().step_by(2).chain(damage.iter().step_by(2)) {
        store.record_damage(std::slice::from_ref(entry)).await.unwrap();
    }
    damage.sort_by_key(|entry| (entry.block, entry.node, entry.kind));
    damage
}

/// The order is that of block, node and kind; page by page every entry comes once.
pub async fn damage_is_in_order_and_pages(store: Store) {
    assert!(store.damage(None, 10).await.unwrap().is_empty());
    let expected = queue(&store).await;
    assert_eq!(store.damage(None, usize::MAX).await.unwrap(), expected);
    assert!(store.damage(None, 0).await.unwrap().is_empty());
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.damage(after.as_ref(), 7).await.unwrap();
        assert!(page.len() <= 7);
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        found.extend(page);
    }
    assert_eq!(found, expected);
}

/// What is taken off is gone; what is not there is passed over.
pub async fn damage_cleared_is_gone(store: Store) {
    let all = queue(&store).await;
    let (cleared, kept) = all.split_at(20);
    store.clear_damage(cleared).await.unwrap();
    store.clear_damage(cleared).await.unwrap();
    assert_eq!(store.damage(None, usize::MAX).await.unwrap(), kept);
    assert_eq!(store.damage(cleared.last(), 3).await.unwrap(), kept[..3]);
    store.clear_damage(kept).await.unwrap();
    assert!(store.damage(None, 10).await.unwrap().is_empty());
}

/// A block and the name of another are not one entry.
pub async fn damage_refuses_a_name_of_another_block(store: Store) {
    let document = put(&store, "named", 100).await;
    let right = damage_of(&document, 0, 1, None, DamageKind::NeverWritten);
    for (segment, parity) in [(1, 1), (0, 0)] {
        let id = BlockId::new(document.record.id, segment, parity);
        let wrong = Damage { id, ..right.clone() };
        let error = store.record_damage(&[right.clone(), wrong]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert!(store.damage(None, 10).await.unwrap().is_empty(), "all or nothing");
}

async fn nodes_of(store: &Store, at: BlockRef) -> Vec<NodeIndex> {
    let codeword = store.codewords(&[at.codeword]).await.unwrap().remove(0).unwrap();
    codeword.segment.parities[usize::from(at.parity)].nodes.clone()
}

/// The block's nodes are the new ones, those of others are as before.
pub async fn relocate_replaces_the_expected_nodes(store: Store) {
    let draft = draft("moved", 100);
    let document = put_draft(&store, &draft).await;
    let at = block(&document, 0, 1);
    let before = nodes_of(&store, at).await;
    let after = vec![NodeIndex(9), NodeIndex(300), NodeIndex(u16::MAX)];
    store.relocate(at, &before, &after).await.unwrap();
    let mut expected = draft.segments.clone();
    expected[0].parities[1].nodes.clone_from(&after);
    assert_eq!(store.segments(document.reference, 0, 1).await.unwrap(), expected);
    assert_eq!(store.document(&draft.record.name).await.unwrap(), Some(document));
    store.relocate(at, &after, &[]).await.unwrap();
    assert!(nodes_of(&store, at).await.is_empty(), "the last copy may be lost");
    store.relocate(at, &[], &before).await.unwrap();
    assert_eq!(nodes_of(&store, at).await, before);
}

/// Nothing changes for whoever knows an older state, or asks for what cannot be.
pub async fn relocate_refuses_other_nodes_than_expected(store: Store) {
    let document = put(&store, "stays", 100).await;
    let at = block(&document, 0, 0);
    let before = nodes_of(&store, at).await;
    for expected in [&[][..], &[NodeIndex(77)], &[before[0], NodeIndex(77)]] {
        let error = store.relocate(at, expected, &[NodeIndex(5)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    let twice = [NodeIndex(5), NodeIndex(5)];
    assert_eq!(store.relocate(at, &before, &twice).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(nodes_of(&store, at).await, before);
}

/// Of many that move a block at once, one succeeds.
pub async fn relocate_has_one_winner_among_many(store: Store) {
    let document = put(&store, "raced", 100).await;
    let at = block(&document, 0, 0);
    let before = nodes_of(&store, at).await;
    let mut tasks = Vec::new();
    for number in 100..116 {
        let (store, before) = (store.clone(), before.clone());
        tasks.push(tokio::spawn(async move {
            let nodes = vec![NodeIndex(number)];
            store.relocate(at, &before, &nodes).await.is_ok().then_some(nodes)
        }));
    }
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(task.await.unwrap());
    }
    assert_eq!(winners, [nodes_of(&store, at).await]);
}

/// Also those that do not stand in the document's own record.
pub async fn relocate_reaches_every_segment_of_a_long_document(store: Store) {
    let draft = draft("long", 200 << 20);
    let document = put_draft(&store, &draft).await;
    let mut expected = draft.segments.clone();
    for segment in [0_u32, 63, 64, 150, 199] {
        let at = block(&document, segment, 2);
        let before = nodes_of(&store, at).await;
        let after = vec![NodeIndex(40), before[0]];
        store.relocate(at, &before, &after).await.unwrap();
        assert_eq!(nodes_of(&store, at).await, after);
        expected[segment as usize].parities[2].nodes = after;
    }
    assert_eq!(store.segments(document.reference, 0, 200).await.unwrap(), expected);
}

/// What is not there cannot move.
pub async fn relocate_finds_no_block_that_is_not_there(store: Store) {
    for (text, length) in [("short", 100), ("long", 20 << 20)] {
        let document = put(&store, text, length).await;
        let nothing = types::DocumentRef { sequence: u64::MAX, ..document.reference };
        let nothing = CodewordRef { document: nothing, segment: 0 };
        for at in [block(&document, 20, 0), block(&document, 0, 3), BlockRef { codeword: nothing, parity: 0 }]
        {
            let error = store.relocate(at, &[], &[NodeIndex(5)]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
    }
}
