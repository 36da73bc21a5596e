//! The client's room as a machine: restored, stepped, asked.

use std::collections::BTreeMap;

use openmls::group::GroupId;
use tls_codec::Serialize as _;

use super::{
    draft::Draft,
    event::{Event, EventId, Evidence},
    member::Member,
    outbox::Outgoing,
    refusal::Refusal,
    state::{Standing, State},
};
use crate::{
    env::Limits,
    error::{Misuse, RestoreError},
    machine::{Changes, Key, Machine, Outcome, Records, Revision, Step, sealed},
    room::RoomState,
    uri::{GroupUri, RoomUri, UserUri},
    wire::KeyPackageRef,
};

/// One room on one device. See the [module](super) for what it does.
#[derive(Debug)]
pub struct Room {
    pub(super) limits: Limits,
    pub(super) revision: Revision,
    pub(super) member: Member,
    pub(super) state: State,
}

/// What a step has decided: the state that it leads to.
#[derive(Debug)]
pub struct Staged {
    revision: Revision,
    state: Box<State>,
    /// The member that takes the place of the one there is.
    member: Option<Box<Member>>,
}

/// What the app does next. All of it can be asked for again after a crash: [`Room::events`], [`Room::outbox`],
/// [`Room::forgets`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show this, then [`Room::acknowledge`] it.
    Deliver(EventId, Event),
    /// Send this to the hub, and the answer to [`Room::answer_update`] or [`Room::answer_submit`].
    Send(Outgoing),
    /// Let the device forget the private part of a KeyPackage, in a step of
    /// [`Device::forget`](super::Device::forget), then call [`Room::forgotten`].
    ForgetKeyPackage(KeyPackageRef),
}

impl sealed::Machine for Room {
    type Staged = Staged;

    fn settle(&mut self, staged: Staged) {
        match staged.member {
            Some(member) => self.member = *member,
            None => self.member.keep(),
        }
        self.revision = staged.revision;
        // The old state goes first, so that what the new one shares with it is its own.
        self.state = *staged.state;
        self.state.keep();
    }

    fn undo(&mut self) {
        self.member.rollback();
    }
}

impl Machine for Room {
    type Action = Action;
}

/// What a try has come to: the draft, and the reply.
pub(super) type Tried<R> = Result<(Draft, R), Refusal>;

impl Room {
    /// The room that was saved. Verifies no signature and asks no clock.
    ///
    /// # Errors
    /// If the records are not those of a room.
    pub fn restore(records: &Records, limits: &Limits) -> Result<Self, RestoreError> {
        let head = State::head(records)?;
        let member = Member::restore(records, GroupId::from_slice(head.group.as_bytes()))?;
        let group = member.group().map_err(|_| RestoreError::Corrupt("MLS state"))?;
        let mut state = State::restore(records, head, group)?;
        state.witness = member.remembered()?.into();
        Ok(Self { limits: limits.clone(), revision: records.revision, member, state })
    }

