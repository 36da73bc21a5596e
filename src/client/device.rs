//! A device: who it is, its KeyPackages, and the rooms it is in.

use std::collections::BTreeMap;

use openmls::key_packages::{KeyPackage, KeyPackageBundle};
use openmls_traits::types::Ciphersuite;
use serde::{Deserialize, Serialize};
use tls_codec::Serialize as _;

use super::{
    Keys, LentKeyPackage, Lifetime, Token, create::credential, leaf, member::Provider, store::Store,
};
use crate::{
    codec::Wire,
    env::{Crypto, Env, Limits, Timestamp},
    error::{Misuse, RestoreError},
    machine::{Changes, Founding, Key, Machine, Outcome, Records, Revision, Step, record, sealed},
    uri::{ClientUri, GroupUri, RoomUri, UserUri},
    wire::{self, KeyPackageRef, Welcome},
};

const HEAD: u8 = 0x01;
const KEY_PACKAGE: u8 = 0x02;
const ROOM: u8 = 0x03;
const WANTED: u8 = 0x04;

/// Who a device is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) user: UserUri,
    pub(super) client: ClientUri,
    pub(super) signature_key: Vec<u8>,
}

/// How far a KeyPackage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// Made; whether the provider has it is not known.
    Made(Token),
    /// The provider has it.
    Published,
}

/// A KeyPackage with its private part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    stage: Stage,
    octets: Vec<u8>,
    /// The engine's own form, with the private keys.
    bundle: Vec<u8>,
    not_after: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) head: Head,
    key_packages: BTreeMap<Vec<u8>, Kept>,
    pub(super) rooms: BTreeMap<RoomUri, GroupUri>,
    /// Rooms that the device is to join.
    pub(super) wanted: BTreeMap<RoomUri, GroupUri>,
}

/// A device of a user: the credential its leaves have, the KeyPackages it has given out, and the rooms it is in.
///
/// Private parts of KeyPackages are [lent](Device::lend) to the founding of a room, and forgotten in a step of their
/// own when the room is saved.
#[derive(Debug)]
pub struct Device {
    revision: Revision,
    limits: Limits,
    pub(super) state: State,
}

/// What a step has decided.
#[derive(Debug)]
pub struct Staged {
    revision: Revision,
    state: Box<State>,
}

/// What the app does next for its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceAction {
    /// Give these KeyPackages to the user's provider, then say so with [`Device::published`].
    Publish(Vec<wire::KeyPackage>),
}

impl sealed::Machine for Device {
    type Staged = Staged;

    fn settle(&mut self, staged: Staged) {
        self.revision = staged.revision;
        self.state = *staged.state;
    }

    fn undo(&mut self) {}
}

impl Machine for Device {
    type Action = DeviceAction;
}

/// The writes that turn one state into another.
fn writes(old: Option<&State>, new: &State) -> BTreeMap<Key, Option<Vec<u8>>> {
    let records = |state: &State| {
        let mut records = BTreeMap::from([(Key::new(HEAD), record::encode(&state.head))]);
        records.extend(state.key_packages.iter().map(|(reference, kept)| {
            (Key::new(KEY_PACKAGE).bytes(reference), record::encode(kept))
        }));
        for (kind, rooms) in [(ROOM, &state.rooms), (WANTED, &state.wanted)] {
            records.extend(rooms.iter().map(|(room, group)| {
                (Key::new(kind).bytes(room.as_bytes()), record::encode(group))
            }));
        }
        records
    };
    let before = old.map(records).unwrap_or_default();
    let after = records(new);
    let gone =
        before.keys().filter(|key| !after.contains_key(*key)).cloned().map(|key| (key, None));
    let mut writes: BTreeMap<Key, Option<Vec<u8>>> = gone.collect();
    writes.extend(
        after
            .into_iter()
            .filter(|(key, value)| before.get(key) != Some(value))
            .map(|(key, value)| (key, Some(value))),
    );
    writes
}

