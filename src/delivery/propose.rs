//! Standalone proposals: checked, staged, pending.

use std::collections::{BTreeMap, BTreeSet};

use openmls_traits::{crypto::OpenMlsCrypto, signatures::Signer};

use super::{
    Group, Writes,
    engine::Verified,
    external,
    frame::{Body, Frame, FrameFault, FrameSender, RawProposal, is_safe_aad, read_frame},
    records,
    refusal::{Conflict, ProposalFault, ProposalRefusal, ProposeError, RefusedProposal},
    roster::Entry,
    rules::{Court, Draft, may_send},
    view::{ComponentOperation, ExternalSender, LeafIndex, ProposalRef, ProposalView, Sender},
};
use crate::env::Timestamp;

/// A bundle of proposals that MLS has nothing against, for the application to judge.
#[derive(Debug)]
pub struct CheckedProposals {
    epoch: u64,
    proposals: Vec<CheckedProposal>,
    queued: Vec<Queued>,
    lapsed: Vec<ProposalRef>,
}

/// One proposal of a checked bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedProposal {
    /// Its name.
    pub reference: ProposalRef,
    /// Who sent it; the signature is verified.
    pub sender: Sender,
    /// What it asks for.
    pub content: ProposalView,
}

/// What the service keeps of a proposal beside what the application sees.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) message: Vec<u8>,
    pub(super) raw: RawProposal,
    pub(super) entry: Option<Entry>,
    pub(super) verified: Verified,
}

impl CheckedProposals {
    /// The proposals, in the order of the bundle.
    #[must_use]
    pub fn proposals(&self) -> &[CheckedProposal] {
        &self.proposals
    }

    /// Pending proposals that lapse when these are accepted: an Update whose leaf is being removed, an Update or a
    /// Remove whose leaf leaves by itself.
    #[must_use]
    pub fn lapsed(&self) -> &[ProposalRef] {
        &self.lapsed
    }
}

/// Proposals ready to be accepted, in memory and on disk.
#[derive(Debug)]
#[must_use = "nothing is pending until this is saved and accepted"]
pub struct StagedProposals {
    epoch: u64,
    lapsed: BTreeSet<ProposalRef>,
    added: Vec<Waiting>,
    writes: Writes,
}

impl StagedProposals {
    /// What to save before they are accepted.
    #[must_use]
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// When the first KeyPackage of an Add among them expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.added.iter().filter_map(Waiting::expires_at).min()
    }

    /// What becomes pending, in order.
    pub fn added(&self) -> impl Iterator<Item = &Pending> {
        self.added.iter().map(|waiting| &waiting.pending)
    }
}

/// A proposal that waits for a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its name.
    pub reference: ProposalRef,
    /// Who sent it.
    pub sender: Sender,
    /// What it asks for.
    pub content: ProposalView,
    /// The MLSMessage, as it came.
    pub message: Vec<u8>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}

/// A pending proposal, and what the service needs of it.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// The order of acceptance.
    pub(super) number: u64,
    pub(super) pending: Pending,
    pub(super) raw: RawProposal,
    pub(super) entry: Option<Entry>,
    pub(super) verified: Verified,
}

/// A proposal of this server itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalProposal {
    /// Remove a member.
    Remove(LeafIndex),
    /// Change a component.
    AppDataUpdate {
        /// Which one.
        component: u16,
        /// How.
        operation: ComponentOperation,
    },
    /// Replace the list of external senders; all other extensions stay as they are.
    ExternalSenders(Vec<ExternalSender>),
}

/// A proposal that is good so far: verified, and allowed on its own.
struct One {
    checked: CheckedProposal,
    queued: Queued,
}

impl Group {
    /// Checks a bundle of proposals: all are good, or all are refused (P-116).
    ///
    /// Each element of `bundle` is an MLSMessage. Signature, epoch, framing, sender, and everything that could make
    /// a commit with them invalid: together with each other and with what is pending.
    ///
    /// # Errors
    /// If one of them is wrong, or all are for another epoch.
    pub fn check_proposals(
        &self,
        crypto: &impl OpenMlsCrypto,
        now: Timestamp,
        bundle: &[&[u8]],
    ) -> Result<CheckedProposals, ProposalRefusal> {
        if bundle.is_empty() {
            return Err(ProposalRefusal::Empty);
        }
        let room = self.config.pending.saturating_sub(self.waiting.len());
        let limit = self.config.bundle.min(room);
        if bundle.len() > limit {
            return Err(ProposalRefusal::TooMany { limit });
        }
        let court = Court { context: &self.context, roster: &self.roster, now };
        let mut ones = Vec::new();
        let mut refused = Vec::new();
        for (index, message) in bundle.iter().enumerate() {
            match self.check_one(crypto, court, message) {
                Ok(one) => ones.push((index, one)),
                Err(OneRefusal::WrongEpoch) => {
                    return Err(ProposalRefusal::WrongEpoch { current: self.context.epoch });
                }
                Err(OneRefusal::Fault(reference, fault)) => {
                    refused.push(RefusedProposal { index, reference, fault });
                }
            }
        }
        let lapsed = self.draw_up(court, &ones, &mut refused);
        if !refused.is_empty() {
            refused.sort_by_key(|it| it.index);
            return Err(ProposalRefusal::Refused(refused));
        }
        let (proposals, queued) =
            ones.into_iter().map(|(_, one)| (one.checked, one.queued)).unzip();
        Ok(CheckedProposals { epoch: self.context.epoch, proposals, queued, lapsed })
    }

