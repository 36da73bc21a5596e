//! Why something may not be.

use crate::room::ChangeError;

/// A refusal: which rule, why, and which proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({rule})")]
pub struct Denied {
    /// The rule, by its number in the conformance table.
    pub rule: &'static str,
    /// The reason.
    pub reason: Reason,
    /// The place of the offending proposal in the bundle or commit; none if it is the whole, or the committer.
    pub index: Option<usize>,
}

impl Denied {
    /// Whether a proposal is malformed or can never be valid, whoever makes it (`invalidProposal`); otherwise the
    /// proposer or committer lacks the authority, or the room has no place (`notAllowed`).
    #[must_use]
    pub const fn is_invalid(&self) -> bool {
        matches!(self.reason, Reason::Invalid(_) | Reason::Never)
    }
}

/// Why something may not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// A change of a component that is malformed.
    #[error(transparent)]
    Invalid(#[from] ChangeError),
    /// Nothing of this kind is ever valid.
    #[error("such a proposal is never valid here")]
    Never,
}
