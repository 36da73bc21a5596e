//! Joining codes on real groups, P-183, R-060, R-061, R-127. Every step is a crash drill, see `kit::Hub::drill`.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use crate::kit::*;
use openmimi::{
    codec::Wire,
    env::Limits,
    hub::{
        Answer, CodeFault, CodeRefusal, CodeSource, CodeTerms, GroupInfoRefusal, GroupInfoStep,
        JoinAttempt, UpdateRefusal,
    },
    policy::{
        Capability, RoleIndex, Roles,
        components::{JoinLinkPolicy, JoinLinks, JoinLinksUpdate},
        presets::Preset,
    },
    room::ComponentId,
    wire::{GroupInfoAnswer, UpdateOutcome},
};

const ORDINARY: RoleIndex = RoleIndex(2);
const MINUTE: u64 = 60 * 1_000;

/// A strict room, where one joins with a code; its administrators may change its links.
fn world(policy: Option<JoinLinkPolicy>, links: &[&str], limits: Limits) -> World {
    World::founded(limits, |room, creator| {
        let mut components = Preset::Strict.room(room, creator, &[]);
        let mut roles: Vec<_> = Preset::Strict.roles().iter().cloned().collect();
        roles[4].capabilities.push(Capability::CHANGE_OTHER_POLICY_ATTRIBUTE);
        components.insert(ComponentId::ROLES_LIST, Roles::new(roles).unwrap().encode());
        let mut base = Preset::Strict.base_policy();
        if let Some(policy) = &policy {
            components.insert(ComponentId::JOIN_LINK_POLICY, policy.encode());
            base.policy_component_ids.push(ComponentId::JOIN_LINK_POLICY);
        }
        components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
        let links = links.iter().map(|link| link.as_bytes().to_vec()).collect();
        components.insert(ComponentId::JOIN_LINKS, JoinLinks(links).encode());
        components
    })
}

fn by_default() -> World {
    world(None, &[], Limits::default())
}

fn links_for_many(seconds: u32) -> JoinLinkPolicy {
    JoinLinkPolicy { multiuser: true, expiration: seconds, ..JoinLinkPolicy::default() }
}

fn make(world: &mut World, terms: CodeTerms) -> Vec<u8> {
    // What a dropped step made up is forgotten, so every try makes up another code.
    world.hub.play(|room, env| room.make_code(env, &terms)).unwrap().0
}

fn keep(world: &mut World, code: &[u8], terms: CodeTerms) -> Result<Vec<u8>, CodeRefusal> {
    world.hub.drill(|room, env| room.keep_code(env, code, &terms)).map_err(|it| it.reason)
}

fn fault(world: &mut World, client: &Client, code: &[u8]) -> CodeFault {
    match world.hub.group_info_by(client, Some(code)).unwrap_err() {
        GroupInfoRefusal::Code(fault) => fault,
        other => panic!("{other}"),
    }
}

/// Somebody's first client.
fn phone(name: &str) -> Client {
    Client::new(&format!("{name}/phone"))
}

/// Asks with a code and gets the GroupInfo, ready to enter.
fn asks(world: &mut World, name: &str, code: &[u8]) -> (Client, Bundle) {
    let mut client = phone(name);
    let given = world.hub.group_info_by(&client, Some(code)).unwrap();
    let bundle = client.enter(&given, Some(ORDINARY));
    (client, bundle)
}

fn enters(world: &mut World, (client, bundle): (Client, Bundle), name: &str) {
    world.clients.push(client);
    world.committed(name, &bundle);
    assert!(world.hub.room.committed().is_active(&user(name)));
    assert_eq!(world.hub.room.committed().role(user(name)), ORDINARY);
}

fn refused(world: &mut World, (client, bundle): &(Client, Bundle)) -> UpdateRefusal {
    world.hub.update(&client.peer(), &bundle.body()).unwrap_err()
}

fn used(world: &World) -> Vec<u32> {
    world.hub.room.codes().map(|code| code.used).collect()
}

