//! From a list of steps that breaks an invariant to a short one that breaks the same.

use std::sync::Arc;

use super::{
    Config, World, WorldCrypto,
    report::{Report, Violation},
    step::Step,
};

/// Leaves out what is not needed for a violation: halves first, then quarters, then single steps; then the bad luck of
/// single steps. Gives the steps that are left and what becomes of them, after at most `tries` worlds.
///
/// Deterministic, as worlds are.
pub fn shrink<C: WorldCrypto>(
    crypto: &Arc<C>,
    config: &Config,
    violation: &Violation,
    steps: &[Step],
    mut tries: usize,
) -> (Vec<Step>, Option<Report>) {
    let mut best: Vec<Step> = steps.to_vec();
    let mut report = None;
    let breaks = |steps: &[Step], tries: &mut usize| {
        if *tries == 0 {
            return None;
        }
        *tries -= 1;
        let world = World::new(crypto.clone(), violation.seed, config.clone());
        let report = world.play(steps);
        let same = report.violation.as_ref().is_some_and(|it| it.invariant == violation.invariant);
        same.then_some(report)
    };
    let mut size = best.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < best.len() {
            let end = (start + size).min(best.len());
            let mut fewer = best.clone();
            fewer.drain(start..end);
            match breaks(&fewer, &mut tries) {
                Some(found) => {
                    fewer.truncate(found.steps.max(1).min(fewer.len()));
                    best = fewer;
                    report = Some(found);
                }
                None => start = end,
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    for place in 0..best.len() {
        let Some(step) = best.get(place).copied().filter(|step| step.luck != 0) else { continue };
        let mut luckier = best.clone();
        luckier[place] = Step { luck: 0, ..step };
        if let Some(found) = breaks(&luckier, &mut tries) {
            best = luckier;
            report = Some(found);
        }
    }
    (best, report)
}
