//! The machine: one room that this provider's clients are in.

use std::{collections::BTreeMap, ops::Range};

use super::{
    Action, Refusal,
    draft::Draft,
    notice::Notice,
    refusal::Fault,
    state::{Edit, Member, State, Word},
};
use crate::{
    env::{Env, Limits, Peer},
    error::RestoreError,
    machine::{Changes, Founding, Machine, Outcome, Records, Revision, Step, sealed},
    provider::Owner,
    uri::{ClientUri, Domain, RoomUri, UserUri},
    wire::KeyPackageRef,
};

/// One room, as the provider sees it whose clients are in it: last-mile delivery, for the hub's own clients too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pub(super) limits: Limits,
    pub(super) state: State,
    revision: Revision,
}

impl Room {
    /// A room that starts with these clients in it: the creator's, when it has just been created at the hub beside
    /// this follower. They get every event from the first one on.
    pub fn found(
        limits: Limits,
        room: RoomUri,
        members: impl IntoIterator<Item = (ClientUri, UserUri)>,
    ) -> Founding<Self, ()> {
        let founded = Self::unsaved(limits, room);
        let mut draft = Draft::new(&founded);
        for (client, user) in members {
            draft.join(client, user);
        }
        let (staged, changes, actions) = draft.finish();
        founded.founding(staged, changes, actions, ())
    }

    /// A room that this follower did not know, from a notification that holds a Welcome for one of its clients
    /// (D-30). `owners` says whose the KeyPackages are: ask `provider::User::owner` about each of
    /// [`Notice::references`].
    ///
    /// # Errors
    /// If it does not come from the hub of the room, or holds no Welcome for a client of this provider.
    pub fn welcomed<C, K>(
        limits: Limits,
        env: &Env<'_, C, K>,
        peer: &Peer,
        room: RoomUri,
        notice: &Notice,
        owners: &BTreeMap<KeyPackageRef, Owner>,
    ) -> Result<Founding<Self, ()>, Refusal> {
        let founded = Self::unsaved(limits, room);
        founded.expect_hub(peer)?;
        let mut draft = Draft::new(&founded);
        draft.notify(env.now, notice, owners).map_err(|fault| founded.refusal(fault))?;
        if !draft.has_members() {
            return Err(founded.refusal(Fault::UnknownRoom));
        }
        let (staged, changes, actions) = draft.finish();
        Ok(founded.founding(staged, changes, actions, ()))
    }

    /// The room that these records hold.
    ///
    /// # Errors
    /// If the records are not those of a followed room, or of a later version.
    pub fn restore(records: &Records, limits: Limits) -> Result<Self, RestoreError> {
        let state = State::restore(records)?;
        Ok(Self { limits, state, revision: records.revision })
    }

    /// The room.
    #[must_use]
    pub const fn uri(&self) -> &RoomUri {
        &self.state.head.room
    }

    /// The hub of the room: the authority of its URI.
    #[must_use]
    pub fn hub(&self) -> Domain {
        self.state.head.room.domain()
    }

    /// The saved state that answers rest on.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The clients that get events, in the order in which they came.
    pub fn clients(&self) -> impl Iterator<Item = &ClientUri> {
        self.state.members.values().map(|member| &member.client)
    }

    /// The events that a client has not acknowledged, oldest first; read each under [`event_key`](super::event_key).
    #[must_use]
    pub fn owed(&self, client: &ClientUri) -> Vec<Range<u64>> {
        let number = self.state.member(client);
        number
            .and_then(|it| Some(self.state.owed(it, self.state.members.get(&it)?)))
            .unwrap_or_default()
    }

    /// The last event that a client has acknowledged or was not to get; none before the first. What it says of the room,
    /// it says as of this event at least: see [`Room::left`] and [`Room::block`].
    #[must_use]
    pub fn taken(&self, client: &ClientUri) -> Option<u64> {
        let member = self.state.members.get(&self.state.member(client)?)?;
        member.next.checked_sub(1)
    }

