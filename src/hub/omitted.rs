//! Proposals that members cannot accept (Q-79, D-5C).
//!
//! A member proves with the membership tag of its message that it knows the group's secrets, and no server can check
//! that. So a hostile one can have the hub queue a proposal that all others drop; a commit then has to contain what
//! nobody has, and the room stands still. The way out: where commits of two different users leave the same
//! member's proposal out, and are right but for that, it lapses. What it was to enforce, a removal or a ban, the hub
//! proposes itself in the next epoch, as after an external commit.
//!
//! A commit that was made before a good proposal arrived looks the same. So a user counts only once its provider has
//! acknowledged the event that carries the proposal: for users of the hub's own provider too, which is a destination
//! like any other. An honest client fetches what its provider has before it commits; where two users' clients do not,
//! a good proposal lapses, its proposer sees the new epoch and proposes again. Which event carries what is in
//! the records; a proposal of which they do not say it takes a provider that is owed nothing.
//!
//! Where only one user is left who could be a witness, two commits of that user do, for otherwise a hostile member could
//! stop a room of two for good. All others have then sent something of what is left out, or are out of the room or
//! about to go: whose removal waits commits nothing. Somebody who is alone may have sent it as well: that is nobody else's
//! loss. Octets that come again are one commit.
//!
//! So somebody who is alone with the senders can have their good proposals lapse, and gains little by it. A removal or
//! a ban comes back as the hub's own proposal, which does not lapse, and keeps whom it concerns from committing at all;
//! whatever else it was, its sender commits it itself. To become alone takes the power to remove the others. Where a
//! third user could be a witness and has no client that commits, the room waits: until that client comes back from
//! outside, or the hub proposes that it goes, being lost.
//!
//! The first of the two commits is refused, so nothing is saved of it: a restart forgets it, and it takes one more.
//! A SelfRemove that an external joiner has to reference cannot be told from a good one either (D-5D): every member
//! then stays behind, and joins again from outside. The same goes for a member's commit with a wrong membership tag:
//! it is accepted here, and no member follows it (D-51).

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::{Keys, Room, UpdateRefusal, log::Cursor, proposed::Owned};
use crate::{
    delivery::{
        CommitRefusal, Committer, LeafIndex, OpenCommit, ProposalRef, ProposalView, Sender,
    },
    env::{Crypto, Env, Peer, Timestamp},
    policy::{self, Proposed},
    room::RoomState,
    uri::UserUri,
    wire::PublicMessage,
};

/// Who has left a proposal out of a commit first, and the hash of that commit.
#[derive(Debug, Default)]
pub(super) struct Omitted(BTreeMap<ProposalRef, (UserUri, [u8; 32])>);

