//! A hub and its real clients, and the bare engine beside them.

use std::collections::{BTreeMap, BTreeSet};

use openmls::{
    messages::group_info::VerifiableGroupInfo,
    prelude::{DeserializeBytes as _, OpenMlsProvider as _, *},
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

use super::{
    client::{Client, Made, compute_into, protocol_message},
    parts::{LIST, NOW, add, components, config, dictionary, required, senders, server, tls},
};
use crate::{
    delivery::{
        self, CommitBundle, CommitRefusal, FoundRefusal, OpenCommit, ProposalRef, ProposalRefusal,
        StagedCommit, Writes,
    },
    machine::{Changes, Records},
};

/// The same, of a commit that the delivery service has opened.
pub(super) fn compute(
    group: &delivery::Group,
    open: &OpenCommit,
) -> BTreeMap<u16, Option<Vec<u8>>> {
    let mut changes = BTreeMap::new();
    for (component, operation, _) in open.component_updates() {
        let old = || group.component(component).unwrap_or_default().to_vec();
        match operation {
            delivery::ComponentOperation::Update(data) if component == LIST => {
                let value = changes.entry(component).or_insert_with(|| Some(old()));
                value.as_mut().unwrap().extend_from_slice(data);
            }
            delivery::ComponentOperation::Update(data) => {
                changes.insert(component, Some(data.clone()));
            }
            delivery::ComponentOperation::Remove => {
                changes.insert(component, None);
            }
        }
    }
    changes
}

/// A hub and its clients, each save checked against a restore.
pub(super) struct Room {
    pub(super) clients: Vec<Client>,
    pub(super) hub: SignatureKeyPair,
    pub(super) hub_sender: delivery::ExternalSender,
    pub(super) follower: SignatureKeyPair,
    pub(super) follower_sender: delivery::ExternalSender,
    pub(super) group: delivery::Group,
    pub(super) records: Records,
}

/// What an acceptance wrote.
pub(super) fn save(records: &mut Records, writes: &Writes) -> usize {
    let keys: BTreeSet<_> = writes.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys.len(), writes.len(), "no key is written twice in one save");
    assert!(keys.iter().all(|key| delivery::Group::KINDS.contains(&key.kind())));
    let changes = Changes {
        base: records.revision,
        next: records.revision.next(),
        writes: writes.iter().cloned().collect(),
        wake_at: None,
    };
    let octets = changes.octets();
    assert!(records.save(&changes));
    octets
}

impl Room {
    pub(super) fn new(members: usize) -> Self {
        let (hub, hub_sender) = server("mimi://hub.example");
        let (follower, follower_sender) = server("mimi://follower.example");
        let mut alice = Client::new("mimi://hub.example/u/user0");
        alice.create(
            Extensions::from_vec(vec![
                required(),
                senders(&[&hub_sender, &follower_sender]),
                dictionary(&components()),
            ])
            .unwrap(),
        );
        let group = found(&alice).unwrap();
        let mut records = Records::default();
        save(&mut records, &group.writes());
        let mut room = Self {
            clients: vec![alice],
            hub,
            hub_sender,
            follower,
            follower_sender,
            group,
            records,
        };
        if members > 1 {
            room.add_members(1..members);
        }
        room.check();
        room
    }

    pub(super) fn add_members(&mut self, range: std::ops::Range<usize>) {
        let mut fresh: Vec<_> =
            range.map(|i| Client::new(&format!("mimi://hub.example/u/user{i}"))).collect();
        let adds = fresh.iter().map(add).collect();
        let made = self.clients[0].commit(adds);
        let tree = self.accept(0, &made);
        for client in &mut fresh {
            client.join(made.welcome.as_ref().unwrap(), &tree);
        }
        self.clients.extend(fresh);
        self.check();
    }

    /// What the hub keeps and what it would restore are one, and what the clients have.
    pub(super) fn check(&self) {
        let restored = delivery::Group::restore(&self.records, &config()).unwrap();
        assert_same(&self.group, &restored);
        for client in &self.clients {
            let Some(group) = client.group.as_ref().filter(|group| group.is_active()) else {
                continue;
            };
            assert_eq!(tls(group.public_group().group_context()), self.group.group_context());
            assert_eq!(tls(&group.export_ratchet_tree()), self.group.ratchet_tree());
        }
    }

    pub(super) fn propose(
        &mut self,
        messages: &[&[u8]],
    ) -> Result<Vec<ProposalRef>, ProposalRefusal> {
        let crypto = OpenMlsRustCrypto::default();
        let before: Vec<_> = self.group.pending().cloned().collect();
        let checked = self.group.check_proposals(crypto.crypto(), NOW, messages);
        assert!(self.group.pending().eq(&before), "a check changes nothing");
        let checked = checked?;
        let names = checked.proposals().iter().map(|it| it.reference.clone()).collect();
        let lapsed = checked.lapsed().to_vec();
        let staged = self.group.stage(checked, &[], NOW);
        save(&mut self.records, staged.writes());
        self.group.accept_proposals(staged);
        assert!(self.group.pending().all(|it| !lapsed.contains(&it.reference)));
        let restored = delivery::Group::restore(&self.records, &config()).unwrap();
        assert_same(&self.group, &restored);
        Ok(names)
    }

