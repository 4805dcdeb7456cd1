//! How fast the kernel is, next to what it replaces and to what bounds it, all interleaved in one run.
//!
//! `cargo bench -p gf` prints, for each shape, operation and block length, one line per backend: the kernel, the XOR
//! bound (`gf::yardstick`), `reed-solomon-erasure` with its SIMD code, and `memcpy` of the inputs over the outputs, in
//! GB/s of input. A sample that was interrupted is taken again. Speeds are medians. Ratios are medians of the ratios of one round, in which every contender
//! ran once, in random order, but a kernel next to its bound: whatever else the machine did, it did to all of them.
//!
//! Options after `--`: `--quick` (fewer cases, less time), `--shape K,P`, `--block BYTES`, `--operation NAME`, `--backend NAME`
//! (each may be repeated), `--seconds S` (per case), `--shift BYTES` (blocks begin so far off the page).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on says why and stops"
)]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of rounds, all small")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use gf::yardstick::XorBound;
use gf::{Backend, Matrix, Plan, generator};
use reed_solomon_erasure::galois_8::ReedSolomon;

/// `k` and `p`.
type Shape = (usize, usize);

const SHAPES: [Shape; 5] = [(11, 3), (6, 3), (9, 5), (7, 7), (20, 10)];
const BLOCKS: [usize; 4] = [4 << 10, 64 << 10, 1 << 20, 4 << 20];
const PAGE: usize = 4096;

/// A sample repeats what it times until it took about so long.
const SAMPLE: Duration = Duration::from_micros(400);
const ROUNDS_MIN: usize = 7;

/// What must be reached (issue 4) with shape (11,3), encoding and decoding one symbol: block length, backend, ratio to the
/// XOR bound.
const REACH: [(usize, Backend, f64); 3] =
    [(1 << 20, Backend::Gfni512, 0.95), (64 << 10, Backend::Gfni512, 0.55), (1 << 20, Backend::Avx2, 0.80)];

fn main() {
    let options = Options::from_arguments();
    // `cargo test --benches` runs this too, but does not say `--bench`.
    if !options.bench {
        println!("run with `cargo bench -p gf`");
        return;
    }
    println!("GB/s of input. e = p - s missing symbols, s = 1 up to p = 3, else s = 2.");
    println!(
        "{:>7} {:>10} {:>2} {:>8}  {:<8} {:>7} {:>7} {:>7} {:>7}  {:>6} {:>6} {:>6}",
        "shape", "operation", "m", "block", "backend", "gf", "xor", "rse", "memcpy", "/xor", "/rse", "/copy"
    );
    let mut reached = Vec::new();
    for &shape in &options.shapes {
        for &operation in &options.operations {
            for &block in &options.blocks {
                let case = Case { shape, operation, block };
                for line in case.measure(&options) {
                    println!("{}", case.describe(&line));
                    reached.extend(case.reach(&line));
                }
            }
        }
    }
    println!("{}", reached.join("\n"));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Encode,
    DecodeOne,
    DecodeMany,
}

impl Operation {
    const ALL: [Self; 3] = [Self::Encode, Self::DecodeOne, Self::DecodeMany];

    fn name(self) -> &'static str {
        match self {
            Self::Encode => "encode",
            Self::DecodeOne => "decode-one",
            Self::DecodeMany => "decode-e",
        }
    }
}

struct Options {
    bench: bool,
    shapes: Vec<Shape>,
    blocks: Vec<usize>,
    operations: Vec<Operation>,
    backends: Vec<Backend>,
    case: Duration,
    shift: usize,
}