    /// Enters a bundle beside what is pending, and returns what of that lapses.
    fn draw_up(
        &self,
        court: Court<'_>,
        ones: &[(usize, One)],
        refused: &mut Vec<RefusedProposal>,
    ) -> Vec<ProposalRef> {
        let mut draft = Draft::new(court, &self.config.mergeable, false);
        for (number, it) in self.waiting.iter().enumerate() {
            // What is pending was entered like this before, and stood.
            let _ = draft.enter(number, it.pending.sender, &it.raw, it.entry.as_ref());
        }
        let mut names: BTreeSet<_> = self.waiting.iter().map(|it| &it.pending.reference).collect();
        let mut lapsed = Vec::new();
        for (index, one) in ones {
            let reference = &one.checked.reference;
            let entered = if names.insert(reference) {
                draft.enter(
                    self.waiting.len() + index,
                    one.checked.sender,
                    &one.queued.raw,
                    one.queued.entry.as_ref(),
                )
            } else {
                Err(ProposalFault::Conflict(Conflict::Repeated))
            };
            let fault = match entered {
                Ok(numbers) => {
                    let older: Vec<_> =
                        numbers.iter().filter_map(|number| self.waiting.get(*number)).collect();
                    let within = older.len() < numbers.len();
                    lapsed.extend(older.iter().map(|it| it.pending.reference.clone()));
                    // Of one bundle none may make another lapse: nobody could tell which was meant.
                    within.then_some(ProposalFault::Conflict(Conflict::Leaving))
                }
                Err(fault) => Some(fault),
            };
            refused.extend(fault.map(|fault| RefusedProposal {
                index: *index,
                reference: Some(reference.clone()),
                fault,
            }));
        }
        lapsed
    }

    fn check_one(
        &self,
        crypto: &impl OpenMlsCrypto,
        court: Court<'_>,
        message: &[u8],
    ) -> Result<One, OneRefusal> {
        let frame = read_frame(message)?;
        if frame.group_id != self.context.group_id {
            return Err(ProposalFault::WrongGroup.into());
        }
        let Body::Proposal(raw) = &frame.body else {
            return Err(ProposalFault::ContentType.into());
        };
        if frame.epoch != self.context.epoch {
            return Err(OneRefusal::WrongEpoch);
        }
        let reference = self.proposal_ref(crypto, &frame);
        let named = |fault| OneRefusal::Fault(reference.clone(), fault);
        let sender = self.sender(frame.sender).map_err(named)?;
        if self.context.safe_aad() && !is_safe_aad(frame.authenticated_data) {
            return Err(named(ProposalFault::SafeAad));
        }
        may_send(sender, raw).map_err(named)?;
        let good = court.judge(crypto, sender, raw).map_err(named)?;
        let verified = self.engine.verify(crypto, &self.context, &frame, message).map_err(named)?;
        Ok(One {
            checked: CheckedProposal {
                reference: verified.reference(),
                sender,
                content: good.view,
            },
            queued: Queued {
                message: message.to_vec(),
                raw: raw.clone(),
                entry: good.entry,
                verified,
            },
        })
    }

    fn proposal_ref(&self, crypto: &impl OpenMlsCrypto, frame: &Frame<'_>) -> Option<ProposalRef> {
        external::proposal_ref(crypto, self.context.ciphersuite, frame.authenticated)
    }

    fn sender(&self, sender: FrameSender) -> Result<Sender, ProposalFault> {
        match sender {
            FrameSender::Member(leaf) if self.roster.get(leaf).is_some() => {
                Ok(Sender::Member(leaf))
            }
            FrameSender::External(index)
                if usize::try_from(index).is_ok_and(|index| index < self.senders.len()) =>
            {
                Ok(Sender::External(index))
            }
            FrameSender::NewMemberProposal => Ok(Sender::NewMember),
            FrameSender::Member(_) | FrameSender::External(_) | FrameSender::NewMemberCommit => {
                Err(ProposalFault::Sender)
            }
        }
    }

