//! The room's state in memory: what it shows of itself, and how a step changes it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, Refusal,
    abuse::Desk,
    answered::Answered,
    codes::{self, JoiningCode},
    destroy::Tombstone,
    draft::Draft,
    epochs::Epoch,
    expiring::{Asked, Claim, Expiring, Joiner},
    floods::{Door, Floods},
    log::Log,
    messages::Messages,
    omitted::Omitted,
    proposed::{self, People},
    record::Head,
    restore::providers,
};
use crate::{
    delivery::{Group, LeafIndex, StagedCommit, StagedProposals},
    env::{Limits, Peer, Timestamp},
    machine::{Changes, Machine, Outcome, Revision, Step, sealed},
    policy::{Accepted, Proposed, Queue, Verdict, View},
    room::{ParticipantList, RoomState},
    uri::{Domain, ParticipantUri, RoomUri, UserUri},
    wire::HttpsUrl,
};

/// A room at its hub: the unit of lock, shard, eviction and recovery. See the [module](super) for what it does.
#[derive(Debug)]
pub struct Room {
    pub(super) limits: Limits,
    pub(super) revision: Revision,
    pub(super) head: Head,
    pub(super) group: Group,
    /// The user of each leaf of the committed tree.
    pub(super) leaves: BTreeMap<LeafIndex, UserUri>,
    /// The providers of these users, with how many leaves each has.
    pub(super) providers: BTreeMap<Domain, u32>,
    /// The room of the current epoch.
    pub(super) committed: RoomState,
    /// The same with all that waits; none while nothing waits.
    pub(super) effective: Option<RoomState>,
    pub(super) answered: Answered,
    /// By KeyPackageRef.
    pub(super) claims: Expiring<Claim>,
    /// By the signature key in the request.
    pub(super) joiners: Expiring<Joiner>,
    /// By the SHA-256 of the code.
    pub(super) codes: Expiring<JoiningCode>,
    pub(super) tombstone: Option<Tombstone>,
    pub(super) log: Log,
    pub(super) messages: Messages,
    /// The epochs before this one whose messages are taken, oldest first.
    pub(super) past: Vec<Epoch>,
    pub(super) desk: Desk,
    /// By message and reporter.
    pub(super) reported: Expiring<()>,
    /// By the hash of the request.
    pub(super) asked: Expiring<Asked>,
    /// The events that carry the proposals of members that wait, by when those were accepted.
    pub(super) carriers: BTreeMap<Timestamp, u64>,
    /// The ratchet trees that are served, by tree hash.
    pub(super) trees: Expiring<()>,
    // What follows is in memory only.
    /// The providers that application messages go to, once somebody has asked since the last change.
    pub(super) audience: Option<BTreeSet<Domain>>,
    /// Who takes part in the room that this one depends on, once somebody has told.
    pub(super) parent: Option<ParticipantList>,
    pub(super) floods: Floods,
    pub(super) omitted: Omitted,
    /// Where trees are served, if joiners are to fetch them.
    pub(super) trees_at: Option<HttpsUrl>,
}

/// What a step of the room has decided.
#[derive(Debug)]
pub struct Staged {
    /// What is saved; nothing for an answer that writes nothing.
    decided: Option<Box<(Draft, Change)>>,
}

/// What happens to the group and the two states of the room.
#[derive(Debug)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Proposals wait for a commit.
    Proposals(Box<StagedProposals>, Box<Accepted>),
    /// Proposals wait no longer; this is the effective state without them.
    Lapse(Box<StagedProposals>, Box<RoomState>),
    /// The room enters its next epoch.
    Commit(
        Box<StagedCommit>,
        Box<Verdict>,
        BTreeMap<LeafIndex, Option<UserUri>>,
        Option<Box<RoomState>>,
    ),
    /// The room gets another group.
    Refounded(Box<Group>, Box<RoomState>),
}

impl Change {
    /// When the first of what comes to wait is over.
    fn wake_at(&self) -> Option<Timestamp> {
        match self {
            Self::Proposals(staged, _) => staged.next_expiry(),
            Self::None | Self::Lapse(..) | Self::Commit(..) | Self::Refounded(..) => None,
        }
    }
}

impl Room {
    /// The room.
    #[must_use]
    pub fn uri(&self) -> &RoomUri {
        &self.head.room
    }

