//! Commits: what the policy says of one, somebody else's or our own, and how our own is made.

use std::collections::BTreeSet;

use openmls::{
    ciphersuite::hash_ref::ProposalRef,
    component::ComponentData,
    group::{
        AppDataDictionaryUpdater, AppDataUpdates, CommitMessageBundle, MlsGroup, StagedCommit,
    },
    key_packages::KeyPackage,
    messages::proposals::{
        AppDataUpdateOperation, AppDataUpdateProposal, Proposal, ProposalOrRefType,
    },
    versions::ProtocolVersion,
};
use sha2::{Digest, Sha256};
use tls_codec::Serialize as _;

use super::{
    Keys,
    epoch::{self, Epoch},
    leaf,
    member::Plan,
    outbox::{Entry, Intent, Stage, Token, Wish},
    proposed::{self, Owned, Who},
    refusal::Refusal,
    room::Room,
    state::State,
    waiting::Waiting,
};
use crate::{
    codec::Wire,
    env::{Crypto, Env},
    error::Misuse,
    policy::{self, Claims, Committer, Denied, JoinCode, Verdict, View, judge_commit},
    room::{ComponentId, ComponentOperation, ParticipantListUpdate, RoomState},
    uri::UserUri,
    wire::{
        self, GroupInfoOption, HandshakeBundle, PublicMessage, RatchetTreeOption, Sender,
        UpdateRequest,
    },
};

/// Why a commit must not be.
#[derive(Debug)]
pub(super) enum Bad {
    /// MLS forbids it, though the engine lets it pass, or it names what nobody has.
    Invalid,
    /// The policy forbids it.
    Denied(Denied),
}

/// A commit that may be.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) by: UserUri,
    /// The waiting proposals that it leaves out though it had to contain them.
    pub(super) omitted: usize,
}

/// What some updates make of the components.
pub(super) fn fold(
    room: &RoomState,
    proposals: &[AppDataUpdateProposal],
    mut updater: AppDataDictionaryUpdater<'_>,
) -> Option<AppDataUpdates> {
    let updates: Vec<_> = proposals
        .iter()
        .map(|proposal| {
            let operation = match proposal.operation() {
                AppDataUpdateOperation::Update(data) => ComponentOperation::Update(data.as_slice()),
                AppDataUpdateOperation::Remove => ComponentOperation::Remove,
            };
            (ComponentId(proposal.component_id()), operation)
        })
        .collect();
    for (id, data) in room.fold(&updates, &[]).ok()?.components(room) {
        match data {
            Some(data) => updater.set(ComponentData::from_parts(id.0, data.into())),
            None => updater.remove(&id.0),
        }
    }
    updater.changes()
}