/// P-183, Q-31, Q-35: one user joins with a code for one; the use is taken with the commit, once.
#[test]
fn a_code_for_one_lets_one_in() {
    let mut world = by_default();
    let code = make(&mut world, CodeTerms::default());
    assert_eq!(code.len(), 32);
    let eve = asks(&mut world, "eve@e.example", &code);
    assert_eq!(used(&world), [0], "asking uses nothing up");

    // it is bound to the key that asked. The same user may ask again, by another client too.
    let frank = phone("frank@f.example");
    assert_eq!(fault(&mut world, &frank, &code), CodeFault::Bound);
    world.hub.group_info_by(&eve.0, Some(&code)).unwrap();
    world.hub.group_info_by(&Client::new("eve@e.example/laptop"), Some(&code)).unwrap();

    let eve = asks(&mut world, "eve@e.example", &code);
    enters(&mut world, eve, "eve@e.example");
    assert_eq!(used(&world), [1]);
    assert_eq!(fault(&mut world, &frank, &code), CodeFault::UsedUp);

    // Eve's other clients need none: she is listed.
    let mut tablet = Client::new("eve@e.example/tablet");
    let given = world.hub.group_info_by(&tablet, Some(b"nonsense")).unwrap();
    let bundle = tablet.enter(&given, None);
    world.clients.push(tablet);
    world.committed("eve@e.example/tablet", &bundle);
    assert_eq!(used(&world), [1]);
}

/// P-188: whoever asks hears the same whatever is wrong; the hub's operator hears what.
#[test]
fn p_188_a_refusal_over_the_wire_does_not_tell_codes_apart() {
    let mut world = by_default();
    let until = Some(START.plus(MINUTE));
    keep(&mut world, b"short", CodeTerms { until, ..CodeTerms::default() }).unwrap();
    keep(&mut world, b"gone", CodeTerms::default()).unwrap();
    world.hub.drill(|room, env| room.revoke_code(env, b"gone")).unwrap();
    world.hub.now = START.plus(MINUTE);
    let eve = phone("eve@e.example");
    let uri = world.hub.room.uri().clone();
    for (code, expected) in [
        (&b"short"[..], CodeFault::Expired),
        (b"gone", CodeFault::Revoked),
        (b"nonsense", CodeFault::Unknown),
        (b"", CodeFault::Unknown),
        (&[b'x'; 2000], CodeFault::Unknown),
    ] {
        let refusal = world.hub.group_info_by(&eve, Some(code)).unwrap_err();
        assert_eq!(refusal, GroupInfoRefusal::Code(expected));
        let Answer::Response(response) = refusal.answer(&uri) else { panic!("a response") };
        assert_eq!(response.answer, GroupInfoAnswer::NotAuthorized);
    }
    assert_eq!(world.hub.group_info(&eve).unwrap_err(), GroupInfoRefusal::NotAuthorized);
}

/// somebody who holds a code joins in no other role than the code's, and once it is no longer good not at all.
#[test]
fn a_code_that_ends_between_question_and_commit_gives_nothing() {
    let mut world = by_default();
    let until = Some(START.plus(MINUTE));
    keep(&mut world, b"code", CodeTerms { until, ..CodeTerms::default() }).unwrap();

    let mut eve = phone("eve@e.example");
    let given = world.hub.group_info_by(&eve, Some(b"code")).unwrap();
    let wrong = eve.enter(&given, Some(RoleIndex(3)));
    let denied = refused(&mut world, &(eve, wrong));
    assert!(
        matches!(&denied, UpdateRefusal::Denied { denied, .. } if denied.rule == "R-127"),
        "{denied}"
    );

    let eve = asks(&mut world, "eve@e.example", b"code");
    world.hub.now = START.plus(MINUTE);
    let refusal = refused(&mut world, &eve);
    assert_eq!(refusal, UpdateRefusal::Code(CodeFault::Expired));
    let Answer::Response(response) = refusal.answer() else { panic!("a response") };
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed);
    assert_eq!(response.error_description.as_str(), "the joining code has expired");

    world.hub.now = START;
    world.hub.drill(|room, env| room.revoke_code(env, b"code")).unwrap();
    assert_eq!(refused(&mut world, &eve), UpdateRefusal::Code(CodeFault::Revoked));
    assert_eq!(used(&world), [0]);
}

