//! Leaves, handshakes and policies that the room's operational policy is against, let through by a
//! lying hub: no client follows. Each client judges as the hub does (`it::forged_leaves`).

use openmls::{
    extensions::{
        AppDataDictionary, AppDataDictionaryExtension, Extension, ExtensionType, UnknownExtension,
    },
    group::Propose,
    key_packages::KeyPackage,
    messages::proposals::{AppDataUpdateOperation, AppDataUpdateProposal, Proposal},
};

use super::{hostile::*, *};
use crate::{
    client::{leaf::Words, member::Plan},
    policy::{
        Capability, Roles,
        components::{ExtendedCapabilities, MediaTypeList, OperationalParameters},
    },
};

/// An extension that nobody has defined.
const PRIVATE: u16 = 0xF123;
/// A component that this library knows, and no room here holds.
const BOTS: u16 = ComponentId::BOT_POLICY.0;

fn some(change: impl FnOnce(&mut ExtendedCapabilities)) -> ExtendedCapabilities {
    let mut some = ExtendedCapabilities::default();
    change(&mut some);
    some
}

fn mandatory(change: impl FnOnce(&mut ExtendedCapabilities)) -> OperationalParameters {
    OperationalParameters { mandatory_capabilities: some(change), ..Default::default() }
}

fn forbidden(change: impl FnOnce(&mut ExtendedCapabilities)) -> OperationalParameters {
    OperationalParameters { forbidden_capabilities: some(change), ..Default::default() }
}

/// Alice, Bob and Carol in a room of this policy, whose admins may change it.
fn three_under(policy: &OperationalParameters) -> (Hub, Client, Client, Client) {
    let mut roles: Vec<_> = Preset::Cooperative.roles().iter().cloned().collect();
    let admin = roles.iter_mut().find(|role| role.index == RoleIndex(4)).unwrap();
    admin.capabilities.push(Capability::CHANGE_MLS_OPERATIONAL_POLICIES);
    let roles = Roles::new(roles).unwrap().encode();
    let operational = (ComponentId::MLS_OPERATIONAL_POLICY, policy.encode());
    let mut components = super::policy(Preset::Cooperative, &[operational]);
    components.insert(ComponentId::ROLES_LIST, roles);
    three_in(Hub::with(components), Preset::Cooperative.ordinary(), Crash::Always)
}

/// The leaf does not say that it knows this component.
fn unknowing(words: &mut Words, component: u16) {
    let old = words.extensions.app_data_dictionary().unwrap().dictionary();
    let mut dictionary = AppDataDictionary::new();
    for entry in old.entries() {
        let octets = entry.data().to_vec();
        let octets = if entry.id() == ComponentId::APP_COMPONENTS.0 {
            let read = |reader: &mut crate::codec::Reader<'_>| reader.codes("component_ids");
            let mut known = crate::codec::decode_exact(&octets, read).unwrap();
            known.retain(|id| *id != component);
            let mut list = Vec::new();
            crate::codec::write_vec(&mut list, &known, |id, out| out.extend(id.to_be_bytes()));
            list
        } else {
            octets
        };
        dictionary.insert(entry.id(), octets);
    }
    let dictionary = Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary));
    words.extensions.add_or_replace(dictionary).unwrap();
}

/// The leaf holds an extension that nobody has defined.
fn holding(words: &mut Words) {
    lists(words);
    let held = Extension::Unknown(PRIVATE, UnknownExtension(Vec::new()));
    words.extensions.add_or_replace(held).unwrap();
}

/// The leaf says that its client could do something with it.
fn lists(words: &mut Words) {
    let types = words.capabilities.extensions().to_vec();
    words.capabilities = openmls::prelude::Capabilities::builder()
        .ciphersuites(vec![CS])
        .extensions([types, vec![ExtensionType::Unknown(PRIVATE)]].concat())
        .proposals(words.capabilities.proposals().to_vec())
        .credentials(words.capabilities.credentials().to_vec())
        .build();
}

