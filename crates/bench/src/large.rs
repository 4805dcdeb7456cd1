//! Documents of 64 MiB and of 4 GiB: throughput against the bare file system and against nginx, memory, and how
//! long the first byte takes.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::http::Client;
use crate::process::{Nginx, Place, Proxy};
use crate::report::{Wanted, figure, median};

const MIB: u64 = 1 << 20;
const DOCUMENT_BYTES: u64 = 64 * MIB;
const ROUNDS: usize = 5;
/// The parities of a 64 MiB document.
const BLOCKS_WRITTEN: usize = 192;
/// The symbols that are read to decode one: 11 blocks a segment.
const BLOCKS_READ: usize = 704;

/// Runs and prints the figures.
pub(crate) fn run(place: &Place, body: &[u8], huge_bytes: u64) -> Result<()> {
    puts(place, body)?;
    cold_gets(place)?;
    cached_gets(place, body)?;
    first_byte(place, body)?;
    huge(place, body, huge_bytes)
}

fn pieces(body: &[u8], bytes: u64) -> impl Iterator<Item = &[u8]> {
    let whole = usize::try_from(bytes).unwrap_or(usize::MAX) / body.len();
    std::iter::repeat_n(body, whole)
}

fn puts(place: &Place, body: &[u8]) -> Result<()> {
    let proxy = Proxy::start(place, &[])?;
    let mut client = Client::connect(&proxy.address)?;
    let mut ratios = Vec::new();
    let mut speed = Vec::new();
    for round in 0..ROUNDS {
        let begin = Instant::now();
        client.put_pieces(&format!("/large/{round}"), DOCUMENT_BYTES, pieces(body, DOCUMENT_BYTES))?;
        let took = begin.elapsed().as_secs_f64();
        speed.push(DOCUMENT_BYTES as f64 / MIB as f64 / took);
        ratios.push(write_plain(place, body, round)?.as_secs_f64() / took);
    }
    figure("64 MiB PUT: throughput of the document", median(speed), "MiB/s", Wanted::Nothing);
    figure(
        "64 MiB PUT: to writing its 192 MiB as fsynced 1 MiB files",
        median(ratios),
        "x",
        Wanted::AtLeast(0.5),
    );
    Ok(())
}

/// Writes what a 64 MiB document writes, as plain fsynced files, with as many threads as an upload has parities
/// under way: six segments of three.
fn write_plain(place: &Place, body: &[u8], round: usize) -> Result<Duration> {
    const THREADS: usize = 18;
    let directory = place.directory.join(format!("plain-{round}"));
    std::fs::create_dir_all(&directory)?;
    let block = body.get(..1 << 20).context("a short body")?;
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let write = |thread: usize, directory: PathBuf| {
            (thread..BLOCKS_WRITTEN).step_by(THREADS).try_for_each(|number| {
                let mut file = File::create(directory.join(number.to_string()))?;
                file.write_all(block)?;
                file.sync_all()
            })
        };
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let directory = directory.clone();
                scope.spawn(move || write(thread, directory))
            })
            .collect();
        threads.into_iter().all(|thread| thread.join().is_ok_and(|written| written.is_ok()))
    })
    .then_some(())
    .context("writing plain files")?;
    let took = begin.elapsed();
    std::fs::remove_dir_all(&directory)?;
    Ok(took)
}

fn cold_gets(place: &Place) -> Result<()> {
    let files = block_files(&place.directory.join("data/nodes"))?;
    let (mut ratios, mut speed) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let proxy = Proxy::start(place, &[])?;
        let mut client = Client::connect(&proxy.address)?;
        let begin = Instant::now();
        client.get(&format!("/large/{round}"))?;
        let took = begin.elapsed().as_secs_f64();
        speed.push(DOCUMENT_BYTES as f64 / MIB as f64 / took);
        ratios.push(read_plain(&files, round)?.as_secs_f64() / took);
    }
    figure("64 MiB GET, cold: throughput of the document", median(speed), "MiB/s", Wanted::Nothing);
    let what = "64 MiB GET, cold: to plain reads of its 704 MiB of blocks";
    figure(what, median(ratios), "x", Wanted::AtLeast(0.25));
    Ok(())
}

