//! The list of external senders, kept to the providers that are present. Every step is a crash drill, see
//! `kit::Hub::drill`.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::Wire,
    delivery::{CommitRefusal, ProposalFault, ProposalRefusal},
    env::Limits,
    hub::{Keys, Proposal, ProposeRefusal, UpdateRefusal},
    policy::{Reason, Role, RoleIndex, Roles, presets::Preset},
    room::{ComponentId, ParticipantList},
    wire::{FanoutEvent, KeyMaterialHead, KeyMaterialRequest, PublicMessage},
};
use openmls::prelude::Proposal as MlsProposal;

use crate::kit::*;

fn take_keys(world: &mut World, change: impl FnOnce(Keys) -> Keys) {
    world.hub.keys = change(std::mem::take(&mut world.hub.keys));
}

/// The names in the list of external senders of the committed epoch.
fn senders(world: &mut World) -> Vec<String> {
    let group = world.client("alice").mls();
    let senders = group.extensions().external_senders().unwrap();
    let octets: Vec<u8> = senders.iter().flat_map(tls).collect();
    let mut reader = openmimi::codec::Reader::new(&octets);
    let mut names = Vec::new();
    while !reader.is_empty() {
        reader.bytes("signature_key").unwrap();
        assert_eq!(reader.u16("credential_type").unwrap(), 1);
        names.push(reader.text("identity").unwrap().to_owned());
    }
    let at_hub = world.hub.room.external_senders().map(|(provider, _)| provider.to_string());
    assert_eq!(at_hub.collect::<Vec<_>>(), names, "the hub knows what the members have");
    names
}