    /// Readies a checked bundle for acceptance, now that the application agrees.
    ///
    /// `also_lapsed` are pending proposals that lapse by the application's own rules, beside
    /// [`CheckedProposals::lapsed`]; names of what is not pending are ignored.
    pub fn stage(
        &self,
        checked: CheckedProposals,
        also_lapsed: &[ProposalRef],
        accepted_at: Timestamp,
    ) -> StagedProposals {
        let CheckedProposals { epoch, proposals, queued, lapsed } = checked;
        let next = self.waiting.last().map_or(0, |last| last.number.saturating_add(1));
        let added = (next..)
            .zip(proposals.into_iter().zip(queued))
            .map(|(number, (checked, queued))| Waiting::new(number, checked, queued, accepted_at))
            .collect();
        self.staged(epoch, lapsed.iter().chain(also_lapsed), added)
    }

    /// Readies the lapse of pending proposals that the application takes back.
    pub fn stage_lapse(&self, lapsed: &[ProposalRef]) -> StagedProposals {
        self.staged(self.context.epoch, lapsed.iter(), Vec::new())
    }

    fn staged<'a>(
        &self,
        epoch: u64,
        lapsed: impl Iterator<Item = &'a ProposalRef>,
        added: Vec<Waiting>,
    ) -> StagedProposals {
        let lapsed: BTreeSet<_> = lapsed.cloned().collect();
        let mut writes: BTreeMap<_, _> = self
            .waiting
            .iter()
            .filter(|it| lapsed.contains(&it.pending.reference))
            .map(|it| (records::pending_key(it.number), None))
            .collect();
        writes.extend(added.iter().map(records::pending));
        StagedProposals { epoch, lapsed, added, writes: writes.into_iter().collect() }
    }

    /// Queues the proposals. Cannot fail.
    ///
    /// # Panics
    /// If they were staged in another epoch: a fault of our caller that would fork the group.
    pub fn accept_proposals(&mut self, staged: StagedProposals) {
        assert_eq!(
            staged.epoch, self.context.epoch,
            "proposals are accepted where they were staged"
        );
        for reference in &staged.lapsed {
            self.engine.unqueue(reference);
        }
        self.waiting.retain(|it| !staged.lapsed.contains(&it.pending.reference));
        self.enqueue(staged.added);
    }

    pub(super) fn enqueue(&mut self, added: Vec<Waiting>) {
        for waiting in added {
            self.engine.queue(waiting.verified.clone());
            self.waiting.push(waiting);
        }
    }

    /// Makes proposals of this server itself, as the external sender at `sender`. They are MLSMessages, to be given
    /// to [`Group::check_proposals`] like anybody's.
    ///
    /// # Errors
    /// If there is no such external sender, or the signer fails.
    pub fn propose_as(
        &self,
        signer: &impl Signer,
        sender: u32,
        proposals: &[ExternalProposal],
    ) -> Result<Vec<Vec<u8>>, ProposeError> {
        if usize::try_from(sender).map_or(true, |sender| sender >= self.senders.len()) {
            return Err(ProposeError::NotASender(sender));
        }
        proposals
            .iter()
            .map(|proposal| external::frame(&self.context, signer, sender, proposal))
            .collect()
    }
}

impl Waiting {
    /// Whether it is an Add of a KeyPackage that is not valid any more: no commit can hold it.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at().is_some_and(|at| at <= now)
    }

    /// When it can be committed no longer: after the last second of the KeyPackage, if it is an Add.
    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        match &self.raw {
            RawProposal::Add { leaf, .. } => {
                let seconds = |(_, last): (u64, u64)| last.saturating_add(1).saturating_mul(1000);
                leaf.leaf.lifetime.map(seconds).map(Timestamp)
            }
            RawProposal::Update(_)
            | RawProposal::Remove(_)
            | RawProposal::ExternalInit
            | RawProposal::Extensions(_)
            | RawProposal::AppDataUpdate { .. }
            | RawProposal::SelfRemove
            | RawProposal::Refused(_) => None,
        }
    }

    pub(super) fn new(
        number: u64,
        checked: CheckedProposal,
        queued: Queued,
        accepted_at: Timestamp,
    ) -> Self {
        let CheckedProposal { reference, sender, content } = checked;
        let Queued { message, raw, entry, verified } = queued;
        let pending = Pending { reference, sender, content, message, accepted_at };
        Self { number, pending, raw, entry, verified }
    }
}

/// Why one proposal of a bundle is refused.
enum OneRefusal {
    WrongEpoch,
    Fault(Option<ProposalRef>, ProposalFault),
}

impl From<ProposalFault> for OneRefusal {
    fn from(fault: ProposalFault) -> Self {
        Self::Fault(None, fault)
    }
}

impl From<FrameFault> for OneRefusal {
    fn from(fault: FrameFault) -> Self {
        ProposalFault::from(fault).into()
    }
}

impl From<FrameFault> for ProposalFault {
    fn from(fault: FrameFault) -> Self {
        match fault {
            FrameFault::WireFormat => Self::WireFormat,
            FrameFault::Malformed(error) => Self::Malformed(error),
        }
    }
}
