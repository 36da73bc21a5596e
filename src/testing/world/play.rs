//! One step after the other.

use super::{
    World, WorldCrypto, letters::Say, luck::Luck, report::Report, step::Step,
    transition::Transition,
};

impl<C: WorldCrypto> World<C> {
    /// Plays some steps, then lets the faults stop and everything arrive. Stops at the first violation.
    #[must_use]
    pub fn play(mut self, steps: &[Step]) -> Report {
        for (number, step) in steps.iter().enumerate() {
            self.step = number;
            self.luck = Luck::new(step.luck, self.config.faults);
            let done = self.happen(step.transition);
            let counts = self.tally.transitions.entry(step.transition.name()).or_default();
            counts.0 += 1;
            counts.1 += u64::from(done);
            self.pump();
            self.check();
            if self.violation.is_some() {
                return self.report(number + 1);
            }
        }
        self.step = steps.len();
        self.converge();
        self.report(steps.len())
    }

    pub(super) fn report(self, steps: usize) -> Report {
        Report {
            seed: self.seed,
            steps,
            ending: self.ending(),
            tally: self.tally,
            exchanges: self.exchanges,
            violation: self.violation,
        }
    }

    /// Something happens. Says whether it could.
    pub(super) fn happen(&mut self, transition: Transition) -> bool {
        let member = |world: &Self, by, room| {
            let room = world.some_room(room)?;
            Some((world.some_member(by, room)?, room))
        };
        match transition {
            Transition::Create { device, preset } => {
                self.some_device(device).is_some_and(|device| self.create(device, preset))
            }
            Transition::Add { by, user, room } => {
                match (member(self, by, room), self.some_candidate(user, room)) {
                    (Some((by, room)), Some(user)) => self.add(by, user, room),
                    _ => false,
                }
            }
            Transition::Remove { by, user, room } => {
                match (member(self, by, room), self.some_participant(user, room)) {
                    (Some((by, room)), Some(user)) => self.remove(by, user, room),
                    _ => false,
                }
            }
            Transition::SetRole { by, user, room, role } => {
                match (member(self, by, room), self.some_participant(user, room)) {
                    (Some((by, room)), Some(user)) => self.set_role(by, user, room, role),
                    _ => false,
                }
            }
            Transition::Rename { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.rename(by, room))
            }
            Transition::Refresh { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.refresh(by, room))
            }
            Transition::Commit { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.commit(by, room))
            }
            Transition::Propose { by, user, room, what } => {
                match (member(self, by, room), self.some_participant(user, room)) {
                    (Some((by, room)), Some(user)) => self.propose(by, user, room, what),
                    _ => false,
                }
            }
            Transition::RemoveClient { by, device, room } => {
                match (member(self, by, room), self.some_device(device)) {
                    (Some((by, room)), Some(device)) => self.remove_client(by, device, room),
                    _ => false,
                }
            }
            Transition::Leave { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.leave(by, room))
            }
            Transition::Join { device, room } => {
                match (self.some_joiner(device, room), self.some_room(room)) {
                    (Some(device), Some(room)) => self.join(device, room),
                    _ => false,
                }
            }
            Transition::Send { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.say(by, room))
            }
            Transition::React { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.react(by, room))
            }
            Transition::Edit { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.edit(by, room))
            }
            Transition::HubProposes { room, user, what } => {
                match (self.some_room(room), self.some_participant(user, room)) {
                    (Some(room), Some(user)) => self.hub_proposes(room, user, what),
                    _ => false,
                }
            }
            Transition::Report { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.report_abuse(by, room))
            }
            Transition::Destroy { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.destroy(by, room))
            }
            Transition::NewDevice { user } => {
                self.some_user(user).is_some_and(|user| self.new_device(user))
            }
            Transition::Wipe { device } => {
                self.some_device(device).is_some_and(|device| self.wipe(device))
            }
            Transition::Publish { device, count } => self
                .some_device(device)
                .is_some_and(|device| self.publish(device, usize::from(count % 4) + 1)),
            Transition::Exhaust { user } => {
                self.some_user(user).is_some_and(|user| self.exhaust(user))
            }
            Transition::Consent { user, requester, what } => {
                let say = [Say::Grant, Say::Revoke, Say::Grant, Say::GrantWithKeys];
                match (self.some_user(user), self.some_user(requester)) {
                    (Some(user), Some(requester)) => {
                        let room = self.room_or_any(what / 4);
                        self.consent(user, requester, room, say[usize::from(what % 4)])
                    }
                    _ => false,
                }
            }
            Transition::AskConsent { user, target, what } => {
                match (self.some_user(user), self.some_user(target)) {
                    (Some(user), Some(target)) => {
                        let room = self.room_or_any(what / 4);
                        self.ask_consent(user, target, room, what % 4 < 3)
                    }
                    _ => false,
                }
            }
            Transition::Search { from, to, what } => {
                let count = self.providers.len();
                self.search(usize::from(from) % count, usize::from(to) % count, what)
            }
            Transition::MakeCode { room, terms } => {
                self.some_room_by_code(room).is_some_and(|room| self.make_code(room, terms))
            }
            Transition::RevokeCode { room, code } => {
                self.some_room_by_code(room).is_some_and(|room| self.revoke_code(room, code))
            }
            Transition::ChangeLinks { by, room, what } => {
                member(self, by, room).is_some_and(|(by, room)| self.change_links(by, room, what))
            }
            Transition::Redeem { device, room, code } => {
                let room = self.some_room_by_code(room);
                match room.and_then(|room| Some((self.some_stranger(device, room)?, room))) {
                    Some((device, room)) => self.redeem(device, room, code),
                    None => false,
                }
            }
            Transition::ChangePolicy { by, room, which, value } => member(self, by, room)
                .is_some_and(|(by, room)| self.change_policy(by, room, which, value)),
            Transition::Power { device, on } => self
                .some_device(device)
                .is_some_and(|device| std::mem::replace(&mut self.phones[device].on, on) != on),
            Transition::Crash { node } => self.crash(node),
            Transition::Evict { provider } => {
                let provider = usize::from(provider) % self.providers.len();
                self.providers[provider].evict();
                true
            }
            Transition::Twin { provider } => {
                let provider = usize::from(provider) % self.providers.len();
                self.providers[provider].wake_twin();
                true
            }
            Transition::Partition { one, other } => {
                let count = self.providers.len();
                let (one, other) = (usize::from(one) % count, usize::from(other) % count);
                one != other && self.network.cut.insert((one.min(other), one.max(other)))
            }
            Transition::Heal => !std::mem::take(&mut self.network.cut).is_empty(),
            Transition::Skew { node, seconds } => self.skew(node, seconds),
            Transition::Wait { seconds } => {
                self.now = self.now.plus(u64::from(seconds) * 1_000);
                true
            }
            Transition::Settle => {
                self.settle(12);
                true
            }
            Transition::Attack { attack, room, by } => {
                self.config.adversaries
                    && member(self, by, room)
                        .is_some_and(|(by, room)| self.attack(attack, by, room))
            }
        }
    }

    pub(super) fn crash(&mut self, node: u8) -> bool {
        let node = usize::from(node) % (self.providers.len() + self.phones.len());
        self.tally.fault("crash");
        match node.checked_sub(self.providers.len()) {
            None => self.providers[node].evict(),
            Some(device) => self.phones[device].evict(),
        }
        true
    }

    pub(super) fn skew(&mut self, node: u8, seconds: u8) -> bool {
        let node = usize::from(node) % (self.providers.len() + self.phones.len());
        let skew = (i64::from(seconds) - 128) * 1_000;
        self.clocks_jumped = true;
        match node.checked_sub(self.providers.len()) {
            None => self.providers[node].skew = skew,
            Some(device) => self.phones[device].skew = skew,
        }
        true
    }
}
