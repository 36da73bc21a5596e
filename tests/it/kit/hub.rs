//! The hub, and the world around it.

use std::collections::BTreeSet;

use openmimi::{
    codec::Wire,
    env::{Env, Limits, Peer, Timestamp},
    error::RestoreError,
    hub::{self, Action, Event, Keys, Offer, Proposal, Room, SigningKey, Tombstone, Wish},
    machine::{Changes, Outcome, Records, Revision, Step},
    policy::presets::Preset,
    room::{Components, ParticipantList},
    testing::{Fate, MemoryStore, SaveError},
    uri::{Domain, RoomUri, UserUri},
    wire::{
        CipherSuite, FanoutMessage, GroupInfoAnswer, GroupInfoRatchetTree, GroupInfoRequest,
        GroupInfoResponse, RatchetTreeSourceDomains, SubmitMessageResponse, UpdateOutcome,
        UpdateRoomResponse, notify,
    },
};
use openmls::prelude::{Extension, OpenMlsCrypto as _};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::RustCrypto;

use super::{
    Client, START, SUITE, domain,
    parts::{extensions_of, extensions_with},
    user,
};

const ID: &[u8] = b"clubhouse";

pub(crate) fn signing_key() -> (Vec<u8>, SigningKey) {
    let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
    (signer.to_public_vec(), Box::new(signer))
}

/// One room at its hub, with a store that fails.
pub(crate) struct Hub {
    pub(crate) room: Room,
    pub(crate) store: MemoryStore,
    pub(crate) keys: Keys,
    pub(crate) crypto: RustCrypto,
    pub(crate) now: Timestamp,
    pub(crate) limits: Limits,
    pub(crate) offer: Offer,
    /// What was asked for in the last step.
    pub(crate) actions: Vec<Action>,
}

/// All that a room answers by: the audience is a cache, and the last field.
fn picture(room: &Room) -> String {
    let picture = format!("{room:?}");
    let end = picture.rfind(", audience: ").unwrap();
    picture[..end].to_owned()
}

