use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::types::{Ciphersuite, SignatureScheme};

use super::*;
use crate::{
    codec::Wire,
    env::{Limits, Timestamp},
    error::Misuse,
    uri::{Domain, ProviderUri, RoomUri, UserUri},
    wire::{
        AbusiveMessage, CipherSuite, Frank, PrivateMessage,
        tests::{assert_refused, assert_strict, hex, opaque},
    },
};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// The first example of draft-ietf-mimi-content-08.
const CONTENT: &str = "
    87505eed9406c2545547ab6f09f20a18b003f640f6f6a20178206d696d693a2f2f6578616d706c652e636f6d2f752f61
    6c6963652d736d6974680278256d696d693a2f2f6578616d706c652e636f6d2f722f656e67696e656572696e675f7465
    616d85016001781e746578742f6d61726b646f776e3b76617269616e743d47464d2d4d494d4958394869206576657279
    6f6e652c207765206a75737420736869707065642072656c6561736520322e302e205f5f476f6f642020776f726b5f5f
    21";
const SALT: &str = "5eed9406c2545547ab6f09f20a18b003";
const ACCEPTED: Timestamp = Timestamp(1_644_387_225_019);

// Computed outside of this library: HMAC and Ed25519 of the Python standard and `cryptography` libraries.
const TAG: &str = "a9a69f1d2fe6f37984190c093ecb8a10d647093db735fb7ba926bfdccff4c2bf";
const SERVER_FRANK: &str = "395d272f8a11846200e6c5cece361210556ac6981b2f6462c29ad92bbcba8609";
const AGENT_KEY: &str = "2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12";
const SIGNATURE: &str = "
    2cfe7b93f80d3a68f7514a785bfbf7725331b05a625e336c7166aa6de6103394
    375ce26806f6aa60dc1abaa193e270ceab095d152a040b4ae65ff63a76518b0e";

fn user(name: &str) -> UserUri {
    UserUri::new(&Domain::parse("example.com").unwrap(), name).unwrap()
}

fn room() -> RoomUri {
    RoomUri::parse("mimi://example.com/r/engineering_team").unwrap()
}

/// The secret of the known answers.
fn secret() -> Vec<u8> {
    (0..32).collect()
}

fn agent_signer() -> SignatureKeyPair {
    SignatureKeyPair::from_raw(SignatureScheme::ED25519, vec![0x42; 32], hex(AGENT_KEY))
}

/// An application message; `number` makes the ciphertext.
fn message(epoch: u64, number: u8) -> PrivateMessage {
    let head = [&hex("0001 0002 0167")[..], &epoch.to_be_bytes(), &hex("01 00 00 01")].concat();
    PrivateMessage::decode(&[head, vec![number]].concat()).unwrap()
}

/// A message and everything that its receiver knows, all of it in order.
struct World {
    sender: UserUri,
    room: RoomUri,
    accepted: Timestamp,
    content: Vec<u8>,
    salt: Vec<u8>,
    claimed_sender: Option<Vec<u8>>,
    claimed_room: Option<Vec<u8>>,
    tag: Option<Tag>,
    frank: Option<Frank>,
    suite: Ciphersuite,
    agent: Option<FrankingAgentData>,
    agent_domain: Option<Domain>,
    message: PrivateMessage,
    leaf: u32,
    generation: Option<u32>,
}

impl World {
    fn new() -> Self {
        Self::at(ACCEPTED, 0)
    }

    /// The message that the hub accepts at this time, the sender's `generation`th.
    fn at(accepted: Timestamp, generation: u32) -> Self {
        let (sender, room) = (user("alice-smith"), room());
        let content = hex(CONTENT);
        let mut salt = hex(SALT);
        salt[0] ^= generation as u8;
        let tag = tag(&salt, &content);
        let context = Context { sender: &sender, room: &room, accepted };
        let frank = stamp(&secret(), &agent_signer(), SUITE.into(), &tag, &context).unwrap();
        let provider = ProviderUri::new(&room.domain());
        Self {
            accepted,
            content,
            salt,
            claimed_sender: Some(sender.as_bytes().to_vec()),
            claimed_room: Some(room.as_bytes().to_vec()),
            tag: Some(tag),
            frank: Some(frank),
            suite: SUITE,
            agent: Some(FrankingAgentData::basic(&hex(AGENT_KEY), &provider)),
            agent_domain: Some(room.domain()),
            message: message(7, generation as u8),
            leaf: 1,
            generation: Some(generation),
            sender,
            room,
        }
    }