/// Q-47, P-280, P-281, D-29, D-31: a provider becomes an external sender with its first participant, and is none any
/// more, at once, when its last one is gone.
#[test]
fn q_47_external_senders_are_the_providers_that_are_present() {
    let mut world = World::new();
    let mut bobs = Client::new("bob@b.example/server");
    take_keys(&mut world, |keys| {
        keys.with_peer(domain("b.example"), bobs.signer.to_public_vec())
            .with_peer(domain("z.example"), vec![1; 32])
    });
    world.add("alice", "bob@b.example/phone", 2);
    assert_eq!(world.hub.room.pending(), 1, "the first proposal of the new epoch");
    assert_eq!(senders(&mut world), ["mimi://a.example"], "P-282: not before it is committed");
    // Obligatory, and anybody can commit it: the one who has just joined got it behind its Welcome.
    let client = world.client("alice");
    client.forget_proposals();
    let without = client.update_path();
    client.forget_commit();
    let peer = client.peer();
    let refusal = world.hub.update(&peer, &without.body()).unwrap_err();
    assert!(matches!(refusal, UpdateRefusal::Commit(CommitRefusal::Missing(_))));
    let bundle = world.client("bob@b.example").commit(Vec::new());
    let b = server("b.example");
    world.tick();
    world.hub.update(&b, &bundle.body()).unwrap();
    assert_eq!(world.hub.room.pending(), 0);
    world.client("bob@b.example").merge_own();
    // Alice has thrown the proposal away above, and comes back from outside.
    world.clients.remove(0);
    let mut alice = Client::new("alice@a.example/phone");
    let given = world.hub.group_info(&alice).unwrap();
    let bundle = alice.enter(&given, None);
    world.clients.insert(0, alice);
    world.committed("alice", &bundle);
    assert_eq!(senders(&mut world), ["mimi://a.example", "mimi://b.example"]);
    let keys: Vec<_> = world.hub.room.external_senders().map(|(_, key)| key).collect();
    assert_eq!(keys[1], bobs.signer.public());

    // It may propose by its own index only, and only what its role lets it: none, so nothing.
    let lost = MlsProposal::clone(&remove(world.client("bob@b.example").leaf()));
    let mut propose = |world: &mut World, index: u32, from: &str| {
        let client = world.client("bob@b.example");
        std::mem::swap(&mut client.signer, &mut bobs.signer);
        let forged = Forge::of_server(client, index, &tls(&lost));
        let body = client.proposals_body(vec![forged]);
        std::mem::swap(&mut client.signer, &mut bobs.signer);
        world.hub.update(&server(from), &body).unwrap_err()
    };
    let denied = |refusal: UpdateRefusal| match refusal {
        UpdateRefusal::Denied { denied, .. } => denied.reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(denied(propose(&mut world, 1, "b.example")), Reason::Outsider);
    assert_eq!(propose(&mut world, 1, "c.example"), UpdateRefusal::Peer, "D-29");
    let UpdateRefusal::Proposals(ProposalRefusal::Refused(faults)) =
        propose(&mut world, 0, "a.example")
    else {
        panic!("the hub's entry has another key")
    };
    assert_eq!(faults[0].fault, ProposalFault::Signature);

    // Its last user leaves: refused from now on, though still in the list.
    let leave = world.client("bob@b.example").leave();
    world.proposed("bob@b.example", &leave);
    assert_eq!(propose(&mut world, 1, "b.example"), UpdateRefusal::Blocked);
    committed(&mut world, "alice");
    assert_eq!(senders(&mut world), ["mimi://a.example", "mimi://b.example"]);
    assert_eq!(world.hub.room.pending(), 1, "due in the next epoch");
    committed(&mut world, "alice");
    assert_eq!(senders(&mut world), ["mimi://a.example"]);
    assert_eq!(world.hub.room.pending(), 0);
}

/// after an external commit the list of senders is the first of the staples.
#[test]
fn q_47_the_list_is_stapled_to_an_external_commit() {
    let mut world = World::clubhouse();
    let laptop = Client::new("alice@a.example/laptop");
    take_keys(&mut world, |keys| keys.with_peer(domain("c.example"), vec![1; 32]));
    world.hub.propose(&[Proposal::Ban(user("bob@b.example"))]).unwrap();
    world.deliver();
    let given = world.hub.group_info(&laptop).unwrap();
    world.clients.push(laptop);
    let bundle = world.client("alice@a.example/laptop").enter(&given, None);
    let peer = world.client("alice@a.example/laptop").peer();
    world.tick();
    world.hub.update(&peer, &bundle.body()).unwrap();
    assert_eq!(world.hub.room.pending(), 3);
    for (_, messages) in world.deliver() {
        let FanoutEvent::Commit { external_proposals, .. } = &messages[0].event else { panic!() };
        let kinds: Vec<u16> = external_proposals.iter().map(proposal_type).collect();
        assert_eq!(kinds, [7, 8, 3], "the list of senders, the ban, the Remove");
    }
    committed(&mut world, "alice@a.example/laptop");
    assert_eq!(senders(&mut world), ["mimi://a.example", "mimi://c.example"]);
    assert_eq!(world.hub.room.committed().role(user("bob@b.example")), RoleIndex::BANNED);
}

/// The type of a standalone proposal of an external sender.
fn proposal_type(message: &PublicMessage) -> u16 {
    let mut reader = openmimi::codec::Reader::new(message.as_bytes());
    reader.take("version and wire format", 4).unwrap();
    reader.bytes("group_id").unwrap();
    reader.take("epoch, sender", 13).unwrap();
    reader.bytes("authenticated_data").unwrap();
    reader.u8("content_type").unwrap();
    reader.u16("proposal_type").unwrap()
}

/// who is banned has role 1 and that is named "banned". Under another name it is a role like any other: the hub
/// bans nobody there, and who has it takes part, as does its provider.
#[test]
fn r_134_role_1_under_another_name_is_a_role_like_any_other() {
    let mut world = World::founded(Limits::default(), |room, creator| {
        let mut components = Preset::Cooperative.room(room, creator, &[]);
        let mut roles: Vec<_> = Preset::Cooperative.roles().iter().cloned().collect();
        let ordinary = roles[2].clone();
        roles[1] = Role { index: RoleIndex(1), name: "guest".into(), ..ordinary };
        components.insert(ComponentId::ROLES_LIST, Roles::new(roles).unwrap().encode());
        components
    });
    take_keys(&mut world, |keys| keys.with_peer(domain("b.example"), vec![1; 32]));
    world.add("alice", "bob@b.example/phone", 1);
    let bob = user("bob@b.example");
    assert_eq!(world.hub.room.committed().role(&bob), RoleIndex(1));
    committed(&mut world, "bob@b.example");
    assert_eq!(senders(&mut world), ["mimi://a.example", "mimi://b.example"]);

    let refusal = world.hub.propose(&[Proposal::Ban(bob.clone())]).unwrap_err();
    let ProposeRefusal::Refused(UpdateRefusal::Denied { denied, .. }) = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!((denied.rule, &denied.reason), ("R-134", &Reason::NotBanned));
    let claim = KeyMaterialRequest::Other {
        protocol: 2,
        head: KeyMaterialHead {
            requesting_user: bob.clone(),
            target_user: user("dave@d.example"),
            room: Some(world.hub.room.uri().clone()),
        },
        rest: Vec::new(),
    };
    world.hub.room.may_claim_keys(&server("b.example"), &claim).unwrap();
    world.hub.room.know_parent(
        &ParticipantList::of([(user("alice@a.example").into(), RoleIndex(2))]).unwrap(),
    );
    assert_eq!(world.hub.room.orphans(), [bob]);
}
