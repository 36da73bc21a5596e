//! How the benchmarks measure what cannot be repeated on the same state: one call at a time, and the median of all.

use std::time::{Duration, Instant};

/// What some work takes, and what comes of it.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

/// The middle one of times in any order.
pub(crate) fn median(mut times: impl AsMut<[Duration]>) -> Duration {
    let times = times.as_mut();
    times.sort();
    times[times.len() / 2]
}

/// How many times as long.
pub(crate) fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}