    fn received(&self) -> Received<'_> {
        Received {
            frank: self.frank.as_ref(),
            tag: self.tag.as_ref(),
            application_data: &self.content,
            salt: &self.salt,
            claims: Claims {
                sender: self.claimed_sender.as_deref(),
                room: self.claimed_room.as_deref(),
            },
            sender: &self.sender,
            room: &self.room,
            accepted: self.accepted,
            suite: self.suite,
            agent: self.agent.as_ref(),
            agent_domain: self.agent_domain.as_ref(),
            message: &self.message,
            leaf: self.leaf,
            generation: self.generation,
        }
    }

    fn verdict(&self, witness: &Witness) -> Verdict {
        verify(&RustCrypto::default(), &self.received(), witness)
    }

    /// The verdict, and the witness remembers.
    fn seen_by(&self, witness: &mut Witness) -> Verdict {
        let verdict = self.verdict(witness);
        witness.note(&self.received(), verdict, &Limits::default());
        verdict
    }
}

#[test]
fn the_tag_of_the_drafts_example() {
    // P-137
    assert_eq!(tag(&hex(SALT), &hex(CONTENT)).0.to_vec(), hex(TAG));
    let framed = [opaque("application/mimi-content"), hex("00"), opaque(hex(CONTENT))].concat();
    assert_ne!(tag(&hex(SALT), &framed).0.to_vec(), hex(TAG), "the framing is covered (Q-52)");
}

#[test]
fn the_stamp_is_the_known_answer() {
    // P-141, P-142, W-23, W-24
    let (sender, room) = (user("alice-smith"), room());
    let context = Context { sender: &sender, room: &room, accepted: ACCEPTED };
    let encoded = [opaque(sender.as_bytes()), opaque(room.as_bytes()), hex("0000017edd1dcdbb")];
    assert_eq!(context.encode(), encoded.concat());
    let tag = Tag::decode(&hex(TAG)).unwrap();
    let frank = stamp(&secret(), &agent_signer(), SUITE.into(), &tag, &context).unwrap();
    assert_eq!(frank.server_frank.to_vec(), hex(SERVER_FRANK));
    assert_eq!(frank.ciphersuite, CipherSuite(1));
    assert_eq!(frank.integrity_signature, hex(SIGNATURE));
    assert!(!frank.encode().windows(4).any(|octets| octets == b"mimi"), "no sender (P-144)");
}

#[test]
fn the_agents_key_is_of_the_groups_suite() {
    // P-133
    let world = World::new();
    let (context, tag) = (world.received().context(), world.tag.unwrap());
    for suite in [CipherSuite(2), CipherSuite(0xFAFE)] {
        let result = stamp(&secret(), &agent_signer(), suite, &tag, &context);
        assert!(matches!(result, Err(Misuse::Argument(_))));
    }
}

#[test]
fn the_hub_recognises_its_stamp_by_any_of_its_secrets() {
    // P-143, P-234, Q-54
    let world = World::new();
    let (context, tag) = (world.received().context(), world.tag.unwrap());
    let server_frank = world.frank.as_ref().unwrap().server_frank;
    let (old, new) = (secret(), vec![7; 32]);
    assert!(recognise([&new, &old], &tag, &context, &server_frank));
    assert!(!recognise([&new], &tag, &context, &server_frank));
    assert!(!recognise::<&[u8]>([], &tag, &context, &server_frank));
    let mut other = tag;
    other.0[31] ^= 1;
    assert!(!recognise([&old], &other, &context, &server_frank), "another content");
    let later = Context { accepted: ACCEPTED.plus(1), ..context };
    assert!(!recognise([&old], &tag, &later, &server_frank), "another time");
    let bob = user("bob-jones");
    let forged = Context { sender: &bob, ..context };
    assert!(!recognise([&old], &tag, &forged, &server_frank), "another sender");
    let mut flipped = server_frank;
    flipped[0] ^= 1;
    assert!(!recognise([&old], &tag, &context, &flipped));
}

#[test]
fn a_report_is_genuine_only_as_a_whole() {
    // P-234, D-97
    let world = World::new();
    let reported = AbusiveMessage {
        content: world.content.clone(),
        frank: world.frank.clone().unwrap(),
        accepted: world.accepted,
    };
    let genuine = |reported: &AbusiveMessage, salt: &[u8], sender: &UserUri, room: &RoomUri| {
        let (crypto, key) = (RustCrypto::default(), hex(AGENT_KEY));
        is_genuine(&crypto, [secret()], &key, reported, salt, sender, room)
    };
    let (salt, sender) = (&world.salt, &world.sender);
    assert!(genuine(&reported, salt, sender, &room()));
    assert!(!genuine(&reported, b"another salt", sender, &room()));
    assert!(!genuine(&reported, salt, &user("bob-jones"), &room()));
    let other = RoomUri::parse("mimi://example.com/r/other").unwrap();
    assert!(!genuine(&reported, salt, sender, &other));
    for forge in [
        |reported: &mut AbusiveMessage| reported.content[150] ^= 1,
        |reported: &mut AbusiveMessage| reported.accepted = ACCEPTED.plus(1),
        |reported: &mut AbusiveMessage| reported.frank.server_frank[0] ^= 1,
        |reported: &mut AbusiveMessage| reported.frank.integrity_signature[0] ^= 1,
        |reported: &mut AbusiveMessage| reported.frank.ciphersuite = CipherSuite(2),
    ] {
        let mut forged = reported.clone();
        forge(&mut forged);
        assert!(!genuine(&forged, salt, sender, &room()), "{forged:?}");
    }
}

