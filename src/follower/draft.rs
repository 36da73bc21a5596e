//! A step in the making: the room as it is, and what would become of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    Action,
    room::{Room, Staged},
    state::{Audience, Edit, Hash, Head, Held, Joining, Member, Place, Word, gaps},
};
use crate::{
    env::Timestamp,
    machine::Changes,
    uri::{ClientUri, UserUri},
    wire::KeyPackageRef,
};

/// Bodies that one step deletes at most.
const AT_ONCE: u64 = 1 << 16;

/// How a step is put together. It reads the room through its own changes, and settles nothing.
pub(super) struct Draft<'a> {
    pub(super) room: &'a Room,
    pub(super) head: Head,
    /// Records without a place below.
    pub(super) edits: Vec<Edit>,
    members: BTreeMap<u64, Option<Member>>,
    pub(super) held: BTreeMap<u64, Option<Held>>,
    joining: BTreeMap<ClientUri, Option<Joining>>,
    blocked: BTreeMap<UserUri, Option<Word>>,
    audiences: BTreeMap<u64, Audience>,
    committed: Option<Timestamp>,
    empty: Option<Timestamp>,
    pub(super) seen: BTreeSet<Hash>,
    pub(super) missing: Vec<Range<u64>>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(room: &'a Room) -> Self {
        Self {
            room,
            head: room.state.head.clone(),
            edits: Vec::new(),
            members: BTreeMap::new(),
            held: BTreeMap::new(),
            joining: BTreeMap::new(),
            blocked: BTreeMap::new(),
            audiences: BTreeMap::new(),
            committed: room.state.committed,
            empty: room.state.empty,
            seen: BTreeSet::new(),
            missing: Vec::new(),
        }
    }

    /// The members as they would be.
    pub(super) fn members(&self) -> impl Iterator<Item = (u64, &Member)> {
        now(&self.room.state.members, &self.members).map(|(number, member)| (*number, member))
    }

    pub(super) fn has_members(&self) -> bool {
        self.members().next().is_some()
    }

    fn member(&self, client: &ClientUri) -> Option<(u64, &Member)> {
        self.members().find(|(_, it)| it.client == *client)
    }

    fn by_number(&self, number: u64) -> Option<&Member> {
        let before = || self.room.state.members.get(&number);
        self.members.get(&number).map_or_else(before, Option::as_ref)
    }

    pub(super) fn joining(&self) -> impl Iterator<Item = (&ClientUri, &Joining)> {
        now(&self.room.state.joining, &self.joining)
    }

    pub(super) fn held(&self) -> impl Iterator<Item = (&u64, &Held)> {
        now(&self.room.state.held, &self.held)
    }

    /// Whether somebody is in the room or about to be.
    pub(super) fn is_used(&self) -> bool {
        self.has_members() || self.joining().next().is_some()
    }

    fn word(&self, user: &UserUri) -> Option<Word> {
        let before = || self.room.state.blocked.get(user).copied();
        self.blocked.get(user).copied().unwrap_or_else(before)
    }

    pub(super) fn is_blocked(&self, user: &UserUri) -> bool {
        self.word(user).is_some_and(|it| it.out)
    }

    /// Makes a client a member from the next event on. One that is a member keeps what it is owed.
    pub(super) fn join(&mut self, client: ClientUri, user: UserUri) -> u64 {
        self.forget_word(&user);
        self.stop_joining(&client);
        self.empty = None;
        let next = self.head.next_event;
        if let Some((number, member)) = self.member(&client) {
            let member = Member { since: next, ..member.clone() };
            self.members.insert(number, Some(member));
            return number;
        }
        let number = self.head.next_member;
        self.head.next_member = number + 1;
        self.members.insert(number, Some(Member { client, user, next, since: next }));
        number
    }

    /// The hub has accepted this external commit. Unless it has come back already, the client is a member from here on,
    /// and has come into the room with whatever is the commit's event then.
    pub(super) fn join_by(&mut self, client: &ClientUri, user: &UserUri, commit: &Hash) {
        let joining = self.joining().find(|(it, _)| *it == client).map(|(_, it)| it.clone());
        let joining = joining.filter(|it| it.commit == *commit);
        if joining.is_none() && self.member(client).is_some() {
            return;
        }
        self.join(client.clone(), user.clone());
        if let Some(joining) = joining {
            self.joining.insert(client.clone(), Some(Joining { accepted: true, ..joining }));
        }
    }

    /// A client is out, and knows all events up to `through`; tells whether it is. It stays if it has come in again since.
    pub(super) fn leave(&mut self, now: Timestamp, client: &ClientUri, through: u64) -> bool {
        let Some((number, member)) = self.member(client) else { return true };
        if member.since > through {
            return false;
        }
        let user = member.user.clone();
        self.members.insert(number, None);
        if self.joining().any(|(it, joining)| it == client && joining.accepted) {
            self.stop_joining(client);
        }
        if !self.members().any(|(_, it)| it.user == user) {
            self.forget_word(&user);
        }
        if !self.has_members() {
            self.empty = Some(now.plus(self.room.limits.left_for));
            self.head.place = None;
            let held: Vec<u64> = self.held().map(|(number, _)| *number).collect();
            self.held.extend(held.into_iter().map(|number| (number, None)));
        }
        self.trim();
        true
    }

    /// Takes somebody's word that a user is out, or in, as of an event: unless it has come into the room since, or a
    /// newer word is known.
    pub(super) fn say(&mut self, user: &UserUri, word: Word) {
        let mut since = self.members().filter(|(_, it)| it.user == *user).map(|(_, it)| it.since);
        let Some(first) = since.next() else { return };
        let since = since.fold(first, u64::max);
        // Its commit is on the way: it is not known yet what is older.
        let comes = self.joining().any(|(_, it)| it.user == *user && it.accepted);
        let newer = self.word(user).is_some_and(|it| it.as_of > word.as_of);
        if since <= word.as_of && !comes && !newer && self.word(user) != Some(word) {
            self.blocked.insert(user.clone(), Some(word));
        }
    }

    /// Blocks the users among the clients' of whom `is_out` says so, and no others.
    pub(super) fn withhold_from(&mut self, is_out: impl Fn(&UserUri) -> bool) {
        let users: BTreeSet<UserUri> = self.members().map(|(_, it)| it.user.clone()).collect();
        for user in users {
            match is_out(&user) {
                true if self.is_blocked(&user) => {}
                true => {
                    let word = Word { as_of: self.head.next_event, out: true };
                    self.blocked.insert(user, Some(word));
                }
                false => self.forget_word(&user),
            }
        }
    }

    fn forget_word(&mut self, user: &UserUri) {
        if self.word(user).is_some() {
            self.blocked.insert(user.clone(), None);
        }
    }

    /// Takes down that a client's external commit is on its way to the hub. The newest one of a client counts.
    pub(super) fn start_joining(&mut self, client: &ClientUri, joining: Joining) {
        if self.room.state.joining.get(client) == Some(&joining) {
            return;
        }
        let others = self.joining().filter(|(it, _)| *it != client);
        let mut by_time: Vec<_> = others.map(|(client, it)| (it.until, client.clone())).collect();
        by_time.sort();
        let excess = (by_time.len() + 1).saturating_sub(self.room.limits.joiners);
        for (_, client) in by_time.into_iter().take(excess) {
            self.joining.insert(client, None);
        }
        // Without members nothing says where the group is but the commit itself.
        if !self.has_members() {
            self.head.place = Some(joining.place.clone());
        }
        self.joining.insert(client.clone(), Some(joining));
    }

    pub(super) fn stop_joining(&mut self, client: &ClientUri) {
        if self.joining().any(|(it, _)| it == client) {
            self.joining.insert(client.clone(), None);
        }
    }

    /// Forgets that nobody is in the room, when its time has come.
    pub(super) fn forget_empty(&mut self, now: Timestamp) {
        self.empty = self.empty.filter(|until| *until > now);
    }

    /// The hub has refused this external commit; a newer one of the client may be under way.
    pub(super) fn stop_joining_with(&mut self, client: &ClientUri, commit: &Hash) {
        let ours = |joining: &Joining| joining.commit == *commit && !joining.accepted;
        if self.joining().any(|(it, joining)| it == client && ours(joining)) {
            self.joining.insert(client.clone(), None);
        }
    }

    /// The hub has accepted a commit of a client of ours. An echo may follow, or not.
    pub(super) fn accepted(&mut self, place: &Place, at: Timestamp) {
        self.advance(place.next());
        self.committed_at(at);
        self.release();
    }

    /// When the hub has accepted the newest commit that was passed on.
    pub(super) const fn committed(&self) -> Option<Timestamp> {
        self.committed
    }

    pub(super) fn committed_at(&mut self, at: Timestamp) {
        self.committed = self.committed.max(Some(at));
    }

    /// The client whose external commit this is, is a member from here on.
    pub(super) fn admit(&mut self, commit: &Hash) {
        let joiner = self.joining().find(|(_, it)| it.commit == *commit);
        if let Some((client, joining)) = joiner {
            let (client, user) = (client.clone(), joining.user.clone());
            self.join(client, user);
        }
    }

    /// Adds an event to the log, if somebody is to get it.
    pub(super) fn append(&mut self, bytes: &[u8], audience: Option<Audience>) {
        let somebody =
            self.members().any(|(number, _)| audience.as_ref().is_none_or(|it| it.has(number)));
        if !somebody {
            return;
        }
        let event = self.head.next_event;
        self.head.next_event += 1;
        if let Some(audience) = audience {
            self.edits.push(Edit::Audience(event, Some(audience.clone())));
            self.audiences.insert(event, audience);
        }
        self.edits.push(Edit::Event(event, Some(bytes.to_vec())));
    }

    pub(super) fn acknowledge(&mut self, client: &ClientUri, through: u64) {
        let next = through.saturating_add(1).min(self.head.next_event);
        if let Some((number, member)) = self.member(client).filter(|(_, it)| it.next < next) {
            let member = Member { next, ..member.clone() };
            self.members.insert(number, Some(member));
            self.trim();
        }
    }

    /// Moves cursors over events that their members are not to get, and deletes what every cursor has passed.
    ///
    /// What there is more than a step can delete goes with one of the next.
    pub(super) fn trim(&mut self) {
        let end = self.head.next_event;
        let mut oldest = end;
        let mut moved = Vec::new();
        for (number, member) in self.members() {
            let next = self.room.state.first_owed(number, member.next).unwrap_or(end);
            oldest = oldest.min(next);
            if next > member.next {
                moved.push((number, Member { next, ..member.clone() }));
            }
        }
        self.members.extend(moved.into_iter().map(|(number, member)| (number, Some(member))));
        let oldest = oldest.min(self.head.oldest_event.saturating_add(AT_ONCE));
        for event in self.head.oldest_event..oldest {
            self.edits.push(Edit::Event(event, None));
        }
        let passed = self.room.state.audiences.range(..oldest);
        self.edits.extend(passed.map(|(event, _)| Edit::Audience(*event, None)));
        self.head.oldest_event = oldest;
    }

    /// The step: what it settles, what is to be saved, and what is to be done.
    pub(super) fn finish(mut self) -> (Staged, Changes, Vec<Action>) {
        let actions = self.actions();
        let held = self.held().map(|(_, it)| it.until);
        let wake_at = held.chain(self.joining().map(|(_, it)| it.until)).chain(self.empty).min();
        let mut edits = std::mem::take(&mut self.edits);
        edits.extend(self.members.into_iter().map(|(number, it)| Edit::Member(number, it)));
        edits.extend(self.held.into_iter().map(|(number, it)| Edit::Held(number, it)));
        edits.extend(self.joining.into_iter().map(|(client, it)| Edit::Joining(client, it)));
        edits.extend(self.blocked.into_iter().map(|(user, it)| Edit::Blocked(user, it)));
        if let Some(at) = self.committed.filter(|at| Some(*at) != self.room.state.committed) {
            edits.push(Edit::Committed(at));
        }
        if self.empty != self.room.state.empty {
            edits.push(Edit::Empty(self.empty));
        }
        let base = self.room.revision();
        let founding = base == crate::machine::Revision::NONE;
        if founding || self.head != self.room.state.head {
            edits.push(Edit::Head(self.head));
        }
        let next = if edits.is_empty() { base } else { base.next() };
        let writes = edits.iter().map(Edit::write).collect();
        (Staged { edits, next }, Changes { base, next, writes, wake_at }, actions)
    }

    fn actions(&self) -> Vec<Action> {
        let user = |number: u64| self.by_number(number).map(|it| &it.user);
        let mut actions = welcomed(self.audiences.values(), user);
        actions
            .extend(self.missing.iter().map(|epochs| Action::Missing { epochs: epochs.clone() }));
        let (start, end) = (self.room.state.head.next_event, self.head.next_event);
        if start < end {
            for (number, member) in self.members() {
                let from = member.next.max(start);
                let without = self.audiences.range(from..).filter(|(_, it)| !it.has(number));
                let events = gaps(from..end, without.map(|(event, _)| *event));
                if !events.is_empty() {
                    actions.push(Action::Deliver { client: member.client.clone(), events });
                }
            }
        }
        if !self.is_used() && self.empty.is_none() {
            actions.push(Action::Forget);
        }
        actions
    }
}

/// What the owners of routed KeyPackages have to be told, by user.
pub(super) fn welcomed<'a>(
    audiences: impl Iterator<Item = &'a Audience>,
    user: impl Fn(u64) -> Option<&'a UserUri>,
) -> Vec<Action> {
    let mut by_user: BTreeMap<UserUri, Vec<KeyPackageRef>> = BTreeMap::new();
    for audience in audiences {
        match audience {
            Audience::Only(members, references) => {
                for user in members.iter().filter_map(|it| user(*it)) {
                    by_user.entry(user.clone()).or_default().extend(references.iter().cloned());
                }
            }
            Audience::Without(_) => {}
        }
    }
    let told = by_user.into_iter();
    told.map(|(user, references)| Action::Welcomed { user, references }).collect()
}

/// A table as it would be after `changes`.
fn now<'a, K: Ord, V>(
    table: &'a BTreeMap<K, V>,
    changes: &'a BTreeMap<K, Option<V>>,
) -> impl Iterator<Item = (&'a K, &'a V)> {
    let kept = table.iter().filter(|(key, _)| !changes.contains_key(*key));
    kept.chain(changes.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))))
}
