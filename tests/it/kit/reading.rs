//! What a client says and takes in.

use openmimi::{
    codec::{Reader, Wire},
    env::Timestamp,
    room::ComponentId,
    wire::{
        FanoutEvent, FanoutMessage, Frank, RatchetTreeOption, SubmitMessageRequest,
        Welcome as WireWelcome,
    },
};
use openmls::{
    ciphersuite::hash_ref::make_proposal_ref, extensions::SenderExtensionIndex,
    framing::Sender as EngineSender, group::QueuedProposal, prelude::*,
};
use openmls_rust_crypto::OpenMlsRustCrypto;
use tls_codec::Deserialize as _;

use super::{
    SUITE,
    client::{Client, Read},
    parts::*,
};

impl Client {
    /// An application message with a franking tag, or without Safe AAD items.
    pub(crate) fn say(&mut self, text: &[u8], tag: Option<&[u8]>) -> Vec<u8> {
        let message = self.encrypt(text, tag);
        self.submit_body(&message)
    }

    pub(crate) fn encrypt(&mut self, text: &[u8], tag: Option<&[u8]>) -> Vec<u8> {
        self.encrypt_with(text, tag.map(|tag| (ComponentId::FRANK_AAD, tag)).as_slice())
    }

    /// An application message with these items in its Safe AAD.
    pub(crate) fn encrypt_with(&mut self, text: &[u8], items: &[(ComponentId, &[u8])]) -> Vec<u8> {
        let Self { provider, signer, group, .. } = self;
        let group = group.as_mut().unwrap();
        let items = items.iter().map(|(id, data)| SafeAadItem::new(id.0, data.to_vec()));
        group.set_safe_aad(items.collect()).unwrap();
        let message = tls(&group.create_message(provider, signer, text).unwrap());
        self.sent.push(message.clone());
        message
    }

    pub(crate) fn submit_body(&self, message: &[u8]) -> Vec<u8> {
        let app_message = openmimi::wire::PrivateMessage::decode(message).unwrap();
        SubmitMessageRequest { app_message, sending_uri: self.user.clone() }.encode()
    }

    /// Takes what the hub has fanned out.
    pub(crate) fn receive(&mut self, fanned: &FanoutMessage) {
        match &fanned.event {
            FanoutEvent::Welcome { welcome, ratchet_tree } => {
                if self.group.is_none() {
                    self.join(welcome, ratchet_tree);
                }
            }
            _ if !self.is_member() => {}
            FanoutEvent::Application { message, frank } => {
                self.hear(message, frank.as_ref(), fanned.timestamp);
            }
            FanoutEvent::Proposals { first, .. } if first.epoch() < self.epoch() => {}
            FanoutEvent::Proposals { first, more } => {
                std::iter::once(first).chain(more).for_each(|it| self.take(it.as_bytes()));
            }
            FanoutEvent::Commit { commit, external_proposals } => {
                if commit.epoch() < self.epoch() && !self.sent.contains(&commit.as_bytes().to_vec())
                {
                    return;
                }
                if self.pending.as_deref() == Some(commit.as_bytes()) {
                    self.merge_own();
                } else {
                    if self.pending.is_some() {
                        self.forget_commit();
                    }
                    self.take(commit.as_bytes());
                }
                if self.is_member() {
                    external_proposals.iter().for_each(|it| self.take(it.as_bytes()));
                }
            }
        }
    }

    fn join(&mut self, welcome: &WireWelcome, tree: &RatchetTreeOption) {
        let RatchetTreeOption::Full(tree) = tree else { panic!("no tree") };
        let staged = StagedWelcome::build_from_welcome(
            &self.provider,
            &join_config(),
            welcome.to_openmls().unwrap(),
        );
        // The Welcome of another client of the same provider.
        let Ok(staged) = staged else { return };
        let staged = staged.with_ratchet_tree(tree.to_openmls()).build().unwrap();
        self.group = Some(staged.into_group(&self.provider).unwrap());
    }

