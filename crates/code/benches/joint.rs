//! What joint decoding costs and what it brings: `cargo bench -p code --bench joint`.
//!
//! Plans are made for archives of (1,10,3) with uniform pointers and blocks erased at random or by attackers; some are
//! executed over blocks in memory. All is seeded: figures but times are the same on every machine. `--quick` leaves
//! out what takes longest.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on says why and stops"
)]

use std::time::{Duration, Instant};

use code::CodeError;
use code::attack::{Attack, Reach, Web};
use code::joint::{Blocks, Fate, JointPlan, Problem, Symbol};
use code::select::Policy;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use types::CodeParameters;

/// Documents, the share of blocks that is lost, and how pointers are selected.
const LOSSES: [(usize, f64, Policy); 17] = [
    (200_000, 0.17, Policy::Uniform),
    (5_000, 0.40, Policy::Uniform),
    (5_000, 0.40, Policy::Normal),
    (5_000, 0.40, Policy::Window),
    (5_000, 0.40, Policy::Mixed),
    (5_000, 0.60, Policy::Uniform),
    (5_000, 0.65, Policy::Uniform),
    (5_000, 0.70, Policy::Uniform),
    (5_000, 0.60, Policy::Window),
    (5_000, 0.64, Policy::Window),
    (5_000, 0.60, Policy::Mixed),
    (5_000, 0.64, Policy::Mixed),
    (5_000, 0.68, Policy::Mixed),
    (50_000, 0.65, Policy::Uniform),
    (50_000, 0.60, Policy::Window),
    (50_000, 0.64, Policy::Window),
    (50_000, 0.64, Policy::Mixed),
];

const ANCHOR: u32 = u32::MAX;

fn main() {
    // `cargo test --benches` runs this too, but does not say `--bench`.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run with `cargo bench -p code --bench joint`");
        return;
    }
    let quick = std::env::args().any(|argument| argument == "--quick");
    losses(quick);
    structureless(quick);
    pairs();
    execution();
    attacks(if quick { 10 } else { 100 });
}

fn web(documents: usize, policy: Policy, seed: u64) -> Web {
    Web::entangle(documents, CodeParameters::DEFAULT, policy, seed)
}

fn problem(web: &Web, erased: &[bool]) -> Problem {
    let mut numbers = vec![0; erased.len()];
    let mut unknowns = 0;
    for (number, _) in numbers.iter_mut().zip(erased).filter(|(_, erased)| **erased) {
        *number = unknowns;
        unknowns += 1;
    }
    let mut problem = Problem::new(unknowns);
    for symbols in web.documents() {
        let symbol = |block: &Option<usize>| match *block {
            Some(block) if erased[block] => Symbol::Unknown(numbers[block]),
            Some(block) => Symbol::Known(u32::try_from(block).expect("fewer than 2^32 blocks")),
            None => Symbol::Known(ANCHOR),
        };
        let symbols: Vec<Symbol> = symbols.iter().map(symbol).collect();
        problem.codeword(web.parameters(), &symbols).expect("a codeword of the web");
    }
    problem
}

fn erase(web: &Web, rate: f64, seed: u64) -> Vec<bool> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..web.blocks()).map(|_| rng.random_bool(rate)).collect()
}

/// How many documents decode when what `fates` says is recovered is back.
fn documents_back(web: &Web, erased: &[bool], back: impl Fn(&Fate) -> bool, fates: &[Fate]) -> usize {
    let mut left = erased.to_vec();
    let unknowns = left.iter_mut().filter(|erased| **erased);
    unknowns.zip(fates).for_each(|(erased, fate)| *erased = !back(fate));
    (0..web.documents().len()).filter(|&document| web.decodes(document, &left)).count()
}

fn losses(quick: bool) {
    println!("random losses, (1,10,3), uniform pointers; a core is what peeling leaves connected");
    println!(
        "documents   policy lost  unknown   peeled    joint  never   back peel  back all     core inactive free  \
         plan s plan MiB made MiB  working   reads distinct"
    );
    for &(documents, rate, policy) in &LOSSES[..if quick { 12 } else { LOSSES.len() }] {
        let web = web(documents, policy, 7);
        let erased = erase(&web, rate, 11);
        let problem = problem(&web, &erased);
        let start = Instant::now();
        let plan = problem.plan().expect("a plan");
        print!("{documents:>9} {:>8} {:>3.0}%", format!("{policy:?}"), 100.0 * rate);
        report(&web, &erased, &plan, start.elapsed());
    }
}

/// Prints the rest of a line: what becomes of the unknowns, how many documents decode after peeling and in the end, the
/// largest core, what planning took, and what executing takes.
fn report(web: &Web, erased: &[bool], plan: &JointPlan, elapsed: Duration) {
    let count = |wanted: Fate| plan.fates().iter().filter(|&&fate| fate == wanted).count();
    let back = |fate: &Fate| !matches!(fate, Fate::Undetermined { .. });
    let core = plan.cores().iter().max_by_key(|core| core.unknowns);
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    println!(
        " {:>8} {:>8} {:>8} {:>6} {:>11} {:>9} {:>8} {:>8} {:>4} {:>7.3} {:>8.1} {:>8.1} {:>8} {:>7} {:>8}",
        plan.fates().len(),
        count(Fate::Peeled),
        count(Fate::Joint),
        plan.fates().len() - plan.recovered(),
        documents_back(web, erased, |fate| *fate == Fate::Peeled, plan.fates()),
        documents_back(web, erased, back, plan.fates()),
        core.map_or(0, |core| core.unknowns),
        core.map_or(0, |core| core.inactivated),
        core.map_or(0, |core| core.free),
        elapsed.as_secs_f64(),
        mib(plan.memory_bytes()),
        mib(plan.planning_bytes()),
        plan.working_blocks(),
        plan.reads().total,
        plan.reads().distinct,
    );
}

