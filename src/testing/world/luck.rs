//! What goes wrong: on the way, and around a save.

use super::choices::{Choices, Seed};

/// What becomes of a request on its way to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It arrives, and the answer comes back.
    Clear,
    /// It gets lost.
    RequestLost,
    /// It arrives; the answer gets lost.
    ReplyLost,
    /// It arrives twice.
    Twice,
    /// It arrives later, when nobody waits for the answer any more.
    Late,
}

/// What happens around a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Save {
    /// It lands.
    Lands,
    /// It fails before anything is written, and the caller knows.
    Fails,
    /// It is lost, and nobody knows.
    Lost,
    /// It lands, and nobody knows.
    Unknown,
    /// It lands; the process dies before the step is applied.
    NotApplied,
    /// It lands, the step is applied; the process dies before anything is sent.
    NotSent,
}

/// The luck of one step.
#[derive(Clone, Debug)]
pub(super) struct Luck {
    from: Option<Seed>,
}

impl Luck {
    /// Nothing goes wrong, and everybody works.
    pub(super) const GOOD: Self = Self { from: None };

    pub(super) fn new(luck: u64, faults: bool) -> Self {
        Self { from: (luck != 0 && faults).then_some(Seed(luck)) }
    }

    pub(super) fn is_good(&self) -> bool {
        self.from.is_none()
    }

    /// True in one of `times` cases, and never with good luck.
    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.from.as_mut().is_some_and(|from| from.one_in(times))
    }

    /// True in all but one of `times` cases, and always with good luck.
    pub(super) fn but_one_in(&mut self, times: usize) -> bool {
        !self.one_in(times)
    }

    /// 0 with good luck.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.from.as_mut().map_or(0, |from| from.below(bound))
    }

    pub(super) fn way(&mut self) -> Way {
        match self.below(48) {
            1 | 2 => Way::RequestLost,
            3 | 4 => Way::ReplyLost,
            5 => Way::Twice,
            6 | 7 => Way::Late,
            _ => Way::Clear,
        }
    }

    pub(super) fn save(&mut self) -> Save {
        match self.below(64) {
            1 => Save::Fails,
            2 => Save::Lost,
            3 => Save::Unknown,
            4 => Save::NotApplied,
            5 => Save::NotSent,
            _ => Save::Lands,
        }
    }
}
