//! The machine: one user of this provider.

use super::{
    Action, Policy,
    consent::{Consent, Stance, Verdict},
    state::{Device, Due, Edit, Profile, State},
};
use crate::{
    env::{Env, Limits, Timestamp},
    error::RestoreError,
    machine::{Changes, Founding, Machine, Outcome, Records, Revision, Step, sealed},
    uri::{ClientUri, RoomUri, UserUri},
    wire::KeyPackageRef,
};

/// One user of this provider: its clients, their KeyPackages, and who may have them.
///
/// The user is the unit of lock and of recovery; a provider has one of these for each of its users, whether it is
/// the hub of a room or follows one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub(super) limits: Limits,
    pub(super) policy: Policy,
    pub(super) state: State,
    revision: Revision,
}

/// The client that a KeyPackage was handed out for, and what it was handed out for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user of the client.
    pub user: UserUri,
    /// The client whose KeyPackage it is, and which a Welcome goes to.
    pub client: ClientUri,
    /// The one room it may be used in, if it was claimed for one (P-071).
    pub room: Option<RoomUri>,
}

impl User {
    /// A user of this provider who has no clients yet.
    pub fn found(
        limits: Limits,
        policy: Policy,
        user: UserUri,
        stance: Stance,
    ) -> Founding<Self, ()> {
        let profile = Profile {
            user,
            stance,
            deleted: false,
            next_device: 0,
            next_package: 0,
            next_letter: 0,
        };
        let changes = Changes {
            base: Revision::NONE,
            next: Revision::NONE.next(),
            writes: [Edit::Profile(profile.clone()).write()].into(),
            wake_at: None,
        };
        let user = Self { limits, policy, state: State::new(profile), revision: changes.next };
        Founding::new(user, changes, Outcome { reply: (), actions: Vec::new() })
    }

    /// The user that these records hold. Verifies no signature and asks no clock.
    ///
    /// # Errors
    /// If the records are not those of a user, or of a later version.
    pub fn restore(
        records: &Records,
        limits: Limits,
        policy: Policy,
    ) -> Result<Self, RestoreError> {
        let state = State::restore(records)?;
        Ok(Self { limits, policy, state, revision: records.revision })
    }

    /// The user's URI.
    #[must_use]
    pub fn uri(&self) -> &UserUri {
        &self.state.profile.user
    }

