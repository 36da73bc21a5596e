//! How a group is saved: a snapshot now and then, and what each commit changed since.
//!
//! | kind | record | written |
//! | --- | --- | --- |
//! | 0x10 | [`Head`] | with every commit |
//! | 0x11 | [`Snapshot`] | at the founding; then with a commit, of the state *before* it, once the redo records have grown |
//! | 0x12 | [`Redo`], by the epoch it leads to | with every commit |
//! | 0x13 | a pending proposal, by its number | when it is accepted |
//!
//! A commit is checked without changing the group, so the state after it does not exist when its records are made;
//! the state before it does. A commit that finds the redo records grown therefore saves a snapshot of that state,
//! deletes the redo records that lead to it, and adds its own: the three are one save.
//!
//! A redo record is the engine's own change, without the GroupContext, of which only what is new is saved. Merging it
//! again needs no clock and no cryptography, and no message is ever replayed: an expired KeyPackage in it would be
//! refused.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::{
    Config, Group, Writes,
    context::{Context, RawExtension},
    engine::{Diff, Engine, Verified},
    frame::{Body, RawProposal, read_frame},
    group_info::Info,
    patch::Patch,
    propose::{Pending, Waiting},
    roster::{Entry, Roster},
    rules::view,
    shelf::Parts,
    view::{KeyPackageRef, ProposalRef, ProposalView, Sender},
};
use crate::{
    codec::MAX_LENGTH,
    env::Timestamp,
    error::RestoreError,
    machine::{Key, Records},
};

/// The format of all records of a group, the first octet of each. It covers the engine's own layouts: it changes
/// when they do.
const FORMAT: u8 = 1;

const HEAD: u8 = 0x10;
const SNAPSHOT: u8 = 0x11;
const REDO: u8 = 0x12;
const PENDING: u8 = 0x13;

/// Octets of a record's check.
const CHECK: usize = 8;

/// Redo records below this many octets ask for no snapshot.
const SMALL: u64 = 64 << 10;

/// Where the records stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    epoch: u64,
    snapshot_epoch: u64,
    snapshot_octets: u64,
    redo_octets: u64,
}

/// The whole group but its pending proposals.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Snapshot {
    group_id: Vec<u8>,
    parts: Parts,
    info: Info,
}

/// What a commit changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Redo {
    /// Where the GroupContext stood in the engine's change.
    at: usize,
    /// The engine's change without it.
    rest: Vec<u8>,
    context: ContextPatch,
    info: Info,
}

/// What is new in a GroupContext.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ContextPatch {
    tree_hash: Vec<u8>,
    confirmed_transcript_hash: Vec<u8>,
    /// All extensions but the dictionary, if one changed.
    extensions: Option<Vec<RawExtension>>,
    components: BTreeMap<u16, Option<Patch>>,
}

/// A pending proposal.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PendingRecord {
    reference: ProposalRef,
    sender: Sender,
    message: Vec<u8>,
    accepted_at: Timestamp,
    /// Its hash needs cryptography, which a restore does without.
    key_package: Option<KeyPackageRef>,
    /// The engine's own form.
    verified: Vec<u8>,
}

/// A record: format, check, value. The check is part of the hash of the key and the value: the engine takes what it
/// is given for its own, and may well panic on what is not.
fn encode(key: &Key, value: &impl Serialize) -> Vec<u8> {
    let value = postcard::to_allocvec(value).expect("records hold nothing that postcard lacks");
    let mut octets = vec![FORMAT];
    octets.extend_from_slice(&check(key, &value));
    octets.extend(value);
    octets
}

fn decode<T: DeserializeOwned>(
    what: &'static str,
    key: &Key,
    octets: &[u8],
) -> Result<T, RestoreError> {
    match octets.split_first() {
        None => Err(RestoreError::Corrupt(what)),
        Some((&FORMAT, rest)) => rest
            .split_first_chunk()
            .filter(|(sum, value)| **sum == check(key, value))
            .and_then(|(_, value)| postcard::take_from_bytes(value).ok())
            .and_then(|(value, rest)| rest.is_empty().then_some(value))
            .ok_or(RestoreError::Corrupt(what)),
        Some((format, _)) => Err(RestoreError::Format(*format)),
    }
}

fn check(key: &Key, value: &[u8]) -> [u8; CHECK] {
    let hash = Sha256::new().chain_update(key.as_bytes()).chain_update(value).finalize();
    let mut check = [0; CHECK];
    check.iter_mut().zip(hash).for_each(|(octet, hash)| *octet = hash);
    check
}

pub(super) fn pending_key(number: u64) -> Key {
    Key::new(PENDING).u64(number)
}

