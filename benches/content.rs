//! The speed of content, as ratios to yardsticks in the same run.
//!
//! `cargo bench --bench content` measures each of the draft's messages, a body of 64 KiB, and 1,000 small parts:
//!
//! * decoding, borrowed and owned, beside a bare walk over the tokens with `minicbor`, which checks far less;
//! * encoding, beside a copy of the same octets;
//! * the message ID, beside SHA-256 over as many octets as go into it.
//!
//! `cargo bench --bench content -- --ratios` prints the ratios alone, as medians, in a few seconds, with the bound
//! for each.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use openmimi::content::{Compose, Draft, DraftPart, Message, MessageBuf, Salt, Semantics};
use sha2::{Digest, Sha256};

#[path = "../tests/it/content/examples.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "shared with the tests")]
mod examples;

/// Every message that is measured.
fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let mut inputs: Vec<_> = examples::all()
        .into_iter()
        .map(|example| (example.name, example.message.into_bytes()))
        .collect();
    let compose = Compose::new(examples::ALICE, examples::ROOM);
    let bytes = |draft: Draft<'_>| draft.encode(Salt([7; 16])).expect("a valid draft");
    inputs.push(("body-64KiB", bytes(compose.text("x".repeat(64 << 10)))));
    let parts = (0..1000).map(|_| DraftPart::text("x".repeat(64)));
    let many = compose.message(DraftPart::multi(Semantics::ProcessAll, parts));
    inputs.push(("1000-parts", bytes(many)));
    inputs
}

/// A bare walk over all tokens.
fn walk(bytes: &[u8]) -> usize {
    minicbor::decode::Tokenizer::new(bytes).filter(|token| token.is_ok()).count()
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The octets that go into an ID.
fn hashed(message: &Message<'_>) -> Vec<u8> {
    vec![0; message.as_bytes().len() + 20 + examples::ALICE.len() + examples::ROOM.len()]
}

fn criterion(criterion: &mut Criterion) {
    for (name, bytes) in inputs() {
        let message = Message::decode(&bytes).expect("valid");
        let draft = Draft::from(message);
        let hashed = hashed(&message);
        let mut group = criterion.benchmark_group("content");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let id = |what| BenchmarkId::new(what, name);
        group.bench_function(id("walk"), |bench| bench.iter(|| walk(black_box(&bytes))));
        group.bench_function(id("decode"), |bench| {
            bench.iter(|| Message::decode(black_box(&bytes)))
        });
        group.bench_function(id("decode-owned"), |bench| {
            bench.iter_batched(|| bytes.clone(), MessageBuf::decode, BatchSize::SmallInput);
        });
        group.bench_function(id("copy"), |bench| bench.iter(|| black_box(&bytes).clone()));
        group.bench_function(id("encode"), |bench| {
            bench.iter(|| black_box(&draft).encode(message.salt()));
        });
        group.bench_function(id("sha256"), |bench| bench.iter(|| hash(black_box(&hashed))));
        group.bench_function(id("id"), |bench| {
            bench.iter(|| black_box(&message).id(examples::ALICE, examples::ROOM));
        });
        group.finish();
    }
}

/// The time of one call, in nanoseconds, over so short a while that it is seldom interrupted.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn time<T>(mut call: impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    let mut calls = 0_u32;
    while start.elapsed() < Duration::from_micros(100) {
        for _ in 0..8 {
            black_box(call());
        }
        calls += 8;
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Medians of calls that are measured in turns, so that a busy machine slows all of them alike.
fn medians<const N: usize>(mut calls: [&mut dyn FnMut() -> f64; N]) -> [f64; N] {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..101 {
        for (call, times) in calls.iter_mut().zip(&mut times) {
            times.push(call());
        }
    }
    times.map(median)
}

fn ratios() {
    println!(
        "ns, and bounds: decode 0.70 walk, owned 1.30 walk, encode 100 + 1.2 copy, id 1.05 sha256"
    );
    println!(
        "{:14}{:>8}{:>8}{:>6}{:>8}{:>6}{:>8}{:>8}{:>8}{:>8}{:>8}{:>6}",
        "message", "walk", "decode", "", "owned", "", "copy", "encode", "bound", "sha256", "id", ""
    );
    for (name, bytes) in inputs() {
        let message = Message::decode(&bytes).expect("valid");
        let draft = Draft::from(message);
        let hashed = hashed(&message);
        let mut owned = bytes.clone();
        let [walk, decode, owned, copy, encode, sha, id] = medians([
            &mut || time(|| walk(black_box(&bytes))),
            &mut || time(|| Message::decode(black_box(&bytes)).is_ok()),
            // The octets go in and come out again, so that no copy is measured.
            &mut || {
                time(|| {
                    let message = MessageBuf::decode(std::mem::take(&mut owned)).expect("valid");
                    owned = black_box(message).into_bytes();
                })
            },
            &mut || time(|| black_box(&bytes).clone()),
            &mut || time(|| black_box(&draft).encode(message.salt())),
            &mut || time(|| hash(black_box(&hashed))),
            &mut || time(|| black_box(&message).id(examples::ALICE, examples::ROOM)),
        ]);
        println!(
            "{name:14}{walk:8.0}{decode:8.0}{:6.2}{owned:8.0}{:6.2}{copy:8.0}{encode:8.0}{:8.0}{sha:8.0}{id:8.0}{:6.2}",
            decode / walk,
            owned / walk,
            1.2 * copy + 100.0,
            id / sha,
        );
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--ratios") {
        return ratios();
    }
    let mut measured = Criterion::default().configure_from_args();
    criterion(&mut measured);
    measured.final_summary();
}