    /// The revision that storage holds of it.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The epoch it is in.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.group.epoch()
    }

    /// The GroupContext of this epoch, as every member has it.
    #[must_use]
    pub fn group_context(&self) -> &[u8] {
        self.group.group_context()
    }

    /// What the GroupContext of this epoch says.
    #[must_use]
    pub fn committed(&self) -> &RoomState {
        &self.committed
    }

    /// The same with everything accepted that waits for a commit: what rights and limits are judged by.
    #[must_use]
    pub fn effective(&self) -> &RoomState {
        self.effective.as_ref().unwrap_or(&self.committed)
    }

    /// How many proposals wait for a commit.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.group.pending().count()
    }

    /// Since when proposals wait that nobody has committed: whoever looks after the room may want to see that a client
    /// comes online (D-94).
    #[must_use]
    pub fn waiting_since(&self) -> Option<Timestamp> {
        self.group.pending().map(|pending| pending.accepted_at).min()
    }

    /// The users of all member clients, by leaf.
    pub fn members(&self) -> impl Iterator<Item = (LeafIndex, &UserUri)> {
        self.leaves.iter().map(|(leaf, user)| (*leaf, user))
    }

    /// The leaf of the client that signs with this key, which no two clients of a group share: what
    /// [`Proposal::RemoveClient`](super::Proposal::RemoveClient) takes, from who knows the client and not the tree.
    #[must_use]
    pub fn leaf_of(&self, signature_key: &[u8]) -> Option<LeafIndex> {
        self.group.member_by_key(signature_key).map(|member| member.leaf)
    }

    pub(super) fn people(&self) -> People<'_> {
        People { leaves: &self.leaves, servers: self.group.external_senders() }
    }

    pub(super) fn view(&self) -> View<'_> {
        View { parent: self.parent.as_ref(), ..View::new(&self.committed, self.effective()) }
    }

    /// The domain of this hub.
    pub(super) fn domain(&self) -> Domain {
        self.head.room.domain()
    }

    /// Whether a user's clients are to be kept out, whatever the list says.
    pub(super) fn is_blocked(&self, user: &UserUri) -> bool {
        self.head.blocked.contains(&ParticipantUri::User(user.clone()))
    }

    /// Whether `peer` may speak for `user`: its provider, or one of its clients here (D-23).
    pub(super) fn speaks_for(&self, peer: &Peer, user: &UserUri) -> bool {
        match peer {
            Peer::Server(domain) => user.host() == domain.as_str() && *domain != self.domain(),
            Peer::Client(_, own) => own == user && own.host() == self.head.room.host(),
        }
    }

    /// The providers of all leaves: whom handshakes go to (P-177).
    pub(super) fn providers_of_leaves(&self) -> BTreeSet<Domain> {
        self.providers.keys().cloned().collect()
    }

    /// Another user's client, or none, is at a leaf from now on.
    fn seat(&mut self, leaf: LeafIndex, user: Option<UserUri>) {
        if let Some(user) = &user {
            *self.providers.entry(user.domain()).or_default() += 1;
        }
        let before = match user {
            Some(user) => self.leaves.insert(leaf, user),
            None => self.leaves.remove(&leaf),
        };
        let Some(domain) = before.map(|user| user.domain()) else { return };
        let left = self.providers.get(&domain).map_or(0, |leaves| leaves.saturating_sub(1));
        match left {
            0 => self.providers.remove(&domain),
            left => self.providers.insert(domain, left),
        };
    }

    /// Counts a request, before anything costly is done for it (D-96). `user` is whom it claims to be made for: counted if
    /// it is a participant for whom the peer speaks.
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        door: Door,
        peer: &Peer,
        user: Option<&UserUri>,
    ) -> Result<(), u64> {
        let listed = |user: &&UserUri| {
            self.speaks_for(peer, user) && self.effective().participants().find(user).is_some()
        };
        let user = user.filter(listed);
        self.floods.admit(&self.limits, now, door, peer, user)
    }

    pub(super) fn refuse<R, F: From<R>>(&self, reason: R) -> Refusal<F> {
        Refusal { reason: reason.into(), judged_at: self.revision }
    }

    /// The first time after `after` that something is over or due.
    pub(super) fn wake_after(&self, after: Timestamp) -> Option<Timestamp> {
        let times = [
            self.answered.next_expiry(after, &self.limits),
            self.joiners.next_expiry(after),
            self.claims.next_expiry(after),
            self.codes.next_expiry(after).and_then(codes::wakes),
            self.log.next_retry(after),
            self.reported.next_expiry(after),
            self.asked.next_expiry(after),
            self.trees.next_expiry(after),
            self.group.next_expiry(after),
        ];
        times.into_iter().flatten().min()
    }

    /// An answer that writes nothing.
    pub(super) fn unchanged<R>(&mut self, reply: R) -> Step<'_, Self, R> {
        let changes = Changes {
            base: self.revision,
            next: self.revision,
            wake_at: self.wake_after(Timestamp(0)),
            ..Changes::default()
        };
        Step::new(self, Staged { decided: None }, changes, Outcome { reply, actions: Vec::new() })
    }

    /// A step that does what was drafted.
    pub(super) fn step<R>(&mut self, draft: Draft, change: Change, reply: R) -> Step<'_, Self, R> {
        if draft.is_empty() && matches!(change, Change::None) {
            return self.unchanged(reply);
        }
        self.step_at(Timestamp(0), draft, change, reply)
    }

    /// The same, where everything that was over or due by `done` has been dealt with. It is a save in any case: it brings
    /// another time to wake at.
    pub(super) fn step_at<R>(
        &mut self,
        done: Timestamp,
        mut draft: Draft,
        change: Change,
        reply: R,
    ) -> Step<'_, Self, R> {
        if matches!(change, Change::Commit(..) | Change::Refounded(..)) {
            draft.forget_carriers(self);
        }
        let mut writes = draft.writes();
        match &change {
            Change::None => {}
            Change::Proposals(staged, _) | Change::Lapse(staged, _) => {
                writes.extend(staged.writes().iter().cloned());
            }
            Change::Commit(staged, ..) => writes.extend(staged.writes().iter().cloned()),
            Change::Refounded(group, _) => {
                writes.extend(self.group.keys().into_iter().map(|key| (key, None)));
                writes.extend(group.writes());
            }
        }
        let wake_at = [draft.wake_at(&self.limits), self.wake_after(done), change.wake_at()];
        let mut wake_at = wake_at.into_iter().flatten().min();
        if draft.is_the_last(self) {
            self.bury(&mut writes);
            wake_at = None;
        }
        let changes = Changes { base: self.revision, next: self.revision.next(), writes, wake_at };
        let outcome = Outcome { reply, actions: draft.notifications() };
        Step::new(self, Staged { decided: Some(Box::new((draft, change))) }, changes, outcome)
    }
}

