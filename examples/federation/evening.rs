//! The evening: absence, an insult, a loss, an outage, and a farewell. Each scene says what it promises.

use openmimi::{
    client::{self, Complaint},
    http::Reply,
    hub::{Finding, Proposal, Report},
    uri::UserUri,
    wire::{AbuseReport, GroupInfoAnswer},
};

use super::{
    net::{domain, user},
    shared::stage::{Broken, promise},
    story::{ALICE, BOB, CATHY, DAVE, ERIN, Story},
};

/// An hour, in seconds.
const HOUR: u64 = 60 * 60;

impl Story {
    /// P-021, P-022: the tablet needs nobody to be online; the phone catches up, epoch by epoch.
    pub fn away(&mut self) -> Result<(), Broken> {
        let room = self.room.clone();
        self.world.phones[self.cathy].online = false;
        let left = self.hub().epoch();
        let mut lines = Vec::new();
        self.world.trace.note("Cathy", "is offline");
        self.world.trace.note("a.example", "ten commits and ten messages pass here");
        self.world.trace.quiet = true;
        for (number, by) in
            [self.alice, self.bob, self.dave].into_iter().cycle().take(10).enumerate()
        {
            self.world.act(by, &room, |room, env, token| room.update_self(env, token))?;
            self.world.settle();
            let text = format!("Day {}", number + 1);
            self.world.say(by, &room, &text)?;
            lines.push(format!("{}: {text} [Valid]", self.owner(by).name()));
        }
        self.world.trace.quiet = false;
        promise(self.hub().epoch() == left + 10, || format!("epoch {}", self.hub().epoch()))?;
        let tablet = self.world.phone("Tablet", &user(CATHY));
        self.tablet = Some(tablet);
        self.world.join(tablet, &room, None)?;
        self.world.say(tablet, &room, "I am back!")?;
        self.world.phones[self.cathy].online = true;
        self.world.settle();
        lines.push("cathy: I am back! [Valid]".into());
        // Each of them once, and in their order.
        let read: Vec<&String> = self.world.phones[self.cathy].read.values().collect();
        let missed = &read[read.len() - lines.len()..];
        promise(missed.iter().copied().eq(&lines), || format!("Cathy has read {missed:?}"))?;
        let tablets = self.world.phones[tablet].read.len();
        promise(tablets == 0, || format!("the tablet has read {tablets} lines of others"))?;
        self.expect(&[ALICE, BOB, CATHY, DAVE], &[ALICE, BOB, BOB, CATHY, CATHY, DAVE])
    }

    /// P-230 … P-235, D-97: what the hub has stamped it knows again, and whom it is of; a message counts once for each
    /// who reports it.
    pub fn report(&mut self) -> Result<(), Broken> {
        let room = self.room.clone();
        self.world.say(self.dave, &room, "Bob is a fool.")?;
        let insult = self.message(self.bob, DAVE)?.content;
        let complaint = |about: &str| Complaint {
            about: user(about),
            reason: 0,
            note: "He insults me.".into(),
            messages: vec![insult.clone()],
            anonymous: false,
        };
        // From the phone, from the laptop again, and by Alice.
        for reporter in [self.bob, self.laptop, self.alice] {
            let report = self.world.complaint(reporter, &room, &complaint(DAVE))?;
            self.world.report(reporter, &room, &report)?;
        }
        // Bob blames Cathy for the same words: they are received, and nothing comes of them.
        let report = self.world.complaint(self.bob, &room, &complaint(DAVE))?;
        let forged = AbuseReport { alleged_abuser: user(CATHY), ..report };
        self.world.report(self.bob, &room, &forged)?;
        let reports = self.reports()?;
        let found: Vec<(&str, &[Finding])> = reports
            .iter()
            .map(|report| {
                let reporter = report.report.reporting_user.as_ref();
                (reporter.map_or("", UserUri::as_str), report.findings.as_slice())
            })
            .collect();
        let genuine = |finding: &Finding, by: u32| matches!(finding, Finding::Genuine { reporters, again: false, .. } if *reporters == by);
        let [(BOB, [first]), (ALICE, [second])] = found.as_slice() else {
            return Err(format!("the hub keeps {found:?}"));
        };
        promise(genuine(first, 1) && genuine(second, 2), || format!("found {found:?}"))?;
        self.review()
    }

