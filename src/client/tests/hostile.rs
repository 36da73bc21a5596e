//! What nobody makes with this library, and a lying hub lets through: commits, proposals, messages, joins and Welcomes
//! that are properly signed, of clients that ask no policy; and how honest clients take them.

use openmls::{
    credentials::BasicCredential,
    extensions::{AppDataDictionary, AppDataDictionaryExtension, Extension, Extensions},
    group::{AppDataDictionaryUpdater, AppDataUpdates, GroupId, Propose},
    messages::proposals::{AppDataUpdateProposal, Proposal},
    prelude::{ExternalSender, LeafNodeIndex},
};

use super::*;
use crate::{
    client::{
        commit,
        create::{credential, untuned},
        leaf::Words,
        member::{Entrance, Genesis, Member, Plan, Tuning},
    },
    delivery::{self, ExternalProposal, context::Context},
    room::ParticipantListUpdate,
    wire::Welcome,
};

/// The octets of the MLSMessage in a commit's update.
pub(super) fn commit_in(body: &[u8]) -> PublicMessage {
    match UpdateRequest::decode(body).unwrap().bundle {
        HandshakeBundle::Commit { commit, .. } => commit,
        HandshakeBundle::Proposals { .. } => panic!("a commit"),
    }
}

pub(super) fn fan_out(commit: PublicMessage) -> FanoutMessage {
    let event = FanoutEvent::Commit { commit, external_proposals: Vec::new() };
    FanoutMessage { timestamp: Timestamp(1_700_000_000_500), event }
}

pub(super) fn take(client: &mut Client, message: &FanoutMessage) -> Result<Received, Refusal> {
    client.act(|room, env| room.receive(env, message))
}

pub(super) fn leaf_of(client: &Client, name: &str) -> LeafNodeIndex {
    let leaves = &client.room().state.epoch.leaves;
    let leaf = leaves.iter().find(|(_, of)| **of == user(name)).unwrap().0;
    LeafNodeIndex::new(*leaf)
}

pub(super) fn list(update: &ParticipantListUpdate) -> Proposal {
    let id = ComponentId::PARTICIPANT_LIST.0;
    Proposal::AppDataUpdate(Box::new(AppDataUpdateProposal::update(id, update.encode())))
}

pub(super) fn place(client: &Client, name: &str) -> u32 {
    client.room().committed().participants().find(user(name)).unwrap().place
}

/// A commit of a client that asks no policy.
pub(super) fn hostile_commit(client: &mut Client, plan: Plan) -> FanoutMessage {
    let committed = std::sync::Arc::clone(&client.room().state.epoch.committed);
    hostile_commit_with(client, plan, |proposals, updater| {
        commit::fold(&committed, proposals, updater)
    })
}

