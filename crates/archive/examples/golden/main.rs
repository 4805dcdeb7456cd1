//! Writes the archives of format version 1 that are kept as test data, and the vectors beside them:
//!
//! ```text
//! cargo run -p archive --example golden -- FOLDER
//! ```
//!
//! Run twice, it writes the same bytes (but for the databases, which hold the same rows). The archives under
//! `tests/data/archive-v1` are never written anew once version 1 is released: they are what yesterday's archives look like.
#![allow(clippy::print_stdout, reason = "an example")]

mod setup;
mod vectors;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use archive::Settings;
use serde_json::{Value, json};
use types::{BlockSizes, CodeParameters, LengthClass};

use setup::{Failure, Sample, StandingClock};

/// One of the archives.
struct Golden {
    code: (usize, usize, usize),
    nodes: usize,
    seed: u8,
    samples: Vec<Sample>,
}

fn main() -> Result<(), Failure> {
    let folder = std::env::args_os().nth(1).ok_or("usage: golden FOLDER")?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    for golden in [default_code(), two_sources()] {
        let (s, t, p) = golden.code;
        let root = folder.join(format!("{s}-{t}-{p}"));
        fs::create_dir(&root)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let documents = runtime.block_on(write(&root, &golden))?;
        // Ends what is at work in the background, so that the database is closed.
        drop(runtime);
        fs::write(root.join("documents.json"), format!("{documents:#}\n"))?;
        println!("{}: {} documents", root.display(), golden.samples.len());
    }
    fs::write(folder.join("vectors.json"), format!("{:#}\n", vectors::make()?))?;
    Ok(())
}

/// (1,10,3) on 16 nodes. The first documents point at anchors, the later ones at older documents.
fn default_code() -> Golden {
    let author: &[(&str, &str)] = &[("author", "Ada Lovelace"), ("note", "naïve"), ("empty", "")];
    let rich = |name: &str, length, content_type| Sample {
        content_type: Some(content_type),
        user_metadata: author,
        ..Sample::plain(name, length)
    };
    let samples = vec![
        Sample::plain("a", 1),
        Sample::plain("papers/thesis.pdf", 1500),
        Sample::plain("63", 63),
        Sample::plain("64", 64),
        Sample::plain("65", 65),
        rich("Grüße aus Köln.txt", 200, "text/plain; charset=utf-8"),
        Sample::plain("日本語/文書", 1024),
        Sample::plain("🧵", 128),
        Sample::plain("129", 129),
        Sample::plain("a/../b//c", 100),
        Sample::plain("255", 255),
        Sample::plain("256", 256),
        Sample::plain("257", 257),
        rich("pictures/edge.jpg", 3072, "image/jpeg"),
        Sample::plain("\u{c9}", 300),
        Sample::plain("E\u{301}", 300),
        Sample::plain(&"long/".repeat(205)[..1024], 512),
        rich("with metadata", 600, "application/octet-stream"),
        Sample::plain("2305 bytes", 2305),
        Sample::plain("the last", 2),
    ];
    Golden { code: (1, 10, 3), nodes: 16, seed: 1, samples }
}

/// (2,3,4) on 9 nodes: several sources in a codeword.
fn two_sources() -> Golden {
    let samples = [1, 64, 129, 500, 512, 513, 1100, 2000];
    let samples = samples.map(|length| Sample::plain(&format!("{length} bytes"), length)).to_vec();
    Golden { code: (2, 3, 4), nodes: 9, seed: 2, samples }
}

fn settings((s, t, p): (usize, usize, usize)) -> Result<Settings, Failure> {
    Ok(Settings {
        parameters: CodeParameters::new(s, t, p)?,
        sizes: BlockSizes::new(LengthClass::new(6)?, LengthClass::new(8)?)?,
        // One segment after the other, so that random numbers are drawn in one order.
        write_ahead: 1,
        read_ahead: 1,
        ..Settings::default()
    })
}

/// Writes an archive and returns what is in it.
async fn write(root: &Path, golden: &Golden) -> Result<Value, Failure> {
    let clock = Arc::new(StandingClock::new());
    let settings = settings(golden.code)?;
    let archive =
        setup::open(root, golden.nodes, settings, golden.seed, Arc::<StandingClock>::clone(&clock)).await?;
    let mut documents = Vec::new();
    for sample in &golden.samples {
        clock.advance(Duration::from_secs(1));
        let record = setup::put(&archive, sample).await?.record;
        documents.push(json!({
            "name": sample.name,
            "id": record.id.to_string(),
            "length": sample.length,
            "blake3": record.hash.to_string(),
            "segments": record.layout.segments(),
            "created": record.created.as_millis(),
            "content_type": record.content_type,
            "user_metadata": record.user_metadata,
        }));
    }
    archive.close().await;
    Ok(json!({
        "archive": archive.info().id.to_string(),
        "nodes": golden.nodes,
        "documents": documents,
    }))
}
