//! The nodes of a world: providers and devices, each with a disk of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use openmls_traits::{
    signatures::{Signer, SignerError},
    types::{Ciphersuite, SignatureScheme},
};

use super::{WorldCrypto, model::Text, slot::Slot};
use crate::{
    client,
    content::MessageId,
    env::Limits,
    follower, hub,
    policy::presets::Preset,
    provider,
    testing::MemoryStore,
    uri::{ClientUri, Domain, RoomUri, UserUri},
};

/// The ciphersuite of a world.
pub(super) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// A signing key of the caller's cryptography.
pub(super) struct Key<C> {
    crypto: Arc<C>,
    private: Arc<[u8]>,
}

impl<C: WorldCrypto> Key<C> {
    /// A new one, with its public key.
    pub(super) fn new(crypto: &Arc<C>) -> (Vec<u8>, Box<Self>) {
        let (private, public) = crypto
            .signature_key_gen(SUITE.signature_algorithm())
            .expect("the world's cryptography makes keys");
        (public, Box::new(Self { crypto: crypto.clone(), private: private.into() }))
    }
}

impl<C> Clone for Key<C> {
    fn clone(&self) -> Self {
        Self { crypto: self.crypto.clone(), private: self.private.clone() }
    }
}

impl<C: WorldCrypto> Signer for Key<C> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.crypto
            .sign(self.signature_scheme(), payload, &self.private)
            .map_err(SignerError::CryptoError)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SUITE.signature_algorithm()
    }
}

/// A room as the world knows it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) uri: RoomUri,
    pub(super) hub: usize,
    pub(super) preset: Preset,
    /// The GroupContext of each epoch, as the hub had it.
    pub(super) contexts: BTreeMap<u64, Vec<u8>>,
}

/// A provider.
pub(super) struct Provider {
    pub(super) domain: Domain,
    pub(super) keys: hub::Keys,
    pub(super) limits: Limits,
    pub(super) store: MemoryStore,
    pub(super) hubs: BTreeMap<usize, Slot<hub::Room>>,
    pub(super) followers: BTreeMap<usize, Slot<follower::Room>>,
    pub(super) users: BTreeMap<usize, Slot<provider::User>>,
    /// Its clock, ahead of the world's by so many milliseconds.
    pub(super) skew: i64,
}

/// A user.
pub(super) struct Person {
    pub(super) uri: UserUri,
    pub(super) home: usize,
}

/// What a device's app knows of a room; its own database loses nothing.
#[derive(Debug, Default)]
pub(super) struct App {
    /// How often the device has entered the room: event IDs begin anew each time.
    pub(super) entries: u32,
    /// The epoch in which it entered last: it can read nothing from before.
    pub(super) since: u64,
    /// The events it has taken over since it entered.
    pub(super) taken: BTreeSet<client::EventId>,
    /// The texts it has shown, in order.
    pub(super) read: Vec<Text>,
    /// The newest message, of anybody, with its content.
    pub(super) newest: Option<(MessageId, Vec<u8>)>,
    /// The newest message of its own.
    pub(super) own: Option<(MessageId, Vec<u8>)>,
}

/// A device.
pub(super) struct Phone {
    pub(super) user: usize,
    pub(super) client: ClientUri,
    pub(super) keys: client::Keys,
    pub(super) signature_key: Vec<u8>,
    /// The same key once more, for what no client would sign.
    pub(super) signer: client::SigningKey,
    pub(super) limits: Limits,
    pub(super) store: MemoryStore,
    pub(super) device: Slot<client::Device>,
    pub(super) rooms: BTreeMap<usize, Slot<client::Room>>,
    pub(super) apps: BTreeMap<usize, App>,
    pub(super) on: bool,
    pub(super) tokens: u64,
    pub(super) skew: i64,
}

/// The ID under which a hub's room is stored.
pub(super) fn hub_id(room: usize) -> String {
    format!("hub {room}")
}

/// The ID under which a follower's room is stored.
pub(super) fn follower_id(room: usize) -> String {
    format!("follower {room}")
}

/// The ID under which a provider's user is stored.
pub(super) fn user_id(user: usize) -> String {
    format!("user {user}")
}

/// The ID under which a device's room is stored.
pub(super) fn room_id(room: usize) -> String {
    format!("room {room}")
}

/// The ID under which a device is stored, on its own disk.
pub(super) const DEVICE: &str = "device";

impl Provider {
    /// Drops all machines from memory.
    pub(super) fn evict(&mut self) {
        self.hubs.values_mut().for_each(Slot::evict);
        self.followers.values_mut().for_each(Slot::evict);
        self.users.values_mut().for_each(Slot::evict);
    }

    /// A second process reads all machines as they are stored now.
    pub(super) fn wake_twin(&mut self) {
        let (store, limits) = (&self.store, &self.limits);
        for (room, slot) in &mut self.hubs {
            slot.wake_twin(&hub_id(*room), store, limits);
        }
        for (room, slot) in &mut self.followers {
            slot.wake_twin(&follower_id(*room), store, limits);
        }
        for (user, slot) in &mut self.users {
            slot.wake_twin(&user_id(*user), store, limits);
        }
    }

    /// The room at its hub, as it is stored.
    pub(super) fn hub(&mut self, room: usize) -> Option<&mut hub::Room> {
        self.hubs.get_mut(&room)?.current(&hub_id(room), &self.store, &self.limits)
    }

    /// What is left of a room that has ended, as it is stored.
    pub(super) fn tombstone(&self, room: usize) -> Option<hub::Tombstone> {
        hub::Tombstone::of(&self.store.load(hub_id(room).as_bytes())?).ok()?
    }

    /// The room at a follower, as it is stored.
    pub(super) fn follower(&mut self, room: usize) -> Option<&mut follower::Room> {
        self.followers.get_mut(&room)?.current(&follower_id(room), &self.store, &self.limits)
    }
}

impl Phone {
    /// Drops all machines from memory.
    pub(super) fn evict(&mut self) {
        self.device.evict();
        self.rooms.values_mut().for_each(Slot::evict);
    }

    /// A room, as it is stored.
    pub(super) fn room(&mut self, room: usize) -> Option<&mut client::Room> {
        self.rooms.get_mut(&room)?.current(&room_id(room), &self.store, &self.limits)
    }

    /// The device, as it is stored.
    pub(super) fn device(&mut self) -> Option<&mut client::Device> {
        self.device.current(DEVICE, &self.store, &self.limits)
    }

    pub(super) fn token(&mut self) -> client::Token {
        self.tokens += 1;
        client::Token(self.tokens)
    }
}