/// Without asking there is no joining, code or not (P-182); without a code there is none either.
#[test]
fn p_182_a_code_is_good_for_whoever_asked_with_it() {
    let mut world = by_default();
    keep(&mut world, b"code", CodeTerms::default()).unwrap();
    let eve = asks(&mut world, "eve@e.example", b"code");
    world.hub.now = START.plus(world.hub.limits.joiner_for);
    assert_eq!(refused(&mut world, &eve), UpdateRefusal::UnknownJoiner);
    // Her time is over, so somebody else may have the code.
    let frank = asks(&mut world, "frank@f.example", b"code");
    assert_eq!(refused(&mut world, &eve), UpdateRefusal::UnknownJoiner);
    enters(&mut world, frank, "frank@f.example");
}

/// a link is good from its commit for as long as the policy says, for many if it says so.
#[test]
fn r_061_links_last_from_their_commit() {
    let mut world = world(Some(links_for_many(60)), &["mimi:///join/first"], Limits::default());
    let [first] = &world.hub.room.codes().cloned().collect::<Vec<_>>()[..] else { panic!("one") };
    assert_eq!((first.code.as_slice(), first.source), (&b"first"[..], CodeSource::Link));
    assert_eq!((first.made, first.until), (START, Some(START.plus(MINUTE))));
    assert_eq!(first.uses, None);

    world.hub.now = START.plus(MINUTE / 2);
    let update =
        JoinLinksUpdate { removed: Vec::new(), added: vec![b"https://a.example/second".into()] };
    let bundle = world
        .client("alice@a.example")
        .commit(vec![component_update(ComponentId::JOIN_LINKS, &update.encode())]);
    world.committed("alice@a.example", &bundle);
    assert_eq!(world.hub.room.codes().count(), 2);

    // Both ends of a link are its code, for as many as come.
    let eve = asks(&mut world, "eve@e.example", b"mimi:///join/first");
    let frank = asks(&mut world, "frank@f.example", b"first");
    enters(&mut world, eve, "eve@e.example");
    // The epoch has changed, so Frank asks again: his code is still good.
    drop(frank);
    let frank = asks(&mut world, "frank@f.example", b"first");
    enters(&mut world, frank, "frank@f.example");

    world.hub.now = START.plus(MINUTE);
    let grace = phone("grace@g.example");
    assert_eq!(fault(&mut world, &grace, b"first"), CodeFault::Expired);
    let grace = asks(&mut world, "grace@g.example", b"second");
    enters(&mut world, grace, "grace@g.example");
    world.hub.now = START.plus(2 * MINUTE);
    let heidi = phone("heidi@h.example");
    assert_eq!(fault(&mut world, &heidi, b"second"), CodeFault::Expired);

    // Long after, the room wakes and forgets them.
    let wake = START.plus(MINUTE + world.hub.limits.codes_remembered);
    world.hub.now = wake;
    world.hub.timeout();
    assert_eq!(world.hub.room.codes().count(), 1);
    assert_eq!(fault(&mut world, &heidi, b"first"), CodeFault::Unknown);
}