/// The record of a pending proposal.
pub(super) fn pending(waiting: &Waiting) -> (Key, Option<Vec<u8>>) {
    let key_package = match &waiting.pending.content {
        ProposalView::Add { key_package, .. } => Some(key_package.clone()),
        ProposalView::Update { .. }
        | ProposalView::Remove(_)
        | ProposalView::SelfRemove
        | ProposalView::AppDataUpdate { .. }
        | ProposalView::GroupContextExtensions(_)
        | ProposalView::ExternalInit => None,
    };
    let record = PendingRecord {
        reference: waiting.pending.reference.clone(),
        sender: waiting.pending.sender,
        message: waiting.pending.message.clone(),
        accepted_at: waiting.pending.accepted_at,
        key_package,
        verified: waiting.verified.encode(),
    };
    let key = pending_key(waiting.number);
    let record = encode(&key, &record);
    (key, Some(record))
}

impl ContextPatch {
    fn new(old: &Context, new: &Context) -> Self {
        let mut components = BTreeMap::new();
        for (component, data) in &new.components {
            match old.components.get(component) {
                Some(same) if same == data => {}
                other => {
                    let patch = Patch::new(other.map_or(&[], Vec::as_slice), data);
                    components.insert(*component, Some(patch));
                }
            }
        }
        let gone = old.components.keys().filter(|it| !new.components.contains_key(it));
        components.extend(gone.map(|component| (*component, None)));
        Self {
            tree_hash: new.tree_hash.clone(),
            confirmed_transcript_hash: new.confirmed_transcript_hash.clone(),
            extensions: (old.extensions != new.extensions).then(|| new.extensions.clone()),
            components,
        }
    }

    fn apply(self, context: &mut Context) -> Option<()> {
        context.epoch = context.epoch.checked_add(1)?;
        context.tree_hash = self.tree_hash;
        context.confirmed_transcript_hash = self.confirmed_transcript_hash;
        if let Some(extensions) = self.extensions {
            context.extensions = extensions;
        }
        for (component, patch) in self.components {
            match patch {
                Some(patch) => {
                    let old = context.components.get(&component).map_or(&[][..], Vec::as_slice);
                    let new = patch.apply(old, MAX_LENGTH)?;
                    context.components.insert(component, new);
                }
                None => {
                    context.components.remove(&component)?;
                }
            }
        }
        Some(())
    }
}

impl Head {
    /// Where the records stand after a founding, whose snapshot is this.
    fn founded(epoch: u64, snapshot: &[u8]) -> Self {
        Self { epoch, snapshot_epoch: epoch, snapshot_octets: octets(snapshot), redo_octets: 0 }
    }

    fn record(&self) -> (Key, Option<Vec<u8>>) {
        let key = Key::new(HEAD);
        let record = encode(&key, self);
        (key, Some(record))
    }

    fn is_grown(&self) -> bool {
        self.redo_octets > SMALL.max(self.snapshot_octets / 2)
    }
}

