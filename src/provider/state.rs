//! What a provider holds of one user, in memory and in records: one [`Edit`] is one record, and memory is what all
//! edits leave, live and restored alike.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    ConsentEndpoint,
    consent::{Consent, Contact, Decision, Stance},
    package::Package,
};
use crate::{
    env::Timestamp,
    error::RestoreError,
    machine::{
        Changes, Key, Records,
        record::{decode, encode},
    },
    uri::{ClientUri, Domain, RoomUri, UserUri},
    wire::KeyPackageRef,
};

const PROFILE: u8 = 0x01;
const DEVICE: u8 = 0x02;
const PACKAGE: u8 = 0x03;
/// A KeyPackage that was handed out; also the caller's index from reference to user, see [`references`].
///
/// [`references`]: super::references
const CLAIM: u8 = 0x04;
const ANSWER: u8 = 0x05;
const DECISION: u8 = 0x06;
const REQUEST: u8 = 0x07;
const ASKED: u8 = 0x08;
const TOLD: u8 = 0x09;
const LETTER: u8 = 0x0A;

/// Octets of a SHA-256.
pub(super) type Hash = [u8; 32];

/// What stands once for a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Profile {
    pub(super) user: UserUri,
    pub(super) stance: Stance,
    pub(super) deleted: bool,
    pub(super) next_device: u32,
    pub(super) next_package: u64,
    pub(super) next_letter: u64,
}

/// A KeyPackage that was handed out, remembered until it expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) device: u32,
    pub(super) not_after: Timestamp,
    /// For whom, until its Welcome has come: after that only the fact is kept, so that it is not published again.
    pub(super) waiting: Option<Claimant>,
}

/// For whom a KeyPackage was handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claimant {
    pub(super) requester: UserUri,
    pub(super) room: Option<RoomUri>,
    pub(super) peer: Domain,
    pub(super) at: Timestamp,
}

/// The answer to a claim, kept for a while for its octet-identical repetition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) until: Timestamp,
    pub(super) references: Vec<KeyPackageRef>,
    pub(super) bytes: Vec<u8>,
}

/// What another user has said of its consent, until a client of ours has taken it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) decision: Decision,
    /// With a grant, as they came.
    pub(super) key_packages: Vec<Vec<u8>>,
}

/// A message to another provider that has not been received yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Letter {
    pub(super) to: Domain,
    pub(super) endpoint: ConsentEndpoint,
    pub(super) body: Vec<u8>,
}

/// One client of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) client: ClientUri,
    /// Published and not handed out, in the order of publication.
    pub(super) packages: BTreeMap<u64, Package>,
    /// How many of them are not of last resort.
    pub(super) ordinary: usize,
    /// How many were handed out and have not expired.
    pub(super) claimed: usize,
}

/// One record written, or deleted where there is no value.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Profile(Profile),
    Device(u32, Option<ClientUri>),
    Package(u32, u64, Option<Package>),
    Claim(KeyPackageRef, Option<Claim>),
    Answer(Hash, Option<Answer>),
    Decision(Contact, Option<Decision>),
    /// Somebody asks the user.
    Request(Contact, Option<Timestamp>),
    /// The user asks somebody.
    Asked(Contact, Option<Timestamp>),
    Told(Contact, Option<Told>),
    Letter(u64, Option<Letter>),
}

/// What ends at a known time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Package(u32, u64),
    Claim(KeyPackageRef),
}

impl Edit {
    /// The record as storage has it.
    pub(super) fn write(&self) -> (Key, Option<Vec<u8>>) {
        match self {
            Self::Profile(profile) => (Key::new(PROFILE), Some(encode(profile))),
            Self::Device(device, client) => {
                (Key::new(DEVICE).u64(u64::from(*device)), client.as_ref().map(encode))
            }
            Self::Package(device, number, package) => (
                Key::new(PACKAGE).u64(u64::from(*device)).u64(*number),
                package.as_ref().map(|it| encode(&(&it.reference, it.key_package.as_bytes()))),
            ),
            Self::Claim(reference, claim) => {
                (Key::new(CLAIM).bytes(reference.as_bytes()), claim.as_ref().map(encode))
            }
            Self::Answer(hash, answer) => {
                (Key::new(ANSWER).bytes(hash), answer.as_ref().map(encode))
            }
            Self::Decision(contact, decision) => {
                (contact_key(DECISION, contact), decision.as_ref().map(encode))
            }
            Self::Request(contact, at) => (contact_key(REQUEST, contact), at.as_ref().map(encode)),
            Self::Asked(contact, at) => (contact_key(ASKED, contact), at.as_ref().map(encode)),
            Self::Told(contact, told) => (contact_key(TOLD, contact), told.as_ref().map(encode)),
            Self::Letter(number, letter) => {
                (Key::new(LETTER).u64(*number), letter.as_ref().map(encode))
            }
        }
    }