impl Hub {
    pub(crate) fn env(&self) -> Env<'_, RustCrypto, Keys> {
        Env { now: self.now, crypto: &self.crypto, keys: &self.keys }
    }

    pub(crate) fn records(&self) -> Records {
        self.store.load(ID).unwrap()
    }

    pub(crate) fn record_count(&self) -> usize {
        self.store.record_count(ID)
    }

    pub(crate) fn restored(&self) -> Room {
        Room::restore(&self.records(), &self.limits).unwrap()
    }

    /// Goes on with what is stored.
    pub(crate) fn restart(&mut self) {
        self.room = self.restored();
    }

    pub(crate) fn body(&self, event: u64) -> Option<&[u8]> {
        self.store.read(ID, &Event::key(event))
    }

    /// The live room and the stored one answer alike.
    pub(crate) fn check(&self) {
        if self.room.is_over() {
            return self.check_tombstone();
        }
        let restored = self.restored();
        assert_eq!(picture(&self.room), picture(&restored), "restored equals live");
        assert_eq!(self.room.revision(), self.store.revision(ID));
        assert_eq!(self.room.effective(), restored.effective());
        assert!(self.room.backlog().eq(restored.backlog()));
    }

    /// Nothing is stored of a room that is over but what says so.
    fn check_tombstone(&self) {
        let records = self.records();
        assert_eq!(Room::restore(&records, &self.limits).map(drop), Err(RestoreError::Over));
        assert_eq!(Tombstone::of(&records).unwrap().as_ref(), self.room.tombstone());
        assert_eq!(self.record_count(), 1);
    }

    /// Plays one step with a crash at each point, then for good: with the room that lived on or, in every other
    /// step, with the one that was restored.
    ///
    /// A refusal is to leave no trace.
    pub(crate) fn drill<R, E: std::fmt::Debug>(
        &mut self,
        step: impl for<'m> Fn(&'m mut Room, &Env<'_, RustCrypto, Keys>) -> Result<Step<'m, Room, R>, E>,
    ) -> Result<R, E> {
        self.check();
        let Self { room, store, keys, crypto, now, limits, actions, .. } = self;
        let env = Env { now: *now, crypto, keys };
        let stored = |store: &MemoryStore| Room::restore(&store.load(ID).unwrap(), limits).unwrap();
        let (before, before_store) = (picture(room), store.clone());

        // Dropped before anything is saved.
        if let Err(refusal) = step(room, &env).map(drop) {
            assert_eq!(picture(room), before, "a refusal leaves no trace");
            let again = step(&mut stored(store), &env).map(drop).unwrap_err();
            assert_eq!(format!("{refusal:?}"), format!("{again:?}"), "restored refuses alike");
            return Err(refusal);
        }
        assert_eq!(picture(room), before, "a dropped step never happened");

        // The save fails, or is lost and nobody knows.
        for (fate, told) in
            [(Fate::Fails, SaveError::Failed), (Fate::LostUnknown, SaveError::Unknown)]
        {
            let tried = step(room, &env)?;
            if !tried.changes().is_empty() {
                store.set_fate(fate);
                assert_eq!(store.save(ID, tried.changes()), Err(told));
            }
            drop(tried);
            store.set_fate(Fate::Lands);
            assert_eq!(picture(room), before);
            assert_eq!(*store, before_store, "nothing landed");
            *room = stored(store);
            assert_eq!(picture(room), before);
        }

        // The save lands and nobody knows; a second owner loses.
        let tried = step(room, &env)?;
        let changes = tried.changes().clone();
        if changes.is_empty() {
            assert_eq!(changes.base, changes.next, "nothing to save, nothing to count");
        } else {
            assert_eq!(changes.next, Revision(changes.base.0 + 1));
            store.set_fate(Fate::LandsUnknown);
            assert_eq!(store.save(ID, &changes), Err(SaveError::Unknown));
            assert!(matches!(store.save(ID, &changes), Err(SaveError::Stale { .. })));
        }
        let Outcome { reply, actions: asked } = tried.apply();
        if room.is_over() {
            self.check_tombstone();
            return Ok(reply);
        }
        let mut restored = stored(store);
        assert_eq!(picture(&restored), picture(room), "saved and not applied: restored is live");

        // Applied and not sent: the records owe the same.
        for Action::Notify { provider, events } in &asked {
            assert!(restored.ready().any(|(whom, what)| whom == provider && what == *events));
            for event in events.clone() {
                assert!(store.read(ID, &Event::key(event)).is_some(), "its body is stored");
            }
        }
        if changes.next.0 % 2 == 0 {
            std::mem::swap(room, &mut restored);
        }
        *actions = asked;
        Ok(reply)
    }

    /// Plays one step without a drill, and gives what it saved.
    pub(crate) fn play<R, E>(
        &mut self,
        step: impl for<'m> FnOnce(
            &'m mut Room,
            &Env<'_, RustCrypto, Keys>,
        ) -> Result<Step<'m, Room, R>, E>,
    ) -> Result<(R, Changes), E> {
        let env = Env { now: self.now, crypto: &self.crypto, keys: &self.keys };
        let step = step(&mut self.room, &env)?;
        let changes = step.changes().clone();
        self.store.save(ID, &changes).unwrap();
        Ok((step.apply().reply, changes))
    }

    /// An update. After a success the reply is lost, and the request comes again.
    pub(crate) fn update(
        &mut self,
        peer: &Peer,
        body: &[u8],
    ) -> Result<UpdateRoomResponse, hub::UpdateRefusal> {
        let first = self
            .drill(|room, env| room.update(env, peer, body))
            .map_err(|refusal| refusal.reason)?;
        let asked = std::mem::take(&mut self.actions);
        let again = self.drill(|room, env| room.update(env, peer, body));
        assert_eq!(again.as_ref(), Ok(&first), "the same bytes get the first answer");
        assert_eq!(self.actions, [], "and nobody is told again");
        self.actions = asked;
        Ok(first)
    }

    pub(crate) fn submit(
        &mut self,
        peer: &Peer,
        body: &[u8],
    ) -> Result<SubmitMessageResponse, hub::SubmitRefusal> {
        let first = self
            .drill(|room, env| room.submit_message(env, peer, body))
            .map_err(|refusal| refusal.reason)?;
        let asked = std::mem::take(&mut self.actions);
        let again = self.drill(|room, env| room.submit_message(env, peer, body));
        assert_eq!(again.as_ref(), Ok(&first), "the same bytes get the first answer");
        self.actions = asked;
        Ok(first)
    }

    pub(crate) fn propose(&mut self, proposals: &[Proposal]) -> Result<(), hub::ProposeRefusal> {
        self.drill(|room, env| room.propose(env, proposals)).map_err(|refusal| refusal.reason)
    }

    /// What a client asks the GroupInfo with, and the key that opens the answer.
    pub(crate) fn group_info_request(&self, client: &Client) -> (GroupInfoRequest, Vec<u8>) {
        // Every request has a key of its own, so that none is a repetition.
        let seed = [client.user.as_bytes(), &self.now.0.to_be_bytes()].concat();
        let keys = self.crypto.derive_hpke_keypair(SUITE.hpke_config(), &seed).unwrap();
        let mut request = GroupInfoRequest {
            cipher_suite: CipherSuite::from(SUITE),
            requesting_signature_key: client.signer.to_public_vec(),
            requesting_credential: client.credential().credential,
            group_info_public_key: keys.public,
            joining_code: None,
            signature: Vec::new(),
        };
        request.sign(&client.signer).unwrap();
        (request, keys.private.to_vec())
    }

    /// Gets the GroupInfo as a joiner does.
    pub(crate) fn group_info(
        &mut self,
        client: &Client,
    ) -> Result<GroupInfoRatchetTree, hub::GroupInfoRefusal> {
        self.group_info_by(client, None)
    }

    /// The same with a joining code.
    pub(crate) fn group_info_by(
        &mut self,
        client: &Client,
        code: Option<&[u8]>,
    ) -> Result<GroupInfoRatchetTree, hub::GroupInfoRefusal> {
        let (mut request, private) = self.group_info_request(client);
        request.joining_code = code.map(<[u8]>::to_vec);
        request.sign(&client.signer).unwrap();
        let (peer, body) = (client.peer(), request.encode());
        let response = self
            .drill(|room, env| room.group_info(env, &peer, &body))
            .map_err(|refusal| refusal.reason)?;
        Ok(self.open(response, &private))
    }

    /// What a joiner finds in the answer.
    pub(crate) fn open(&self, response: GroupInfoResponse, private: &[u8]) -> GroupInfoRatchetTree {
        let GroupInfoAnswer::Success(sealed) = response.answer else { panic!("no success") };
        let room = self.room.uri();
        assert!(sealed.verify(&self.crypto, room), "P-187: signed by the hub");
        assert_eq!(sealed.hub_sender.signature_key, self.offer.signature_key, "Q-32");
        let opened =
            GroupInfoRatchetTree::open(&self.crypto, SUITE, private, room, &sealed.encrypted);
        opened.unwrap()
    }

    /// What a provider is owed, as the body of a notification.
    pub(crate) fn notification(&self, provider: &Domain) -> Option<(Vec<u8>, u64)> {
        let (_, events) = self.room.backlog().find(|(whom, _)| *whom == provider)?;
        let records: Vec<&[u8]> = events.clone().map(|event| self.body(event).unwrap()).collect();
        Some((Event::notification(provider, records).unwrap(), events.end - 1))
    }

    pub(crate) fn acknowledge(&mut self, provider: &Domain, through: u64) {
        let done: Result<(), ()> =
            self.drill(|room, env| Ok(room.acknowledged(env, provider, through)));
        done.unwrap();
    }

    pub(crate) fn timeout(&mut self) {
        let done: Result<(), ()> = self.drill(|room, env| Ok(room.timeout(env)));
        done.unwrap();
    }
}