/// a link that is taken out is no longer good from the moment that is accepted.
#[test]
fn r_062_a_link_that_goes_takes_its_code_along() {
    let mut world = world(Some(links_for_many(0)), &["one", "two"], Limits::default());
    let eve = asks(&mut world, "eve@e.example", b"one");
    let update = JoinLinksUpdate { removed: vec![0], added: Vec::new() };
    let alice = world.client("alice@a.example");
    let (peer, body) = (
        alice.peer(),
        alice.propose(vec![component_update(ComponentId::JOIN_LINKS, &update.encode())]),
    );
    world.tick();
    world.hub.update(&peer, &body).unwrap();
    assert_eq!(refused(&mut world, &eve), UpdateRefusal::Code(CodeFault::Unknown));
    let frank = phone("frank@f.example");
    assert_eq!(fault(&mut world, &frank, b"one"), CodeFault::Unknown);
    world.hub.group_info_by(&frank, Some(b"two")).unwrap();
    world.deliver();
    let bundle = world.client("alice@a.example").commit(Vec::new());
    world.committed("alice@a.example", &bundle);
    let codes: Vec<_> = world.hub.room.codes().map(|code| code.code.clone()).collect();
    assert_eq!(codes, [b"two"]);
}

/// where several roles may be taken with a code, a link gives none before the hub says which.
#[test]
fn q_35_a_link_gives_the_only_role_or_the_one_that_the_hub_sets() {
    let several = |limits| {
        World::founded(limits, |room, creator| {
            let mut components = Preset::Strict.room(room, creator, &[]);
            let mut roles: Vec<_> = Preset::Strict.roles().iter().cloned().collect();
            roles[0].changes[0].targets.push(RoleIndex(3));
            components.insert(ComponentId::ROLES_LIST, Roles::new(roles).unwrap().encode());
            let links = JoinLinks(vec![b"link".to_vec()]);
            components.insert(ComponentId::JOIN_LINKS, links.encode());
            components
        })
    };
    let mut world = several(Limits::default());
    let eve = phone("eve@e.example");
    assert_eq!(fault(&mut world, &eve, b"link"), CodeFault::Role);
    assert_eq!(keep(&mut world, b"other", CodeTerms::default()), Err(CodeRefusal::Role));
    let role = |role| CodeTerms { role: Some(RoleIndex(role)), ..CodeTerms::default() };
    assert!(matches!(keep(&mut world, b"other", role(4)), Err(CodeRefusal::Denied(_))));
    assert!(matches!(keep(&mut world, b"other", role(0)), Err(CodeRefusal::Denied(_))));
    keep(&mut world, b"link", role(2)).unwrap();
    let eve = asks(&mut world, "eve@e.example", b"link");
    enters(&mut world, eve, "eve@e.example");
    keep(&mut world, b"other", role(3)).unwrap();
    assert_eq!(keep(&mut world, b"other", role(3)), Err(CodeRefusal::Exists));
    assert_eq!(keep(&mut world, b"", role(3)), Err(CodeRefusal::Length));
}

/// terms are cut down to what the policy of the room allows.
#[test]
fn r_061_terms_stay_within_the_policy() {
    let one = JoinLinkPolicy { multiuser: false, expiration: 60, ..JoinLinkPolicy::default() };
    let mut world = world(Some(one), &[], Limits::default());
    let wanted = CodeTerms { role: None, uses: Some(9), until: Some(START.plus(2 * MINUTE)) };
    keep(&mut world, b"code", wanted).unwrap();
    let code = world.hub.room.codes().next().unwrap();
    assert_eq!((code.uses, code.until), (Some(1), Some(START.plus(MINUTE))));
}

/// As many good codes as the limit, no more; those that are over make room. Links beyond it give nobody a role.
#[test]
fn the_number_of_codes_is_bounded() {
    let mut limits = Limits::default();
    limits.codes = 2;
    let mut world = world(Some(links_for_many(0)), &["a", "b", "c"], limits);
    assert_eq!(world.hub.room.codes().count(), 2);
    assert_eq!(keep(&mut world, b"more", CodeTerms::default()), Err(CodeRefusal::TooMany(2)));
    world.hub.drill(|room, env| room.revoke_code(env, b"a")).unwrap();
    keep(&mut world, b"more", CodeTerms::default()).unwrap();
    assert!(world.hub.room.codes().all(|code| [&b"b"[..], b"more"].contains(&&code.code[..])));
    assert_eq!(
        world.hub.drill(|room, env| room.revoke_code(env, b"a")).unwrap_err().reason,
        CodeRefusal::Unknown
    );
}