impl Device {
    /// A new device of a user. `signature_key` is the public key of a signing key that stays in [`Keys`].
    pub fn new(
        user: UserUri,
        client: ClientUri,
        signature_key: Vec<u8>,
        limits: &Limits,
    ) -> Founding<Self, ()> {
        let state = State {
            head: Head { user, client, signature_key },
            key_packages: BTreeMap::new(),
            rooms: BTreeMap::new(),
            wanted: BTreeMap::new(),
        };
        let changes = Changes {
            base: Revision::NONE,
            next: Revision::NONE.next(),
            writes: writes(None, &state),
            wake_at: None,
        };
        let device = Self { revision: changes.next, limits: limits.clone(), state };
        Founding::new(device, changes, Outcome { reply: (), actions: Vec::new() })
    }

    /// The device that was saved.
    ///
    /// # Errors
    /// If the records are not those of a device.
    pub fn restore(records: &Records, limits: &Limits) -> Result<Self, RestoreError> {
        let head = records.single(HEAD).ok_or(RestoreError::Missing("the device"))?;
        let mut state = State {
            head: record::decode("the device", head)?,
            key_packages: BTreeMap::new(),
            rooms: BTreeMap::new(),
            wanted: BTreeMap::new(),
        };
        for (key, value) in records.kind(KEY_PACKAGE) {
            let kept = record::decode("a KeyPackage", value)?;
            state.key_packages.insert(key.fields().to_vec(), kept);
        }
        let rooms = |kind| -> Result<BTreeMap<RoomUri, GroupUri>, RestoreError> {
            let corrupt = RestoreError::Corrupt("a room of the device");
            records
                .kind(kind)
                .map(|(key, value)| {
                    let room = RoomUri::parse(key.fields()).map_err(|_| corrupt.clone())?;
                    Ok((room, record::decode("a room of the device", value)?))
                })
                .collect()
        };
        state.rooms = rooms(ROOM)?;
        state.wanted = rooms(WANTED)?;
        Ok(Self { revision: records.revision, limits: limits.clone(), state })
    }