/// The same of a client that makes of the components what it likes.
pub(super) fn hostile_commit_with(
    client: &mut Client,
    plan: Plan,
    fold: impl FnOnce(&[AppDataUpdateProposal], AppDataDictionaryUpdater<'_>) -> Option<AppDataUpdates>,
) -> FanoutMessage {
    let key = client.device.signature_key().to_vec();
    let Client { room, crypto, keys, .. } = client;
    let room = room.as_mut().unwrap();
    let signer = keys.require(&key).unwrap();
    let bundle = room.member.commit(crypto, &signer, plan, fold).unwrap();
    let (body, _) = commit::request(&bundle).unwrap();
    room.member.rollback();
    fan_out(commit_in(&body))
}

/// An application message of a client that encrypts what it likes.
pub(super) fn hostile_message(
    client: &mut Client,
    tag: Option<[u8; 32]>,
    data: &[u8],
) -> FanoutMessage {
    let tag = tag.as_ref().map(|tag| (ComponentId::FRANK_AAD.0, tag.as_slice()));
    hostile_message_beside(client, tag.as_slice(), data)
}

/// The same with anything beside it.
pub(super) fn hostile_message_beside(
    client: &mut Client,
    items: &[(u16, &[u8])],
    data: &[u8],
) -> FanoutMessage {
    let key = client.device.signature_key().to_vec();
    let Client { room, crypto, keys, .. } = client;
    let signer = keys.require(&key).unwrap();
    let member = &mut room.as_mut().unwrap().member;
    let message = member.encrypt_beside(crypto, &signer, items, data);
    let octets = message.tls_serialize_detached().unwrap();
    let message = crate::wire::PrivateMessage::decode(&octets).unwrap();
    let event = FanoutEvent::Application { message, frank: None };
    FanoutMessage { timestamp: Timestamp(1_700_000_000_500), event }
}

/// Content with its right tag, however it is framed in `data`.
pub(super) fn hostile_content(client: &mut Client, content: &[u8], data: &[u8]) -> FanoutMessage {
    let salt = crate::content::Message::decode(content).unwrap().salt();
    hostile_message(client, Some(franking::tag(&salt.0, data).0), data)
}

/// A proposal of the hub, or of whoever signs.
pub(super) fn external(
    client: &Client,
    signer: &SignatureKeyPair,
    proposal: &ExternalProposal,
) -> FanoutMessage {
    let group = client.room().member.group().unwrap();
    let context = group.public_group().group_context().tls_serialize_detached().unwrap();
    let context = Context::decode(&context).unwrap();
    let message = delivery::external::frame(&context, signer, 0, proposal).unwrap();
    let first = PublicMessage::decode(&message).unwrap();
    let event = FanoutEvent::Proposals { first, more: Vec::new() };
    FanoutMessage { timestamp: Timestamp(1_700_000_000_500), event }
}

/// A proposal of a client that asks no policy.
pub(super) fn hostile_proposal(client: &mut Client, propose: Propose) -> FanoutMessage {
    let key = client.device.signature_key().to_vec();
    let Client { room, crypto, keys, .. } = client;
    let signer = keys.require(&key).unwrap();
    let member = &mut room.as_mut().unwrap().member;
    let (message, _) = member.propose(crypto, &signer, propose).unwrap();
    member.rollback();
    let first = PublicMessage::decode(&message.tls_serialize_detached().unwrap()).unwrap();
    let event = FanoutEvent::Proposals { first, more: Vec::new() };
    FanoutMessage { timestamp: Timestamp(1_700_000_000_500), event }
}

/// Joins from outside without asking the policy.
pub(super) fn hostile_join(
    hub: &Hub,
    alice: &Client,
    name: &str,
    update: Option<ParticipantListUpdate>,
) -> FanoutMessage {
    join_with_key(hub, alice, &Client::new(name, "mole", Crash::Never), name, update)
}

/// The same with a leaf that says something else.
pub(super) fn hostile_join_as(
    hub: &Hub,
    alice: &Client,
    name: &str,
    update: Option<ParticipantListUpdate>,
    say: impl FnOnce(&mut Words),
) -> FanoutMessage {
    let joiner = Client::new(name, "mole", Crash::Never);
    let mut words = Words::new(CS, &joiner.crypto);
    say(&mut words);
    join_with(hub, alice, &joiner, name, (update, words))
}

/// The same with the keys of a client that may be another user's.
pub(super) fn join_with_key(
    hub: &Hub,
    alice: &Client,
    joiner: &Client,
    name: &str,
    update: Option<ParticipantListUpdate>,
) -> FanoutMessage {
    join_with(hub, alice, joiner, name, (update, Words::new(CS, &joiner.crypto)))
}

fn join_with(
    hub: &Hub,
    alice: &Client,
    joiner: &Client,
    name: &str,
    (update, words): (Option<ParticipantListUpdate>, Words),
) -> FanoutMessage {
    let key = joiner.device.signature_key().to_vec();
    let signer = joiner.keys.require(&key).unwrap();
    let id = ComponentId::PARTICIPANT_LIST.0;
    let entrance = Entrance {
        credential: credential(&user(name), &key),
        group_info: GroupInfo::decode(&hub.group_info).unwrap().to_openmls().unwrap(),
        tree: alice.tree().to_openmls(),
        self_removes: Vec::new(),
        update: update.map(|update| AppDataUpdateProposal::update(id, update.encode())),
        words,
    };
    let committed = std::sync::Arc::clone(&alice.room().state.epoch.committed);
    let fold = |proposals: &[AppDataUpdateProposal],
                updater: openmls::group::AppDataDictionaryUpdater<'_>| {
        commit::fold(&committed, proposals, updater)
    };
    let tuning = Tuning { past_epochs: 2, padding: 0, skip_ahead: 1000 };
    let (_, bundle) =
        Member::join_external(&joiner.crypto, &signer, entrance, fold, tuning).unwrap();
    let (body, _) = commit::request(&bundle).unwrap();
    fan_out(commit_in(&body))
}