/// A hub at `a.example`, and clients of all providers.
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) clients: Vec<Client>,
}

impl World {
    /// Alice's first client has created the room.
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), Preset::Cooperative)
    }

    pub(crate) fn with(limits: Limits, preset: Preset) -> Self {
        Self::listing(limits, preset, &[])
    }

    /// Alice's first client has created the room, and others are listed in it already.
    pub(crate) fn listing(limits: Limits, preset: Preset, others: &[UserUri]) -> Self {
        Self::founded(limits, |room, creator| preset.room(room, creator, others))
    }

    /// Alice's first client has created the room from these components.
    pub(crate) fn founded(
        limits: Limits,
        policy: impl FnOnce(&RoomUri, &UserUri) -> Components,
    ) -> Self {
        Self::founded_in(limits, policy, extensions_of)
    }

    /// The same, in a group with these extensions.
    pub(crate) fn founded_in(
        limits: Limits,
        policy: impl FnOnce(&RoomUri, &UserUri) -> Components,
        extensions: impl FnOnce(&Offer) -> Vec<Extension>,
    ) -> Self {
        Self::founded_within(limits, policy, extensions, None)
    }

    /// A cooperative room whose group has its ratchet trees from this domain (T-006).
    pub(crate) fn with_trees_from(host: &str) -> Self {
        let domains = RatchetTreeSourceDomains(vec![domain(host)]).encode();
        let policy = |room: &_, creator: &_| Preset::Cooperative.room(room, creator, &[]);
        Self::founded_in(Limits::default(), policy, |offer| {
            extensions_with(offer, Some((RatchetTreeSourceDomains::EXTENSION, domains)))
        })
    }

    /// The same, dependent on a room of these participants.
    pub(crate) fn founded_within(
        limits: Limits,
        policy: impl FnOnce(&RoomUri, &UserUri) -> Components,
        extensions: impl FnOnce(&Offer) -> Vec<Extension>,
        parent: Option<&ParticipantList>,
    ) -> Self {
        let crypto = RustCrypto::default();
        let (public, signer) = signing_key();
        let keys = Keys::new(public, signer, [42; 32]);
        let mut alice = Client::new("alice@a.example/phone");
        let uri = RoomUri::parse("mimi://a.example/r/clubhouse").unwrap();
        let env = Env { now: START, crypto: &crypto, keys: &keys };
        let policy = policy(&uri, &alice.user);
        let wish = Wish { room: uri, creator: alice.user.clone(), ciphersuite: SUITE, policy };
        let offer = hub::offer(&env, &wish).unwrap();
        alice.create(&offer.group, extensions(&offer));
        let (info, tree) = (alice.group_info(), alice.ratchet_tree());

        // Dropped: nothing is left. Then for good.
        let create = || Room::create_within(&env, &offer, &info, &tree, parent, &limits).unwrap();
        drop(create());
        let founding = create();
        assert_eq!(founding.changes().base, Revision::NONE);
        let mut store = MemoryStore::new();
        store.save(ID, founding.changes()).unwrap();
        let (room, outcome) = founding.apply();
        let actions = outcome.actions;
        let hub = Hub { room, store, keys, crypto, now: START, limits, offer, actions };
        Self { hub, clients: vec![alice] }
    }

    pub(crate) fn client(&mut self, name: &str) -> &mut Client {
        let (whom, device) = name.split_once('/').unwrap_or((name, "phone"));
        let user = user(if whom.contains('@') { whom } else { "alice@a.example" });
        let ending = format!("-{device}");
        self.clients
            .iter_mut()
            .find(|it| it.user == user && it.uri.as_str().ends_with(&ending))
            .unwrap()
    }

    /// A second passes.
    pub(crate) fn tick(&mut self) {
        self.hub.now = self.hub.now.plus(1_000);
    }

    /// Everybody gets what is owed, once and in order.
    pub(crate) fn deliver(&mut self) -> Vec<(Domain, Vec<FanoutMessage>)> {
        let owed: BTreeSet<Domain> =
            self.hub.room.backlog().map(|(provider, _)| provider.clone()).collect();
        let mut delivered = Vec::new();
        for provider in owed {
            let (body, through) = self.hub.notification(&provider).unwrap();
            let messages = notify::decode_all(&body).unwrap();
            let theirs = self.clients.iter_mut().filter(|it| it.user.domain() == provider);
            for client in theirs {
                messages.iter().for_each(|message| client.receive(message));
            }
            self.hub.acknowledge(&provider, through);
            delivered.push((provider, messages));
        }
        assert_eq!(self.hub.room.backlog().count(), 0);
        self.check();
        delivered
    }

    /// Hub and members of the current epoch have the same group.
    pub(crate) fn check(&self) {
        self.hub.check();
        for client in self.clients.iter().filter(|it| it.is_member()) {
            assert_eq!(client.group_context(), self.hub.room.group_context());
        }
    }

    /// A commit of this client is accepted and reaches all.
    pub(crate) fn committed(&mut self, name: &str, bundle: &super::Bundle) {
        self.tick();
        let peer = self.client(name).peer();
        let response = self.hub.update(&peer, &bundle.body()).unwrap();
        assert!(matches!(response.outcome, UpdateOutcome::Success { .. }));
        self.deliver();
    }

    /// Proposals of this client are accepted and reach all.
    pub(crate) fn proposed(&mut self, name: &str, body: &[u8]) {
        self.tick();
        let peer = self.client(name).peer();
        self.hub.update(&peer, body).unwrap();
        self.deliver();
    }

    /// Somebody adds a new user's client and its entry in the list, or another client of a user who is listed.
    pub(crate) fn add(&mut self, by: &str, name: &str, role: u32) {
        let new = Client::new(name);
        let key_package = new.key_package();
        let listed = self.hub.room.effective().participants().find(&new.user).is_some();
        let mut proposals = Vec::new();
        if !listed {
            let added = vec![(new.user.clone().into(), openmimi::policy::RoleIndex(role))];
            proposals.push(super::list_update(&openmimi::room::ParticipantListUpdate {
                added,
                ..Default::default()
            }));
        }
        proposals.push(super::add(key_package));
        self.clients.push(new);
        let bundle = self.client(by).commit(proposals);
        self.committed(by, &bundle);
        assert!(self.client(name).is_member(), "{name} has joined by the Welcome");
    }

    /// Alice, Bob of b.example and Cathy of c.example.
    pub(crate) fn clubhouse() -> Self {
        let mut world = Self::new();
        world.add("alice@a.example", "bob@b.example/phone", 2);
        world.add("bob@b.example", "cathy@c.example/phone", 2);
        world
    }
}
