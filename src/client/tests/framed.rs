//! Forged commits that the engine does not make: framed, signed and tagged here, octet by octet.

use openmls::messages::proposals::Proposal;
use openmls_traits::{crypto::OpenMlsCrypto, types::HashType};

use super::{hostile::*, *};
use crate::{
    client::member::{MemberError, Plan},
    codec::{Reader, write_bytes, write_within},
    wire::labelled,
};

/// The proposals of a commit, and what stands before and behind them.
fn by_value(commit: &PublicMessage) -> (Vec<u8>, &[u8], &[u8]) {
    let octets = commit.as_bytes();
    let mut reader = Reader::new(octets);
    reader.u32("version and wire format").unwrap();
    reader.bytes("group_id").unwrap();
    reader.u64("epoch").unwrap();
    if reader.u8("sender_type").unwrap() == 1 {
        reader.u32("leaf_index").unwrap();
    }
    reader.bytes("authenticated_data").unwrap();
    reader.u8("content_type").unwrap();
    let before = &octets[..reader.offset()];
    (reader.bytes("proposals").unwrap().to_vec(), before, reader.rest())
}

/// The external commit of a joiner with more proposals by value, signed again. Its confirmation tag is of the commit
/// without them: the engine has to refuse it before it looks at that.
fn with_more(
    joiner: &Client,
    member: &Client,
    commit: &FanoutMessage,
    more: &[Vec<u8>],
) -> FanoutMessage {
    let FanoutEvent::Commit { commit, .. } = &commit.event else { panic!() };
    let (mut proposals, before, rest) = by_value(commit);
    for proposal in more {
        proposals.push(1);
        proposals.extend(proposal);
    }
    let mut message = before.to_vec();
    write_bytes(&mut message, &proposals);
    // The path stays; behind it are a signature and a tag, of 64 and of 32 octets.
    let (path, auth) = rest.split_at(rest.len() - (2 + 64 + 1 + 32));
    message.extend(path);
    let group = member.room().member.group().unwrap();
    let context = group.public_group().group_context().tls_serialize_detached().unwrap();
    let signer = joiner.keys.require(joiner.device.signature_key()).unwrap();
    let tbs = [&message[..], &context].concat();
    write_bytes(&mut message, &labelled::sign(&signer, "FramedContentTBS", &tbs).unwrap());
    message.extend(&auth[2 + 64..]);
    fan_out(PublicMessage::decode(&message).unwrap())
}

/// A proposal of a pre-shared key that only its sender has.
fn psk() -> Vec<u8> {
    let mut psk = vec![0, 4, 1];
    write_bytes(&mut psk, b"only mine");
    write_bytes(&mut psk, &[3; 32]);
    psk
}

/// P-118, RFC 9420, section 12.2: what nobody brings along from outside.
#[test]
fn p118_an_external_commit_holds_nothing_but_the_joiner() {
    let friend = Client::new("bob", "tablet", Crash::Never).key_package();
    let add = [&[0, 1][..], friend.as_bytes()].concat();
    for (what, more, reason) in [
        // The frame itself is right.
        ("nothing more", None, ""),
        ("a friend's client", Some(add), "InvalidInlineProposals"),
        ("a PSK that only the joiner has (D-5B)", Some(psk()), "PskError"),
        ("a SelfRemove by value (E-070)", Some(vec![0, 10]), "InvalidInlineProposals"),
    ] {
        let (hub, mut alice, ..) = three(Preset::Cooperative, Crash::Always);
        let joiner = Client::new("bob", "mole", Crash::Never);
        let genuine = join_with_key(&hub, &alice, &joiner, "bob", None);
        let more: Vec<_> = more.into_iter().collect();
        let commit = with_more(&joiner, &alice, &genuine, &more);
        if more.is_empty() {
            assert_eq!(take(&mut alice, &commit).unwrap(), Received::Taken);
            assert!(!alice.room().is_forked());
            continue;
        }
        let found = why(&mut alice, &commit);
        assert!(found.contains(reason), "{what}: {found}");
        not_followed(&mut alice, &commit, Evidence::InvalidCommit);
    }
}