/// A Welcome to the first epoch of a group that somebody makes of the hub's offer without asking the policy, with one
/// more extension; and the group's tree. The guest's KeyPackage is its own device's.
pub(super) fn hostile_welcome(
    hub: &Hub,
    extension: Option<Extension>,
    guest: &mut Client,
) -> (Welcome, RatchetTree) {
    let host = Client::new("alice", "phone", Crash::Never);
    let key = host.device.signature_key();
    let signer = host.keys.require(key).unwrap();
    let mut dictionary = AppDataDictionary::new();
    for (id, data) in hub.offer.components().iter() {
        dictionary.insert(id.0, data.to_vec());
    }
    let provider = BasicCredential::new(hub.offer.provider.as_bytes().to_vec());
    let sender = ExternalSender::new(hub.offer.signature_key.as_slice().into(), provider.into());
    let mut extensions = vec![Extension::ExternalSenders(vec![sender])];
    extensions.extend(extension);
    // openmls has it last.
    extensions.push(Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary)));
    let genesis = Genesis {
        credential: credential(&user("alice"), key),
        id: GroupId::from_slice(hub.offer.group.as_bytes()),
        ciphersuite: CS,
        lifetime: LIFETIME,
        extensions: Extensions::from_vec(extensions).unwrap(),
    };
    let mut member = Member::create(&host.crypto, &signer, genesis, untuned()).unwrap();
    let plan = Plan { adds: vec![guest.added()], ..Plan::default() };
    let commit = member.commit(&host.crypto, &signer, plan, |_, _| None).unwrap();
    let (body, _) = commit::request(&commit).unwrap();
    let HandshakeBundle::Commit { welcome, .. } = UpdateRequest::decode(&body).unwrap().bundle
    else {
        panic!("a commit")
    };
    member.merge_own(&host.crypto).unwrap();
    let tree = member.group().unwrap().export_ratchet_tree();
    let tree = RatchetTree::decode(&tree.tls_serialize_detached().unwrap()).unwrap();
    (welcome.unwrap(), tree)
}

impl Client {
    /// A KeyPackage of its own, to be added by.
    pub(super) fn added(&mut self) -> openmls::key_packages::KeyPackage {
        let key_package = self.key_package().to_openmls();
        key_package.validate(&self.crypto, openmls::versions::ProtocolVersion::Mls10).unwrap()
    }

    /// What it makes of a Welcome to the room.
    pub(super) fn invited(
        &self,
        welcome: &Welcome,
        ratchet_tree: RatchetTreeOption,
    ) -> Result<Founding<Room, ()>, Refusal> {
        let lent = self.device.lend(welcome).unwrap();
        let event = FanoutEvent::Welcome { welcome: welcome.clone(), ratchet_tree };
        let message = FanoutMessage { timestamp: Timestamp(1), event };
        Room::join(&self.env(), &lent, &room_uri(), &message, &Limits::default())
    }
}

pub(super) fn forked(client: &mut Client, evidence: Evidence) {
    let events = client.events();
    let Some(Event::Forked { evidence: found, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(*found, evidence);
    assert!(client.room().is_forked());
    assert!(matches!(client.say("nothing is sent any more"), Err(Refusal::Closed)));
    assert_eq!(client.room().outbox().count(), 0);
}

/// The client does not follow, and says why.
#[track_caller]
pub(super) fn not_followed(client: &mut Client, commit: &FanoutMessage, evidence: Evidence) {
    let before = (client.room().epoch(), summary(client.room().committed()));
    take(client, commit).unwrap();
    assert_eq!((client.room().epoch(), summary(client.room().committed())), before);
    forked(client, evidence);
}
