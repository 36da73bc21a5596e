//! Into a room that is there already: by a Welcome, or from outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use openmls::{
    extensions::Extensions,
    group::{GroupContext, GroupId},
    key_packages::KeyPackageBundle,
    messages::proposals::{AppDataUpdateProposal, Proposal},
};
use openmls_traits::types::Ciphersuite;
use tls_codec::Serialize as _;

use super::{
    Action, JoinRequest, Keys,
    commit::{self, component},
    create::{credential, kept, tuned, untuned},
    draft::Draft,
    epoch::{self, Epoch},
    leaf::{self, Words},
    member::{Entrance, Member},
    outbox::{Entry, Stage, Wish},
    proposed::{self, Owned, People, Who},
    refusal::{Impostor, Refusal},
    request::Answer,
    room::Room,
    state::{Head, Standing, State},
    tree::{LeafHead, leaves},
};
use crate::{
    codec::{Reader, Wire},
    env::{Crypto, Env, Limits, Timestamp},
    error::Misuse,
    machine::{Founding, Step},
    policy::{Claims, Committer, JoinCode, RoleIndex, View, judge_commit},
    room::{ComponentId, ParticipantListUpdate, RoomState},
    uri::{GroupUri, RoomUri, UserUri},
    wire::{
        FanoutEvent, FanoutMessage, GroupInfoResponse, KeyPackageRef, PendingProposal,
        PublicMessage, RatchetTree, RatchetTreeOption, RatchetTreeSourceDomains, Sender, labelled,
    },
};

/// What a device lends to the founding of a room: the private part of a KeyPackage.
#[derive(Debug)]
pub struct LentKeyPackage {
    pub(super) user: UserUri,
    pub(super) reference: KeyPackageRef,
    pub(super) bundle: KeyPackageBundle,
}

/// The tree itself, or that it has to be fetched: from a host that the group allows, if it names any (T-006).
fn full<'a>(
    option: &'a RatchetTreeOption,
    fetched: Option<&'a RatchetTree>,
    extensions: &Extensions<GroupContext>,
) -> Result<&'a RatchetTree, Refusal> {
    if let RatchetTreeOption::HttpsUri(url) = option
        && let Some(domains) = extensions.unknown(RatchetTreeSourceDomains::EXTENSION)
        && !RatchetTreeSourceDomains::decode(&domains.0).is_ok_and(|it| it.allows(url))
    {
        return Err(Impostor::TreeSource.into());
    }
    match (fetched, option) {
        (Some(tree), _) | (None, RatchetTreeOption::Full(tree)) => Ok(tree),
        (None, RatchetTreeOption::HttpsUri(url)) => {
            Err(Refusal::TreeElsewhere(url.as_str().into()))
        }
        (None, RatchetTreeOption::OutOfBand | RatchetTreeOption::DistributionService) => {
            Err(Refusal::Mls("no ratchet tree"))
        }
    }
}

impl Room {
    /// Joins with the Welcome that somebody else's commit has made for this device.
    ///
    /// `room` is the room that the hub has fanned it out for. The KeyPackage is used up: as an action asks, let the
    /// device forget it in a later step, and then call [`Room::forgotten`]. Until that, the same Welcome could found
    /// the room twice; the compare-and-swap keeps one.
    ///
    /// # Errors
    /// If the message is no Welcome for this KeyPackage, the tree has to be fetched first
    /// ([`Refusal::TreeElsewhere`]: put it into the message), from where the group does not allow it (T-006), or the
    /// group is not the room that it should be.
    pub fn join<C: Crypto>(
        env: &Env<'_, C, Keys>,
        lent: &LentKeyPackage,
        room: &RoomUri,
        message: &FanoutMessage,
        limits: &Limits,
    ) -> Result<Founding<Self, ()>, Refusal> {
        let FanoutEvent::Welcome { welcome, ratchet_tree } = &message.event else {
            return Err(Misuse::Argument("not a Welcome").into());
        };
        let welcome = welcome.to_openmls()?;
        let tree = match ratchet_tree {
            RatchetTreeOption::Full(tree) => tree,
            RatchetTreeOption::HttpsUri(_)
            | RatchetTreeOption::OutOfBand
            | RatchetTreeOption::DistributionService => {
                let context = Member::invited(env.crypto, &lent.bundle, welcome.clone())?;
                full(ratchet_tree, None, context.extensions())?
            }
        };
        let tree = tree.to_openmls();
        let mut member = Member::join(env.crypto, &lent.bundle, welcome, tree, untuned())?;
        let epoch = Epoch::of(member.group()?, room)?;
        leaf::stand(&epoch.committed, member.group()?)?;
        member.tune(env.crypto, &tuned(&epoch.committed, limits))?;
        let group = member.group()?;
        let head = Head {
            room: room.clone(),
            group: group_uri(group.group_id(), room)?,
            user: lent.user.clone(),
            standing: Standing::Member,
            last_timestamp: message.timestamp,
            ahead: None,
            key_package: Some(lent.reference.clone()),
            next: 0,
            lapsed: Vec::new(),
        };
        let mut draft = Draft::founding(State::new(head, epoch));
        draft.actions.push(Action::ForgetKeyPackage(lent.reference.clone()));
        Ok(Self::found(member, draft, (), limits))
    }