impl Options {
    fn from_arguments() -> Self {
        let mut options = Self {
            bench: false,
            shapes: Vec::new(),
            blocks: Vec::new(),
            operations: Vec::new(),
            backends: Vec::new(),
            case: Duration::from_millis(1200),
            shift: 0,
        };
        let mut quick = false;
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| usage(&argument));
            match argument.as_str() {
                "--bench" => options.bench = true,
                "--quick" => quick = true,
                "--shape" => options.shapes.push(parse_shape(&value()).unwrap_or_else(|| usage(&argument))),
                "--block" => options.blocks.push(value().parse().unwrap_or_else(|_| usage(&argument))),
                "--operation" => options.operations.push(named(&Operation::ALL, Operation::name, &value())),
                "--backend" => options.backends.push(named(&Backend::available(), Backend::as_str, &value())),
                "--seconds" => {
                    let seconds = value().parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
                    options.case = seconds.unwrap_or_else(|| usage(&argument));
                }
                "--shift" => options.shift = value().parse().unwrap_or_else(|_| usage(&argument)),
                _ if options.bench => usage(&argument),
                _ => {} // the test harness's, as in `cargo test --benches -- --list`
            }
        }
        if quick {
            options.case = Duration::from_millis(400);
            default(&mut options.shapes, &[(11, 3)]);
        }
        default(&mut options.shapes, &SHAPES);
        default(&mut options.blocks, &BLOCKS);
        default(&mut options.operations, &Operation::ALL);
        default(&mut options.backends, &Backend::available());
        options
    }
}

fn default<T: Copy>(chosen: &mut Vec<T>, all: &[T]) {
    if chosen.is_empty() {
        chosen.extend_from_slice(all);
    }
}

fn parse_shape(text: &str) -> Option<Shape> {
    let (k, p) = text.split_once(',')?;
    let shape = (k.parse().ok()?, p.parse().ok()?);
    generator(shape.0, shape.1).map(|_| shape)
}

fn named<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, text: &str) -> T {
    all.iter().copied().find(|&one| name(one) == text).unwrap_or_else(|| usage(text))
}

fn usage(argument: &str) -> ! {
    eprintln!(
        "cannot use {argument}; options: --quick --shape K,P --block BYTES --operation encode|decode-one|decode-e"
    );
    eprintln!("--backend NAME --seconds S --shift BYTES; backends here: {:?}", names());
    std::process::exit(64);
}

fn names() -> Vec<&'static str> {
    Backend::available().into_iter().map(Backend::as_str).collect()
}

#[derive(Clone, Copy)]
struct Case {
    shape: Shape,
    operation: Operation,
    block: usize,
}

/// What was measured of one backend: nanoseconds of each contender in each round, as `[gf, xor, rse, memcpy]`.
struct Line {
    backend: Backend,
    rounds: Vec<[f64; 4]>,
}

impl Case {
    /// How many blocks are made.
    fn outputs(self) -> usize {
        let (k, p) = self.shape;
        match self.operation {
            Operation::Encode => p,
            Operation::DecodeOne => 1,
            Operation::DecodeMany => (p - if p <= 3 { 1 } else { 2 }).clamp(1, k),
        }
    }

    /// Makes parities of data, or the first data from the others and the first parities.
    fn coefficients(self) -> Matrix {
        let ((k, p), m) = (self.shape, self.outputs());
        let parities = generator(k, p).expect("the shape was checked");
        if self.operation == Operation::Encode {
            return parities;
        }
        let mut survivors = Matrix::zero(k, k);
        for r in 0..k {
            for c in 0..k {
                let data = u8::from(r + m == c);
                survivors.set(r, c, if r + m < k { data } else { parities.get(r + m - k, c) });
            }
        }
        let inverse = survivors.inverse().expect("the code is MDS");
        let rows = (0..m).flat_map(|r| inverse.row(r).to_vec()).collect();
        Matrix::from_rows(m, k, rows).expect("m rows of k")
    }