    pub(super) fn step<R>(
        &mut self,
        state: State,
        reply: R,
        actions: Vec<DeviceAction>,
    ) -> Step<'_, Self, R> {
        let writes = writes(Some(&self.state), &state);
        let base = self.revision;
        let next = if writes.is_empty() { base } else { base.next() };
        let changes = Changes { base, next, writes, wake_at: None };
        let staged = Staged { revision: next, state: Box::new(state) };
        Step::new(self, staged, changes, Outcome { reply, actions })
    }

    /// Makes KeyPackages for the user's provider to give out.
    ///
    /// The same token again gives the same KeyPackages, so that a lost reply makes no new ones.
    ///
    /// # Errors
    /// If the device would keep more than [`Limits::key_packages`], the signing key is not at hand, or the
    /// cryptography fails.
    pub fn make_key_packages<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        count: usize,
        suite: Ciphersuite,
        lifetime: Lifetime,
    ) -> Result<Step<'_, Self, ()>, Misuse> {
        let mut state = self.state.clone();
        let made: Vec<wire::KeyPackage> = self.unpublished(Some(token));
        if !made.is_empty() {
            return Ok(self.step(state, (), vec![DeviceAction::Publish(made)]));
        }
        if state.key_packages.len().saturating_add(count) > self.limits.key_packages {
            return Err(Misuse::Argument("more KeyPackages than the limit"));
        }
        let signer = env.keys.require(&self.state.head.signature_key)?;
        let mut made = Vec::new();
        for _ in 0..count {
            let store = Store::default();
            let failed = Misuse::Crypto("a KeyPackage cannot be made");
            let words = leaf::Words::new(suite, env.crypto);
            let Ok(bundle) = KeyPackage::builder()
                .leaf_node_capabilities(words.capabilities)
                .leaf_node_extensions(words.extensions)
                .key_package_lifetime(lifetime.to_openmls())
                .build(
                    suite,
                    &Provider { crypto: env.crypto, store: &store },
                    &signer,
                    credential(&self.state.head.user, &self.state.head.signature_key),
                )
            else {
                return Err(failed);
            };
            let encoded = bundle.key_package().tls_serialize_detached();
            let (Ok(octets), Ok(kept)) = (encoded, postcard::to_stdvec(&bundle)) else {
                return Err(failed);
            };
            let Ok(key_package) = wire::KeyPackage::decode(&octets) else { return Err(failed) };
            let reference = key_package.reference(env.crypto)?;
            state.key_packages.insert(
                reference.as_bytes().to_vec(),
                Kept {
                    stage: Stage::Made(token),
                    octets,
                    bundle: kept,
                    not_after: lifetime.not_after.seconds(),
                },
            );
            made.push(key_package);
        }
        Ok(self.step(state, (), vec![DeviceAction::Publish(made)]))
    }

    fn unpublished(&self, of: Option<Token>) -> Vec<wire::KeyPackage> {
        self.state
            .key_packages
            .values()
            .filter(|kept| match kept.stage {
                Stage::Made(token) => of.is_none_or(|of| of == token),
                Stage::Published => false,
            })
            .filter_map(|kept| wire::KeyPackage::decode(&kept.octets).ok())
            .collect()
    }

    /// The KeyPackages that the provider may not have yet: give it these again after a crash.
    #[must_use]
    pub fn to_publish(&self) -> Vec<wire::KeyPackage> {
        self.unpublished(None)
    }

    /// The provider has these KeyPackages.
    pub fn published(&mut self, references: &[KeyPackageRef]) -> Step<'_, Self, ()> {
        let mut state = self.state.clone();
        for reference in references {
            if let Some(kept) = state.key_packages.get_mut(reference.as_bytes()) {
                kept.stage = Stage::Published;
            }
        }
        self.step(state, (), Vec::new())
    }

    /// Forgets the private parts of KeyPackages: those that a room was founded with
    /// ([`Action::ForgetKeyPackage`](super::Action::ForgetKeyPackage)), or that are not to be used any more. Whoever
    /// has sent a Welcome for one is not heard.
    pub fn forget(&mut self, references: &[KeyPackageRef]) -> Step<'_, Self, ()> {
        let mut state = self.state.clone();
        for reference in references {
            state.key_packages.remove(reference.as_bytes());
        }
        self.step(state, (), Vec::new())
    }

    /// Forgets the KeyPackages that nobody can use any more.
    pub fn forget_expired(&mut self, now: Timestamp) -> Step<'_, Self, ()> {
        let mut state = self.state.clone();
        state.key_packages.retain(|_, kept| kept.not_after >= now.seconds());
        self.step(state, (), Vec::new())
    }

    /// The private part of the KeyPackage that a Welcome is for, to found the room with
    /// [`Room::join`](super::Room::join); none if it is not for this device.
    #[must_use]
    pub fn lend(&self, welcome: &Welcome) -> Option<LentKeyPackage> {
        welcome.new_members().iter().find_map(|reference| {
            let kept = self.state.key_packages.get(reference.as_bytes())?;
            let bundle: KeyPackageBundle = postcard::from_bytes(&kept.bundle).ok()?;
            Some(LentKeyPackage {
                user: self.state.head.user.clone(),
                reference: reference.clone(),
                bundle,
            })
        })
    }

    /// Whose device this is.
    #[must_use]
    pub const fn user(&self) -> &UserUri {
        &self.state.head.user
    }

    /// The device's own URI, which is in no leaf: its provider knows it.
    #[must_use]
    pub const fn client(&self) -> &ClientUri {
        &self.state.head.client
    }

    /// The public key of the signing key that new leaves get.
    #[must_use]
    pub fn signature_key(&self) -> &[u8] {
        &self.state.head.signature_key
    }

    /// How many KeyPackages the device keeps.
    #[must_use]
    pub fn key_packages(&self) -> usize {
        self.state.key_packages.len()
    }

    /// The revision that the device is at.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }
}
