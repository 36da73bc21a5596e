//! Proposals that no client of this crate makes, properly signed. Their membership tags are those of nothing, which no
//! server can tell.

use std::sync::Arc;

use super::WorldCrypto;
use crate::{
    client,
    codec::{Wire, write_bytes},
    testing::world::node::{Key, Phone},
    wire::{PublicMessage, labelled},
};

/// Whoever signs.
pub(super) struct Author<'a>(Signature<'a>);

enum Signature<'a> {
    Own(&'a (dyn openmls_traits::signatures::Signer + Send + Sync)),
    Made(Box<dyn openmls_traits::signatures::Signer + Send + Sync>),
}

impl<'a> Author<'a> {
    /// A device.
    pub(super) fn of(phone: &'a Phone) -> Self {
        Self(Signature::Own(phone.signer.as_ref()))
    }

    /// Nobody that anybody knows.
    pub(super) fn stranger<C: WorldCrypto>(crypto: &Arc<C>) -> Option<Self> {
        Some(Self(Signature::Made(Key::new(crypto).1)))
    }

    /// A standalone proposal of a member.
    pub(super) fn of_member(
        &self,
        room: &client::Room,
        leaf: u32,
        proposal: &[u8],
    ) -> Option<PublicMessage> {
        let mut message = frame(room, 1, leaf, proposal);
        self.sign(&mut message, &room.group_context())?;
        // The membership tag.
        write_bytes(&mut message, &[9; 32]);
        PublicMessage::decode(&message).ok()
    }

    /// A proposal of an external sender.
    pub(super) fn of_server(
        &self,
        room: &client::Room,
        index: u32,
        proposal: &[u8],
    ) -> Option<PublicMessage> {
        let mut message = frame(room, 2, index, proposal);
        self.sign(&mut message, &[])?;
        PublicMessage::decode(&message).ok()
    }

    fn sign(&self, message: &mut Vec<u8>, context: &[u8]) -> Option<()> {
        let signed = [message.as_slice(), context].concat();
        let signer = Lent(match &self.0 {
            Signature::Own(signer) => *signer,
            Signature::Made(signer) => signer.as_ref(),
        });
        let signature = labelled::sign(&signer, "FramedContentTBS", &signed).ok()?;
        write_bytes(message, &signature);
        Some(())
    }
}

struct Lent<'a>(&'a (dyn openmls_traits::signatures::Signer + Send + Sync));

impl openmls_traits::signatures::Signer for Lent<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, openmls_traits::signatures::SignerError> {
        self.0.sign(payload)
    }

    fn signature_scheme(&self) -> openmls_traits::types::SignatureScheme {
        self.0.signature_scheme()
    }
}

/// A PublicMessage that holds a proposal, up to its signature.
fn frame(room: &client::Room, sender_type: u8, sender: u32, proposal: &[u8]) -> Vec<u8> {
    let mut message = vec![0, 1, 0, 1];
    write_bytes(&mut message, room.group().as_bytes());
    message.extend(room.epoch().to_be_bytes());
    message.push(sender_type);
    message.extend(sender.to_be_bytes());
    // An empty SafeAAD.
    write_bytes(&mut message, &[0]);
    message.push(2);
    message.extend_from_slice(proposal);
    message
}