/// Files of blocks of 1 MiB, in no order.
fn block_files(nodes: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![nodes.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.len() > MIB {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

fn read_plain(files: &[PathBuf], round: usize) -> Result<Duration> {
    let mut buffer = vec![0; 2 << 20];
    let begin = Instant::now();
    for file in files.iter().cycle().skip(round * BLOCKS_READ).take(BLOCKS_READ) {
        let mut file = File::open(file)?;
        while file.read(&mut buffer)? > 0 {}
    }
    Ok(begin.elapsed())
}

fn cached_gets(place: &Place, body: &[u8]) -> Result<()> {
    const PORT: u16 = 38_080;
    let directory = place.directory.join("nginx");
    std::fs::create_dir_all(&directory)?;
    let mut file = File::create(directory.join("large"))?;
    pieces(body, DOCUMENT_BYTES).try_for_each(|piece| file.write_all(piece))?;
    drop(file);
    let Some(_nginx) = Nginx::start(&directory, PORT)? else {
        println!("64 MiB GET from the cache: nginx is not installed (apt-get install nginx-light)");
        return Ok(());
    };
    let proxy = Proxy::start(place, &[])?;
    let mut ours = Client::connect(&proxy.address)?;
    let mut theirs = Client::connect(&format!("127.0.0.1:{PORT}"))?;
    for _ in 0..3 {
        ours.get("/large/0")?;
        theirs.get("/large")?;
    }
    let (mut ratios, mut speed) = (Vec::new(), Vec::new());
    for _ in 0..3 * ROUNDS {
        let begin = Instant::now();
        ours.get("/large/0")?;
        let took = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        theirs.get("/large")?;
        speed.push(DOCUMENT_BYTES as f64 / MIB as f64 / took);
        ratios.push(begin.elapsed().as_secs_f64() / took);
    }
    figure("64 MiB GET from the cache: throughput", median(speed), "MiB/s", Wanted::Nothing);
    figure("64 MiB GET from the cache: to nginx serving the file", median(ratios), "x", Wanted::AtLeast(0.5));
    Ok(())
}

fn first_byte(place: &Place, body: &[u8]) -> Result<()> {
    let proxy = Proxy::start(place, &[("SELVAGE__CACHE__BYTES", "0".to_owned())])?;
    let mut client = Client::connect(&proxy.address)?;
    for (round, piece) in body.chunks_exact(1 << 20).take(ROUNDS).enumerate() {
        client.put(&format!("/small/{round}"), piece)?;
    }
    let first_byte = |path: &str| -> Result<f64> {
        Ok(Client::connect(&proxy.address)?.get(path)?.first_byte.as_secs_f64() * 1e3)
    };
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for round in 0..3 * ROUNDS {
        small.push(first_byte(&format!("/small/{}", round % ROUNDS))?);
        large.push(first_byte(&format!("/large/{}", round % ROUNDS))?);
    }
    let ratio = median(large.clone()) / median(small.clone());
    figure("first byte of a 1 MiB document, cold", median(small), "ms", Wanted::Nothing);
    figure("first byte of a 64 MiB document, cold", median(large), "ms", Wanted::Nothing);
    figure("first byte: 64 MiB to 1 MiB", ratio, "x", Wanted::AtMost(1.5));
    Ok(())
}

fn huge(place: &Place, body: &[u8], bytes: u64) -> Result<()> {
    let proxy = Proxy::start(place, &[("SELVAGE__CACHE__BYTES", (64 * MIB).to_string())])?;
    let mut client = Client::connect(&proxy.address)?;
    let gib = bytes as f64 / (1024.0 * MIB as f64);
    let begin = Instant::now();
    client.put_pieces("/huge", bytes, pieces(body, bytes))?;
    figure(
        &format!("{gib} GiB PUT: throughput"),
        gib * 1024.0 / begin.elapsed().as_secs_f64(),
        "MiB/s",
        Wanted::Nothing,
    );
    let begin = Instant::now();
    let answer = client.get("/huge")?;
    anyhow::ensure!(answer.bytes == bytes, "{} bytes came back", answer.bytes);
    figure(
        &format!("{gib} GiB GET: throughput"),
        gib * 1024.0 / begin.elapsed().as_secs_f64(),
        "MiB/s",
        Wanted::Nothing,
    );
    let first = answer.first_byte.as_secs_f64() * 1e3;
    figure(&format!("{gib} GiB GET: first byte"), first, "ms", Wanted::Nothing);
    let peak = proxy.peak_rss()? as f64 / MIB as f64;
    figure(&format!("{gib} GiB PUT and GET: peak RSS, cache 64 MiB"), peak, "MiB", Wanted::AtMost(256.0));
    Ok(())
}
