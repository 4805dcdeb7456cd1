//! Documents of 1 MiB: processor time of the proxy, and throughput of one client and of eight.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::http::Client;
use crate::process::{Place, Proxy, cpu_of};
use crate::report::{Wanted, figure, median};

const DOCUMENT_BYTES: usize = 1 << 20;
/// Put before anything is measured: the archive is to have pointers to choose from, and the cache to be full.
const WARM_UP: usize = 400;
const MEASURED: usize = 400;
const ROUNDS: usize = 5;
const CLIENTS: usize = 8;

/// Runs and prints the figures.
pub(crate) fn run(place: &Place, body: &[u8]) -> Result<()> {
    puts(place, body)?;
    gets(place)
}

fn puts(place: &Place, body: &[u8]) -> Result<()> {
    let proxy = Proxy::start(place, &[])?;
    let mut client = Client::connect(&proxy.address)?;
    let mut document = body.get(..DOCUMENT_BYTES).unwrap_or_default().to_vec();
    let mut put = |number: usize| {
        // Different documents, so that nothing can be the same by chance.
        document.iter_mut().zip(number.to_le_bytes()).for_each(|(byte, new)| *byte = new);
        client.put(&format!("/mib/{number}"), &document)
    };
    (0..WARM_UP).try_for_each(&mut put)?;
    let mut cpu = Vec::new();
    let (mut wall, mut plain) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        plain.push(write_plain(place, body, round)?);
        let (before, begin) = (proxy.cpu()?, Instant::now());
        let first = WARM_UP + round * MEASURED / ROUNDS;
        (first..first + MEASURED / ROUNDS).try_for_each(&mut put)?;
        let count = (MEASURED / ROUNDS) as f64;
        cpu.push((proxy.cpu()? - before) * 1e3 / count);
        wall.push(begin.elapsed().as_secs_f64() * 1e3 / count);
    }
    let (cpu, plain) = (median(cpu), median(plain));
    figure("1 MiB PUT: proxy CPU", cpu, "ms", Wanted::AtMost(3.7));
    figure("plain fsynced files of as many bytes as a 1 MiB PUT writes: CPU", plain, "ms", Wanted::Nothing);
    figure("1 MiB PUT: proxy CPU beyond that", cpu - plain, "ms", Wanted::Nothing);
    figure("1 MiB PUT: latency, one client", median(wall), "ms", Wanted::Nothing);
    Ok(())
}

/// Processor time, in milliseconds, of writing three fsynced files of 1 MiB: what the file system alone costs.
fn write_plain(place: &Place, body: &[u8], round: usize) -> Result<f64> {
    const TIMES: usize = 60;
    let directory = place.directory.join(format!("plain-small-{round}"));
    std::fs::create_dir_all(&directory)?;
    let before = cpu_of("self")?;
    for number in 0..3 * TIMES {
        let mut file = File::create(directory.join(number.to_string()))?;
        file.write_all(body.get(..DOCUMENT_BYTES).unwrap_or_default())?;
        file.sync_data()?;
    }
    Ok((cpu_of("self")? - before) * 1e3 / TIMES as f64)
}

fn gets(place: &Place) -> Result<()> {
    let proxy = Proxy::start(place, &[("SELVAGE__CACHE__BYTES", "0".to_owned())])?;
    let (mut cpu, mut one, mut many) = (Vec::new(), Vec::new(), Vec::new());
    // A first pass warms the connection pools and the kernel's page cache.
    get_range(&proxy, 0, WARM_UP)?;
    for round in 0..ROUNDS {
        let before = proxy.cpu()?;
        let first = WARM_UP + round * MEASURED / ROUNDS;
        let took = get_range(&proxy, first, MEASURED / ROUNDS)?;
        cpu.push((proxy.cpu()? - before) * 1e3 / (MEASURED / ROUNDS) as f64);
        one.push((MEASURED / ROUNDS) as f64 / took.as_secs_f64());
        many.push(get_by_many(&proxy)?);
    }
    figure("1 MiB GET without the cache: proxy CPU", median(cpu), "ms", Wanted::AtMost(4.0));
    figure("1 MiB GET without the cache: one client", median(one.clone()), "1/s", Wanted::Nothing);
    let ratios = many.iter().zip(&one).map(|(many, one)| many / one).collect();
    figure("1 MiB GET: throughput of 8 clients to that of one", median(ratios), "x", Wanted::AtLeast(1.5));
    Ok(())
}

fn get_range(proxy: &Proxy, first: usize, count: usize) -> Result<Duration> {
    let mut client = Client::connect(&proxy.address)?;
    let begin = Instant::now();
    for number in first..first + count {
        client.get(&format!("/mib/{number}"))?;
    }
    Ok(begin.elapsed())
}

/// Documents a second, by eight clients at once.
fn get_by_many(proxy: &Proxy) -> Result<f64> {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let client = |client: usize| get_range(proxy, client * MEASURED / CLIENTS, MEASURED / CLIENTS);
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        clients.into_iter().try_for_each(|handle| {
            handle.join().unwrap_or_else(|_| anyhow::bail!("a client failed")).map(drop)
        })
    })?;
    Ok(MEASURED as f64 / begin.elapsed().as_secs_f64())
}
