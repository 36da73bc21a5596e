//! A hub that does nothing but order, stamp and hand on.

use super::*;
use crate::hub::{self, Offer, Wish};

/// A hub that orders.
pub(in crate::client) struct Hub {
    pub(in crate::client) crypto: RustCrypto,
    pub(in crate::client) signer: SignatureKeyPair,
    pub(in crate::client) offer: Offer,
    pub(in crate::client) now: u64,
    pub(in crate::client) epoch: u64,
    pub(in crate::client) group_info: Vec<u8>,
    pub(in crate::client) pending: Vec<PublicMessage>,
    pub(in crate::client) log: Vec<FanoutMessage>,
    answered: BTreeMap<Vec<u8>, UpdateRoomResponse>,
    submitted: BTreeMap<Vec<u8>, SubmitMessageResponse>,
}

impl Hub {
    pub(in crate::client) fn new(preset: Preset) -> Self {
        Self::with(preset.room(&room_uri(), &user("alice"), &[]))
    }

    /// A hub that offers a room of this policy.
    pub(in crate::client) fn with(policy: Components) -> Self {
        let crypto = RustCrypto::default();
        let (public, signer) = pair();
        let copy: SignatureKeyPair =
            postcard::from_bytes(&postcard::to_stdvec(&signer).unwrap()).unwrap();
        let keys = hub::Keys::new(public, Box::new(copy), [7; 32]);
        let wish = Wish { room: room_uri(), creator: user("alice"), ciphersuite: CS, policy };
        let env = Env { now: Timestamp(0), crypto: &crypto, keys: &keys };
        let offer = hub::offer(&env, &wish).unwrap();
        Self {
            crypto,
            signer,
            offer,
            now: 1_700_000_000_000,
            epoch: 0,
            group_info: Vec::new(),
            pending: Vec::new(),
            log: Vec::new(),
            answered: BTreeMap::new(),
            submitted: BTreeMap::new(),
        }
    }

    pub(in crate::client) fn tick(&mut self) -> Timestamp {
        self.now += 1;
        Timestamp(self.now)
    }

    pub(in crate::client) fn update(&mut self, body: &[u8]) -> UpdateRoomResponse {
        if let Some(answer) = self.answered.get(body) {
            return answer.clone();
        }
        let UpdateRequest { bundle } = UpdateRequest::decode(body).unwrap();
        let epoch = match &bundle {
            HandshakeBundle::Commit { commit, .. } => commit.epoch(),
            HandshakeBundle::Proposals { first, .. } => first.epoch(),
        };
        if epoch != self.epoch {
            let outcome = UpdateOutcome::WrongEpoch { current_epoch: self.epoch };
            return UpdateRoomResponse { error_description: ErrorDescription::default(), outcome };
        }
        let timestamp = self.tick();
        match bundle {
            HandshakeBundle::Commit { commit, welcome, group_info, .. } => {
                self.epoch += 1;
                self.pending.clear();
                let GroupInfoOption::Full(group_info) = group_info else { panic!("full") };
                self.group_info = group_info.as_bytes().to_vec();
                let event = FanoutEvent::Commit { commit, external_proposals: Vec::new() };
                self.log.push(FanoutMessage { timestamp, event });
                if let Some(welcome) = welcome {
                    let ratchet_tree = RatchetTreeOption::DistributionService;
                    let event = FanoutEvent::Welcome { welcome, ratchet_tree };
                    self.log.push(FanoutMessage { timestamp, event });
                }
            }
            HandshakeBundle::Proposals { first, more } => {
                self.pending.push(first.clone());
                self.pending.extend(more.clone());
                let event = FanoutEvent::Proposals { first, more };
                self.log.push(FanoutMessage { timestamp, event });
            }
        }
        let outcome = UpdateOutcome::Success { accepted_timestamp: timestamp };
        let answer = UpdateRoomResponse { error_description: ErrorDescription::default(), outcome };
        self.answered.insert(body.to_vec(), answer.clone());
        answer
    }

    pub(in crate::client) fn submit(&mut self, body: &[u8]) -> SubmitMessageResponse {
        if let Some(answer) = self.submitted.get(body) {
            return answer.clone();
        }
        let request = SubmitMessageRequest::decode(body).unwrap();
        if request.app_message.epoch() != self.epoch {
            return SubmitMessageResponse::EpochTooOld { current_epoch: self.epoch };
        }
        let accepted = self.tick();
        let aad = crate::wire::SafeAad::decode(request.app_message.authenticated_data()).unwrap();
        let frank = aad.get(0x0020).map(|tag| {
            let context = franking::Context {
                sender: &request.sending_uri,
                room: &self.offer.room,
                accepted,
            };
            let tag = franking::Tag::decode(tag).unwrap();
            franking::stamp(&[7; 32], &self.signer, CS.into(), &tag, &context).unwrap()
        });
        let event = FanoutEvent::Application { message: request.app_message, frank: frank.clone() };
        self.log.push(FanoutMessage { timestamp: accepted, event });
        let answer = SubmitMessageResponse::Accepted { accepted_timestamp: accepted, frank };
        self.submitted.insert(body.to_vec(), answer.clone());
        answer
    }

    pub(in crate::client) fn group_info(
        &self,
        request: &GroupInfoRequest,
        tree: &RatchetTree,
    ) -> GroupInfoResponse {
        assert!(request.verify(&self.crypto));
        let pending_proposals = self
            .pending
            .iter()
            .map(|proposal| PendingProposal { proposal: proposal.clone(), accepted: Timestamp(1) })
            .collect();
        let answer = GroupInfoRatchetTree {
            group_info: GroupInfo::decode(&self.group_info).unwrap(),
            ratchet_tree: RatchetTreeOption::Full(tree.clone()),
            pending_proposals,
        };
        let room = self.offer.room.clone();
        let encrypted =
            answer.seal(&self.crypto, CS, &request.group_info_public_key, &room).unwrap();
        let mut sealed = SealedGroupInfo {
            cipher_suite: CS.into(),
            hub_sender: self.offer.external_sender(),
            encrypted,
            signature: Vec::new(),
        };
        sealed.sign(&self.signer, &room).unwrap();
        GroupInfoResponse { room, answer: GroupInfoAnswer::Success(sealed) }
    }
}