/// Frames and signs what the engine would not make. The confirmation tag is nobody's, the membership tag is right.
struct Forge<'a> {
    client: &'a Client,
    group: Vec<u8>,
    epoch: u64,
}

impl<'a> Forge<'a> {
    fn by(client: &'a Client) -> Self {
        let group = client.room().group().as_bytes().to_vec();
        Self { client, group, epoch: client.room().epoch() }
    }

    /// A commit of some proposals by value, without a path.
    fn commit(&self, proposals: &[Vec<u8>]) -> PublicMessage {
        let client = self.client;
        let group = client.room().member.group().unwrap();
        let mut message = vec![0, 1, 0, 1];
        write_bytes(&mut message, &self.group);
        message.extend(self.epoch.to_be_bytes());
        message.push(1);
        message.extend(group.own_leaf_index().u32().to_be_bytes());
        // An empty SafeAAD; a commit.
        write_bytes(&mut message, &[0]);
        message.push(3);
        write_within(&mut message, |out| {
            for proposal in proposals {
                out.push(1);
                out.extend(proposal);
            }
        });
        message.push(0);
        let context = group.public_group().group_context().tls_serialize_detached().unwrap();
        let signer = client.keys.require(client.device.signature_key()).unwrap();
        let tbs = [&message[..], &context].concat();
        let signature = labelled::sign(&signer, "FramedContentTBS", &tbs).unwrap();
        let mut auth = Vec::new();
        write_bytes(&mut auth, &signature);
        write_bytes(&mut auth, &[7; 32]);
        let key = client.room().member.membership_key().unwrap();
        let tag = client.crypto.hmac(HashType::Sha2_256, &key, &[tbs, auth.clone()].concat());
        message.extend(auth);
        write_bytes(&mut message, tag.unwrap().as_slice());
        PublicMessage::decode(&message).unwrap()
    }
}

/// What the engine has against a commit; nothing, if it is right.
pub(super) fn why(client: &mut Client, commit: &FanoutMessage) -> String {
    let FanoutEvent::Commit { commit, .. } = &commit.event else { panic!() };
    let Client { room, crypto, .. } = client;
    let member = &mut room.as_mut().unwrap().member;
    let processed = member.process(crypto, commit.to_openmls(), []).map(drop);
    member.rollback();
    processed.err().map(|error| format!("{error:?}")).unwrap_or_default()
}