    /// Joins from outside with the hub's answer to a [`JoinRequest`] (P-022, P-180): as a new client of a participant,
    /// or as a user whom an open room, a joining code or a preauthorisation lets in.
    ///
    /// The client is in the new epoch at once; the commit that makes the others follow is in the outbox. If the hub
    /// refuses it, an [`Event::Failed`](super::Event::Failed) says so, and the room is to be forgotten, or entered with
    /// another answer: [`Room::rejoin`]. A participant joins with the role it has. Who is not listed yet takes `role`;
    /// with [`RoleIndex::NONE`] it is the one that the room preauthorises, or the only one that it lets newcomers take
    /// . `tree` is for an answer that has the tree elsewhere: what was fetched there.
    ///
    /// # Errors
    /// If the answer does not come from the room's hub, the group is not the room that was asked for, the policy does
    /// not let this user in, or a client with this key has asked to leave and is still in ([`Refusal::Going`]).
    pub fn join_external<C: Crypto>(
        env: &Env<'_, C, Keys>,
        request: &JoinRequest,
        response: &GroupInfoResponse,
        role: RoleIndex,
        tree: Option<&RatchetTree>,
        limits: &Limits,
    ) -> Result<Founding<Self, ()>, Refusal> {
        let answer = request.open(env.crypto, response)?;
        let entered = enter(env, request, &answer, role, tree, limits)?;
        let head = Head {
            room: request.room.clone(),
            group: answer.group,
            user: request.user.clone(),
            standing: Standing::Joining,
            last_timestamp: Timestamp::default(),
            ahead: None,
            key_package: None,
            next: 0,
            lapsed: Vec::new(),
        };
        let mut draft = Draft::founding(State::new(head, entered.epoch));
        let committed = Arc::clone(&draft.state.epoch.committed);
        draft.pass(entered.left, entered.entry.hash, entered.kept, &committed);
        draft.send(entered.entry);
        Ok(Self::found(entered.member, draft, (), limits))
    }

    /// Joins the room again from outside, with an answer to a [`JoinRequest`] for the same user: after the client has
    /// fallen too far behind ([`Refusal::Behind`], [`Refusal::Unseen`]), the group was found split
    /// ([`Event::Forked`](super::Event::Forked)), a join was refused, or the client alone was removed.
    ///
    /// The same commit removes the client's old leaf, if that has the same signature key. Unacknowledged events
    /// and the stamps for reports stay. Messages and commits that the hub has not answered are made again in the new
    /// epoch, messages with the ID they had, so that whoever has them already knows them again; proposals are given
    /// up. The keys of the old group are deleted with the same save.
    ///
    /// # Errors
    /// As [`Room::join_external`]; if the answer is older than what the client has seen, or it has asked to leave.
    pub fn rejoin<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        request: &JoinRequest,
        response: &GroupInfoResponse,
        tree: Option<&RatchetTree>,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let head = &self.state.head;
        // Only as a member it knows which epochs the room has had.
        let seen = match head.standing {
            Standing::Member => self.epoch(),
            Standing::Joining | Standing::Gone | Standing::Forked => 0,
            Standing::Leaving(_) => return Err(Refusal::Closed),
        };
        if request.room != head.room || request.user != head.user {
            return Err(Misuse::Argument("the request is for another room or user").into());
        }
        let answer = request.open(env.crypto, response)?;
        if answer.group != head.group {
            return Err(Impostor::Group.into());
        }
        let epoch = answer.given.group_info.epoch();
        if epoch < seen {
            return Err(Impostor::Stale.into());
        }
        let entered = enter(env, request, &answer, RoleIndex::NONE, tree, &self.limits)?;
        entered.member.remember(&self.state.witness)?;
        let mut draft = Draft::of(&self.state);
        draft.begin_again(entered.epoch);
        let committed = Arc::clone(&draft.state.epoch.committed);
        draft.pass(entered.left, entered.entry.hash, entered.kept, &committed);
        draft.send(entered.entry);
        Ok(self.replace(entered.member, draft, ()))
    }
}