/// A KeyPackage of another client of Bob's, that says something else, and is valid for so many seconds.
fn key_package(say: impl FnOnce(&mut Words), seconds: u64) -> KeyPackage {
    let tablet = Client::new("bob", "tablet", Crash::Never);
    let signer = tablet.keys.require(tablet.device.signature_key()).unwrap();
    let store = super::super::store::Store::default();
    let provider = super::super::member::Provider { crypto: &tablet.crypto, store: &store };
    let first = LIFETIME.not_before.seconds();
    let mut words = Words::new(CS, &tablet.crypto);
    say(&mut words);
    KeyPackage::builder()
        .leaf_node_capabilities(words.capabilities)
        .leaf_node_extensions(words.extensions)
        .key_package_lifetime(openmls::key_packages::Lifetime::init(first, first + seconds))
        .build(
            CS,
            &provider,
            &signer,
            super::super::create::credential(&user("bob"), tablet.device.signature_key()),
        )
        .unwrap()
        .key_package()
        .clone()
}

/// The seconds for which KeyPackages are valid here.
const SECONDS: u64 = (LIFETIME.not_after.0 - LIFETIME.not_before.0) / 1_000;

/// The proposal is taken, and waits for nothing: nobody may commit it.
#[track_caller]
fn not_kept(client: &mut Client, proposal: &FanoutMessage, rule: &str) {
    take(client, proposal).unwrap();
    let events = client.events();
    assert!(matches!(events.as_slice(), [Event::Forbidden { rule: found }] if found == rule));
    assert_eq!(client.room().state.waiting.len(), 0);
}

fn new_policy(policy: &OperationalParameters) -> Proposal {
    let id = ComponentId::MLS_OPERATIONAL_POLICY.0;
    Proposal::AppDataUpdate(Box::new(AppDataUpdateProposal::update(id, policy.encode())))
}

type Say = fn(&mut Words);

/// What leaves may break: the policy, how, and the rule.
fn faults() -> [(OperationalParameters, Say, &'static str); 3] {
    [
        (mandatory(|it| it.component_ids = vec![BOTS]), |it| unknowing(it, BOTS), "R-160"),
        (forbidden(|it| it.extensions = vec![PRIVATE]), holding, "R-162"),
        (forbidden(|it| it.component_ids = vec![0xF123]), |it| with_component(it, 0xF123), "R-162"),
    ]
}

fn with_component(words: &mut Words, id: u16) {
    let mut dictionary = words.extensions.app_data_dictionary().unwrap().dictionary().clone();
    dictionary.insert(id, Vec::new());
    let dictionary = Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary));
    words.extensions.add_or_replace(dictionary).unwrap();
}

#[test]
fn r160_r162_clients_that_are_added() {
    for (policy, say, rule) in faults() {
        let (_, mut alice, mut bob, mut carol) = three_under(&policy);
        let key_package = key_package(say, SECONDS);
        let proposal = hostile_proposal(&mut bob, Propose::Add(key_package.clone()));
        not_kept(&mut carol, &proposal, rule);
        let plan = Plan { adds: vec![key_package], ..Plan::default() };
        not_followed(&mut alice, &hostile_commit(&mut bob, plan), Evidence::ForbiddenCommit);
    }
}

/// Who could do what nobody may comes in.
#[test]
fn r162_support_is_no_use() {
    let (_, mut alice, mut bob, _) = three_under(&forbidden(|it| it.extensions = vec![PRIVATE]));
    let plan = Plan { adds: vec![key_package(lists, SECONDS)], ..Plan::default() };
    let commit = hostile_commit(&mut bob, plan);
    assert_eq!(take(&mut alice, &commit).unwrap(), Received::Taken);
    assert!(!alice.room().is_forked());
}

#[test]
fn r160_r162_leaves_of_paths() {
    for (policy, say, _) in faults() {
        let (_, mut alice, mut bob, _) = three_under(&policy);
        let mut words = Words::new(CS, &bob.crypto);
        say(&mut words);
        let plan = Plan { leaf: words.into_parameters(), update: true, ..Plan::default() };
        not_followed(&mut alice, &hostile_commit(&mut bob, plan), Evidence::ForbiddenCommit);
    }
}

#[test]
fn r160_r162_leaves_from_outside() {
    for (policy, say, _) in faults() {
        let (hub, mut alice, ..) = three_under(&policy);
        let commit = hostile_join_as(&hub, &alice, "bob", None, say);
        not_followed(&mut alice, &commit, Evidence::ForbiddenCommit);
    }
}

