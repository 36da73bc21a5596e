//! What no client of this crate says: for the adversaries of [`World`](crate::testing::World), on copies of rooms.

use tls_codec::Serialize as _;

use super::{Keys, Room};
use crate::{
    codec::Wire,
    env::{Crypto, Env},
    wire::{PrivateMessage, SubmitMessageRequest},
};

impl Room {
    /// Encrypts anything, with any franking tag beside it, and keeps nothing of it: the key that it uses up is used
    /// again.
    pub(crate) fn say_unchecked<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        data: &[u8],
        tag: Option<[u8; 32]>,
    ) -> Option<Vec<u8>> {
        let signer = self.signer(env).ok()?;
        let message = self.member.encrypt(env.crypto, &signer, tag, data).ok()?;
        let message = message.tls_serialize_detached().ok()?;
        let request = SubmitMessageRequest {
            app_message: PrivateMessage::decode(&message).ok()?,
            sending_uri: self.state.head.user.clone(),
        };
        Some(request.encode())
    }

    /// What stands before content and around it in this room, as [`Room::send`] has it.
    pub(crate) fn framed(&self, content: &[u8]) -> Vec<u8> {
        super::media::framed(content, &super::epoch::Reading::of(&self.state.epoch.committed))
    }
}
