//! More forgeries at the hub: every reason for which the delivery service refuses a commit that a peer can give it, and
//! what is hidden among what is allowed.
//!
//! Of [`CommitRefusal`] four reasons are out of a peer's reach: the update endpoint reads nothing but PublicMessages
//! that hold a commit or proposals (`WireFormat`, `ContentType`, `Malformed`), and the hub itself computes the
//! components that a commit leads to (`Components`). `src/delivery/tests/commits.rs` shows them.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::{write_bytes, write_within},
    delivery::{CommitRefusal, Conflict, LeafFault, ProposalFault, ProposalRefusal},
    env::Peer,
    hub::{Answer, Keys, UpdateRefusal},
    policy::{Reason, RoleIndex},
    room::{ComponentId, ParticipantListUpdate},
    wire::{HttpsUrl, RatchetTreeOption, UpdateOutcome},
};
use openmls::prelude::{BasicCredential, LeafNodeParameters, Proposal as MlsProposal};

use crate::kit::*;

/// What is refused changes nothing; the answer is `notAllowed`, or `invalidProposal` if that is said.
#[track_caller]
fn refused(world: &mut World, peer: &Peer, body: &[u8], invalid: bool) -> UpdateRefusal {
    let records = world.hub.records();
    let refusal = world.hub.update(peer, body).expect_err("it is forged");
    assert_eq!(world.hub.records(), records);
    let Answer::Response(response) = refusal.answer() else { panic!("{refusal:?}") };
    match response.outcome {
        UpdateOutcome::NotAllowed => assert!(!invalid, "{refusal:?}"),
        UpdateOutcome::InvalidProposal(_) => assert!(invalid, "{refusal:?}"),
        other => panic!("{other:?}"),
    }
    refusal
}