    /// A step out of a draft, or a refusal after which nothing has happened.
    pub(super) fn conclude<R>(&mut self, tried: Tried<R>) -> Result<Step<'_, Self, R>, Refusal> {
        let (draft, reply) = match tried {
            Ok(tried) => tried,
            Err(refusal) => {
                self.member.rollback();
                return Err(refusal);
            }
        };
        let (state, writes, actions) = draft.into_parts();
        let changes = changes(self.revision, &mut self.member, &state, writes);
        let staged = Staged { revision: changes.next, state: Box::new(state), member: None };
        Ok(Step::new(self, staged, changes, Outcome { reply, actions }))
    }

    /// A step in which another member takes the place of the one there is.
    pub(super) fn replace<R>(
        &mut self,
        mut member: Member,
        draft: Draft,
        reply: R,
    ) -> Step<'_, Self, R> {
        let (state, records, actions) = draft.into_parts();
        let mut writes = self.member.erasure();
        writes.extend(records);
        let changes = changes(self.revision, &mut member, &state, writes);
        member.keep();
        let staged = Staged {
            revision: changes.next,
            state: Box::new(state),
            member: Some(Box::new(member)),
        };
        Step::new(self, staged, changes, Outcome { reply, actions })
    }

    /// Forgets events that the app has taken over. Unknown ones are ignored.
    ///
    /// # Errors
    /// None of the room's own; the type is that of all steps.
    pub fn acknowledge(&mut self, events: &[EventId]) -> Result<Step<'_, Self, ()>, Refusal> {
        let mut draft = Draft::of(&self.state);
        draft.acknowledge(events);
        self.conclude(Ok((draft, ())))
    }

    /// The device has forgotten the KeyPackage that we were added with.
    ///
    /// # Errors
    /// None of the room's own; the type is that of all steps.
    pub fn forgotten(
        &mut self,
        key_package: &KeyPackageRef,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let mut draft = Draft::of(&self.state);
        if draft.state.head.key_package.as_ref() == Some(key_package) {
            draft.state.head.key_package = None;
        }
        self.conclude(Ok((draft, ())))
    }

    /// The revision that the room is at.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The events that the app has not acknowledged, oldest first.
    pub fn events(&self) -> impl Iterator<Item = (EventId, &Event)> {
        self.state.events.iter().map(|(id, event)| (id, event.as_ref()))
    }

    /// What waits for the hub's answer, oldest first: send it until it is answered.
    pub fn outbox(&self) -> impl Iterator<Item = Outgoing> {
        self.state.outgoing()
    }

    /// The KeyPackage whose private part the device may forget.
    #[must_use]
    pub const fn forgets(&self) -> Option<&KeyPackageRef> {
        self.state.head.key_package.as_ref()
    }

    /// The room's name.
    #[must_use]
    pub const fn uri(&self) -> &RoomUri {
        &self.state.head.room
    }

    /// The ID of the room's MLS group.
    #[must_use]
    pub const fn group(&self) -> &GroupUri {
        &self.state.head.group
    }

    /// Whose client this is.
    #[must_use]
    pub const fn user(&self) -> &UserUri {
        &self.state.head.user
    }

    /// The room as all members of this epoch have it: participants, roles, metadata.
    #[must_use]
    pub fn committed(&self) -> &RoomState {
        &self.state.epoch.committed
    }

    /// The room as it will be when all that waits is committed.
    #[must_use]
    pub fn effective(&self) -> &RoomState {
        &self.state.epoch.effective
    }

    /// Whether the client takes part: it may send, and is sent messages.
    #[must_use]
    pub const fn is_member(&self) -> bool {
        match self.state.head.standing {
            Standing::Member => true,
            Standing::Joining | Standing::Leaving(_) | Standing::Gone | Standing::Forked => false,
        }
    }

    /// Whether the group was found split (D-01): join again from outside.
    #[must_use]
    pub const fn is_forked(&self) -> bool {
        match self.state.head.standing {
            Standing::Forked => true,
            Standing::Member | Standing::Joining | Standing::Leaving(_) | Standing::Gone => false,
        }
    }

    /// The MLS epoch that the room is in; 0 for a room that does not load.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.member.group().map_or(0, |group| group.epoch().as_u64())
    }

    /// The GroupContext of the epoch, which is the same at the hub and at every client; empty for a room that does not
    /// load.
    #[must_use]
    pub fn group_context(&self) -> Vec<u8> {
        let group = self.member.group().ok();
        group
            .and_then(|it| it.public_group().group_context().tls_serialize_detached().ok())
            .unwrap_or_default()
    }

    /// What members of one epoch, and nobody else, can compare by another channel to know that the hub has not split
    /// the group (D-01).
    #[must_use]
    pub fn epoch_authenticator(&self) -> &[u8] {
        self.member.group().map_or(&[], |group| group.epoch_authenticator().as_slice())
    }

    /// Compares with what another member of this epoch says that its authenticator is, having heard it by another
    /// channel; whether they are the same. If they are not, the hub has split the group: an
    /// [`Event::Forked`](super::Event::Forked) says so, and nothing is sent any more (D-01).
    ///
    /// # Errors
    /// If the other member speaks of another epoch, or the client takes no part.
    pub fn compare(
        &mut self,
        epoch: u64,
        authenticator: &[u8],
    ) -> Result<Step<'_, Self, bool>, Refusal> {
        self.state.open()?;
        if epoch != self.epoch() {
            return Err(Misuse::Argument("another epoch: there is nothing to compare").into());
        }
        let mut draft = Draft::of(&self.state);
        let same = authenticator == self.epoch_authenticator();
        if !same {
            draft.fork(epoch, Evidence::Authenticator);
        }
        self.conclude(Ok((draft, same)))
    }

    /// The ratchet tree of the epoch, `optional<Node> ratchet_tree<V>`, for somebody who has a Welcome and no tree. Takes
    /// time in proportion to the group.
    #[must_use]
    pub fn ratchet_tree(&self) -> Option<Vec<u8>> {
        self.member.group().ok()?.export_ratchet_tree().tls_serialize_detached().ok()
    }

    /// Whether proposals wait for a commit that this client can make. Nobody commits its own removal.
    #[must_use]
    pub fn owes_commit(&self) -> bool {
        let own = self.member.group().map(|group| group.own_leaf_index().u32());
        self.state.open().is_ok()
            && !self.state.waiting.is_empty()
            && own.is_ok_and(|own| !self.state.going().contains(&own))
    }
}

/// The changes of a step.
pub(super) fn changes(
    base: Revision,
    member: &mut Member,
    state: &State,
    mut writes: BTreeMap<Key, Option<Vec<u8>>>,
) -> Changes {
    writes.extend(member.delta());
    let next = if writes.is_empty() { base } else { base.next() };
    Changes { base, next, writes, wake_at: state.wake_at() }
}
