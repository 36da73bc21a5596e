//! The rooms of a device, and what it asks of servers to get into one.

use openmls_traits::types::Ciphersuite;

use super::{Device, JoinRequest, Keys, Token, create::credential};
use crate::{
    env::{Crypto, Env},
    error::Misuse,
    machine::Step,
    uri::{GroupUri, RoomUri, UserUri},
    wire::{self, CipherSuite, KeyMaterialHead, KeyMaterialMls10, RequiredCapabilities},
};

impl Device {
    /// The rooms that the device is in, with their groups.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomUri, &GroupUri)> {
        self.state.rooms.iter()
    }

    /// The device is to join these rooms, which its user is in: another device of the user says which
    /// ([`Device::rooms`] there), or the provider does. Those that it is in already are left out.
    ///
    /// They stay [wanted](Device::wanted), across restarts, until the device has [entered](Device::entered) them: ask
    /// the hub of each for its GroupInfo with a [`Device::join_request`] and join with the answer, or let another
    /// device of the user add this one with a KeyPackage.
    pub fn want(
        &mut self,
        rooms: impl IntoIterator<Item = (RoomUri, GroupUri)>,
    ) -> Step<'_, Self, ()> {
        let mut state = self.state.clone();
        let rooms = rooms.into_iter().filter(|(room, _)| !self.state.rooms.contains_key(room));
        state.wanted.extend(rooms);
        self.step(state, (), Vec::new())
    }

    /// The rooms that the device is still to join, with their groups.
    pub fn wanted(&self) -> impl Iterator<Item = (&RoomUri, &GroupUri)> {
        self.state.wanted.iter()
    }

    /// The room is not to be joined after all.
    pub fn unwant(&mut self, room: &RoomUri) -> Step<'_, Self, ()> {
        let mut state = self.state.clone();
        state.wanted.remove(room);
        self.step(state, (), Vec::new())
    }

    /// Asks to join a room from outside, or to join it again: see [`JoinRequest::new`]. If the device knows the room's
    /// group, no answer with another one will do.
    ///
    /// # Errors
    /// If the signing key is not at hand, or there is no randomness.
    pub fn join_request<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        token: Token,
        room: &RoomUri,
        suite: Ciphersuite,
        joining_code: Option<Vec<u8>>,
    ) -> Result<JoinRequest, Misuse> {
        let head = &self.state.head;
        let (user, key) = (&head.user, &head.signature_key);
        let request = JoinRequest::new(env, token, user, key, room, suite, joining_code)?;
        let group = self.state.rooms.get(room).or_else(|| self.state.wanted.get(room));
        Ok(match group {
            Some(group) => request.expecting(group.clone()),
            None => request,
        })
    }

    /// The device is in a room, saved as a machine of its own.
    pub fn entered(&mut self, room: &RoomUri, group: &GroupUri) -> Step<'_, Self, ()> {
        let mut state = self.state.clone();
        state.wanted.remove(room);
        state.rooms.insert(room.clone(), group.clone());
        self.step(state, (), Vec::new())
    }

    /// The device is no longer in a room, whose records are gone.
    pub fn left(&mut self, room: &RoomUri) -> Step<'_, Self, ()> {
        let mut state = self.state.clone();
        state.rooms.remove(room);
        self.step(state, (), Vec::new())
    }

    /// A signed request for the key material of a user, to be added to a room (P-070 … P-077).
    ///
    /// # Errors
    /// If the signing key is not at hand or fails.
    pub fn request_key_material<C>(
        &self,
        env: &Env<'_, C, Keys>,
        target: &UserUri,
        room: &RoomUri,
        suite: Ciphersuite,
    ) -> Result<wire::KeyMaterialRequest, Misuse> {
        let key = &self.state.head.signature_key;
        let mut request = KeyMaterialMls10 {
            head: KeyMaterialHead {
                requesting_user: self.state.head.user.clone(),
                target_user: target.clone(),
                room: Some(room.clone()),
            },
            acceptable_ciphersuites: vec![CipherSuite::from(suite)],
            required_capabilities: RequiredCapabilities {
                extension_types: vec![0x0006],
                proposal_types: vec![0x0008, 0x000A],
                credential_types: vec![1],
            },
            requester_signature_key: key.clone(),
            requester_credential: credential(&self.state.head.user, key).credential,
            signature: Vec::new(),
        };
        request.sign(&env.keys.require(key)?)?;
        Ok(wire::KeyMaterialRequest::Mls10(request))
    }
}