impl sealed::Machine for Room {
    type Staged = Staged;

    fn settle(&mut self, staged: Staged) {
        let Some(decided) = staged.decided else { return };
        let (draft, change) = *decided;
        if !matches!(change, Change::None) {
            self.audience = None;
        }
        match change {
            Change::None => {}
            Change::Proposals(staged, accepted) => {
                self.group.accept_proposals(*staged);
                let mut effective = self.effective.take().unwrap_or_else(|| self.committed.clone());
                accepted.apply(&mut effective);
                self.effective = Some(effective);
            }
            Change::Lapse(staged, effective) => {
                self.group.accept_proposals(*staged);
                self.effective = self.group.pending().next().is_some().then_some(*effective);
            }
            Change::Commit(staged, verdict, leaves, effective) => {
                self.group.accept_commit(*staged);
                verdict.apply(&mut self.committed);
                self.effective = effective.map(|state| *state);
                for (leaf, user) in leaves {
                    self.seat(leaf, user);
                }
                self.omitted.clear();
            }
            Change::Refounded(group, state) => {
                let users = group.members().filter_map(|member| {
                    Some((member.leaf, proposed::user(member.credential).ok()?))
                });
                self.leaves = users.collect();
                self.providers = providers(&self.leaves);
                self.group = *group;
                self.committed = *state;
                self.effective = None;
                self.omitted.clear();
            }
        }
        draft.settle(self);
        self.revision = self.revision.next();
    }

    fn undo(&mut self) {}
}

impl Machine for Room {
    type Action = Action;
}

/// The queue as the policy sees it.
pub(super) fn queue<'a>(waiting: &'a [Proposed<'a>], rebuild: bool) -> Queue<'a> {
    Queue { waiting, rebuild }
}