fn octets(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

impl Group {
    fn snapshot(&self) -> Vec<u8> {
        let snapshot = Snapshot {
            group_id: self.context.group_id.clone(),
            parts: self.engine.parts(),
            info: self.info.clone(),
        };
        encode(&Key::new(SNAPSHOT), &snapshot)
    }

    /// What to save of a group that was just founded: a snapshot.
    #[must_use]
    pub fn writes(&self) -> Writes {
        let snapshot = self.snapshot();
        let head = Head::founded(self.context.epoch, &snapshot);
        let mut writes = vec![head.record(), (Key::new(SNAPSHOT), Some(snapshot))];
        writes.extend(self.waiting.iter().map(pending));
        writes
    }

    /// The keys of all records that are stored of it, for when it goes.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        let first = self.head.snapshot_epoch.saturating_add(1);
        let redo = (first..=self.head.epoch).map(|epoch| Key::new(REDO).u64(epoch));
        let pending = self.waiting.iter().map(|waiting| pending_key(waiting.number));
        [Key::new(HEAD), Key::new(SNAPSHOT)].into_iter().chain(redo).chain(pending).collect()
    }

    /// Where the records of a group stand that was just founded.
    pub(super) fn founding_head(&self) -> Head {
        Head::founded(self.context.epoch, &self.snapshot())
    }

    /// What to save with a commit, and where the records stand then.
    pub(super) fn commit_writes(&self, diff: &Diff, new: &Context, info: &Info) -> (Writes, Head) {
        let (at, rest) = diff.encode();
        let context = ContextPatch::new(&self.context, new);
        let key = Key::new(REDO).u64(new.epoch);
        let redo = encode(&key, &Redo { at, rest, context, info: info.clone() });
        let mut writes: Writes =
            self.waiting.iter().map(|it| (pending_key(it.number), None)).collect();
        let mut head = self.head;
        if head.is_grown() {
            let snapshot = self.snapshot();
            let covered = head.snapshot_epoch.saturating_add(1)..=head.epoch;
            writes.extend(covered.map(|epoch| (Key::new(REDO).u64(epoch), None)));
            head = Head::founded(self.context.epoch, &snapshot);
            writes.push((Key::new(SNAPSHOT), Some(snapshot)));
        }
        head.epoch = new.epoch;
        head.redo_octets = head.redo_octets.saturating_add(octets(&redo));
        writes.push((key, Some(redo)));
        writes.push(head.record());
        (writes, head)
    }

    /// The group that was saved: equal to the live one in every answer. Needs no clock and no cryptography.
    ///
    /// # Errors
    /// If the records are not complete or do not decode.
    pub fn restore(records: &Records, config: &Config) -> Result<Self, RestoreError> {
        let head: Head = read(records, &Key::new(HEAD), "the group")?;
        let Snapshot { group_id, parts, mut info } =
            read(records, &Key::new(SNAPSHOT), "the group's snapshot")?;
        let corrupt = RestoreError::Corrupt("the group's snapshot");
        let mut engine = Engine::load(&group_id, parts).ok_or(corrupt.clone())?;
        let mut context = Context::decode(&engine.context()).map_err(|_| corrupt.clone())?;
        if context.group_id != group_id || context.epoch != head.snapshot_epoch {
            return Err(corrupt);
        }
        let mut redone = 0_usize;
        while context.epoch < head.epoch {
            let key = Key::new(REDO).u64(context.epoch.saturating_add(1));
            let redo: Redo = read(records, &key, "a commit")?;
            let corrupt = RestoreError::Corrupt("a commit");
            redo.context.apply(&mut context).ok_or(corrupt.clone())?;
            engine.merge(Diff::decode(redo.at, &redo.rest, &context.encode()).ok_or(corrupt)?);
            info = redo.info;
            redone += 1;
        }
        if records.kind(REDO).count() != redone || engine.context() != context.encode() {
            return Err(RestoreError::Corrupt("a commit"));
        }
        let senders = context.external_senders().map_err(|_| RestoreError::Corrupt("the group"))?;
        let roster = roster(&engine).ok_or(RestoreError::Corrupt("the group's tree"))?;
        let mut group = Self {
            config: config.clone(),
            engine,
            context_octets: context.encode(),
            context,
            senders,
            roster: Arc::new(roster),
            waiting: Vec::new(),
            info,
            head,
        };
        let waiting = records
            .kind(PENDING)
            .map(|(key, record)| group.restore_pending(key, record))
            .collect::<Result<_, _>>()?;
        group.enqueue(waiting);
        Ok(group)
    }

    fn restore_pending(&self, key: &Key, record: &[u8]) -> Result<Waiting, RestoreError> {
        const WHAT: &str = "a pending proposal";
        let PendingRecord { reference, sender, message, accepted_at, key_package, verified } =
            decode(WHAT, key, record)?;
        let number = key.fields().try_into().map(u64::from_be_bytes);
        let frame = read_frame(&message).map_err(|_| RestoreError::Corrupt(WHAT))?;
        let Body::Proposal(raw) = frame.body else { return Err(RestoreError::Corrupt(WHAT)) };
        let content =
            view(&self.context, &raw, key_package).map_err(|_| RestoreError::Corrupt(WHAT))?;
        let entry = match &raw {
            RawProposal::Add { leaf, .. } | RawProposal::Update(leaf) => {
                Some(Entry::new(leaf).map_err(|_| RestoreError::Corrupt(WHAT))?)
            }
            RawProposal::Remove(_)
            | RawProposal::ExternalInit
            | RawProposal::Extensions(_)
            | RawProposal::AppDataUpdate { .. }
            | RawProposal::SelfRemove
            | RawProposal::Refused(_) => None,
        };
        let verified = Verified::decode(&verified)
            .filter(|verified| verified.reference() == reference)
            .ok_or(RestoreError::Corrupt(WHAT))?;
        Ok(Waiting {
            number: number.map_err(|_| RestoreError::Corrupt(WHAT))?,
            pending: Pending { reference, sender, content, message, accepted_at },
            raw,
            entry,
            verified,
        })
    }
}

fn read<T: DeserializeOwned>(
    records: &Records,
    key: &Key,
    what: &'static str,
) -> Result<T, RestoreError> {
    decode(what, key, records.values.get(key).ok_or(RestoreError::Missing(what))?)
}

/// The members of the engine's tree; `None` if a leaf of it does not decode.
pub(super) fn roster(engine: &Engine) -> Option<Roster> {
    let mut roster = Roster::default();
    for (index, leaf) in engine.leaves() {
        roster.put(index, Entry::new(&leaf?).ok()?);
    }
    Some(roster)
}
