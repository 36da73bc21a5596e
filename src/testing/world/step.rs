//! What happens when: transitions out of choices, each with its luck.

use super::{
    choices::{Choices, Seed},
    transition::Transition,
};

impl Transition {
    /// One of them, the frequent ones more often.
    pub fn choose(from: &mut impl Choices) -> Self {
        let kind = from.below(100);
        let mut next = || u8::try_from(from.below(256)).unwrap_or(0);
        match kind {
            0..=19 => Self::Send { by: next(), room: next() },
            20 => Self::MakeCode { room: next(), terms: next() },
            21..=22 => Self::Redeem { device: next(), room: next(), code: next() },
            23 => match next() % 3 {
                0 => Self::RevokeCode { room: next(), code: next() },
                _ => Self::ChangeLinks { by: next(), room: next(), what: next() },
            },
            24..=25 => {
                Self::ChangePolicy { by: next(), room: next(), which: next(), value: next() }
            }
            26..=28 => Self::React { by: next(), room: next() },
            29 => Self::Edit { by: next(), room: next() },
            30..=38 => Self::Add { by: next(), user: next(), room: next() },
            39..=41 => Self::Remove { by: next(), user: next(), room: next() },
            42..=45 => Self::SetRole { by: next(), user: next(), room: next(), role: next() },
            46..=48 => Self::Rename { by: next(), room: next() },
            49..=51 => Self::Refresh { by: next(), room: next() },
            52..=54 => Self::Commit { by: next(), room: next() },
            55..=58 => Self::Propose { by: next(), user: next(), room: next(), what: next() },
            59..=60 => Self::RemoveClient { by: next(), device: next(), room: next() },
            61..=62 => Self::Leave { by: next(), room: next() },
            63..=68 => Self::Join { device: next(), room: next() },
            69..=70 => Self::HubProposes { room: next(), user: next(), what: next() },
            71 => Self::Create { device: next(), preset: next() },
            72 => Self::NewDevice { user: next() },
            73 => Self::Wipe { device: next() },
            74..=75 => Self::Publish { device: next(), count: next() },
            76 => Self::Exhaust { user: next() },
            77 => match next() % 4 {
                0 | 1 => Self::Consent { user: next(), requester: next(), what: next() },
                2 => Self::AskConsent { user: next(), target: next(), what: next() },
                _ => Self::Search { from: next(), to: next(), what: next() },
            },
            78..=79 => Self::Power { device: next(), on: false },
            80..=81 => Self::Power { device: next(), on: true },
            82..=83 => Self::Crash { node: next() },
            84 => Self::Evict { provider: next() },
            85..=86 => Self::Twin { provider: next() },
            87 => Self::Partition { one: next(), other: next() },
            88 => Self::Heal,
            89 => Self::Skew { node: next(), seconds: next() },
            90..=92 => Self::Wait { seconds: u16::from(next()) * u16::from(next() % 16) },
            93 => Self::Settle,
            94 => match next() % 4 {
                0 => Self::Destroy { by: next(), room: next() },
                _ => Self::Report { by: next(), room: next() },
            },
            _ => Self::Attack { attack: next(), room: next(), by: next() },
        }
    }
}

/// One step: something happens, and then, or meanwhile, things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub transition: Transition,
    /// Decides what goes wrong, who gets to work, and whatever else is left to chance; 0: nothing goes wrong, and all
    /// get to work. It stays with the step: to leave other steps out changes nothing about it.
    pub luck: u64,
}

impl Step {
    /// A step out of choices.
    pub fn choose(from: &mut impl Choices) -> Self {
        Self { transition: Transition::choose(from), luck: from.next() }
    }
}

/// The steps that a seed stands for.
#[must_use]
pub fn steps(seed: u64, count: usize) -> Vec<Step> {
    let mut from = Seed(seed);
    (0..count).map(|_| Step::choose(&mut from)).collect()
}