#[test]
fn p119_what_no_commit_may_hold() {
    let reinit = {
        let mut reinit = vec![0, 5];
        write_bytes(&mut reinit, b"mimi://alice.example/g/other");
        reinit.extend([0, 1, 0, 1, 0]);
        reinit
    };
    let external_init = {
        let mut init = vec![0, 6];
        write_bytes(&mut init, &[5; 32]);
        init
    };
    let self_remove = vec![0, 10];
    let dictionary = |client: &Client| {
        let group = client.room().member.group().unwrap();
        let octets = group.extensions().tls_serialize_detached().unwrap();
        let mut reader = Reader::new(&octets);
        let mut extensions = reader.inside("extensions").unwrap();
        let mut proposal = vec![0, 7];
        write_within(&mut proposal, |out| {
            while !extensions.is_empty() {
                let kind = extensions.u16("type").unwrap();
                let mut data = extensions.bytes("data").unwrap().to_vec();
                out.extend(kind.to_be_bytes());
                if kind == 6 {
                    *data.last_mut().unwrap() ^= 1;
                }
                write_bytes(out, &data);
            }
        });
        proposal
    };
    type Make<'a> = Box<dyn Fn(&Client) -> Vec<Vec<u8>> + 'a>;
    let forgeries: Vec<(&str, Make<'_>, &str)> = vec![
        ("a PSK that only one has (D-5B)", Box::new(|_| vec![psk()]), "PskError"),
        // The engine has no rule against it, and makes no such commit: see below.
        ("a ReInit (Q-113)", Box::new(|_| vec![reinit.clone()]), "ConfirmationTagMismatch"),
        (
            "an ExternalInit by a member",
            Box::new(|_| vec![external_init.clone()]),
            "ExternalInitProposalInRegularCommit",
        ),
        // Nor against this, but that it takes a path.
        (
            "a SelfRemove by value (E-070)",
            Box::new(|_| vec![self_remove.clone()]),
            "RequiredPathNotFound",
        ),
        (
            "another dictionary (Q-47, E-025)",
            Box::new(|client| vec![dictionary(client)]),
            "CannotUpdateDictionaryDirectly",
        ),
        (
            "a Remove twice (P-119)",
            Box::new(|_| vec![vec![0, 3, 0, 0, 0, 0]; 2]),
            "RequiredPathNotFound",
        ),
        ("a Remove of nobody", Box::new(|_| vec![vec![0, 3, 0, 0, 0, 9]]), "UnknownMemberRemoval"),
    ];
    for (what, make, reason) in forgeries {
        let (_, mut alice, bob, _) = three(Preset::Cooperative, Crash::Always);
        let commit = fan_out(Forge::by(&bob).commit(&make(&bob)));
        let before = alice.room().epoch();
        // For that one reason, not for the tag that nobody could make.
        let found = why(&mut alice, &commit);
        assert!(found.contains(reason), "{what}: {found}");
        match take(&mut alice, &commit) {
            // The engine says that the hub has accepted what must not be.
            Ok(Received::Taken) => forked(&mut alice, Evidence::InvalidCommit),
            Err(Refusal::Mls(_)) => assert!(!alice.room().is_forked()),
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(alice.room().epoch(), before, "{what}");
    }
}

/// Q-113, E-070: the engine makes neither a commit with a ReInit nor one with a SelfRemove by value, so no client can be
/// shown one with the right tags. It reads the former; what the policy says of it, `policy` tests.
#[test]
fn q113_the_engine_makes_no_commit_that_ends_the_group_or_its_committer() {
    let reinit = (
        openmls::group::GroupId::from_slice(b"mimi://alice.example/g/other"),
        openmls::prelude::ProtocolVersion::Mls10,
        CS,
        openmls::extensions::Extensions::<openmls::group::GroupContext>::empty(),
    );
    // The proposal is its fields.
    let reinit = postcard::from_bytes(&postcard::to_stdvec(&reinit).unwrap()).unwrap();
    let (_, _, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let plan = Plan { proposals: vec![Proposal::ReInit(Box::new(reinit))], ..Plan::default() };
    let commit = hostile_commit(&mut bob, plan);
    let FanoutEvent::Commit { commit, .. } = &commit.event else { panic!() };
    assert_eq!(by_value(commit).0, Vec::<u8>::new(), "left out");
    let key = bob.device.signature_key().to_vec();
    let Client { room, crypto, keys, .. } = &mut bob;
    let member = &mut room.as_mut().unwrap().member;
    let plan = Plan { proposals: vec![Proposal::SelfRemove], ..Plan::default() };
    let made = member.commit(crypto, &keys.require(&key).unwrap(), plan, |_, _| None);
    assert!(matches!(made, Err(MemberError::Ours(_))), "not made");
}

#[test]
fn p113_a_commit_for_another_group_or_of_another_epoch() {
    let (_, mut alice, bob, _) = three(Preset::Cooperative, Crash::Always);
    let epoch = bob.room().epoch();
    let update = vec![vec![0, 3, 0, 0, 0, 9]];
    let elsewhere = Forge { group: b"mimi://alice.example/g/other".to_vec(), ..Forge::by(&bob) };
    let future = Forge { epoch: epoch + 1, ..Forge::by(&bob) };
    let past = Forge { epoch: epoch - 1, ..Forge::by(&bob) };
    assert!(matches!(take(&mut alice, &fan_out(elsewhere.commit(&update))), Err(Refusal::Mls(_))));
    assert!(matches!(
        take(&mut alice, &fan_out(future.commit(&update))),
        Err(Refusal::Early { .. })
    ));
    // Alice has left that epoch by another commit: the hub shows two (D-01).
    assert!(!alice.room().is_forked());
    take(&mut alice, &fan_out(past.commit(&update))).unwrap();
    forked(&mut alice, Evidence::SecondCommit);
}
