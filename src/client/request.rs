//! Asking a hub for the GroupInfo of a room, to join it from outside, and opening its answer.

use openmls::credentials::BasicCredential;
use openmls_traits::types::Ciphersuite;

use super::{
    Keys, Token, proposed,
    refusal::{Impostor, Refusal},
};
use crate::{
    env::{Crypto, Env},
    error::Misuse,
    uri::{GroupUri, RoomUri, UserUri},
    wire::{
        ExternalSender, GroupInfoAnswer, GroupInfoRatchetTree, GroupInfoRequest, GroupInfoResponse,
    },
};

/// What a hub has given, and how it signs.
pub(super) struct Answer {
    pub(super) hub: ExternalSender,
    pub(super) group: GroupUri,
    pub(super) given: GroupInfoRatchetTree,
}

/// A request for the GroupInfo of a room, and what is needed to read the answer. It is not kept: after a crash ask
/// again.
pub struct JoinRequest {
    pub(super) room: RoomUri,
    pub(super) user: UserUri,
    pub(super) signature_key: Vec<u8>,
    suite: Ciphersuite,
    pub(super) token: Token,
    private_key: Vec<u8>,
    request: GroupInfoRequest,
    /// The group that it has to be, if that is known.
    group: Option<GroupUri>,
}

impl JoinRequest {
    /// Asks to join a room from outside: as a new client of a participant, or as somebody whom the room's policy or a
    /// joining code lets in. `token` names the external commit that will come of it.
    ///
    /// # Errors
    /// If the signing key is not at hand, or there is no randomness.
    pub fn new<C: Crypto>(
        env: &Env<'_, C, Keys>,
        token: Token,
        user: &UserUri,
        signature_key: &[u8],
        room: &RoomUri,
        suite: Ciphersuite,
        joining_code: Option<Vec<u8>>,
    ) -> Result<Self, Misuse> {
        let seed = env
            .crypto
            .random_vec(suite.hash_length())
            .map_err(|_| Misuse::Crypto("no randomness"))?;
        let keys = env
            .crypto
            .derive_hpke_keypair(suite.hpke_config(), &seed)
            .map_err(|_| Misuse::Crypto("no HPKE key"))?;
        let mut request = GroupInfoRequest {
            cipher_suite: suite.into(),
            requesting_signature_key: signature_key.to_vec(),
            requesting_credential: BasicCredential::new(user.as_bytes().to_vec()).into(),
            group_info_public_key: keys.public,
            joining_code,
            signature: Vec::new(),
        };
        request.sign(&env.keys.require(signature_key)?)?;
        Ok(Self {
            room: room.clone(),
            user: user.clone(),
            signature_key: signature_key.to_vec(),
            suite,
            token,
            private_key: keys.private.to_vec(),
            request,
            group: None,
        })
    }

    /// The same, for a room whose group is known: an answer with another one is refused.
    #[must_use]
    pub fn expecting(mut self, group: GroupUri) -> Self {
        self.group = Some(group);
        self
    }

    /// The body for the hub's `groupInfo` endpoint.
    #[must_use]
    pub const fn request(&self) -> &GroupInfoRequest {
        &self.request
    }

    /// The room that is asked for.
    #[must_use]
    pub const fn room(&self) -> &RoomUri {
        &self.room
    }

    /// What the hub has sealed for us, once it is sure that it was the room's hub (Q-32, D-06).
    pub(super) fn open<C: Crypto>(
        &self,
        crypto: &C,
        response: &GroupInfoResponse,
    ) -> Result<Answer, Refusal> {
        if response.room != self.room {
            return Err(Impostor::Room.into());
        }
        let sealed = match &response.answer {
            GroupInfoAnswer::Success(sealed) => sealed,
            GroupInfoAnswer::NotAuthorized | GroupInfoAnswer::NoSuchRoom => {
                return Err(Refusal::Withheld);
            }
        };
        let provider = proposed::provider(&sealed.hub_sender.credential);
        if provider.is_none_or(|provider| provider.domain() != self.room.domain()) {
            return Err(Impostor::Provider.into());
        }
        if sealed.cipher_suite != self.suite.into() || !sealed.verify(crypto, &self.room) {
            return Err(Impostor::Signature.into());
        }
        let answer = GroupInfoRatchetTree::open(
            crypto,
            self.suite,
            &self.private_key,
            &self.room,
            &sealed.encrypted,
        )?;
        // The keys in it are of the group's suite: an answer of another one proves nothing.
        if answer.group_info.cipher_suite() != self.suite {
            return Err(Refusal::OtherSuite(answer.group_info.cipher_suite().into()));
        }
        let found = GroupUri::parse(answer.group_info.group_id()).map_err(|_| Impostor::Group)?;
        let other = self.group.as_ref().is_some_and(|group| *group != found);
        if other || found.domain() != self.room.domain() {
            return Err(Impostor::Group.into());
        }
        Ok(Answer { hub: sealed.hub_sender.clone(), group: found, given: answer })
    }
}

impl std::fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinRequest").field("room", &self.room).finish_non_exhaustive()
    }
}