    /// The clients that are further behind than [`Limits::lag`], and how many events are kept for them. A client
    /// that never comes back is put out with [`Room::deleted`], or its events are kept for ever.
    pub fn lagging(&self) -> impl Iterator<Item = (&ClientUri, u64)> {
        let behind = |it: &Member| self.state.head.next_event.saturating_sub(it.next);
        let members = self.state.members.values().map(move |it| (&it.client, behind(it)));
        members.filter(|(_, behind)| *behind > self.limits.lag)
    }

    /// Whether nothing depends on this room: no client is in it or about to join, nor was within
    /// [`Limits::left_for`]. Its records can be deleted.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let state = &self.state;
        state.members.is_empty() && state.joining.is_empty() && state.empty.is_none()
    }

    /// What is owed to others, derived from the records: after a restore, do these.
    #[must_use]
    pub fn backlog(&self) -> Vec<Action> {
        let mut actions = super::draft::welcomed(self.state.audiences.values(), |number| {
            self.state.members.get(&number).map(|it| &it.user)
        });
        for (number, member) in &self.state.members {
            let events = self.state.owed(*number, member);
            if !events.is_empty() {
                actions.push(Action::Deliver { client: member.client.clone(), events });
            }
        }
        if self.is_idle() {
            actions.push(Action::Forget);
        }
        actions
    }

    /// Takes in a notification: all of it or nothing, once (P-175, P-176), events of a later epoch held back
    /// until the commits before them have come (D-81). Answer 201 when the step is saved and applied, or has nothing
    /// to save (P-172).
    ///
    /// # Errors
    /// If it does not come from the hub of the room (D-30), or holds more early events than can be held back; the
    /// hub sends it again later.
    pub fn notify<C, K>(
        &mut self,
        env: &Env<'_, C, K>,
        peer: &Peer,
        notice: &Notice,
        owners: &BTreeMap<KeyPackageRef, Owner>,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        self.expect_hub(peer)?;
        let mut draft = Draft::new(self);
        draft.notify(env.now, notice, owners).map_err(|fault| self.refusal(fault))?;
        let (staged, changes, actions) = draft.finish();
        Ok(self.step(staged, changes, actions, ()))
    }

    /// A client has durably received all events up to and including `through`. The bodies go when every client has
    /// passed them.
    pub fn acknowledged(&mut self, client: &ClientUri, through: u64) -> Step<'_, Self, ()> {
        let mut draft = Draft::new(self);
        draft.acknowledge(client, through);
        let (staged, changes, actions) = draft.finish();
        self.step(staged, changes, actions, ())
    }

    /// A client says that it is out of the room, having taken in all events up to and including `through`: nothing more
    /// is kept for it. A follower holds no ratchet tree and cannot see whom a commit removes, so the client is the one
    /// to say it.
    ///
    /// The reply tells whether it is out. It is not if it has come into the room again with a later event, its Welcome
    /// or its own external commit: then its word is an old one, and changes nothing. When the last one is out, the room
    /// is remembered for [`Limits::left_for`]: what the hub sends again gets its 201 (P-175).
    pub fn left<C, K>(
        &mut self,
        env: &Env<'_, C, K>,
        client: &ClientUri,
        through: u64,
    ) -> Step<'_, Self, bool> {
        let mut draft = Draft::new(self);
        let is_out = draft.leave(env.now, client, through);
        let (staged, changes, actions) = draft.finish();
        self.step(staged, changes, actions, is_out)
    }

    /// A client is no more: nothing is kept for it, whatever has come for it, and it is not awaited any more.
    pub fn deleted<C, K>(&mut self, env: &Env<'_, C, K>, client: &ClientUri) -> Step<'_, Self, ()> {
        let mut draft = Draft::new(self);
        draft.stop_joining(client);
        draft.leave(env.now, client, u64::MAX);
        let (staged, changes, actions) = draft.finish();
        self.step(staged, changes, actions, ())
    }

    /// A user of this provider is removed from the room or banned, as who has taken in the event `as_of` sees it: from
    /// now on application messages are withheld from its clients, while handshakes still flow to them (P-178).
    ///
    /// A follower sees participant list changes by index only. The provider learns of them from the hub beside it,
    /// or from any client of its own that is in the room, however far behind. A Welcome for the user, or an external
    /// commit of it that the hub accepts, lifts the block, for the hub lets only participants in; no word of an
    /// earlier event brings it back.
    pub fn block(&mut self, user: &UserUri, as_of: u64) -> Step<'_, Self, ()> {
        self.say(user, Word { as_of, out: true })
    }

    /// The user is a participant in good standing again, as who has taken in the event `as_of` sees it.
    pub fn unblock(&mut self, user: &UserUri, as_of: u64) -> Step<'_, Self, ()> {
        self.say(user, Word { as_of, out: false })
    }

    fn say(&mut self, user: &UserUri, word: Word) -> Step<'_, Self, ()> {
        let mut draft = Draft::new(self);
        draft.say(user, word);
        let (staged, changes, actions) = draft.finish();
        self.step(staged, changes, actions, ())
    }

    /// Withholds application messages from exactly those users of whom `is_out` says so (P-178), as of now: what
    /// [`Room::block`] and [`Room::unblock`] do, for all users of this provider at once.
    ///
    /// The hub's own provider calls it when an update was applied, with what the hub beside it knows:
    /// `|user| !hub.may_receive(user)`. It needs no word of a client then.
    pub fn withhold_from(&mut self, is_out: impl Fn(&UserUri) -> bool) -> Step<'_, Self, ()> {
        let mut draft = Draft::new(self);
        draft.withhold_from(is_out);
        let (staged, changes, actions) = draft.finish();
        self.step(staged, changes, actions, ())
    }

    /// Passes on what was held back for too long, and names the epochs that are missing before it; forgets external
    /// commits that nobody answered, and a room that everybody has left. Call it when [`Changes::wake_at`] has come.
    pub fn timeout<C, K>(&mut self, env: &Env<'_, C, K>) -> Step<'_, Self, ()> {
        let mut draft = Draft::new(self);
        draft.timeout(env.now);
        let (staged, changes, actions) = draft.finish();
        self.step(staged, changes, actions, ())
    }

    /// D-30: only the authority of the room's URI speaks for the room.
    fn expect_hub(&self, peer: &Peer) -> Result<(), Refusal> {
        match peer {
            Peer::Server(domain) if *domain == self.hub() => Ok(()),
            Peer::Server(_) | Peer::Client(..) => Err(self.refusal(Fault::NotTheHub)),
        }
    }

    pub(super) fn refusal(&self, fault: Fault) -> Refusal {
        Refusal { fault, revision: self.revision }
    }

    /// A room of which nothing is saved yet.
    pub(super) fn unsaved(limits: Limits, room: RoomUri) -> Self {
        Self { limits, state: State::new(room), revision: Revision::NONE }
    }

    pub(super) fn founding<R>(
        mut self,
        staged: Staged,
        changes: Changes,
        actions: Vec<Action>,
        reply: R,
    ) -> Founding<Self, R> {
        sealed::Machine::settle(&mut self, staged);
        Founding::new(self, changes, Outcome { reply, actions })
    }

    pub(super) fn step<R>(
        &mut self,
        staged: Staged,
        changes: Changes,
        actions: Vec<Action>,
        reply: R,
    ) -> Step<'_, Self, R> {
        Step::new(self, staged, changes, Outcome { reply, actions })
    }
}

/// What a step will have done.
#[derive(Debug)]
pub struct Staged {
    pub(super) edits: Vec<Edit>,
    pub(super) next: Revision,
}

impl sealed::Machine for Room {
    type Staged = Staged;

    fn settle(&mut self, staged: Staged) {
        self.revision = staged.next;
        staged.edits.into_iter().for_each(|edit| self.state.settle(edit));
    }

    fn undo(&mut self) {}
}

impl Machine for Room {
    type Action = Action;
}