    /// The saved state that answers rest on.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// Whether the account was deleted.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.state.profile.deleted
    }

    /// What the user said about who may have its KeyPackages.
    #[must_use]
    pub const fn consent(&self) -> &Consent {
        &self.state.consent
    }

    /// Whether `requester` may be given KeyPackages for `room`. A user always may have its own.
    #[must_use]
    pub fn verdict(&self, requester: &UserUri, room: Option<&RoomUri>) -> Verdict {
        if requester == self.uri() {
            return Verdict::Given;
        }
        self.state.consent.verdict(requester, room)
    }

    /// The user's clients, in the order in which they came.
    pub fn clients(&self) -> impl Iterator<Item = &ClientUri> {
        self.state.devices.values().map(|device| &device.client)
    }

    /// How many KeyPackages of a client can still be handed out, those of last resort not counted.
    #[must_use]
    pub fn left(&self, client: &ClientUri) -> usize {
        self.state.device(client).map_or(0, |(_, device)| device.ordinary)
    }

    /// The client that a Welcome for this KeyPackage goes to (P-092): none if the KeyPackage was never handed out,
    /// or its Welcome has come already (P-093).
    #[must_use]
    pub fn owner(&self, reference: &KeyPackageRef) -> Option<Owner> {
        let claim = self.state.claims.get(reference)?;
        let claimant = claim.waiting.as_ref()?;
        let client = self.state.devices.get(&claim.device)?.client.clone();
        // One of last resort may be in many rooms, any for which it was claimed.
        let room = claimant.room.clone().filter(|_| !self.is_last_resort(reference));
        Some(Owner { user: self.uri().clone(), client, room })
    }

    /// Only those stay among the published when they are handed out.
    fn is_last_resort(&self, reference: &KeyPackageRef) -> bool {
        self.state.published_by(reference).is_some()
    }

    /// What is owed to others, derived from the records: after a restore, do these.
    #[must_use]
    pub fn backlog(&self) -> Vec<Action> {
        let low = self.state.devices.values().filter_map(|device| self.replenish(device, 0));
        low.chain(self.consent_backlog()).collect()
    }

    /// Asks a client for more, if it is low once `taken` have gone.
    pub(super) fn replenish(&self, device: &Device, taken: usize) -> Option<Action> {
        let left = device.ordinary.saturating_sub(taken);
        (left <= self.policy.low_water && !self.is_deleted())
            .then(|| Action::Replenish { client: device.client.clone(), left })
    }

    /// Changes what holds for requesters of whom the user said nothing.
    pub fn set_stance(&mut self, stance: Stance) -> Step<'_, Self, ()> {
        let mut edits = Vec::new();
        if stance != self.state.consent.stance() {
            edits.push(Edit::Profile(Profile { stance, ..self.state.profile.clone() }));
        }
        self.step(edits, (), Vec::new())
    }

    /// Takes note that Welcomes for these KeyPackages were passed on to their client: nothing more is routed by
    /// them (P-093), they count against nobody, and a repeated claim that got them is a new claim.
    ///
    /// `follower::Action::Welcomed` asks for it. References of others are ignored, and so are those of last resort.
    pub fn welcomed(&mut self, references: &[KeyPackageRef]) -> Step<'_, Self, ()> {
        let mut edits = Vec::new();
        for reference in references {
            let claim = self.state.claims.get(reference).filter(|it| it.waiting.is_some());
            if let Some(claim) = claim.filter(|_| !self.is_last_resort(reference)) {
                let spent = super::state::Claim { waiting: None, ..claim.clone() };
                edits.push(Edit::Claim(reference.clone(), Some(spent)));
            }
        }
        for (hash, answer) in &self.state.answers {
            if answer.references.iter().any(|it| references.contains(it)) {
                edits.push(Edit::Answer(*hash, None));
            }
        }
        self.step(edits, (), Vec::new())
    }

    /// Forgets what has ended by now, and asks clients for more where it leaves them low. Call it when
    /// [`Changes::wake_at`] has come; at any other time it does no harm.
    pub fn timeout<C, K>(&mut self, env: &Env<'_, C, K>) -> Step<'_, Self, ()> {
        let edits = self.endings(env.now);
        let mut actions = Vec::new();
        for (number, device) in &self.state.devices {
            let gone = |edit: &&Edit| {
                let Edit::Package(of, place, None) = edit else { return false };
                of == number && device.packages.get(place).is_some_and(|it| !it.last_resort)
            };
            let gone = edits.iter().filter(gone).count();
            if gone > 0 {
                actions.extend(self.replenish(device, gone));
            }
        }
        self.step(edits, (), actions)
    }

    /// The deletions of all that has ended by `now`.
    pub(super) fn endings(&self, now: Timestamp) -> Vec<Edit> {
        let delete = |due: &Due| match due {
            Due::Package(device, number) => Edit::Package(*device, *number, None),
            Due::Claim(reference) => Edit::Claim(reference.clone(), None),
        };
        self.state.ended(now).map(delete).collect()
    }

    /// The step that makes these edits.
    pub(super) fn step<R>(
        &mut self,
        edits: Vec<Edit>,
        reply: R,
        actions: Vec<Action>,
    ) -> Step<'_, Self, R> {
        let base = self.revision;
        let changes = Changes {
            base,
            next: if edits.is_empty() { base } else { base.next() },
            writes: edits.iter().map(Edit::write).collect(),
            wake_at: self.state.wake_at(&edits),
        };
        let staged = Staged { edits, next: changes.next };
        Step::new(self, staged, changes, Outcome { reply, actions })
    }
}

/// What a step will have done.
#[derive(Debug)]
pub struct Staged {
    edits: Vec<Edit>,
    next: Revision,
}

impl sealed::Machine for User {
    type Staged = Staged;

    fn settle(&mut self, staged: Staged) {
        self.revision = staged.next;
        staged.edits.into_iter().for_each(|edit| self.state.settle(edit));
    }

    fn undo(&mut self) {}
}

impl Machine for User {
    type Action = Action;
}