    /// Fans a proposal out to all but its sender.
    pub(super) fn deliver(&mut self, message: &[u8], from: Option<usize>) {
        for (i, client) in self.clients.iter_mut().enumerate() {
            if Some(i) != from {
                client.receive(message);
            }
        }
    }

    pub(super) fn judge(&self, made: &Made) -> Result<StagedCommit, CommitRefusal> {
        self.judge_with(&made.commit, &made.bundle())
    }

    pub(super) fn judge_with(
        &self,
        commit: &[u8],
        bundle: &CommitBundle<'_>,
    ) -> Result<StagedCommit, CommitRefusal> {
        let crypto = OpenMlsRustCrypto::default();
        let open = self.group.open_commit(crypto.crypto(), NOW, commit)?;
        let changes = compute(&self.group, &open);
        open.resolve(&self.group, crypto.crypto(), changes, bundle)
    }

    /// Accepts a member's commit, and brings it to all members. Returns the new tree.
    pub(super) fn accept(&mut self, from: usize, made: &Made) -> Vec<u8> {
        let staged = self.judge(made).unwrap();
        let tree = self.settle(staged);
        for (i, client) in self.clients.iter_mut().enumerate() {
            match i == from {
                true => client.merge_own(),
                false => client.receive(&made.commit),
            }
        }
        self.check();
        tree
    }

    pub(super) fn settle(&mut self, staged: StagedCommit) -> Vec<u8> {
        let tree = staged.ratchet_tree(&self.group);
        let info = staged.group_info().to_vec();
        save(&mut self.records, staged.writes());
        self.group.accept_commit(staged);
        assert_eq!(self.group.ratchet_tree(), tree);
        assert_eq!(self.group.group_info(), info);
        tree
    }

    /// The bare engine, where the hub is, with the same queue.
    pub(super) fn bare_engine(&self) -> (PublicGroup, OpenMlsRustCrypto) {
        let provider = OpenMlsRustCrypto::default();
        let info =
            VerifiableGroupInfo::tls_deserialize_exact_bytes(&self.group.group_info()).unwrap();
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&self.group.ratchet_tree()).unwrap();
        let (mut group, _) = PublicGroup::from_external(
            provider.crypto(),
            provider.storage(),
            tree,
            info,
            ProposalStore::new(),
        )
        .unwrap();
        for pending in self.group.pending() {
            bare_queue(&mut group, &provider, &pending.message).unwrap();
        }
        (group, provider)
    }

    /// Whether the bare engine would merge a commit.
    pub(super) fn bare_engine_accepts(&self, commit: &[u8]) -> bool {
        let (mut group, provider) = self.bare_engine();
        let processed = group.process_message(provider.crypto(), protocol_message(commit));
        let Ok(processed) = processed.inspect_err(|error| eprintln!("{error:?}")) else {
            return false;
        };
        let staged = match processed.into_content() {
            ProcessedMessageContent::StagedCommitMessage(staged) => *staged,
            ProcessedMessageContent::UnresolvedAppDataCommit(open) => {
                let mut updater = group.app_data_dictionary_updater();
                compute_into(&mut updater, open.app_data_update_proposals());
                let changes = updater.changes();
                match group.stage_app_data_commit(provider.crypto(), *open, changes) {
                    Ok(staged) => staged,
                    Err(error) => {
                        eprintln!("{error:?}");
                        return false;
                    }
                }
            }
            _ => return false,
        };
        group.merge_commit(provider.storage(), staged).is_ok()
    }

    /// Whether the bare engine would queue a proposal.
    pub(super) fn bare_engine_queues(&self, message: &[u8]) -> bool {
        let (mut group, provider) = self.bare_engine();
        bare_queue(&mut group, &provider, message).is_some()
    }
}

fn bare_queue(group: &mut PublicGroup, provider: &OpenMlsRustCrypto, message: &[u8]) -> Option<()> {
    let processed = group.process_message(provider.crypto(), protocol_message(message));
    let processed = processed.inspect_err(|error| eprintln!("{error:?}")).ok()?;
    match processed.into_content() {
        ProcessedMessageContent::ProposalMessage(proposal)
        | ProcessedMessageContent::ExternalJoinProposalMessage(proposal) => {
            group.add_proposal(provider.storage(), *proposal).ok()
        }
        _ => None,
    }
}

pub(super) fn found(creator: &Client) -> Result<delivery::Group, FoundRefusal> {
    let tree = tls(&creator.group.as_ref().unwrap().export_ratchet_tree());
    found_with(&creator.group_info(), &tree)
}

pub(super) fn found_with(info: &[u8], tree: &[u8]) -> Result<delivery::Group, FoundRefusal> {
    let crypto = OpenMlsRustCrypto::default();
    delivery::Group::found(crypto.crypto(), NOW, info, tree, &config())
}

/// Two groups that answer alike, and would save alike.
pub(super) fn assert_same(live: &delivery::Group, restored: &delivery::Group) {
    assert_eq!(live.context, restored.context);
    assert_eq!(live.context_octets, restored.context_octets);
    assert_eq!(live.senders, restored.senders);
    assert_eq!(live.roster, restored.roster);
    assert_eq!(live.info, restored.info);
    assert_eq!(live.head, restored.head);
    assert_eq!(live.engine.parts(), restored.engine.parts());
    assert!(live.pending().eq(restored.pending()));
    assert_eq!(live.writes(), restored.writes());
    assert_eq!(live.ratchet_tree(), restored.ratchet_tree());
}