    fn measure(self, options: &Options) -> Vec<Line> {
        let coefficients = self.coefficients();
        let mut contenders = vec![Contender::Memcpy, Contender::Oracle];
        for &backend in &options.backends {
            let plan = Plan::with_backend(&coefficients, backend).expect("it is available");
            let bound = XorBound::new(plan.inputs(), plan.outputs(), backend).expect("it is available");
            contenders.extend([Contender::Kernel(plan), Contender::Bound(bound)]);
        }
        let mut bench = Bench::new(self, coefficients.rows(), options.shift);
        let repeats: Vec<_> = contenders.iter().map(|contender| bench.calibrate(contender)).collect();
        let mut rounds: Vec<Vec<f64>> = Vec::new();
        // A kernel and its bound run next to each other, so that the noise of the moment is the same for both.
        let mut order: Vec<_> = (0..contenders.len()).step_by(2).map(|first| [first, first + 1]).collect();
        let begun = Instant::now();
        while rounds.len() < ROUNDS_MIN || begun.elapsed() < options.case {
            bench.random.shuffle(&mut order);
            let mut times = vec![0.0; contenders.len()];
            for &pair in &order {
                let mut pair = pair;
                bench.random.shuffle(&mut pair);
                for i in pair {
                    times[i] = bench.sample(&contenders[i], repeats[i]);
                }
            }
            rounds.push(times);
        }
        let line = |(b, &backend): (usize, &Backend)| Line {
            backend,
            rounds: rounds
                .iter()
                .map(|times| [times[2 + 2 * b], times[3 + 2 * b], times[1], times[0]])
                .collect(),
        };
        options.backends.iter().enumerate().map(line).collect()
    }

    fn describe(self, line: &Line) -> String {
        let (k, p) = self.shape;
        let bytes = (k * self.block) as f64;
        let speeds =
            (0..4).map(|i| format!(" {:>7.2}", bytes / median(line.rounds.iter().map(|round| round[i]))));
        let ratios = (1..4).map(|i| format!(" {:>6.2}", line.ratio(i)));
        format!(
            "{:>7} {:>10} {:>2} {:>8}  {:<8}{} {}",
            format!("({k},{p})"),
            self.operation.name(),
            self.outputs(),
            size(self.block),
            line.backend.as_str(),
            speeds.collect::<String>(),
            ratios.collect::<String>()
        )
    }

    fn reach(self, line: &Line) -> Option<String> {
        if self.shape != (11, 3) || self.operation == Operation::DecodeMany {
            return None;
        }
        let &(.., reach) =
            REACH.iter().find(|&&(block, backend, _)| (block, backend) == (self.block, line.backend))?;
        let ratio = line.ratio(1);
        let verdict = if ratio >= reach { "reached" } else { "FALLS SHORT" };
        let (operation, block, backend) = (self.operation.name(), size(self.block), line.backend.as_str());
        Some(format!(
            "{:?} {operation} {block} {backend}: {ratio:.3} of the XOR bound, to reach {reach:.2}: {verdict}",
            self.shape
        ))
    }
}

impl Line {
    /// How many times as fast as contender `i` the kernel is.
    fn ratio(&self, i: usize) -> f64 {
        median(self.rounds.iter().map(|round| round[i] / round[0]))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn size(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

enum Contender {
    Kernel(Plan),
    Bound(XorBound),
    Oracle,
    Memcpy,
}

/// The blocks of one case: `k` data, `p` parities, and `m` outputs, page after page of one allocation.
struct Bench {
    case: Case,
    made: usize,
    arena: Vec<u8>,
    first: usize,
    oracle: ReedSolomon,
    random: Random,
}

impl Bench {
    fn new(case: Case, made: usize, shift: usize) -> Self {
        let (k, p) = case.shape;
        let mut arena = vec![0; (k + p + made) * case.block + 2 * PAGE];
        let mut random = Random(0x5EED);
        arena
            .chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]));
        let first = arena.as_ptr().align_offset(PAGE) + shift % PAGE;
        let oracle = ReedSolomon::new(k, p).expect("the shape was checked");
        let mut bench = Self { case, made, arena, first, oracle, random };
        // Parities that belong to the data, so that decoding decodes.
        let [data, mut parities, _] = bench.blocks();
        let inputs: Vec<_> = data.iter().map(|block| &**block).collect();
        let generator = generator(k, p).expect("the shape was checked");
        Plan::new(&generator).apply(&inputs, &mut parities).expect("shapes fit");
        bench
    }