/// May this commit be? Asked before it is merged, of others' commits and of our own.
pub(super) fn judge(
    state: &State,
    group: &MlsGroup,
    staged: &StagedCommit,
    sender: Sender,
) -> Result<Judged, Bad> {
    let people = state.epoch.people(group);
    let path = staged.update_path_leaf_node();
    if path.is_some_and(|path| !leaf::understands(path, staged.group_context().extensions())) {
        return Err(Bad::Invalid);
    }
    let path_user =
        path.map(|path| proposed::user(path.credential()).ok_or(Bad::Invalid)).transpose()?;
    let (by, joins) = match sender {
        Sender::Member(leaf) => {
            let user = people.leaves.get(&leaf).ok_or(Bad::Invalid)?;
            if path_user.is_some_and(|path| path != *user) {
                return Err(Bad::Invalid);
            }
            (user.clone(), false)
        }
        Sender::NewMemberCommit => (path_user.ok_or(Bad::Invalid)?, true),
        Sender::External(_) | Sender::NewMemberProposal => return Err(Bad::Invalid),
    };
    let committer_leaf = match sender {
        Sender::Member(leaf) => Some(leaf),
        Sender::External(_) | Sender::NewMemberProposal | Sender::NewMemberCommit => None,
    };

    let mut owned: Vec<(Owned, bool)> = Vec::new();
    let mut references: BTreeSet<&ProposalRef> = BTreeSet::new();
    let mut touched = BTreeSet::new();
    let mut resync = false;
    for queued in staged.queued_proposals() {
        let proposal = queued.proposal();
        let waiting = match queued.proposal_or_ref_type() {
            ProposalOrRefType::Reference => {
                let reference = queued.proposal_reference_ref();
                references.insert(reference);
                let find = |waiting: &&std::sync::Arc<Waiting>| waiting.reference() == reference;
                Some(state.waiting.iter().find(find).ok_or(Bad::Invalid)?)
            }
            ProposalOrRefType::Proposal => None,
        };
        // One proposal a leaf, and nobody commits its own SelfRemove (RFC 9420, section 12.2; E-075, E-076).
        let leaf = if proposed::is_self_remove(proposal) {
            let leaf = waiting.and_then(|it| it.sender_leaf()).ok_or(Bad::Invalid)?;
            if Some(leaf) == committer_leaf {
                return Err(Bad::Invalid);
            }
            Some(leaf)
        } else if proposed::is_update(proposal) {
            waiting.and_then(|it| it.sender_leaf())
        } else {
            proposed::removed(proposal)
        };
        if leaf.is_some_and(|leaf| !touched.insert(leaf)) {
            return Err(Bad::Invalid);
        }
        if joins && waiting.is_none() {
            if matches!(proposal, Proposal::ExternalInit(_)) {
                continue;
            }
            // A joiner removes nothing but an old leaf of its own user, and one at most.
            let removed = proposed::removed(proposal);
            if removed.is_some_and(|leaf| !resync && people.leaves.get(&leaf) == Some(&by)) {
                resync = true;
                continue;
            }
            if !matches!(proposal, Proposal::AppDataUpdate(_)) {
                return Err(Bad::Invalid);
            }
        }
        match waiting {
            Some(waiting) => owned.push((waiting.owned.clone(), true)),
            None => {
                let who = if joins { Who::Joiner(by.clone()) } else { Who::User(by.clone()) };
                owned.push((people.read(who, proposal).ok_or(Bad::Invalid)?, false));
            }
        }
    }

    let omitted = state
        .waiting
        .iter()
        .filter(|waiting| {
            let proposal = waiting.queued.proposal();
            let own_update =
                proposed::is_update(proposal) && waiting.sender_leaf() == committer_leaf;
            proposed::is_self_remove(proposal) || !joins && !own_update
        })
        .filter(|waiting| !references.contains(waiting.reference()))
        .count();
    let committer = if joins {
        Committer::Joiner {
            user: &by,
            claims: Claims::BASIC,
            pseudonym: false,
            resync,
            code: JoinCode::Unseen,
        }
    } else {
        Committer::Member { user: &by, pseudonym: false }
    };
    let proposals: Vec<_> =
        owned.iter().map(|(owned, by_reference)| owned.committed(*by_reference)).collect();
    let view = View::new(&state.epoch.committed, &state.epoch.effective);
    let verdict = judge_commit(view, committer, &proposals).map_err(Bad::Denied)?;

    let arrivals = staged.queued_proposals().map(|it| leaf::arrival(it.proposal()));
    let arrivals: Vec<_> = arrivals.collect::<Option<_>>().ok_or(Bad::Invalid)?;
    let path = path.map(|path| leaf::said(path).ok_or(Bad::Invalid)).transpose()?;
    if path.is_some() {
        touched.extend(committer_leaf);
    }
    let staying = leaf::all(group, &touched);
    let ground = leaf::ground(group.ciphersuite(), group.extensions());
    policy::leaf::commit(view, &ground, joins, &arrivals, path.as_ref(), staying)
        .map_err(Bad::Denied)?;
    Ok(Judged { verdict, by, omitted })
}

/// The room of the epoch that the group has just entered.
pub(super) fn entered(epoch: &Epoch, verdict: Verdict, group: &MlsGroup) -> Result<Epoch, Refusal> {
    let mut committed = RoomState::clone(&epoch.committed);
    verdict.apply(&mut committed);
    let servers = proposed::servers(group.extensions())?;
    Ok(Epoch::new(committed, epoch::leaves(group)?, servers))
}

/// SHA-256 of a message.
pub(super) fn hash(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

/// SHA-256 of the messages of a bundle, one after the other.
pub(super) fn hash_of<'a>(bundle: impl IntoIterator<Item = &'a PublicMessage>) -> [u8; 32] {
    let mut hash = Sha256::new();
    bundle.into_iter().for_each(|message| hash.update(message.as_bytes()));
    hash.finalize().into()
}

/// The body of a commit's update, and the hash of the commit.
pub(super) fn request(bundle: &CommitMessageBundle) -> Result<(Vec<u8>, [u8; 32]), Refusal> {
    let octets = |it: Result<Vec<u8>, tls_codec::Error>| {
        it.map_err(|_| Refusal::Misuse(Misuse::Crypto("a commit does not encode")))
    };
    let commit = octets(bundle.commit().tls_serialize_detached())?;
    let welcome = bundle
        .welcome()
        .map(|welcome| octets(welcome.tls_serialize_detached()))
        .transpose()?
        .map(|welcome| wire::Welcome::decode(&welcome))
        .transpose()?;
    let group_info = bundle.group_info().ok_or(Misuse::Crypto("a commit has no GroupInfo"))?;
    let group_info = wire::GroupInfo::decode(&octets(group_info.tls_serialize_detached())?)?;
    let request = UpdateRequest {
        bundle: HandshakeBundle::Commit {
            commit: PublicMessage::decode(&commit)?,
            welcome,
            group_info: GroupInfoOption::Full(group_info),
            ratchet_tree: RatchetTreeOption::DistributionService,
        },
    };
    Ok((request.encode(), hash(&commit)))
}