/// A client that has entered a group from outside, by itself so far.
struct Entered {
    member: Member,
    epoch: Epoch,
    /// The epoch that its commit ends.
    left: u64,
    /// For how many epochs messages can be read.
    kept: u64,
    /// The commit, for the outbox.
    entry: Entry,
}

/// Enters a group from outside, if it is the room that it should be and its policy lets us in.
fn enter<C: Crypto>(
    env: &Env<'_, C, Keys>,
    request: &JoinRequest,
    answer: &Answer,
    role: RoleIndex,
    tree: Option<&RatchetTree>,
    limits: &Limits,
) -> Result<Entered, Refusal> {
    let group_info = answer.given.group_info.to_openmls()?;
    let extensions = group_info.group_context().extensions().clone();
    let tree = full(&answer.given.ratchet_tree, tree, &extensions)?;

    // The room as it is without us.
    let servers = proposed::servers(&extensions).map_err(|_| Impostor::Extensions)?;
    if !servers.contains(&answer.hub) {
        return Err(Impostor::Sender.into());
    }
    let components = epoch::components(&extensions)?;
    let nodes = leaves(tree.as_bytes())?;
    let users: BTreeMap<u32, UserUri> = nodes
        .iter()
        .map(|(leaf, node)| Some((*leaf, UserUri::parse(&node.identity).ok()?)))
        .collect::<Option<_>>()
        .ok_or(Impostor::Leaf)?;
    let committed = RoomState::from_components(components, users.values())?;
    let before = Epoch::new(committed, users, servers);
    before.check(&request.room)?;

    // What our commit holds.
    let people =
        People { leaves: &before.leaves, servers: &before.servers, extensions: &extensions };
    let mut self_removes = Vec::new();
    let mut proposals: Vec<(Owned, bool)> = Vec::new();
    let mut leaving = BTreeSet::new();
    for PendingProposal { proposal, .. } in &answer.given.pending_proposals {
        let context = group_info.group_context();
        let leaf = self_remove(env.crypto, proposal, group_info.ciphersuite(), context, &nodes);
        if leaf.is_some_and(|leaf| leaving.insert(leaf)) {
            let leave = people.standalone(proposal.sender(), &Proposal::SelfRemove);
            proposals.push((leave.ok_or(Impostor::Leaf)?, true));
            self_removes.push(proposal.clone());
        }
    }
    let update = newcomer(&before.committed, &request.user, role)?.map(|role| {
        let added = vec![(request.user.clone().into(), role)];
        ParticipantListUpdate { added, ..ParticipantListUpdate::default() }.encode()
    });
    if let Some(update) = &update {
        let proposal = component(ComponentId::PARTICIPANT_LIST, Some(update.clone()));
        let owned = people.read(Who::Joiner(request.user.clone()), &proposal);
        proposals.push((owned.ok_or(Impostor::Leaf)?, false));
    }
    let old = nodes.iter().find(|(_, node)| node.signature_key == request.signature_key);
    if old.is_some_and(|(_, node)| node.identity != request.user.as_bytes()) {
        // The engine would remove the leaf of somebody else.
        return Err(Impostor::Leaf.into());
    }
    if old.is_some_and(|(leaf, _)| leaving.contains(leaf)) {
        // It would go twice: by its SelfRemove, and as what we leave behind.
        return Err(Refusal::Going);
    }
    let committer = Committer::Joiner {
        user: &request.user,
        claims: Claims::BASIC,
        pseudonym: false,
        resync: old.is_some(),
        code: JoinCode::Unseen,
    };
    let borrowed: Vec<_> =
        proposals.iter().map(|(owned, by_reference)| owned.committed(*by_reference)).collect();
    let view = View::new(&before.committed, &before.committed);
    let verdict = judge_commit(view, committer, &borrowed)?;

    let signer = env.keys.require(&request.signature_key)?;
    let tuning = tuned(&before.committed, limits);
    let words = Words::new(group_info.ciphersuite(), env.crypto);
    let entrance = Entrance {
        credential: credential(&request.user, &request.signature_key),
        group_info,
        tree: tree.to_openmls(),
        self_removes: self_removes.iter().filter_map(public).collect(),
        update: update.map(|it| AppDataUpdateProposal::update(ComponentId::PARTICIPANT_LIST.0, it)),
        words,
    };
    let (member, bundle) = Member::join_external(
        env.crypto,
        &signer,
        entrance,
        |proposals, updater| commit::fold(&before.committed, proposals, updater),
        tuning,
    )?;
    let group = member.group()?;
    leaf::stand(&before.committed, group)?;
    let epoch = commit::entered(&before, verdict, group)?;
    let (body, hash) = commit::request(&bundle)?;
    let left = group.epoch().as_u64().saturating_sub(1);
    let entry = Entry {
        token: request.token,
        wish: Wish::Join,
        stage: Stage::Sent,
        epoch: left,
        hash,
        proposals: self_removes.len(),
        body,
    };
    Ok(Entered { member, epoch, left, kept: kept(&tuning), entry })
}