#[test]
fn a_message_in_order_is_valid_and_leaves_evidence() {
    // P-150
    let world = World::new();
    assert_eq!(world.verdict(&Witness::default()), Verdict::Valid);
    let evidence = Evidence {
        frank: world.frank.clone().unwrap(),
        sender: world.sender.clone(),
        room: world.room.clone(),
        accepted: world.accepted,
    };
    let record = postcard::to_allocvec(&evidence).unwrap();
    let restored: Evidence = postcard::from_bytes(&record).unwrap();
    assert_eq!(restored, evidence);
    assert!(restored.is_signed_by(&RustCrypto::default(), &hex(AGENT_KEY)));
    assert!(!restored.is_signed_by(&RustCrypto::default(), &[1; 32]));
    let reported =
        AbusiveMessage::decode(&restored.report(world.content.clone()).encode()).unwrap();
    assert_eq!((reported.content, reported.frank), (world.content, evidence.frank));
    assert_eq!(reported.accepted, ACCEPTED);
}

#[test]
fn each_fault_has_its_reason() {
    // P-145 … P-149, D-20, D-22, D-40, D-74
    type Change = fn(&mut World);
    let rows: &[(Change, Verdict)] = &[
        (|world| world.frank = None, Verdict::Missing),
        (|world| (world.frank, world.tag) = (None, None), Verdict::Missing),
        (|world| world.tag = None, Verdict::Invalid(Invalid::NoTag)),
        (|world| world.content.push(0), Verdict::Invalid(Invalid::Tag)),
        (|world| world.salt[0] ^= 1, Verdict::Invalid(Invalid::Tag)),
        (|world| (world.salt, world.frank) = (vec![], None), Verdict::Invalid(Invalid::Tag)),
        (|world| world.claimed_sender = None, Verdict::Invalid(Invalid::Sender)),
        (|world| world.sender = user("bob-jones"), Verdict::Invalid(Invalid::Sender)),
        (|world| world.claimed_room = None, Verdict::Invalid(Invalid::Room)),
        (
            |world| world.claimed_room = Some(b"mimi://example.com/r/other".to_vec()),
            Verdict::Invalid(Invalid::Room),
        ),
        (
            |world| world.suite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519,
            Verdict::Invalid(Invalid::CipherSuite),
        ),
        (
            |world| world.frank.as_mut().unwrap().ciphersuite = CipherSuite(3),
            Verdict::Invalid(Invalid::CipherSuite),
        ),
        (|world| world.agent = None, Verdict::Invalid(Invalid::NoAgent)),
        (|world| world.agent_domain = None, Verdict::Invalid(Invalid::Agent)),
        (
            |world| world.agent_domain = Some(Domain::parse("b.example").unwrap()),
            Verdict::Invalid(Invalid::Agent),
        ),
        (
            |world| world.agent.as_mut().unwrap().signature_key[0] ^= 1,
            Verdict::Invalid(Invalid::Signature),
        ),
        (|world| world.accepted = ACCEPTED.plus(1), Verdict::Invalid(Invalid::Signature)),
        (
            |world| world.frank.as_mut().unwrap().server_frank[0] ^= 1,
            Verdict::Invalid(Invalid::Signature),
        ),
        (
            |world| world.frank.as_mut().unwrap().integrity_signature.clear(),
            Verdict::Invalid(Invalid::Signature),
        ),
        (
            |world| {
                world.sender = user("bob-jones");
                world.claimed_sender = Some(world.sender.as_bytes().to_vec());
            },
            Verdict::Invalid(Invalid::Signature),
        ),
    ];
    for (row, (change, verdict)) in rows.iter().enumerate() {
        let mut world = World::new();
        change(&mut world);
        assert_eq!(world.verdict(&Witness::default()), *verdict, "row {row}");
    }
}

