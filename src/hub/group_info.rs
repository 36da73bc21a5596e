//! What an external commit needs (protocol, section 5.6): for a new client of a participant, and for whoever else may
//! join, with nobody online (P-021, P-180).

use sha2::{Digest, Sha256};

use super::{
    GroupInfoRefusal, JoinAttempt, Keys, Refusal, Room,
    draft::Draft,
    expiring::{Asked, Joiner},
    floods::Door,
    joining::WayIn,
    proposed,
    record::Record,
    room::Change,
};
use crate::{
    codec::Wire,
    delivery::Credential,
    env::{Crypto, Env, Peer, Timestamp},
    error::Misuse,
    machine::Step,
    uri::{ProviderUri, UserUri},
    wire::{
        CipherSuite, ExternalSender, GroupInfo, GroupInfoAnswer, GroupInfoRatchetTree,
        GroupInfoRequest, GroupInfoResponse, PendingProposal, PublicMessage, RatchetTreeOption,
        SealedGroupInfo,
    },
};

/// How a request for the GroupInfo goes on.
#[derive(Debug)]
#[must_use = "whoever asked waits for the answer"]
#[allow(
    clippy::large_enum_variant,
    reason = "it is taken apart at once, and mostly has the large one"
)]
pub enum GroupInfoStep<'r> {
    /// With an answer.
    Answered(Step<'r, Room, GroupInfoResponse>),
    /// With a question about its joining code, which the room does not know: the hub's operator may.
    Asks(JoinAttempt),
}