/// Why a commit by Bob is refused, with the rest of an honest bundle around it.
#[track_caller]
fn refusal_of(world: &mut World, honest: &Bundle, commit: Vec<u8>) -> CommitRefusal {
    let body = honest.with_commit(commit).body();
    match refused(world, &server("b.example"), &body, false) {
        UpdateRefusal::Commit(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn denied(refusal: UpdateRefusal) -> Reason {
    match refusal {
        UpdateRefusal::Denied { denied, .. } => denied.reason,
        other => panic!("{other:?}"),
    }
}

/// The room goes on with an honest commit.
#[track_caller]
fn goes_on(world: &mut World) {
    world.clients.iter_mut().filter(|it| it.is_member()).for_each(Client::forget_commit);
    let bundle = world.client("alice").commit(Vec::new());
    world.committed("alice", &bundle);
}

/// D-51: all that can be told of a commit without the group's secrets is told by the hub.
#[test]
fn d_51_each_reason_to_refuse_a_commit_is_reached() {
    let mut world = World::clubhouse();
    world.add("bob@b.example", "bob@b.example/laptop", 2);
    // An update path that nobody has taken, of an epoch that is over.
    let stale = world.client("bob@b.example").update_path();
    world.client("bob@b.example").forget_commit();
    let bundle = world.client("alice").update_path();
    world.committed("alice", &bundle);

    let laptop = world.client("bob@b.example/laptop").signer_copy();
    let bob = world.client("bob@b.example");
    let honest = bob.update_path();
    bob.forget_commit();
    let context = bob.group_context();
    let group = bob.mls().group_id().as_slice().to_vec();
    let epoch = bob.epoch();
    let leaf = bob.leaf();
    let alices = by_value(&remove(0));
    let known: Vec<u16> = ComponentId::KNOWN.iter().map(|id| id.0).collect();
    let ignorant: Vec<u16> =
        known.iter().copied().filter(|id| *id != ComponentId::ROLES_LIST.0).collect();
    let other_name = BasicCredential::new(user("ben@b.example").as_bytes().to_vec());
    let other_name = openmls::prelude::CredentialWithKey {
        credential: other_name.into(),
        signature_key: bob.signer.public().into(),
    };
    let cases = [
        (
            "authenticated data that is no Safe AAD (E-050)",
            Forge::commit_as(bob, &context, &honest.commit, (1, leaf), b""),
            CommitRefusal::SafeAad,
        ),
        (
            "a sender who is not there",
            Forge::commit_as(bob, &context, &honest.commit, (1, 9), &[0]),
            CommitRefusal::Sender,
        ),
        ("a signature with a flipped bit", torn(&honest.commit), CommitRefusal::Signature),
        (
            "in the name of another client, with a leaf of its own",
            Forge::commit_as(bob, &context, &honest.commit, (1, leaf + 2), &[0]),
            CommitRefusal::Path(LeafFault::SignatureKey),
        ),
        (
            "no path where there must be one",
            Forge::pathless(bob, &context, &honest.commit, &[alices]),
            CommitRefusal::NoPath,
        ),
        (
            "nothing at all",
            Forge::pathless(bob, &context, &honest.commit, &[]),
            CommitRefusal::NoPath,
        ),
        (
            "the signature key of another member",
            bob.path_commit(LeafNodeParameters::builder().build(), Some(&laptop)),
            CommitRefusal::Path(LeafFault::SignatureKey),
        ),
        (
            "another user's name (D-54)",
            bob.path_commit(
                LeafNodeParameters::builder().with_credential_with_key(other_name).build(),
                None,
            ),
            CommitRefusal::Path(LeafFault::Credential),
        ),
        (
            "a leaf that knows less than it must (E-012, D-76)",
            bob.path_commit(Client::leaf_that_knows(&ignorant), None),
            CommitRefusal::Unsupported {
                leaf: openmimi::delivery::LeafIndex(leaf),
                component: ComponentId::ROLES_LIST.0,
            },
        ),
        (
            "a path through another tree",
            Forge::commit_for(bob, &group, epoch, &stale.commit),
            CommitRefusal::Engine,
        ),
    ];
    for (what, commit, expected) in cases {
        assert_eq!(refusal_of(&mut world, &honest, commit), expected, "{what}");
    }
    // A server does not commit, not even the hub (P-276).
    let bob = world.client("bob@b.example");
    let by_server = Forge::commit_as(bob, &[], &honest.commit, (2, 0), &[0]);
    let body = honest.with_commit(by_server).body();
    assert_eq!(refused(&mut world, &server("b.example"), &body, false), UpdateRefusal::Peer);
    let refusal = refused(&mut world, &server("a.example"), &body, false);
    assert_eq!(refusal, UpdateRefusal::Commit(CommitRefusal::Sender));
    goes_on(&mut world);
}

/// The same commit with another signature. Behind it stand the confirmation and the membership tag.
fn torn(commit: &[u8]) -> Vec<u8> {
    let mut torn = commit.to_vec();
    let place = torn.len() - 80;
    torn[place] ^= 1;
    torn
}

/// RFC 9420, section 7.3: an Update with the signature key of another member.
#[test]
fn d_51_an_update_takes_no_key_of_another_member() {
    let mut world = World::clubhouse();
    world.add("bob@b.example", "bob@b.example/laptop", 2);
    let laptop = world.client("bob@b.example/laptop").signer_copy();
    let bob = world.client("bob@b.example");
    let message = bob.update_with_key(&laptop);
    let body = bob.proposals_body(vec![message]);
    let refusal = refused(&mut world, &server("b.example"), &body, true);
    let UpdateRefusal::Proposals(ProposalRefusal::Refused(faults)) = &refusal else { panic!() };
    assert_eq!(faults[0].fault, ProposalFault::Leaf(LeafFault::SignatureKey));
    world.client("bob@b.example").forget_proposals();
    goes_on(&mut world);
}

/// A GroupContextExtensions proposal with this list of external senders, key and name of each, and all else as it is.
fn with_senders(client: &Client, senders: &[(Vec<u8>, &str)]) -> Vec<u8> {
    with_extensions(client, |kind, data| {
        if kind != 5 {
            return data;
        }
        let mut list = Vec::new();
        write_within(&mut list, |out| {
            for (key, name) in senders {
                write_bytes(out, key);
                out.extend(1u16.to_be_bytes());
                write_bytes(out, name.as_bytes());
            }
        });
        list
    })
}

/// Q-47, D-05: a member takes out servers that are gone and touches nothing else in the list: no second entry for the
/// hub with a key of its own, no other key for a server that takes part.
#[test]
fn q_47_a_member_brings_no_key_into_the_list_of_senders() {
    let mut world = World::new();
    let keys = std::mem::take(&mut world.hub.keys);
    world.hub.keys = Keys::with_peer(keys, domain("b.example"), vec![1; 32]);
    world.add("alice", "bob@b.example/phone", 2);
    let bundle = world.client("alice").commit(Vec::new());
    world.committed("alice", &bundle);
    let hub = (world.hub.offer.signature_key.clone(), "mimi://a.example");
    let peer = (vec![1; 32], "mimi://b.example");
    let bob = world.client("bob@b.example");
    let mine = bob.signer.to_public_vec();
    let lists = [
        vec![hub.clone(), peer.clone(), (mine.clone(), "mimi://a.example")],
        vec![hub.clone(), (mine.clone(), "mimi://b.example")],
        vec![hub.clone(), peer.clone(), (mine.clone(), "mimi://b.example")],
        vec![hub.clone(), peer.clone(), (mine, "mimi://c.example")],
        vec![hub],
    ];
    let honest = bob.update_path();
    bob.forget_commit();
    let context = bob.group_context();
    for list in lists {
        let bob = world.client("bob@b.example");
        let proposal = with_senders(bob, &list);
        let alone = Forge::proposal(bob, &proposal);
        let body = bob.proposals_body(vec![alone]);
        let reason = denied(refused(&mut world, &server("b.example"), &body, false));
        assert_eq!(reason, Reason::ExternalSenders, "{list:?}");
        let bob = world.client("bob@b.example");
        let by_value = [vec![1], proposal].concat();
        let commit = Forge::commit(bob, &context, &honest.commit, &[by_value]);
        let body = honest.with_commit(commit).body();
        let reason = denied(refused(&mut world, &server("b.example"), &body, false));
        assert_eq!(reason, Reason::ExternalSenders, "{list:?}");
    }
    goes_on(&mut world);
}

/// D-50, E-028: one part that is not allowed among others that are, and all of it is refused.
#[test]
fn d_50_one_illegal_part_among_legal_ones() {
    let mut world = World::clubhouse();
    let dora = Client::new("dora@d.example/phone");
    let bob = world.client("bob@b.example");
    let legal = ParticipantListUpdate {
        added: vec![(dora.user.clone().into(), RoleIndex(2))],
        ..Default::default()
    };
    // Bob may add others; he may make nobody an administrator.
    let place = bob.place(user("cathy@c.example"));
    let illegal =
        ParticipantListUpdate { changed: vec![(place, RoleIndex(4))], ..Default::default() };
    let parts = vec![list_update(&legal), add(dora.key_package()), list_update(&illegal)];
    let body = bob.commit(parts.clone()).body();
    bob.forget_commit();
    refused(&mut world, &server("b.example"), &body, false);
    let body = world.client("bob@b.example").propose(parts);
    world.client("bob@b.example").forget_proposals();
    refused(&mut world, &server("b.example"), &body, false);
    assert_eq!(world.hub.room.effective().role(&dora.user), RoleIndex::NONE);
    let bob = world.client("bob@b.example");
    let bundle = bob.commit(vec![list_update(&legal), add(dora.key_package())]);
    world.clients.push(dora);
    world.committed("bob@b.example", &bundle);
}

/// D-76: nobody but who may takes what the group requires of its members away.
#[test]
fn d_76_what_is_required_stays() {
    let mut world = World::clubhouse();
    for id in [ComponentId::SAFE_AAD, ComponentId::APP_COMPONENTS, ComponentId::FRANKING_AGENT] {
        let bob = world.client("bob@b.example");
        let bundle = bob.commit(vec![component_update(id, &[0])]);
        bob.forget_commit();
        world.hub.update(&server("b.example"), &bundle.body()).expect_err("not Bob's to change");
        // Nor is it taken out whole.
        let bob = world.client("bob@b.example");
        let honest = bob.update_path();
        bob.forget_commit();
        let context = bob.group_context();
        let gone = [vec![1, 0, 8], id.0.to_be_bytes().to_vec(), vec![2]].concat();
        let forged = Forge::commit(bob, &context, &honest.commit, &[gone]);
        let body = honest.with_commit(forged).body();
        world.hub.update(&server("b.example"), &body).expect_err("it is permanent");
    }
    goes_on(&mut world);
}

/// D-85, D-86, D-87, E-076, Q-79: a leaf leaves once; a ban is stronger than a leave; and who is banned is not added.
#[test]
fn d_87_what_a_ban_makes_lapse_is_in_no_commit() {
    let mut world = World::clubhouse();
    let c = server("c.example");
    let alice = world.client("alice");
    let dora = Client::new("dora@d.example/phone");
    let tablet = Client::new("cathy@c.example/tablet");
    let peer = alice.peer();
    let added = ParticipantListUpdate {
        added: vec![(dora.user.into(), RoleIndex(2))],
        ..Default::default()
    };
    let body = alice.propose(vec![list_update(&added), add(tablet.key_package())]);
    world.hub.update(&peer, &body).unwrap();
    world.deliver();
    let with_add = world.client("bob@b.example").commit(Vec::new());
    world.client("bob@b.example").forget_commit();

    // Cathy leaves by herself, once.
    let leaving = world.client("cathy@c.example").propose_one(MlsProposal::SelfRemove);
    let leave = world.client("cathy@c.example").proposals_body(vec![leaving.clone()]);
    world.hub.update(&c, &leave).unwrap();
    let again = Forge::proposal(world.client("cathy@c.example"), &[0, 10]);
    let again = world.client("cathy@c.example").proposals_body(vec![again]);
    let refusal = refused(&mut world, &c, &again, false);
    let UpdateRefusal::Proposals(ProposalRefusal::Refused(faults)) = &refusal else { panic!() };
    assert_eq!(faults[0].fault, ProposalFault::Conflict(Conflict::Repeated), "made anew, the same");
    // Then she is banned: the Add of her tablet lapses, and whoever commits it is refused.
    let pending = world.hub.room.pending();
    let place = world.client("alice").place(user("cathy@c.example"));
    let ban =
        ParticipantListUpdate { changed: vec![(place, RoleIndex::BANNED)], ..Default::default() };
    let body = world.client("alice").propose(vec![list_update(&ban)]);
    world.hub.update(&peer, &body).unwrap();
    assert_eq!(world.hub.room.pending(), pending, "the ban came, the Add went");
    let refusal = world.hub.update(&server("b.example"), &with_add.body()).unwrap_err();
    let commit_refused = matches!(
        refusal,
        UpdateRefusal::Commit(CommitRefusal::UnknownReference(_) | CommitRefusal::Missing(_))
    );
    assert!(commit_refused, "{refusal:?}");
}

/// T-006, D-27: a ratchet tree is to be had from the domains that the group names, and from no other. Joiners get it
/// from the hub itself in any case.
#[test]
fn t_006_a_ratchet_tree_comes_from_a_domain_of_the_group() {
    let mut world = World::with_trees_from("trees.example");
    let at = |url: &str| RatchetTreeOption::HttpsUri(HttpsUrl::parse(url.as_bytes()).unwrap());
    let bundle = world.client("alice").update_path();
    let peer = world.client("alice").peer();
    for url in ["https://trees.example.evil.example/1", "https://evil.example/trees.example"] {
        let forged = Bundle { ratchet_tree: at(url), ..bundle.clone() };
        assert_eq!(refused(&mut world, &peer, &forged.body(), false), UpdateRefusal::TreeSource);
    }
    let right = Bundle { ratchet_tree: at("https://trees.example/1"), ..bundle };
    world.committed("alice", &right);
    world.add("alice", "bob@b.example/phone", 2);
    let given = world.hub.group_info(&Client::new("bob@b.example/tablet")).unwrap();
    assert!(matches!(given.ratchet_tree, RatchetTreeOption::Full(_)));

    // Where the group names none, any will do: nobody fetches it.
    let mut world = World::new();
    let bundle = world.client("alice").update_path();
    let anywhere = Bundle { ratchet_tree: at("https://evil.example/1"), ..bundle };
    world.committed("alice", &anywhere);
}