impl Omitted {
    /// Whether somebody else has left all of these out before, or, where nobody else could, the same user by another
    /// commit. If not, it is remembered who does now.
    fn again(
        &mut self,
        names: &[ProposalRef],
        user: &UserUri,
        hash: [u8; 32],
        alone: bool,
    ) -> bool {
        let before = |name| {
            self.0
                .get(name)
                .is_some_and(|(first, commit)| first != user || alone && *commit != hash)
        };
        let again = names.iter().all(before);
        for name in names {
            self.0.entry(name.clone()).or_insert_with(|| (user.clone(), hash));
        }
        again
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A new epoch begins, with other proposals.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A commit that is open, and what lapses because it is not in it.
pub(super) struct Opened {
    pub(super) commit: OpenCommit,
    /// The effective state without what lapses, if anything does.
    pub(super) effective: Option<RoomState>,
}

impl Room {
    /// Opens a commit.
    pub(super) fn open<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        commit: &PublicMessage,
    ) -> Result<Opened, UpdateRefusal> {
        let octets = commit.as_bytes();
        let missing = match self.group.open_commit(env.crypto, env.now, octets) {
            Ok(commit) => return Ok(Opened { commit, effective: None }),
            Err(CommitRefusal::Missing(missing)) => missing,
            Err(other) => return Err(other.into()),
        };
        let left_out: BTreeSet<ProposalRef> = missing.iter().cloned().collect();
        let witness = self.witness(env, peer, octets, &left_out);
        let Some((commit, user, alone)) = witness else {
            return Err(CommitRefusal::Missing(missing).into());
        };
        let hash = Sha256::digest(octets).into();
        if !self.omitted.again(&missing, &user, hash, alone) {
            return Err(CommitRefusal::Missing(missing).into());
        }
        Ok(Opened { commit, effective: Some(self.effective_without(&left_out)?) })
    }

    /// The commit, its maker, and whether nobody else could be a witness; if it is right but for what it leaves out, and
    /// all of that is other members' own, or at least members'.
    fn witness<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        commit: &[u8],
        left_out: &BTreeSet<ProposalRef>,
    ) -> Option<(OpenCommit, UserUri, bool)> {
        let open = self.group.open_commit_without(env.crypto, env.now, commit, left_out).ok()?;
        let Committer::Member(leaf) = open.committer() else { return None };
        let user = self.leaves.get(leaf)?.clone();
        let alone = self.is_alone(&user, left_out);
        let others = |sender: Sender| match sender {
            Sender::Member(leaf) => alone || self.leaves.get(&leaf) != Some(&user),
            Sender::External(_) | Sender::NewMember => false,
        };
        let mut omitted = self.group.pending().filter(|it| left_out.contains(&it.reference));
        let right = self.speaks_for(peer, &user)
            && self.unless_blocked(&user).is_ok()
            && omitted.all(|it| others(it.sender) && self.has_reached(it.accepted_at, &user));
        right.then_some((open, user, alone))
    }

    /// Whether nobody else can be a witness: all others have sent something of what is left out, are out of the room, or
    /// are about to go.
    fn is_alone(&self, user: &UserUri, left_out: &BTreeSet<ProposalRef>) -> bool {
        let mut senders: BTreeSet<&UserUri> = BTreeSet::new();
        let mut going: BTreeSet<LeafIndex> = BTreeSet::new();
        for pending in self.group.pending() {
            let sender = match pending.sender {
                Sender::Member(leaf) => Some(leaf),
                Sender::External(_) | Sender::NewMember => None,
            };
            if left_out.contains(&pending.reference) {
                senders.extend(sender.and_then(|leaf| self.leaves.get(&leaf)));
                continue;
            }
            match pending.content {
                ProposalView::Remove(leaf) => going.extend([leaf]),
                ProposalView::SelfRemove => going.extend(sender),
                ProposalView::Add { .. }
                | ProposalView::Update { .. }
                | ProposalView::AppDataUpdate { .. }
                | ProposalView::GroupContextExtensions(_)
                | ProposalView::ExternalInit => {}
            }
        }
        let able = |(leaf, it): (&LeafIndex, &UserUri)| {
            it != user
                && !senders.contains(it)
                && !going.contains(leaf)
                && self.unless_blocked(it).is_ok()
        };
        !self.leaves.iter().any(able)
    }

    /// Whether the provider of a user has what carries the proposals that were accepted at this time.
    fn has_reached(&self, accepted: Timestamp, user: &UserUri) -> bool {
        let carrier = self.carriers.get(&accepted).copied();
        let carrier = carrier.unwrap_or_else(|| self.head.next_event.saturating_sub(1));
        let domain = user.domain();
        let outstanding = self.log.cursors.get(&domain).and_then(Cursor::outstanding);
        outstanding.is_none_or(|events| carrier < events.start)
    }

    /// The effective state of what waits, but for some of it.
    pub(super) fn effective_without(
        &self,
        gone: &BTreeSet<ProposalRef>,
    ) -> Result<RoomState, UpdateRefusal> {
        let people = self.people();
        let waiting: Vec<Owned<'_>> = self
            .group
            .pending()
            .filter(|pending| !gone.contains(&pending.reference))
            .map(|pending| people.read(pending.sender, &pending.content))
            .collect::<Result<_, _>>()?;
        let waiting: Vec<Proposed<'_>> = waiting.iter().map(Owned::borrow).collect();
        Ok(policy::assume(&self.committed, &waiting))
    }
}
