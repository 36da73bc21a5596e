//! What a provider does for its users.

mod account;
mod claim;
mod consent;
mod consent_table;
mod crash;
mod pace;
mod publish;
mod request;
pub(crate) mod support;

use std::collections::BTreeSet;

use openmimi::{
    codec::Wire,
    env::{Limits, Peer, Timestamp},
    provider::{
        Action, ClaimAnswer, ClaimFault, Contact, Decision, Policy, PublishFault, Stance, Unfit,
        User, claim_unknown, references,
    },
    uri::UserUri,
    wire::{
        CipherSuite, ClientMaterial, KeyMaterialHead, KeyMaterialRequest, KeyMaterialResponse,
        KeyMaterialUserCode as Code, RequiredCapabilities,
    },
};
use openmls::prelude::Capabilities;
use openmls_rust_crypto::RustCrypto;

use support::*;

const HOUR: u64 = 60 * 60 * 1000;

/// Bob, whom everyone may add.
fn bob() -> User {
    bob_with(Limits::default(), Policy::default(), Stance::Open)
}

fn bob_with(limits: Limits, policy: Policy, stance: Stance) -> User {
    User::found(limits, policy, user("bob@b.example"), stance).apply().0
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

fn publish(bob: &mut User, device: &Device, packages: &[Vec<u8>]) {
    let crypto = RustCrypto::default();
    let step = bob.publish(&env(&crypto, NOW), &device.peer(), packages).unwrap();
    settle(step);
}

fn publish_fault(bob: &mut User, peer: &Peer, packages: &[Vec<u8>]) -> PublishFault {
    let crypto = RustCrypto::default();
    let before = bob.clone();
    let refusal = bob.publish(&env(&crypto, NOW), peer, packages).unwrap_err();
    assert_eq!(refusal.revision, before.revision());
    assert_eq!(*bob, before, "a refusal changes nothing");
    refusal.reason
}

fn unfit(bob: &mut User, device: &Device, package: Vec<u8>) -> Unfit {
    match publish_fault(bob, &device.peer(), &[device.key_package(), package]) {
        PublishFault::Unfit { index: 1, fault } => fault,
        PublishFault::Unfit { .. }
        | PublishFault::Foreign
        | PublishFault::Deleted
        | PublishFault::Clients
        | PublishFault::Full(_)
        | PublishFault::Claimed => panic!("not the second one's fault"),
    }
}

fn claim_at(
    bob: &mut User,
    now: Timestamp,
    peer: &Peer,
    body: &[u8],
) -> Result<Vec<u8>, ClaimFault> {
    let crypto = RustCrypto::default();
    let claim = bob.claim(&env(&crypto, now), peer, body);
    claim.map(|step| step.apply().reply).map_err(|refusal| refusal.fault)
}

fn claim(bob: &mut User, peer: &Peer, body: &[u8]) -> Result<Vec<u8>, ClaimFault> {
    claim_at(bob, NOW, peer, body)
}

fn response(answer: &[u8]) -> KeyMaterialResponse {
    KeyMaterialResponse::decode(answer).unwrap()
}

fn bob_uri() -> &'static UserUri {
    static BOB: std::sync::LazyLock<UserUri> = std::sync::LazyLock::new(|| user("bob@b.example"));
    &BOB
}