/// The role in which somebody enters who is not listed; none for who is.
fn newcomer(
    room: &RoomState,
    user: &UserUri,
    role: RoleIndex,
) -> Result<Option<RoleIndex>, Refusal> {
    if room.participants().find(user).is_some() {
        return Ok(None);
    }
    if role != RoleIndex::NONE {
        return Ok(Some(role));
    }
    let roles = room.roles();
    let exists = |role| roles.get(role).is_some();
    if let Some(preauthorised) = room.preauth().role(user.as_str(), &[], exists) {
        return Ok(Some(preauthorised));
    }
    let none = roles.get(RoleIndex::NONE);
    let mut open = none
        .map(|role| role.targets(RoleIndex::NONE))
        .unwrap_or_default()
        .iter()
        .filter(|role| **role != RoleIndex::NONE);
    match (open.next(), open.next()) {
        (Some(only), None) => Ok(Some(*only)),
        (Some(_), Some(_)) => Err(Misuse::Argument("newcomers may take several roles").into()),
        // Judged with the commit: there is no role to take.
        (None, _) => Ok(Some(RoleIndex::NONE)),
    }
}

/// The room's group ID: a URI of the room's own provider.
fn group_uri(id: &GroupId, room: &RoomUri) -> Result<GroupUri, Impostor> {
    let group = GroupUri::parse(id.as_slice()).map_err(|_| Impostor::Group)?;
    if group.domain() == room.domain() { Ok(group) } else { Err(Impostor::Group) }
}

/// The leaf that leaves by a waiting SelfRemove, which a joiner has to include (E-073): only if it is signed by that
/// leaf, for this epoch (E-074). Of other proposals nothing is included: MLS allows no references to them.
fn self_remove(
    crypto: &impl Crypto,
    message: &PublicMessage,
    suite: Ciphersuite,
    context: &GroupContext,
    nodes: &BTreeMap<u32, LeafHead>,
) -> Option<u32> {
    let Sender::Member(leaf) = message.sender() else { return None };
    let octets = message.as_bytes();
    let mut reader = Reader::new(octets);
    reader.u32("version and wire format").ok()?;
    reader.bytes("FramedContent.group_id").ok()?;
    reader.u64("FramedContent.epoch").ok()?;
    reader.u8("Sender.sender_type").ok()?;
    reader.u32("Sender.leaf_index").ok()?;
    reader.bytes("FramedContent.authenticated_data").ok()?;
    reader.u8("FramedContent.content_type").ok()?;
    let kind = reader.u16("Proposal.proposal_type").ok()?;
    let signed = octets.get(..reader.offset())?;
    let signature = reader.bytes("FramedContentAuthData.signature").ok()?;
    let here = message.epoch() == context.epoch().as_u64()
        && message.group_id() == context.group_id().as_slice();
    let signed = [signed, &context.tls_serialize_detached().ok()?].concat();
    let key = &nodes.get(&leaf)?.signature_key;
    (kind == SELF_REMOVE
        && here
        && labelled::verify(crypto, suite, "FramedContentTBS", &signed, key, signature))
    .then_some(leaf)
}

/// The proposal type of a SelfRemove.
const SELF_REMOVE: u16 = 0x000A;

fn public(message: &PublicMessage) -> Option<openmls::framing::PublicMessageIn> {
    match message.to_openmls() {
        openmls::framing::ProtocolMessage::PublicMessage(message) => Some(*message),
        openmls::framing::ProtocolMessage::PrivateMessage(_) => None,
    }
}