/// Asks with a code that only the operator knows.
fn attempt(world: &mut World, client: &Client, code: &[u8]) -> JoinAttempt {
    let (mut request, _) = world.hub.group_info_request(client);
    request.joining_code = Some(code.to_vec());
    request.sign(&client.signer).unwrap();
    let env =
        openmimi::env::Env { now: world.hub.now, crypto: &world.hub.crypto, keys: &world.hub.keys };
    match world.hub.room.ask_group_info(&env, &client.peer(), &request.encode()).unwrap() {
        GroupInfoStep::Asks(attempt) => attempt,
        GroupInfoStep::Answered(step) => panic!("{step:?}"),
    }
}

/// a code kept elsewhere is asked about, and from then on the room's own.
#[test]
fn a_code_kept_elsewhere_is_asked_about_once() {
    let mut world = by_default();
    let mut eve = phone("eve@e.example");
    let asked = attempt(&mut world, &eve, b"elsewhere");
    assert_eq!((asked.user(), asked.code()), (&eve.user, &b"elsewhere"[..]));
    assert_eq!(asked.clone().refuse().reason, GroupInfoRefusal::Code(CodeFault::Unknown));

    let over = CodeTerms { until: Some(START), ..CodeTerms::default() };
    let refusal = world.hub.drill(|room, env| asked.clone().admit(room, env, &over)).unwrap_err();
    assert_eq!(refusal.reason, GroupInfoRefusal::Code(CodeFault::Expired));
    let terms = CodeTerms { uses: Some(2), ..CodeTerms::default() };
    world.hub.drill(|room, env| asked.clone().admit(room, env, &terms)).unwrap();

    let given = world.hub.group_info_by(&eve, Some(b"elsewhere")).unwrap();
    let bundle = eve.enter(&given, Some(ORDINARY));
    enters(&mut world, (eve, bundle), "eve@e.example");
    let frank = asks(&mut world, "frank@f.example", b"elsewhere");
    enters(&mut world, frank, "frank@f.example");
    assert_eq!(used(&world), [2]);
    assert_eq!(fault(&mut world, &phone("grace@g.example"), b"elsewhere"), CodeFault::UsedUp);
}

/// What changes between the question and its answer is heeded.
#[test]
fn an_answer_comes_too_late_for_somebody_who_was_banned() {
    let mut world = by_default();
    let eve = phone("eve@e.example");
    let asked = attempt(&mut world, &eve, b"elsewhere");
    let bundle = world.client("alice@a.example").commit(vec![list_update(
        &openmimi::room::ParticipantListUpdate {
            added: vec![(eve.user.clone().into(), RoleIndex::BANNED)],
            ..Default::default()
        },
    )]);
    world.committed("alice@a.example", &bundle);
    let terms = CodeTerms::default();
    let refusal = world.hub.drill(|room, env| asked.clone().admit(room, env, &terms)).unwrap_err();
    assert_eq!(refusal.reason, GroupInfoRefusal::NotAuthorized, "D-90: the banned are listed");
}

/// Every code that is there after each save is there after a restart: the drill compares. The wake is kept too.
#[test]
fn the_room_wakes_for_codes_that_are_over() {
    let mut world = by_default();
    let until = Some(START.plus(MINUTE));
    let terms = CodeTerms { until, ..CodeTerms::default() };
    let (_, changes) = world.hub.play(|room, env| room.keep_code(env, b"code", &terms)).unwrap();
    let forgotten = START.plus(MINUTE + world.hub.limits.codes_remembered);
    assert_eq!(changes.wake_at, Some(forgotten));
    let terms = CodeTerms::default();
    let (_, changes) =
        world.hub.play(|room, env| room.keep_code(env, b"for good", &terms)).unwrap();
    assert_eq!(changes.wake_at, Some(forgotten), "nobody wakes for what has no end");
    world.hub.now = forgotten;
    world.hub.timeout();
    assert_eq!(world.hub.room.codes().count(), 1);
}