    /// What it makes end, and when.
    fn due(&self) -> (Option<Due>, Option<Timestamp>) {
        match self {
            Self::Package(device, number, package) => (
                Some(Due::Package(*device, *number)),
                package.as_ref().map(|it| it.lifetime.not_after),
            ),
            Self::Claim(reference, claim) => {
                (Some(Due::Claim(reference.clone())), claim.as_ref().map(|it| it.not_after))
            }
            Self::Profile(_)
            | Self::Device(..)
            | Self::Answer(..)
            | Self::Decision(..)
            | Self::Request(..)
            | Self::Asked(..)
            | Self::Told(..)
            | Self::Letter(..) => (None, None),
        }
    }
}

/// What a provider holds of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) profile: Profile,
    pub(super) devices: BTreeMap<u32, Device>,
    pub(super) claims: BTreeMap<KeyPackageRef, Claim>,
    pub(super) answers: BTreeMap<Hash, Answer>,
    pub(super) consent: Consent,
    pub(super) requests: BTreeMap<Contact, Timestamp>,
    pub(super) asked: BTreeMap<Contact, Timestamp>,
    pub(super) told: BTreeMap<Contact, Told>,
    pub(super) letters: BTreeMap<u64, Letter>,
    /// Where the packages are, by reference.
    places: BTreeMap<KeyPackageRef, (u32, u64)>,
    due: BTreeSet<(Timestamp, Due)>,
}

impl State {
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            consent: Consent::new(profile.stance),
            profile,
            devices: BTreeMap::new(),
            claims: BTreeMap::new(),
            answers: BTreeMap::new(),
            requests: BTreeMap::new(),
            asked: BTreeMap::new(),
            told: BTreeMap::new(),
            letters: BTreeMap::new(),
            places: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// The device of a client.
    pub(super) fn device(&self, client: &ClientUri) -> Option<(u32, &Device)> {
        self.devices.iter().find(|(_, it)| it.client == *client).map(|(number, it)| (*number, it))
    }

    /// The device among whose published KeyPackages this is.
    pub(super) fn published_by(&self, reference: &KeyPackageRef) -> Option<u32> {
        self.places.get(reference).map(|(device, _)| *device)
    }

    /// All that has ended by `now`, the first to end first.
    pub(super) fn ended(&self, now: Timestamp) -> impl Iterator<Item = &Due> {
        self.due.iter().take_while(move |(at, _)| *at <= now).map(|(_, due)| due)
    }

    /// When something ends next, once `edits` are settled.
    pub(super) fn wake_at(&self, edits: &[Edit]) -> Option<Timestamp> {
        let (touched, added): (Vec<_>, Vec<_>) = edits.iter().map(Edit::due).unzip();
        let touched: BTreeSet<Due> = touched.into_iter().flatten().collect();
        let kept = self.due.iter().find(|(_, due)| !touched.contains(due)).map(|(at, _)| *at);
        added.into_iter().flatten().chain(kept).min()
    }

    /// Takes one record over.
    pub(super) fn settle(&mut self, edit: Edit) {
        match edit {
            Edit::Profile(profile) => {
                self.consent.take_stance(profile.stance);
                self.profile = profile;
            }
            Edit::Device(number, Some(client)) => {
                let device = Device { client, packages: BTreeMap::new(), ordinary: 0, claimed: 0 };
                self.devices.insert(number, device);
            }
            Edit::Device(number, None) => {
                self.devices.remove(&number);
            }
            Edit::Package(device, number, package) => self.settle_package(device, number, package),
            Edit::Claim(reference, claim) => self.settle_claim(reference, claim),
            Edit::Answer(hash, answer) => put(&mut self.answers, hash, answer),
            Edit::Decision(contact, Some(decision)) => self.consent.put(contact, decision),
            Edit::Decision(contact, None) => self.consent.remove(&contact),
            Edit::Request(contact, at) => put(&mut self.requests, contact, at),
            Edit::Asked(contact, at) => put(&mut self.asked, contact, at),
            Edit::Told(contact, told) => put(&mut self.told, contact, told),
            Edit::Letter(number, letter) => put(&mut self.letters, number, letter),
        }
    }

    fn settle_package(&mut self, number: u32, place: u64, package: Option<Package>) {
        let Some(device) = self.devices.get_mut(&number) else { return };
        if let Some(old) = device.packages.remove(&place) {
            device.ordinary -= usize::from(!old.last_resort);
            self.due.remove(&(old.lifetime.not_after, Due::Package(number, place)));
            self.places.remove(&old.reference);
        }
        if let Some(package) = package {
            device.ordinary += usize::from(!package.last_resort);
            self.due.insert((package.lifetime.not_after, Due::Package(number, place)));
            self.places.insert(package.reference.clone(), (number, place));
            device.packages.insert(place, package);
        }
    }

