//! The repair queue, the nodes, and the daemons' own values.

use rusqlite::{Connection, OptionalExtension, Row};
use types::{BlockId, BlockRef, DocumentId, Incarnation, NodeIndex, NodeName, Result, Timestamp};

use super::error::During;
use super::keys::{block_columns, codeword_from, kind_column, kind_from, limit_of, node_column, node_from};
use crate::{Damage, NodeRecord, check, refusal};

const RECORD: &str = "INSERT OR IGNORE INTO damage (key, segment, parity, node, kind, id, seen)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const CLEAR: &str = "DELETE FROM damage
    WHERE key = ?1 AND segment = ?2 AND parity = ?3 AND node = ?4 AND kind = ?5";
const READ: &str = "SELECT key, segment, parity, node, kind, id, seen FROM damage
    WHERE (key, segment, parity, node, kind) > (?1, ?2, ?3, ?4, ?5)
    ORDER BY key, segment, parity, node, kind LIMIT ?6";
const NODE: &str = "SELECT number, name, incarnation FROM nodes WHERE name = ?1";
const NODES: &str = "SELECT number, name, incarnation FROM nodes ORDER BY number";
const NODE_COUNT: &str = "SELECT coalesce(max(number) + 1, 0) FROM nodes";
const REPLACE_NODE: &str = "UPDATE nodes SET incarnation = ?2 WHERE number = ?1";
const VALUE: &str = "SELECT value FROM state WHERE key = ?1";
const PUT_VALUE: &str = "INSERT OR REPLACE INTO state (key, value) VALUES (?1, ?2)";
const DROP_VALUE: &str = "DELETE FROM state WHERE key = ?1";
const PUT_NODE: &str = "INSERT INTO nodes (number, name, incarnation) VALUES (?1, ?2, ?3)";

/// What a test asks SQLite to explain.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] =
    &[RECORD, CLEAR, READ, NODE, NODE_COUNT, REPLACE_NODE, PUT_NODE, VALUE, PUT_VALUE, DROP_VALUE];

pub(super) fn record(connection: &Connection, damage: &[Damage]) -> Result<()> {
    let mut statement = connection.prepare_cached(RECORD).during("recording damage")?;
    for entry in damage {
        refusal::damage_is_sound(entry)?;
        let (key, segment, parity) =
            block_columns(entry.block).ok_or_else(|| refusal::no_block(entry.block))?;
        let (node, kind) = (node_column(entry.node), kind_column(entry.kind));
        let (id, seen) = (entry.id.document.as_bytes(), entry.seen.as_millis());
        statement.execute((key, segment, parity, node, kind, id, seen)).during("recording damage")?;
    }
    Ok(())
}

pub(super) fn clear(connection: &Connection, damage: &[Damage]) -> Result<()> {
    let mut statement = connection.prepare_cached(CLEAR).during("clearing damage")?;
    for entry in damage {
        let Some((key, segment, parity)) = block_columns(entry.block) else { continue };
        let (node, kind) = (node_column(entry.node), kind_column(entry.kind));
        statement.execute((key, segment, parity, node, kind)).during("clearing damage")?;
    }
    Ok(())
}

pub(super) fn read(connection: &Connection, after: Option<&Damage>, limit: usize) -> Result<Vec<Damage>> {
    // Nothing has a negative key, and nothing a key of more than 63 bits.
    let (key, segment, parity) =
        after.map_or((-1, 0, 0), |after| block_columns(after.block).unwrap_or((i64::MAX, u32::MAX, u8::MAX)));
    let (node, kind) = after.map_or((0, 0), |after| (node_column(after.node), kind_column(after.kind)));
    let mut statement = connection.prepare_cached(READ).during("reading damage")?;
    let parameters = (key, segment, parity, node, kind, limit_of(limit));
    let rows = statement.query_map(parameters, damage_from).during("reading damage")?;
    rows.collect::<rusqlite::Result<_>>().during("reading damage")
}

