//! Speed and memory of a whole archive: prints figures, each beside what was wanted of it. `scripts/bench` runs it;
//! `docs/PERFORMANCE.md` holds what it printed.

mod http;
mod large;
mod process;
mod records;
mod report;
mod small;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::process::Place;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Documents of 1 MiB.
    Small,
    /// Documents of 64 MiB and of several GiB.
    Large,
    /// PUT latency against the number of documents.
    Records,
}

/// Speed and memory of a whole archive.
#[derive(Debug, Parser)]
struct Options {
    /// The proxy's binary, built with --release.
    #[arg(long)]
    proxy: PathBuf,
    /// Where archives are made; a temporary folder if none is named. Needs some 25 GiB.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Only these parts.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Do not fill free memory first; see `warm_memory` in the source.
    #[arg(long)]
    cold_memory: bool,
    /// Length of the huge document, in GiB.
    #[arg(long, default_value_t = 4)]
    huge_gib: u64,
    /// How many documents the large metadata store holds.
    #[arg(long, default_value_t = 1_000_000)]
    documents: u64,
}

/// Reads a file of holes as long as memory is free, so that the page cache fills it.
///
/// A server that has run for a while has no memory that was never used. On a virtual machine such memory costs ten
/// times as much at first use as a copy does, since the host has to find it: without this, writing a file measures
/// the host.
fn warm_memory(directory: &Path) -> Result<()> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let free = text.lines().find_map(|line| line.strip_prefix("MemFree:")).context("no MemFree")?;
    let kib: u64 = free.trim().trim_end_matches("kB").trim().parse()?;
    std::fs::create_dir_all(directory)?;
    let path = directory.join("holes");
    let mut file = File::create_new(&path)?;
    file.set_len(kib * 1024)?;
    file = File::open(&path)?;
    std::io::copy(&mut file, &mut std::io::sink())?;
    println!("filled {} MiB of free memory with the page cache", kib / 1024);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let temporary;
    let directory = if let Some(directory) = &options.directory {
        directory.clone()
    } else {
        temporary = tempfile::tempdir()?;
        temporary.path().to_owned()
    };
    let wanted = |part| options.only.is_empty() || options.only.contains(&part);
    let binary = options.proxy.canonicalize().with_context(|| format!("no {}", options.proxy.display()))?;
    let place = Place { binary, directory: directory.join("archive") };
    if !options.cold_memory {
        warm_memory(&directory)?;
    }
    let mut body = vec![0; 16 << 20];
    StdRng::seed_from_u64(1).fill_bytes(&mut body);
    if wanted(Part::Small) {
        small::run(&place, &body)?;
    }
    if wanted(Part::Large) {
        large::run(&place, &body, options.huge_gib << 30)?;
    }
    if wanted(Part::Records) {
        records::run(&directory.join("records"), options.documents).await?;
    }
    Ok(())
}
