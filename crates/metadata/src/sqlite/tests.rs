//! What only the inside of the store shows: plans of statements, and a writer whose disk is full.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use types::{ArchiveId, ErrorKind, NodeName, Timestamp};

use super::*;

const WAIT: Duration = Duration::from_secs(10);

fn create() -> CreateArchive {
    let now = Timestamp::from_millis(1_795_253_400_000);
    CreateArchive { id: ArchiveId::from_bytes([1; 16]), partitions: 1, now }
}

fn connection() -> (Connection, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metadata.sqlite");
    let (connection, _) = schema::connect_writer(&path, &create(), WAIT, 1024).unwrap();
    (connection, folder)
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    // Parameters that are not bound are null: the plan is the same.
    let rows = statement.raw_query();
    rows.mapped(|row| row.get::<_, String>(3)).collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn no_statement_goes_over_a_table_or_sorts() {
    let (connection, _folder) = connection();
    let statements = [read::STATEMENTS, uploads::STATEMENTS, commit::STATEMENTS, damage::STATEMENTS].concat();
    for sql in statements {
        for step in plan(&connection, sql) {
            let searches = !step.starts_with("SCAN") || step == "SCAN CONSTANT ROW";
            assert!(searches && !step.contains("TEMP B-TREE"), "{sql}: {step}");
        }
    }
}

#[tokio::test]
async fn full_disk_is_unavailable_and_the_writer_lives_on() {
    let (connection, folder) = connection();
    connection.pragma_update(None, "max_page_count", 60).unwrap();
    let writer = Arc::new(Writer::start(connection, WAIT).unwrap());
    let fill = |number: u32| {
        let writer = Arc::clone(&writer);
        let blob = vec![0_u8; 20_000];
        tokio::spawn(async move {
            let insert = "INSERT INTO pages (id, page, segments) VALUES (x'00', ?1, ?2)";
            let work = move |connection: &Connection| {
                error::During::during(connection.execute(insert, (number, blob)), "filling")
            };
            writer.change(work).await
        })
    };
    let fills: Vec<_> = (0..40).map(fill).collect();
    let mut written = 0;
    for fill in fills {
        match fill.await.unwrap() {
            Ok(_) => written += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
    }
    assert!(written < 40, "the database has room for none of so much");
    let name = NodeName::new("small").unwrap();
    let register = move |connection: &Connection| {
        damage::register_node(connection, &name, Incarnation::from_bytes([1; 16]))
    };
    writer.change(register).await.unwrap();
    drop(writer);
    let found = Connection::open(folder.path().join("metadata.sqlite")).unwrap();
    let pages: i64 = found.query_row("SELECT count(*) FROM pages", [], |row| row.get(0)).unwrap();
    assert_eq!(pages, written, "what was answered is there, what was refused is not");
}

#[tokio::test]
async fn change_that_fails_leaves_the_others_of_its_transaction() {
    let (connection, folder) = connection();
    let writer = Arc::new(Writer::start(connection, WAIT).unwrap());
    let changes = (0..50_u32).map(|number| {
        let writer = Arc::clone(&writer);
        tokio::spawn(async move {
            let work = move |connection: &Connection| {
                let insert = "INSERT INTO pages (id, page, segments) VALUES (x'00', ?1, x'00')";
                error::During::during(connection.execute(insert, [number]), "inserting")?;
                if number % 2 == 1 { Err(crate::refusal::internal("odd")) } else { Ok(()) }
            };
            writer.change(work).await.is_ok()
        })
    });
    let changes: Vec<_> = changes.collect();
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(change.await.unwrap(), number % 2 == 0);
    }
    drop(writer);
    let found = Connection::open(folder.path().join("metadata.sqlite")).unwrap();
    let sum: (i64, i64) = found
        .query_row("SELECT count(*), sum(page) FROM pages", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(sum, (25, 600));
}