impl Room {
    /// Gives the GroupInfo, the ratchet tree and what waits to somebody who may join, sealed to the key in the
    /// request, and remembers who asked: the external commit has to come from the same one (P-182).
    ///
    /// A joining code has to be one that the room knows (P-183); where codes are kept elsewhere too, call
    /// [`Room::ask_group_info`].
    ///
    /// # Errors
    /// If the request or its maker will not do; [`GroupInfoRefusal::answer`] is what to reply.
    pub fn group_info<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Step<'_, Self, GroupInfoResponse>, Refusal<GroupInfoRefusal>> {
        match self.ask_group_info(env, peer, body)? {
            GroupInfoStep::Answered(step) => Ok(step),
            GroupInfoStep::Asks(attempt) => Err(attempt.refuse()),
        }
    }

    /// The same, asking about a joining code that the room does not know instead of refusing it.
    ///
    /// # Errors
    /// If the request or its maker will not do; [`GroupInfoRefusal::answer`] is what to reply.
    pub fn ask_group_info<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<GroupInfoStep<'_>, Refusal<GroupInfoRefusal>> {
        if body.len() > self.limits.body {
            return Err(self.refuse(GroupInfoRefusal::TooLarge(self.limits.body)));
        }
        let request = GroupInfoRequest::decode(body).map_err(|error| self.refuse(error))?;
        let claimed = proposed::user(&Credential::from(&request.requesting_credential)).ok();
        self.admit(env.now, Door::GroupInfo, peer, claimed.as_ref())
            .map_err(|retry_after| self.refuse(GroupInfoRefusal::TooMany { retry_after }))?;
        let (user, way) =
            self.may_have_group_info(env, peer, &request).map_err(|reason| self.refuse(reason))?;
        let code = match way {
            WayIn::Free => None,
            WayIn::Code(name) => Some(name),
            WayIn::Unknown(code) => {
                let attempt = JoinAttempt::new(self, peer.clone(), request, user, code);
                return Ok(GroupInfoStep::Asks(attempt));
            }
        };
        let draft = Draft::new(&self.head);
        self.give_group_info(env, request, Joiner { user, code }, draft)
            .map(GroupInfoStep::Answered)
    }

    /// Gives the GroupInfo to somebody who may have it, and remembers who that is.
    pub(super) fn give_group_info<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        request: GroupInfoRequest,
        joiner: Joiner,
        mut draft: Draft,
    ) -> Result<Step<'_, Self, GroupInfoResponse>, Refusal<GroupInfoRefusal>> {
        let since =
            self.first_asked(env.now, &request, &mut draft).map_err(|it| self.refuse(it))?;
        let tree = || self.group.ratchet_tree();
        let ratchet_tree = self.convey_tree(env.now, self.group.tree_hash(), tree, &mut draft);
        let sealed =
            self.seal(env, &request, ratchet_tree).map_err(|reason| self.refuse(reason))?;
        for name in self.joiners.surplus(self.limits.joiners, 1) {
            draft.forget_joiner(name.clone());
        }
        let until = since.plus(self.limits.joiner_for);
        draft.put(Record::Joiner(request.requesting_signature_key, joiner, until));
        let response = GroupInfoResponse {
            room: self.head.room.clone(),
            answer: GroupInfoAnswer::Success(sealed),
        };
        Ok(self.step(draft, Change::None, response))
    }

    /// When this request came first. While its joiner is waited for it may come again, for its answer may have been lost,
    /// but that buys no more time; later it is a replay. Nothing in a request says when or for which room it was
    /// made.
    fn first_asked(
        &self,
        now: Timestamp,
        request: &GroupInfoRequest,
        draft: &mut Draft,
    ) -> Result<Timestamp, GroupInfoRefusal> {
        let name = Sha256::digest(request.encode()).to_vec();
        if let Some(asked) = self.asked.find(&name, now) {
            let waited = asked.at.plus(self.limits.joiner_for) <= now;
            return if waited { Err(GroupInfoRefusal::Replayed) } else { Ok(asked.at) };
        }
        for name in self.asked.surplus(self.limits.replays, 1) {
            draft.forget_asked(name.clone());
        }
        draft.put(Record::Asked(name, Asked { at: now }, now.plus(self.limits.replays_for)));
        Ok(now)
    }

    /// Who asks, if they may know, and how they may come in (P-023, P-181, P-183, P-184, P-185).
    pub(super) fn may_have_group_info<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        request: &GroupInfoRequest,
    ) -> Result<(UserUri, WayIn), GroupInfoRefusal> {
        if self.tombstone().is_some() {
            return Err(GroupInfoRefusal::Ended);
        }
        let suite = request.cipher_suite.known().ok_or(GroupInfoRefusal::Ciphersuite)?;
        env.crypto.supports(suite).map_err(|_| GroupInfoRefusal::Ciphersuite)?;
        let user = proposed::user(&Credential::from(&request.requesting_credential))?;
        if !self.speaks_for(peer, &user) {
            return Err(GroupInfoRefusal::Peer);
        }
        if self.is_blocked(&user) {
            return Err(GroupInfoRefusal::Blocked);
        }
        let way = self.way_in(&user, request.joining_code.as_deref(), env.now)?;
        if !request.verify(env.crypto) {
            return Err(GroupInfoRefusal::Signature);
        }
        Ok((user, way))
    }

    /// What the joiner needs, for its eyes only (P-186, P-187).
    fn seal<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        request: &GroupInfoRequest,
        ratchet_tree: RatchetTreeOption,
    ) -> Result<SealedGroupInfo, GroupInfoRefusal> {
        let mut pending_proposals = Vec::new();
        for pending in self.group.pending() {
            let proposal = PublicMessage::decode(&pending.message)?;
            pending_proposals.push(PendingProposal { proposal, accepted: pending.accepted_at });
        }
        let contents = GroupInfoRatchetTree {
            group_info: GroupInfo::decode(&self.group.group_info())?,
            ratchet_tree,
            pending_proposals,
        };
        let key = self
            .group
            .external_senders()
            .first()
            .ok_or(Misuse::MissingKey("the external sender"))?;
        let signer = env.keys.require(&key.signature_key, "the external sender")?;
        let suite = request.cipher_suite.known().ok_or(GroupInfoRefusal::Ciphersuite)?;
        if suite.signature_algorithm()
            != openmls_traits::signatures::Signer::signature_scheme(&signer)
        {
            return Err(GroupInfoRefusal::Ciphersuite);
        }
        let encrypted = contents
            .seal(env.crypto, suite, &request.group_info_public_key, &self.head.room)
            .ok_or(GroupInfoRefusal::Key)?;
        let hub_sender =
            ExternalSender::basic(&key.signature_key, &ProviderUri::new(&self.domain()));
        let cipher_suite = CipherSuite::from(suite);
        let mut sealed =
            SealedGroupInfo { cipher_suite, hub_sender, encrypted, signature: Vec::new() };
        sealed.sign(&signer, &self.head.room)?;
        Ok(sealed)
    }
}