/// Known blocks that cost a copy, recovered ones that cost nothing.
struct Memory {
    block: Vec<u8>,
    written: usize,
}

impl Blocks for Memory {
    type Error = CodeError;

    fn read(&mut self, _: u32, offset: usize, into: &mut [u8]) -> Result<(), CodeError> {
        into.copy_from_slice(&self.block[offset..][..into.len()]);
        Ok(())
    }

    fn write(&mut self, _: u32, _: usize, bytes: &[u8]) -> Result<(), CodeError> {
        self.written += bytes.len();
        Ok(())
    }
}

fn execution() {
    println!("\nexecution over blocks of 64 KiB in memory, one thread");
    for (documents, rate) in [(5_000, 0.30), (5_000, 0.40), (5_000, 0.65)] {
        let web = web(documents, Policy::Uniform, 7);
        let plan = problem(&web, &erase(&web, rate, 11)).plan().expect("a plan");
        for tile in [64 << 10, 16 << 10, 4 << 10] {
            let mut memory = Memory { block: vec![7; 64 << 10], written: 0 };
            let start = Instant::now();
            plan.execute(64 << 10, tile, &mut memory).expect("memory does not fail");
            let mib = memory.written as f64 / f64::from(1 << 20);
            println!(
                "{documents:>9} {:>4.0}% tile {:>2} KiB: {:>6.0} MiB/s recovered, {:>7.1} MiB of working memory",
                100.0 * rate,
                tile >> 10,
                mib / start.elapsed().as_secs_f64(),
                plan.working_bytes(tile) as f64 / f64::from(1 << 20),
            );
        }
    }
}

/// Cores without any structure: each codeword has 7 unknowns drawn at random, with a few equations to spare. No
/// archive is so unfavourable; the oldest blocks, in many codewords each, help a lot.
fn structureless(quick: bool) {
    println!("\ncores without structure: 7 unknowns a codeword, 5 % more equations than unknowns");
    for unknowns in if quick { &[3_000][..] } else { &[3_000, 10_000, 20_000] }.iter().copied() {
        let mut rng = StdRng::seed_from_u64(u64::from(unknowns));
        let mut problem = Problem::new(unknowns);
        for _ in 0..unknowns * 21 / 40 {
            let mut symbols = vec![Symbol::Known(0); 13];
            // At random positions: the code has words that are one at the first seven pointers and zero elsewhere, so
            // that with unknowns there in every codeword all of them may change together.
            while symbols.iter().filter(|symbol| matches!(symbol, Symbol::Unknown(_))).count() < 7 {
                let at = rng.random_range(0..symbols.len());
                let fresh = |symbols: &[Symbol], symbol| !symbols.contains(&symbol);
                let mut draw = || Symbol::Unknown(rng.random_range(0..unknowns));
                let mut symbol = draw();
                while !fresh(&symbols, symbol) {
                    symbol = draw();
                }
                symbols[at] = symbol;
            }
            problem.codeword(CodeParameters::DEFAULT, &symbols).expect("a codeword");
        }
        let start = Instant::now();
        let plan = problem.plan().expect("a plan");
        println!(
            "{unknowns:>9} unknowns, {:?}: {:.2} s, plan {:.1} MiB, made in {:.1} MiB",
            plan.cores().iter().max_by_key(|core| core.unknowns),
            start.elapsed().as_secs_f64(),
            plan.memory_bytes() as f64 / f64::from(1 << 20),
            plan.planning_bytes() as f64 / f64::from(1 << 20),
        );
    }
}

/// As many cores as can be: pairs of codewords of (1,2,2) with two unknowns in common.
fn pairs() {
    let unknowns = 100_000;
    let mut problem = Problem::new(unknowns);
    let parameters = CodeParameters::new(1, 2, 2).expect("a shape");
    for first in (0..unknowns).step_by(2) {
        let [a, b] = [Symbol::Unknown(first), Symbol::Unknown(first + 1)];
        let [c, d] = [Symbol::Known(0), Symbol::Known(1)];
        problem.codeword(parameters, &[a, c, b, d]).expect("a codeword");
        problem.codeword(parameters, &[c, b, d, a]).expect("a codeword");
    }
    let start = Instant::now();
    let plan = problem.plan().expect("a plan");
    let (cores, recovered) = (plan.cores().len(), plan.recovered());
    println!("{cores:>9} cores of 2 unknowns: {:.2} s, {recovered} recovered", start.elapsed().as_secs_f64());
}

const TARGETS: [usize; 5] = [1, 50, 150, 300, 400];

fn attacks(seeds: u64) {
    println!(
        "\ngreedy attacks on one of 500 documents, {seeds} archives: undone entirely / with success against peeling"
    );
    println!("(mean number of erased blocks); targets {TARGETS:?}");
    for reach in [Reach::Parities, Reach::Symbols] {
        for attack in Attack::ALL {
            print!("{:>9} {:>9}", format!("{reach:?}"), format!("{attack:?}"));
            for target in TARGETS {
                attack_all(seeds, target, attack, reach);
            }
            println!();
        }
    }
}

fn attack_all(seeds: u64, target: usize, attack: Attack, reach: Reach) {
    let (mut undone, mut erasures) = (0, 0);
    for seed in 0..seeds {
        let web = web(500, Policy::Uniform, seed);
        let plan = problem(&web, &web.attack(target, attack, reach)).plan().expect("a plan");
        undone += usize::from(plan.recovered() == plan.fates().len());
        erasures += plan.fates().len() as u64;
    }
    print!("  {:>13}", format!("{undone}/{seeds} ({})", erasures / seeds));
}