impl Room {
    /// What an intent is in this epoch.
    pub(super) fn plan<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        state: &State,
        intent: &Intent,
    ) -> Result<Plan, Refusal> {
        let room = &state.epoch.committed;
        let group = self.member.group()?;
        let place = |uri: &str| {
            let listed = room.participants().find(uri).map(|listed| listed.place);
            listed.ok_or(Refusal::Misuse(Misuse::Argument("not a participant")))
        };
        let mut update = ParticipantListUpdate {
            added: intent.add.iter().map(|(user, role)| (user.clone().into(), *role)).collect(),
            ..ParticipantListUpdate::default()
        };
        let mut leave = BTreeSet::new();
        for (participant, role) in &intent.roles {
            update.changed.push((place(participant.as_str())?, *role));
            if room.roles().is_banned(*role) {
                leave.insert(participant.as_str());
            }
        }
        for participant in &intent.remove {
            update.removed.push(place(participant.as_str())?);
            leave.insert(participant.as_str());
        }
        let going = state.going();
        let mut plan = Plan { update: intent.update, ..Plan::default() };
        for member in group.members() {
            let user = state.epoch.leaves.get(&member.index.u32());
            let asked = user.is_some_and(|user| leave.contains(user.as_str()))
                || intent.remove_clients.contains(&member.signature_key);
            if asked && !going.contains(&member.index.u32()) {
                plan.removes.push(member.index);
            }
        }
        if update != ParticipantListUpdate::default() {
            plan.proposals.push(component(ComponentId::PARTICIPANT_LIST, Some(update.encode())));
        }
        for (id, data) in &intent.components {
            plan.proposals.push(component(*id, data.clone()));
        }
        for octets in &intent.key_packages {
            plan.adds.push(self.key_package(env, octets)?);
        }
        Ok(plan)
    }

    /// A KeyPackage that may be added: valid now, and understanding all that the room uses (D-25, Q-28).
    fn key_package<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        octets: &[u8],
    ) -> Result<KeyPackage, Refusal> {
        let refused = Refusal::Mls("a KeyPackage");
        let Ok(key_package) = wire::KeyPackage::decode(octets)?
            .to_openmls()
            .validate(env.crypto, ProtocolVersion::Mls10)
        else {
            return Err(refused);
        };
        let now = env.now.seconds();
        let lifetime = key_package.life_time();
        let (leaf, group) = (key_package.leaf_node(), self.member.group()?.extensions());
        let fits = leaf::understands(leaf, group) && leaf::receives(leaf, group);
        if lifetime.not_before() > now || lifetime.not_after() < now || !fits {
            return Err(refused);
        }
        Ok(key_package)
    }

    /// Makes a commit and puts it into the outbox. On an error the group may hold it still: the step is rolled back,
    /// or [`Room::unmake`] is called.
    pub(super) fn make_commit<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        state: &State,
        token: Token,
        intent: &Intent,
    ) -> Result<Entry, Refusal> {
        if state.going().contains(&self.member.group()?.own_leaf_index().u32()) {
            return Err(Refusal::Going);
        }
        let mut plan = self.plan(env, state, intent)?;
        // A change of extensions comes first: no receiver takes it after an AppDataUpdate.
        let mut pending = state.waiting.clone();
        pending.sort_by_key(|waiting| {
            !matches!(waiting.queued.proposal(), Proposal::GroupContextExtensions(_))
        });
        plan.pending = pending.iter().map(|waiting| waiting.queued.clone()).collect();
        let group = self.member.group()?;
        let (epoch, own_leaf) = (group.epoch().as_u64(), group.own_leaf_index());
        let signer = self.signer(env)?;
        let committed = &state.epoch.committed;
        let bundle = self.member.commit(env.crypto, &signer, plan, |proposals, updater| {
            fold(committed, proposals, updater)
        })?;
        let group = self.member.group()?;
        let staged = group.pending_commit().ok_or(Misuse::Crypto("a commit is not staged"))?;
        judge(state, group, staged, Sender::Member(own_leaf.u32())).map_err(|bad| match bad {
            Bad::Invalid => Refusal::Mls("the commit"),
            Bad::Denied(denied) => Refusal::Denied(denied),
        })?;
        let (body, hash) = request(&bundle)?;
        Ok(Entry {
            token,
            wish: Wish::Commit(intent.clone()),
            stage: Stage::Sent,
            epoch,
            hash,
            proposals: pending.len(),
            body,
        })
    }

    /// Takes back a commit that [`Room::make_commit`] may have left in the group.
    pub(super) fn unmake<C: Crypto>(&mut self, env: &Env<'_, C, Keys>) -> Result<(), Refusal> {
        self.member.reclaim(env.crypto)?;
        Ok(self.member.drop_own(env.crypto)?)
    }

    /// The signer of our leaf.
    pub(super) fn signer<'k, C>(
        &self,
        env: &Env<'k, C, Keys>,
    ) -> Result<super::keys::Lent<'k>, Refusal> {
        let group = self.member.group()?;
        let own = group.own_leaf_node().ok_or(Refusal::Closed)?;
        Ok(env.keys.require(own.signature_key().as_slice())?)
    }
}

/// An AppDataUpdate.
pub(super) fn component(id: ComponentId, data: Option<Vec<u8>>) -> Proposal {
    let update = match data {
        Some(data) => AppDataUpdateProposal::update(id.0, data),
        None => AppDataUpdateProposal::remove(id.0),
    };
    Proposal::AppDataUpdate(Box::new(update))
}