    /// The reports that wait at the hub for somebody to look at them.
    fn reports(&self) -> Result<Vec<Report>, Broken> {
        let provider = &self.world.providers[&self.room.domain()];
        let id = provider.hubs.id(&self.room);
        self.hub()
            .reports()
            .map(|number| {
                let record = provider.disk.store.read(id.as_bytes(), &Report::key(number));
                Report::read(record.ok_or("a report is lost")?).map_err(|error| error.to_string())
            })
            .collect()
    }

    /// Somebody at the hub has looked at all of them.
    fn review(&mut self) -> Result<(), Broken> {
        let (now, room, hub) = (self.world.now, self.room.clone(), self.room.domain());
        self.world.trace.note("a.example", "its moderator warns Dave".to_owned());
        loop {
            let waiting = self.hub().reports().next();
            let Some(number) = waiting else { return Ok(()) };
            // If the hub dies now, the report waits again.
            let _ = self
                .world
                .provider(&hub)
                .at_hub(now, &room, |room, env| Ok::<_, Reply>(room.reviewed(env, number)));
        }
    }

    /// P-164, P-165, Q-46: an external commit voids the hub's proposal; the hub makes it again, stapled to the commit,
    /// and the joiner commits it.
    pub fn lost_device(&mut self) -> Result<(), Broken> {
        let (now, room, hub) = (self.world.now, self.room.clone(), self.room.domain());
        self.world.tidy(self.alice, &room)?;
        self.world.phones[self.laptop].online = false;
        let key = &self.world.phones[self.laptop].signature_key;
        let laptop = self.hub().leaf_of(key).ok_or("Bob has no laptop")?;
        self.world.trace.note("b.example", "says that Bob's laptop is lost".to_owned());
        while self.hub().pending() == 0 {
            let proposal = [Proposal::RemoveClient(laptop)];
            let proposed = self.world.provider(&hub).at_hub(now, &room, |room, env| {
                room.propose(env, &proposal)
                    .map_err(|_| Reply::Status { status: 403, retry_after: None })
            });
            if let Ok(Err(refusal)) = proposed {
                return Err(format!("the hub may not remove a client: {refusal:?}"));
            }
        }
        self.world.settle();
        let erin = self.world.phone("Erin", &user(ERIN));
        self.erin = Some(erin);
        let code = self.code.clone();
        self.world.join(erin, &room, Some(&code))?;
        let everybody = [ALICE, BOB, CATHY, DAVE, ERIN];
        self.expect(&everybody, &[ALICE, BOB, BOB, CATHY, CATHY, ERIN, DAVE])?;
        promise(self.hub().pending() == 1, || "the hub has not proposed it again".into())?;
        for phone in self.world.phones.iter().filter(|phone| phone.online) {
            let owes = phone.rooms.get(&room).is_some_and(client::Room::owes_commit);
            promise(owes, || format!("{} has not got the hub's proposal", phone.name))?;
        }
        self.world.say(erin, &room, "Hi, I am Erin.")?;
        self.expect(&everybody, &[ALICE, BOB, CATHY, CATHY, ERIN, DAVE])?;
        promise(self.is_in(self.laptop), || "the laptop knows that it is out".into())?;
        // It is found again, in a train.
        self.world.phones[self.laptop].online = true;
        self.world.settle();
        promise(!self.is_in(self.laptop), || "the laptop does not know that it is out".into())?;
        let tablet = self.tablet.ok_or("Cathy has no tablet")?;
        let readers = [self.alice, self.bob, self.cathy, tablet, self.dave];
        self.only_read_by("erin: Hi, I am Erin. [Valid]", &readers)
    }