#[test]
fn r160_r162_leaves_that_are_renewed() {
    for (policy, say, rule) in faults() {
        let (_, mut alice, mut bob, _) = three_under(&policy);
        let mut words = Words::new(CS, &bob.crypto);
        say(&mut words);
        let proposal = hostile_proposal(&mut bob, Propose::Update(words.into_parameters()));
        not_kept(&mut alice, &proposal, rule);
    }
}

#[test]
fn r162_handshakes() {
    // Removes, and external commits.
    let (hub, mut alice, mut bob, mut carol) =
        three_under(&forbidden(|it| it.proposals = vec![3, 6]));
    let own = leaf_of(&bob, "bob");
    not_kept(&mut carol, &hostile_proposal(&mut bob, Propose::Remove(own.u32())), "R-162");
    let commit = hostile_join_as(&hub, &alice, "bob", None, |_| ());
    not_followed(&mut carol, &commit, Evidence::ForbiddenCommit);
    let plan = Plan { removes: vec![own], ..Plan::default() };
    not_followed(&mut bob, &hostile_commit(&mut alice, plan), Evidence::ForbiddenCommit);
}

#[test]
fn r171_a_key_package_is_not_valid_for_too_long() {
    let policy = OperationalParameters { max_kp_lifetime: SECONDS, ..Default::default() };
    let (_, mut alice, mut bob, mut carol) = three_under(&policy);
    let long = key_package(|_| (), SECONDS + 1);
    not_kept(&mut carol, &hostile_proposal(&mut bob, Propose::Add(long.clone())), "R-171");
    let plan = Plan { adds: vec![key_package(|_| (), SECONDS)], ..Plan::default() };
    assert_eq!(take(&mut carol, &hostile_commit(&mut bob, plan)).unwrap(), Received::Taken);
    let plan = Plan { adds: vec![long], ..Plan::default() };
    not_followed(&mut alice, &hostile_commit(&mut bob, plan), Evidence::ForbiddenCommit);
}

/// A change that somebody who is there does not fit, or the group itself, is none (E-087).
#[test]
fn r160_r162_a_policy_that_the_room_does_not_fit() {
    // One of everybody's, one of the group itself; all are in `it::forged_leaves`.
    let policies = [
        (mandatory(|it| it.extensions = vec![PRIVATE]), "R-160"),
        (forbidden(|it| it.component_ids = vec![ComponentId::ROLES_LIST.0]), "R-162"),
    ];
    for (policy, rule) in policies {
        let (_, mut alice, mut bob, mut carol) = three_under(&OperationalParameters::default());
        let Proposal::AppDataUpdate(update) = new_policy(&policy) else { panic!() };
        let AppDataUpdateOperation::Update(data) = update.operation() else { panic!() };
        let propose = Propose::UpdateAppDataComponent {
            component_id: update.component_id(),
            update: data.as_slice().to_vec(),
        };
        not_kept(&mut carol, &hostile_proposal(&mut alice, propose), rule);
        let plan = Plan { proposals: vec![new_policy(&policy)], ..Plan::default() };
        not_followed(&mut bob, &hostile_commit(&mut alice, plan), Evidence::ForbiddenCommit);
    }
}

/// E-087: nor a media type that it does not receive.
#[test]
fn e087_media_types_that_somebody_does_not_receive() {
    let (_, mut alice, mut bob, mut carol) = three_under(&OperationalParameters::default());
    for (name, fits) in [("image/png", false), ("text/plain", true)] {
        let list = MediaTypeList(vec![name.parse().unwrap()]).encode();
        let component_id = ComponentId::CONTENT_MEDIA_TYPES.0;
        let propose = Propose::UpdateAppDataComponent { component_id, update: list.clone() };
        let proposal = hostile_proposal(&mut alice, propose);
        if !fits {
            not_kept(&mut carol, &proposal, "E-087");
            continue;
        }
        let update = AppDataUpdateProposal::update(component_id, list);
        let update = Proposal::AppDataUpdate(Box::new(update));
        let plan = Plan { proposals: vec![update], ..Plan::default() };
        assert_eq!(take(&mut bob, &hostile_commit(&mut alice, plan)).unwrap(), Received::Taken);
        assert!(!bob.room().is_forked());
    }
}