    /// Data, parities, outputs.
    fn blocks(&mut self) -> [Vec<&mut [u8]>; 3] {
        let (k, p) = self.case.shape;
        let mut data: Vec<_> =
            self.arena[self.first..].chunks_exact_mut(self.case.block).take(k + p + self.made).collect();
        let mut parities = data.split_off(k);
        let outputs = parities.split_off(p);
        [data, parities, outputs]
    }

    /// How often to repeat it in a sample.
    fn calibrate(&mut self, contender: &Contender) -> usize {
        self.sample(contender, 1);
        let nanoseconds = self.sample(contender, 1).max(1.0);
        (SAMPLE.as_nanos() as f64 / nanoseconds).ceil().clamp(1.0, 10_000.0) as usize
    }

    /// Nanoseconds that it takes once.
    fn sample(&mut self, contender: &Contender, repeats: usize) -> f64 {
        let (encode, made) = (self.case.operation == Operation::Encode, self.made);
        let oracle = std::mem::replace(&mut self.oracle, ReedSolomon::new(1, 1).expect("a shape"));
        let [data, mut parities, mut outputs] = self.blocks();
        let time = if let (Contender::Oracle, false) = (contender, encode) {
            let mut shards: Vec<_> = data.into_iter().chain(parities).map(|block| (block, true)).collect();
            timed(repeats, || {
                shards.iter_mut().take(made).for_each(|shard| shard.1 = false);
                oracle.reconstruct_data(&mut shards).expect("enough survive");
            })
        } else {
            let symbols = data.iter().map(|block| &**block);
            let inputs: Vec<&[u8]> = if encode {
                symbols.collect()
            } else {
                let k = data.len();
                symbols.chain(parities.iter().map(|block| &**block)).skip(made).take(k).collect()
            };
            match contender {
                Contender::Kernel(plan) => {
                    timed(repeats, || plan.apply(&inputs, &mut outputs).expect("shapes fit"))
                }
                Contender::Bound(bound) => {
                    timed(repeats, || bound.apply(&inputs, &mut outputs).expect("shapes fit"))
                }
                Contender::Memcpy => timed(repeats, || {
                    for (i, input) in inputs.iter().enumerate() {
                        outputs[i % made].copy_from_slice(black_box(input));
                    }
                }),
                Contender::Oracle => {
                    drop(inputs);
                    let inputs: Vec<_> = data.iter().map(|block| &**block).collect();
                    timed(repeats, || oracle.encode_sep(&inputs, &mut parities).expect("shapes fit"))
                }
            }
        };
        self.oracle = oracle;
        time
    }
}

/// How often a sample is taken again because the machine ran something else in the middle of it.
const RETRIES_MAX: usize = 20;

/// A longer sample is taken as it comes: on a busy machine every one of its like is interrupted.
const RETRY_SAMPLE_MAX: Duration = Duration::from_millis(3);

/// Nanoseconds of one repeat.
fn timed(repeats: usize, mut work: impl FnMut()) -> f64 {
    work(); // untimed: what the contender before left in the caches is not this one's doing
    let mut time = 0.0;
    for _ in 0..RETRIES_MAX {
        let turns_before = turns();
        let begun = Instant::now();
        for _ in 0..repeats {
            work();
        }
        let elapsed = begun.elapsed();
        time = elapsed.as_nanos() as f64 / repeats as f64;
        if turns() == turns_before || elapsed > RETRY_SAMPLE_MAX {
            break;
        }
    }
    time
}

/// How often this thread was given a processor (Linux; elsewhere nobody knows).
fn turns() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split_whitespace().nth(2)?.parse().ok()
}

/// Marsaglia's xorshift64: fixed seed, so that runs differ only in time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, (self.next() % (i as u64 + 1)) as usize);
        }
    }
}