fn damage_from(row: &Row<'_>) -> rusqlite::Result<Damage> {
    let codeword = codeword_from(row, 0)?;
    let block = BlockRef { codeword, parity: row.get(2)? };
    let kind: u8 = row.get(4)?;
    Ok(Damage {
        block,
        id: BlockId::new(DocumentId::from_bytes(row.get(5)?), codeword.segment, block.parity),
        node: node_from(row.get(3)?),
        kind: kind_from(kind).ok_or(rusqlite::Error::IntegralValueOutOfRange(4, kind.into()))?,
        seen: Timestamp::from_millis(row.get(6)?),
    })
}

pub(super) fn register_node(
    connection: &Connection,
    name: &NodeName,
    incarnation: Incarnation,
) -> Result<NodeRecord> {
    if let Some(known) = node(connection, name)? {
        return Ok(known);
    }
    let mut count = connection.prepare_cached(NODE_COUNT).during("numbering a node")?;
    let number: i64 = count.query_row([], |row| row.get(0)).during("numbering a node")?;
    let number = u16::try_from(number).map_err(|_| refusal::too_many_nodes())?;
    connection
        .execute(PUT_NODE, (number, name.as_str(), incarnation.as_bytes()))
        .during("registering a node")?;
    Ok(NodeRecord { index: NodeIndex(number), name: name.clone(), incarnation })
}

fn node(connection: &Connection, name: &NodeName) -> Result<Option<NodeRecord>> {
    let mut statement = connection.prepare_cached(NODE).during("looking up a node")?;
    let known = statement.query_row([name.as_str()], node_columns).optional().during("looking up a node")?;
    known.map(node_from_columns).transpose()
}

pub(super) fn replace_node(
    connection: &Connection,
    name: &NodeName,
    expected: Incarnation,
    incarnation: Incarnation,
) -> Result<NodeRecord> {
    let known = node(connection, name)?.ok_or_else(|| refusal::unknown_node(name))?;
    if known.incarnation != expected {
        return Err(refusal::replaced_elsewhere(name));
    }
    let replaced = connection.execute(REPLACE_NODE, (known.index.0, incarnation.as_bytes()));
    replaced.during("replacing a node")?;
    Ok(NodeRecord { incarnation, ..known })
}

pub(super) fn value(connection: &Connection, key: &str) -> Result<Option<Vec<u8>>> {
    check::state_limits(key, None).map_err(|broken| broken.invalid(refusal::SUBJECT))?;
    let mut statement = connection.prepare_cached(VALUE).during("reading a value")?;
    statement.query_row([key], |row| row.get(0)).optional().during("reading a value")
}

pub(super) fn set_value(
    connection: &Connection,
    key: &str,
    expected: Option<&[u8]>,
    new: Option<&[u8]>,
) -> Result<()> {
    check::state_limits(key, new).map_err(|broken| broken.invalid(refusal::SUBJECT))?;
    if value(connection, key)?.as_deref() != expected {
        return Err(refusal::state_changed(key));
    }
    let written = match new {
        Some(new) => connection.prepare_cached(PUT_VALUE).and_then(|mut put| put.execute((key, new))),
        None => connection.prepare_cached(DROP_VALUE).and_then(|mut drop| drop.execute([key])),
    };
    written.during("writing a value").map(|_| ())
}

pub(super) fn nodes(connection: &Connection) -> Result<Vec<NodeRecord>> {
    let mut statement = connection.prepare_cached(NODES).during("reading nodes")?;
    let rows = statement.query_map([], node_columns).during("reading nodes")?;
    rows.map(|columns| node_from_columns(columns.during("reading nodes")?)).collect()
}

fn node_columns(row: &Row<'_>) -> rusqlite::Result<(u16, String, [u8; 16])> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn node_from_columns((number, name, incarnation): (u16, String, [u8; 16])) -> Result<NodeRecord> {
    let name = NodeName::new(&name)
        .map_err(|error| check::Broken::new(error.message().to_owned()).corrupt(refusal::SUBJECT))?;
    Ok(NodeRecord { index: NodeIndex(number), name, incarnation: Incarnation::from_bytes(incarnation) })
}