/// An Add that waits lapses by a policy that it does not fit: together nobody could commit them.
#[test]
fn q79_what_no_longer_fits_lapses() {
    let (_, mut alice, mut bob, mut carol) = three_under(&OperationalParameters::default());
    let key_package = key_package(|it| unknowing(it, BOTS), SECONDS);
    let add = hostile_proposal(&mut bob, Propose::Add(key_package));
    take(&mut carol, &add).unwrap();
    assert_eq!(carol.room().state.waiting.len(), 1);
    let policy = mandatory(|it| it.component_ids = vec![BOTS]);
    let propose = Propose::UpdateAppDataComponent {
        component_id: ComponentId::MLS_OPERATIONAL_POLICY.0,
        update: policy.encode(),
    };
    take(&mut carol, &hostile_proposal(&mut alice, propose)).unwrap();
    let [left] = carol.room().state.waiting.iter().collect::<Vec<_>>()[..] else { panic!() };
    assert!(matches!(left.queued.proposal(), Proposal::AppDataUpdate(_)));
    assert_eq!(carol.room().effective().clients(&user("bob")), 1);
}

/// Our own room neither.
#[test]
fn r160_a_room_that_its_creator_does_not_fit() {
    let policy = mandatory(|it| it.component_ids = vec![0xF123]);
    let operational = (ComponentId::MLS_OPERATIONAL_POLICY, policy.encode());
    let hub = Hub::with(super::policy(Preset::Cooperative, &[operational]));
    let alice = Client::new("alice", "phone", Crash::Never);
    let key = alice.device.signature_key().to_vec();
    let limits = Limits::default();
    let made = Room::create(&alice.env(), &hub.offer, &key, LIFETIME, Components::new(), &limits);
    assert!(matches!(made, Err(Refusal::Denied(denied)) if denied.rule == "R-160"));
}

/// A Welcome leads into no room whose policy somebody in it does not fit, we ourselves or who has made it.
#[test]
fn r160_r162_a_welcome_to_a_room_that_we_do_not_fit() {
    for (policy, rule) in [
        (OperationalParameters::default(), None),
        (mandatory(|it| it.component_ids = vec![PRIVATE]), Some("R-160")),
        (mandatory(|it| it.media_types = vec!["image/png".parse().unwrap()]), Some("R-160")),
        (forbidden(|it| it.extensions = vec![PRIVATE]), None),
        (forbidden(|it| it.credentials = vec![1]), Some("R-162")),
        (forbidden(|it| it.cipher_suites = vec![CS.into()]), Some("R-162")),
    ] {
        let operational = (ComponentId::MLS_OPERATIONAL_POLICY, policy.encode());
        let hub = Hub::with(super::policy(Preset::Cooperative, &[operational]));
        let mut tablet = Client::new("alice", "tablet", Crash::Never);
        let (welcome, tree) = hostile_welcome(&hub, None, &mut tablet);
        let found = match tablet.invited(&welcome, RatchetTreeOption::Full(tree)) {
            Ok(_) => None,
            Err(Refusal::Denied(denied)) => Some(denied.rule),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(found, rule, "{policy:?}");
    }
}

/// What stands beside a message may be forbidden too: it is not shown, whatever it says.
#[test]
fn r162_safe_aad() {
    let id = ComponentId::MESSAGE_ID.0;
    for (policy, forbids) in [
        (OperationalParameters::default(), false),
        (forbidden(|it| it.safe_aad_types = vec![id]), true),
    ] {
        let (_, _, mut bob, mut carol) = three_under(&policy);
        for beside in [true, false] {
            let content = carol.compose("hello");
            let items: &[(u16, &[u8])] = if beside { &[(id, &[7; 32])] } else { &[] };
            take(&mut bob, &hostile_message_beside(&mut carol, items, &content)).unwrap();
            let events = bob.events();
            let discarded =
                matches!(events.as_slice(), [Event::Discarded { reason: Discard::Forbidden, .. }]);
            assert_eq!((discarded, events.len()), (forbids && beside, 1), "{events:?}");
        }
    }
}