    /// P-173 … P-176: nothing is sent before the time that was asked for; then all of it, once, in order.
    pub fn outage(&mut self) -> Result<(), Broken> {
        let (room, a, d) = (self.room.clone(), domain("a.example"), domain("d.example"));
        self.world.down.insert(d.clone(), HOUR / 2);
        let (before, crashed) = (self.world.hops(&a, &d), self.world.plan.borrow().crashed);
        let mut lines = Vec::new();
        for (by, text) in [(self.alice, "One"), (self.bob, "Two"), (self.cathy, "Three")] {
            self.world.say(by, &room, text)?;
            lines.push(format!("{}: {text} [Valid]", self.owner(by).name()));
        }
        // What it was asked for survives the hub; an answer that it dies over does not.
        let kept = |story: &Self, allowed: usize| {
            let attempts = story.world.hops(&a, &d) - before;
            let forgotten = story.world.plan.borrow().crashed - crashed;
            promise((allowed..=allowed + forgotten).contains(&attempts), || {
                format!("{attempts} attempts, not {allowed}, in {forgotten} crashes")
            })
        };
        kept(self, 1)?;
        for _ in 0..59 {
            self.world.wait(60_000);
            while self.world.work() {}
        }
        kept(self, 2)?;
        promise(lines.iter().all(|line| self.times(self.dave, line) == 0), || {
            "Dave has read what has not come".into()
        })?;
        // It comes back elsewhere: the directory says where (P-060).
        self.world.move_provider(&d, "mimi-2.d.example");
        self.world.down.clear();
        self.world.settle();
        let read: Vec<&String> = self.world.phones[self.dave].read.values().collect();
        let missed = &read[read.len() - lines.len()..];
        promise(missed.iter().copied().eq(&lines), || format!("Dave has read {missed:?}"))
    }

    /// P-281, Q-47: with its last user a provider is no external sender any more, and hears nothing more of the room.
    pub fn last_one_leaves(&mut self) -> Result<(), Broken> {
        let (room, a, d) = (self.room.clone(), domain("a.example"), domain("d.example"));
        self.world.act(self.dave, &room, |room, env, token| room.leave(env, token))?;
        self.world.settle();
        promise(self.may_propose("d.example"), || "nobody has committed it".into())?;
        self.world.tidy(self.alice, &room)?;
        promise(!self.is_in(self.dave), || "Dave does not know that he is out".into())?;
        // His link was for two, and Erin was the second.
        let code = self.code.clone();
        let (_, again) = self.world.group_info(self.dave, &room, Some(&code));
        promise(again.answer == GroupInfoAnswer::NotAuthorized, || "the link is used up".into())?;
        // The hub has proposed to take d.example off the list, and that is the next thing to be committed.
        promise(self.may_propose("d.example"), || "nobody has committed it".into())?;
        self.world.tidy(self.bob, &room)?;
        promise(!self.may_propose("d.example"), || "d.example may propose still".into())?;
        promise(self.may_propose("c.example"), || "c.example may not propose".into())?;
        let before = self.world.hops(&a, &d);
        self.world.say(self.alice, &room, "It is quiet now.")?;
        promise(self.world.hops(&a, &d) == before, || "d.example hears of it".into())?;
        // Its follower remembers the room for a while, and nobody in it: what comes again gets another 201.
        let followers = &self.world.provider(&d).followers;
        let empty =
            followers.iter().all(|it| it.clients().next().is_none() && it.backlog().is_empty());
        promise(empty, || "d.example has somebody in the room".into())?;
        let (tablet, erin) = self.tablet.zip(self.erin).ok_or("somebody is missing")?;
        let readers = [self.bob, self.cathy, tablet, erin];
        self.only_read_by("alice: It is quiet now. [Valid]", &readers)?;
        self.expect(&[ALICE, BOB, CATHY, ERIN], &[ALICE, BOB, CATHY, CATHY, ERIN])
    }
}