    fn settle_claim(&mut self, reference: KeyPackageRef, claim: Option<Claim>) {
        if let Some(old) = self.claims.remove(&reference) {
            self.due.remove(&(old.not_after, Due::Claim(reference.clone())));
            if let Some(device) = self.devices.get_mut(&old.device) {
                device.claimed -= 1;
            }
        }
        if let Some(claim) = claim {
            self.due.insert((claim.not_after, Due::Claim(reference.clone())));
            if let Some(device) = self.devices.get_mut(&claim.device) {
                device.claimed += 1;
            }
            self.claims.insert(reference, claim);
        }
    }

    /// Reads all records back.
    pub(super) fn restore(records: &Records) -> Result<Self, RestoreError> {
        let profile = records.single(PROFILE).ok_or(RestoreError::Missing("user"))?;
        let mut state = Self::new(decode("user", profile)?);
        for (key, value) in records.kind(DEVICE) {
            let number = device_number(&mut fields(key, "client")?)?;
            state.settle(Edit::Device(number, Some(decode("client", value)?)));
        }
        for (key, value) in records.kind(PACKAGE) {
            let fields = &mut fields(key, "KeyPackage")?;
            let corrupt = || RestoreError::Corrupt("KeyPackage");
            let (device, number) = (device_number(fields)?, fields.next().ok_or_else(corrupt)?);
            if !state.devices.contains_key(&device) {
                return Err(corrupt());
            }
            let (reference, bytes) = decode::<(KeyPackageRef, Vec<u8>)>("KeyPackage", value)?;
            let package = Package::restore(reference, &bytes).map_err(|_| corrupt())?;
            state.settle(Edit::Package(device, number, Some(package)));
        }
        for (key, value) in records.kind(CLAIM) {
            let reference = KeyPackageRef::from(key.fields());
            state.settle(Edit::Claim(reference, Some(decode("claim", value)?)));
        }
        for (key, value) in records.kind(ANSWER) {
            let hash = key.fields().try_into().map_err(|_| RestoreError::Corrupt("answer"))?;
            state.settle(Edit::Answer(hash, Some(decode("answer", value)?)));
        }
        for (key, value) in records.kind(DECISION) {
            let decision = decode("consent", value)?;
            state.settle(Edit::Decision(contact(key, "consent")?, Some(decision)));
        }
        for (key, value) in records.kind(REQUEST) {
            let at = decode("request for consent", value)?;
            state.settle(Edit::Request(contact(key, "request for consent")?, Some(at)));
        }
        for (key, value) in records.kind(ASKED) {
            let at = decode("own request for consent", value)?;
            state.settle(Edit::Asked(contact(key, "own request for consent")?, Some(at)));
        }
        for (key, value) in records.kind(TOLD) {
            let told = decode("consent of another", value)?;
            state.settle(Edit::Told(contact(key, "consent of another")?, Some(told)));
        }
        for (key, value) in records.kind(LETTER) {
            let number = fields(key, "letter")?.next().ok_or(RestoreError::Corrupt("letter"))?;
            state.settle(Edit::Letter(number, Some(decode("letter", value)?)));
        }
        Ok(state)
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

/// The 64-bit fields of a key.
fn fields(
    key: &Key,
    what: &'static str,
) -> Result<impl Iterator<Item = u64> + use<>, RestoreError> {
    let chunks = key.fields().chunks_exact(8);
    if !chunks.remainder().is_empty() {
        return Err(RestoreError::Corrupt(what));
    }
    let numbers: Vec<u64> = chunks
        .map(|octets| octets.iter().fold(0, |number, &octet| number << 8 | u64::from(octet)))
        .collect();
    Ok(numbers.into_iter())
}

fn device_number(fields: &mut impl Iterator<Item = u64>) -> Result<u32, RestoreError> {
    let number = fields.next().and_then(|it| it.try_into().ok());
    number.ok_or(RestoreError::Corrupt("client"))
}

/// The key of what concerns a contact. No URI holds a NUL, so two contacts never share one.
fn contact_key(kind: u8, contact: &Contact) -> Key {
    let room = contact.room.as_ref().map(RoomUri::as_bytes).unwrap_or_default();
    Key::new(kind).bytes(contact.user.as_bytes()).bytes(&[0]).bytes(room)
}

/// The contact that a key names.
fn contact(key: &Key, what: &'static str) -> Result<Contact, RestoreError> {
    let read = || {
        let end = key.fields().iter().position(|&octet| octet == 0)?;
        let (user, room) = key.fields().split_at(end);
        let room = match room.get(1..)? {
            [] => None,
            room => Some(RoomUri::parse(room).ok()?),
        };
        Some(Contact { user: UserUri::parse(user).ok()?, room })
    };
    read().ok_or(RestoreError::Corrupt(what))
}

/// The KeyPackages that changes hand out and forget.
pub(super) fn references(changes: &Changes) -> impl Iterator<Item = (KeyPackageRef, bool)> {
    let writes = changes.writes.iter().filter(|(key, _)| key.kind() == CLAIM);
    writes.map(|(key, value)| (KeyPackageRef::from(key.fields()), value.is_some()))
}