#[test]
fn a_frank_that_comes_with_a_second_message_is_invalid() {
    // Q-53, D-21: a follower swaps the franks and times of two messages of one sender
    let (first, second) = (World::at(Timestamp(1000), 0), World::at(Timestamp(2000), 1));
    let mut witness = Witness::default();
    assert_eq!(first.seen_by(&mut witness), Verdict::Valid);
    let mut swapped = World::at(Timestamp(1000), 1);
    swapped.frank.clone_from(&first.frank);
    assert_eq!(swapped.seen_by(&mut witness), Verdict::Invalid(Invalid::Reused));
    assert_eq!(second.seen_by(&mut witness), Verdict::Valid, "an invalid one is not remembered");
    assert_eq!(first.verdict(&witness), Verdict::Suspect(Suspicion::Regression), "a repetition");
}

#[test]
fn the_order_of_a_senders_messages_is_that_of_their_times() {
    //
    let (early, late) = (Timestamp(1000), Timestamp(2000));
    for (first, second) in [((late, 0), (early, 1)), ((early, 1), (late, 0))] {
        let mut witness = Witness::default();
        assert_eq!(World::at(first.0, first.1).seen_by(&mut witness), Verdict::Valid);
        let second = World::at(second.0, second.1).seen_by(&mut witness);
        assert_eq!(second, Verdict::Suspect(Suspicion::Order));
    }
    for change in [
        |world: &mut World| world.leaf = 2,
        |world: &mut World| world.message = message(8, 9),
        |world: &mut World| world.generation = None,
    ] {
        let mut witness = Witness::default();
        World::at(early, 1).seen_by(&mut witness);
        let mut other = World::at(late, 0);
        change(&mut other);
        assert_eq!(other.verdict(&witness), Verdict::Valid);
    }
}

#[test]
fn a_time_before_the_last_one_is_suspect_and_no_more() {
    // Q-53, D-03, D-8C
    let mut witness = Witness::default();
    World::at(Timestamp(2000), 5).seen_by(&mut witness);
    let mut back = World::at(Timestamp(1000), 0);
    back.leaf = 2;
    assert_eq!(back.seen_by(&mut witness), Verdict::Suspect(Suspicion::Regression));
    let mut same = World::at(Timestamp(2000), 1);
    same.leaf = 3;
    assert_eq!(same.verdict(&witness), Verdict::Valid, "equal times are no regression");
}

#[test]
fn the_witness_is_bounded_and_survives_a_restart() {
    let limits = Limits { franks: 3, ..Limits::default() };
    let mut witness = Witness::default();
    let worlds: Vec<_> = (0..5).map(|n| World::at(Timestamp(1000 + n), n as u32)).collect();
    for world in &worlds {
        witness.note(&world.received(), Verdict::Valid, &limits);
        witness.note(&world.received(), Verdict::Valid, &limits);
    }
    let record = postcard::to_allocvec(&witness).unwrap();
    assert!(record.len() < 3 * 64);
    let restored: Witness = postcard::from_bytes(&record).unwrap();
    assert_eq!(restored, witness);
    let reuse = |old: usize| {
        let mut world = World::at(worlds[old].accepted, 9);
        world.frank.clone_from(&worlds[old].frank);
        world.verdict(&restored)
    };
    assert_eq!(reuse(4), Verdict::Invalid(Invalid::Reused));
    assert_eq!(reuse(2), Verdict::Invalid(Invalid::Reused));
    assert_ne!(reuse(1), Verdict::Invalid(Invalid::Reused), "forgotten");
    let mut nothing = World::new();
    nothing.frank = None;
    let mut empty = Witness::default();
    nothing.seen_by(&mut empty);
    assert_eq!(empty, Witness::default(), "a message without a frank leaves no trace");
}

#[test]
fn the_structures_are_read_exactly() {
    // P-131, P-132
    assert_eq!(assert_strict::<Tag>(&hex(TAG)).0.to_vec(), hex(TAG));
    assert_refused::<Tag>(&hex("a1a2"), "FrankAAD.franking_tag");
    let bytes = [hex("02 a1a2 | 0001"), opaque("mimi://example.com")].concat();
    let agent = assert_strict::<FrankingAgentData>(&bytes);
    assert_eq!(agent.signature_key, hex("a1a2"));
    let provider = ProviderUri::parse("mimi://example.com").unwrap();
    assert_eq!(agent, FrankingAgentData::basic(&hex("a1a2"), &provider));
    assert_eq!(agent.provider(), Some(provider));
    let user = [hex("00 | 0001"), opaque("mimi://example.com/u/a")].concat();
    assert_eq!(FrankingAgentData::decode(&user).unwrap().provider(), None);
    let x509 = [hex("00 | 0002"), opaque("mimi://example.com")].concat();
    assert_eq!(FrankingAgentData::decode(&x509).unwrap().provider(), None);
}