    fn hear(
        &mut self,
        message: &openmimi::wire::PrivateMessage,
        frank: Option<&Frank>,
        at: Timestamp,
    ) {
        if self.sent.contains(&message.as_bytes().to_vec()) {
            return;
        }
        let Self { provider, group, .. } = self;
        let group = group.as_mut().unwrap();
        let processed = group.process_message(provider, message.to_openmls()).unwrap();
        let tag = processed.safe_aad_item(ComponentId::FRANK_AAD.0).map(<[u8]>::to_vec);
        let ProcessedMessageContent::ApplicationMessage(text) = processed.into_content() else {
            panic!("no application message");
        };
        self.read.push(Read {
            text: text.into_bytes(),
            at,
            frank: frank.cloned(),
            tag,
            message: message.as_bytes().to_vec(),
        });
    }

    /// Takes a handshake message.
    pub(crate) fn take(&mut self, message: &[u8]) {
        if self.sent.iter().any(|it| it == message) {
            return;
        }
        let room = self.room();
        let Self { provider, group, .. } = self;
        let group = group.as_mut().unwrap();
        if let Some(queued) = component_update_of_a_server(provider, message) {
            group.store_pending_proposal(provider.storage(), queued).unwrap();
            return;
        }
        let protocol = MlsMessageIn::tls_deserialize_exact(message)
            .unwrap()
            .try_into_protocol_message()
            .unwrap();
        let processed = group.process_message(provider, protocol).unwrap();
        let staged = match processed.into_content() {
            ProcessedMessageContent::ProposalMessage(proposal)
            | ProcessedMessageContent::ExternalJoinProposalMessage(proposal) => {
                group.store_pending_proposal(provider.storage(), *proposal).unwrap();
                return;
            }
            ProcessedMessageContent::StagedCommitMessage(staged) => *staged,
            ProcessedMessageContent::UnresolvedAppDataCommit(open) => {
                let mut updater = group.app_data_dictionary_updater();
                fold_into(&room, &mut updater, open.app_data_update_proposals()).unwrap();
                let changes = updater.changes();
                group.stage_app_data_commit(provider, *open, changes).unwrap()
            }
            other => panic!("{other:?}"),
        };
        group.merge_staged_commit(provider, staged).unwrap();
    }
}

/// The engine takes no AppDataUpdate from an external sender, so it is queued past it (openmls 0.9.2).
fn component_update_of_a_server(
    provider: &OpenMlsRustCrypto,
    message: &[u8],
) -> Option<QueuedProposal> {
    #[derive(serde::Serialize)]
    struct Queued {
        proposal: Proposal,
        proposal_reference: openmls::ciphersuite::hash_ref::ProposalRef,
        sender: EngineSender,
        proposal_or_ref_type: ProposalOrRefType,
    }
    let mut reader = Reader::new(message);
    reader.take("version and wire format", 4).ok()?;
    reader.bytes("group_id").ok()?;
    reader.u64("epoch").ok()?;
    if reader.u8("sender_type").ok()? != 2 {
        return None;
    }
    let index = reader.u32("sender_index").ok()?;
    reader.bytes("authenticated_data").ok()?;
    if (reader.u8("content_type").ok()?, reader.u16("proposal_type").ok()?) != (2, 8) {
        return None;
    }
    let component = reader.u16("component_id").ok()?;
    assert_eq!(reader.u8("operation").ok()?, 1);
    let update = reader.bytes("update").ok()?;
    let queued = Queued {
        proposal: component_update(ComponentId(component), update),
        proposal_reference: make_proposal_ref(&message[2..], SUITE, provider.crypto()).ok()?,
        sender: EngineSender::External(SenderExtensionIndex::new(index)),
        proposal_or_ref_type: ProposalOrRefType::Reference,
    };
    postcard::from_bytes(&postcard::to_allocvec(&queued).ok()?).ok()
}
