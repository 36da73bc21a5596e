//! Into a room that is there already: by a Welcome, or from outside.

use std::collections::BTreeMap;

use openmls::{
    credentials::BasicCredential,
    group::GroupId,
    key_packages::KeyPackageBundle,
    messages::proposals::{AppDataUpdateProposal, Proposal},
};
use openmls_traits::types::Ciphersuite;

use super::{
    Action, Keys, Token,
    commit::{self, component},
    create::{PAST_EPOCHS, credential},
    member::{Entrance, Member},
    outbox::{Entry, Stage, Wish},
    proposed::{self, Owned, People, Who},
    refusal::{Impostor, Refusal},
    room::Room,
    state::{Draft, Epoch, Head, Standing, State},
};
use crate::{
    codec::{Reader, Wire, decode_exact},
    env::{Crypto, Env, Limits, Timestamp},
    error::{DecodeError, Fault, Misuse},
    machine::Founding,
    policy::{Claims, Committer, JoinCode, RoleIndex, View, judge_commit},
    room::{ComponentId, Components, ParticipantListUpdate, RoomState},
    uri::{GroupUri, RoomUri, UserUri},
    wire::{
        FanoutEvent, FanoutMessage, GroupInfoAnswer, GroupInfoRatchetTree, GroupInfoRequest,
        GroupInfoResponse, KeyPackageRef, PublicMessage, RatchetTree, RatchetTreeOption,
    },
};

/// What a device lends to the founding of a room: the private part of a KeyPackage.
#[derive(Debug)]
pub struct LentKeyPackage {
    pub(super) user: UserUri,
    pub(super) reference: KeyPackageRef,
    pub(super) bundle: KeyPackageBundle,
}

/// The tree itself, or where it is.
fn full(option: &RatchetTreeOption) -> Result<&RatchetTree, Refusal> {
    match option {
        RatchetTreeOption::Full(tree) => Ok(tree),
        RatchetTreeOption::HttpsUri(url) => Err(Refusal::TreeElsewhere(url.as_str().into())),
        RatchetTreeOption::OutOfBand | RatchetTreeOption::DistributionService => {
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
    /// If the message is no Welcome for this KeyPackage, the tree has to be fetched first (put it into the message),
    /// or the group is not the room that it should be.
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
        let tree = full(ratchet_tree)?;
        let past = usize::try_from(PAST_EPOCHS).unwrap_or(usize::MAX);
        let member =
            Member::join(env.crypto, &lent.bundle, welcome.to_openmls()?, tree.to_openmls(), past)?;
        let group = member.group()?;
        let epoch = Epoch::of(group, room)?;
        let head = Head {
            room: room.clone(),
            group: group_uri(group.group_id(), room)?,
            user: lent.user.clone(),
            standing: Standing::Member,
            last_timestamp: message.timestamp,
            key_package: Some(lent.reference.clone()),
            next: 0,
        };
        let mut draft = Draft::founding(State::new(head, epoch));
        draft.actions.push(Action::ForgetKeyPackage(lent.reference.clone()));
        Ok(Self::found(member, draft, (), limits))
    }

    /// Joins from outside with the hub's answer to a [`JoinRequest`] (P-022, P-180).
    ///
    /// The client is in the new epoch at once; the commit that makes the others follow is in the outbox. If the hub
    /// refuses it, an [`Event::Failed`](super::Event::Failed) says so, and the room is to be forgotten: ask for the
    /// GroupInfo again. A participant joins with the role it has; `role` is for somebody who is not listed yet.
    /// `tree` is for an answer that has the tree elsewhere: what was fetched there.
    ///
    /// # Errors
    /// If the answer does not come from the room's hub, the group is not the room that was asked for, or the policy
    /// does not let this user in.
    pub fn join_external<C: Crypto>(
        env: &Env<'_, C, Keys>,
        request: &JoinRequest,
        response: &GroupInfoResponse,
        role: RoleIndex,
        tree: Option<&RatchetTree>,
        limits: &Limits,
    ) -> Result<Founding<Self, ()>, Refusal> {
        let answer = request.open(env.crypto, response)?;
        let tree = match tree {
            Some(tree) => tree,
            None => full(&answer.ratchet_tree)?,
        };
        let room = &request.room;
        let group_info = answer.group_info.to_openmls();
        let extensions = group_info.group_context().extensions().clone();

        // The room as it is without us.
        let servers = proposed::servers(&extensions).map_err(|_| Impostor::Extensions)?;
        let hub = match &response.answer {
            GroupInfoAnswer::Success(sealed) => &sealed.hub_sender,
            GroupInfoAnswer::NotAuthorized | GroupInfoAnswer::NoSuchRoom => {
                return Err(Refusal::Closed);
            }
        };
        if !servers.contains(hub) {
            return Err(Impostor::Sender.into());
        }
        let components: Components = extensions
            .app_data_dictionary()
            .ok_or(Impostor::Extensions)?
            .dictionary()
            .entries()
            .map(|entry| (ComponentId(entry.id()), entry.data().to_vec()))
            .collect();
        let nodes = leaves(tree.as_bytes())?;
        let users: BTreeMap<u32, UserUri> = nodes
            .iter()
            .map(|(leaf, node)| Some((*leaf, UserUri::parse(&node.identity).ok()?)))
            .collect::<Option<_>>()
            .ok_or(Impostor::Leaf)?;
        let committed = RoomState::from_components(components, users.values())?;
        let before = Epoch::new(committed, users, servers);
        before.check(room)?;

        // What our commit holds.
        let people =
            People { leaves: &before.leaves, servers: &before.servers, extensions: &extensions };
        let mut self_removes = Vec::new();
        let mut proposals: Vec<(Owned, bool)> = Vec::new();
        for pending in &answer.pending_proposals {
            if let Some(leave) = self_remove(&pending.proposal, &people) {
                proposals.push((leave, true));
                self_removes.push(pending.proposal.clone());
            }
        }
        let listed = before.committed.participants().find(&request.user).is_some();
        let update = (!listed).then(|| {
            let added = vec![(request.user.clone().into(), role)];
            ParticipantListUpdate { added, ..ParticipantListUpdate::default() }.encode()
        });
        if let Some(update) = &update {
            let proposal = component(ComponentId::PARTICIPANT_LIST, Some(update.clone()));
            let owned = people.read(Who::Joiner(request.user.clone()), &proposal);
            proposals.push((owned.ok_or(Impostor::Leaf)?, false));
        }
        let committer = Committer::Joiner {
            user: &request.user,
            claims: Claims::BASIC,
            pseudonym: false,
            resync: nodes.values().any(|node| node.signature_key == request.signature_key),
            code: JoinCode::Unseen,
        };
        let borrowed: Vec<_> =
            proposals.iter().map(|(owned, by_reference)| owned.committed(*by_reference)).collect();
        let view = View::new(&before.committed, &before.committed);
        let verdict = judge_commit(view, committer, &borrowed)?;

        let signer = env.keys.require(&request.signature_key)?;
        let entrance = Entrance {
            credential: credential(&request.user, &request.signature_key),
            group_info,
            tree: tree.to_openmls(),
            self_removes: self_removes.iter().filter_map(public).collect(),
            update: update
                .map(|it| AppDataUpdateProposal::update(ComponentId::PARTICIPANT_LIST.0, it)),
        };
        let (member, bundle) = Member::join_external(
            env.crypto,
            &signer,
            entrance,
            |proposals, updater| commit::fold(&before.committed, proposals, updater),
            usize::try_from(PAST_EPOCHS).unwrap_or(usize::MAX),
        )?;
        let group = member.group()?;
        let epoch = commit::entered(&before, verdict, group)?;
        let (body, hash) = commit::request(&bundle)?;
        let left = group.epoch().as_u64().saturating_sub(1);
        let head = Head {
            room: room.clone(),
            group: group_uri(group.group_id(), room)?,
            user: request.user.clone(),
            standing: Standing::Joining,
            last_timestamp: Timestamp::default(),
            key_package: None,
            next: 0,
        };
        let mut draft = Draft::founding(State::new(head, epoch));
        draft.pass(left, hash, PAST_EPOCHS);
        draft.send(Entry {
            token: request.token,
            wish: Wish::Join,
            stage: Stage::Sent,
            epoch: left,
            hash,
            proposals: self_removes.len(),
            body,
        });
        Ok(Self::found(member, draft, (), limits))
    }
}

/// The room's group ID: a URI of the room's own provider.
fn group_uri(id: &GroupId, room: &RoomUri) -> Result<GroupUri, Impostor> {
    let group = GroupUri::parse(id.as_slice()).map_err(|_| Impostor::Room)?;
    if group.domain() == room.domain() { Ok(group) } else { Err(Impostor::Room) }
}

/// A waiting SelfRemove, which a joiner has to include (E-073). The engine verifies it when it builds the commit.
fn self_remove(message: &PublicMessage, people: &People<'_>) -> Option<Owned> {
    let mut reader = Reader::new(message.as_bytes());
    let kind = (|| {
        reader.u32("version and wire format")?;
        reader.bytes("FramedContent.group_id")?;
        reader.u64("FramedContent.epoch")?;
        reader.u8("Sender.sender_type")?;
        reader.u32("Sender.leaf_index")?;
        reader.bytes("FramedContent.authenticated_data")?;
        reader.u8("FramedContent.content_type")?;
        reader.u16("Proposal.proposal_type")
    })();
    let is_member = matches!(message.sender(), crate::wire::Sender::Member(_));
    (is_member && kind == Ok(SELF_REMOVE))
        .then(|| people.standalone(message.sender(), &Proposal::SelfRemove))
        .flatten()
}

/// The proposal type of a SelfRemove.
const SELF_REMOVE: u16 = 0x000A;

fn public(message: &PublicMessage) -> Option<openmls::framing::PublicMessageIn> {
    match message.to_openmls() {
        openmls::framing::ProtocolMessage::PublicMessage(message) => Some(*message),
        openmls::framing::ProtocolMessage::PrivateMessage(_) => None,
    }
}

/// What is read of a leaf before the engine has verified the tree.
struct LeafHead {
    signature_key: Vec<u8>,
    identity: Vec<u8>,
}

/// The leaves of a tree on the wire, by index.
fn leaves(tree: &[u8]) -> Result<BTreeMap<u32, LeafHead>, DecodeError> {
    decode_exact(tree, |reader| {
        let mut nodes = reader.inside("ratchet_tree")?;
        let mut leaves = BTreeMap::new();
        let mut place = 0u32;
        while !nodes.is_empty() {
            if let Some(Some(leaf)) = nodes.optional("ratchet_tree.node", read_node)? {
                leaves.insert(place / 2, leaf);
            }
            place = place.saturating_add(1);
        }
        Ok(leaves)
    })
}

fn read_node(reader: &mut Reader<'_>) -> Result<Option<LeafHead>, DecodeError> {
    let start = reader.clone();
    match reader.u8("Node.node_type")? {
        1 => {
            reader.bytes("LeafNode.encryption_key")?;
            let signature_key = reader.bytes("LeafNode.signature_key")?.to_vec();
            let start = reader.clone();
            match reader.u16("Credential.credential_type")? {
                1 => {}
                other => return Err(start.error("Credential", Fault::Code(other.into()))),
            }
            let identity = reader.bytes("BasicCredential.identity")?.to_vec();
            for _ in 0..5 {
                reader.bytes("Capabilities")?;
            }
            let start = reader.clone();
            match reader.u8("LeafNode.leaf_node_source")? {
                1 => {
                    reader.take("Lifetime", 16)?;
                }
                2 => {}
                3 => {
                    reader.bytes("LeafNode.parent_hash")?;
                }
                other => {
                    return Err(start.error("LeafNode.leaf_node_source", Fault::Code(other.into())));
                }
            }
            reader.bytes("LeafNode.extensions")?;
            reader.bytes("LeafNode.signature")?;
            Ok(Some(LeafHead { signature_key, identity }))
        }
        2 => {
            reader.bytes("ParentNode.encryption_key")?;
            reader.bytes("ParentNode.parent_hash")?;
            reader.bytes("ParentNode.unmerged_leaves")?;
            Ok(None)
        }
        other => Err(start.error("Node.node_type", Fault::Code(other.into()))),
    }
}

/// A request for the GroupInfo of a room, and what is needed to read the answer. It is not kept: after a crash ask
/// again.
pub struct JoinRequest {
    room: RoomUri,
    user: UserUri,
    signature_key: Vec<u8>,
    suite: Ciphersuite,
    token: Token,
    private_key: Vec<u8>,
    request: GroupInfoRequest,
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
        })
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
    fn open<C: Crypto>(
        &self,
        crypto: &C,
        response: &GroupInfoResponse,
    ) -> Result<GroupInfoRatchetTree, Refusal> {
        if response.room != self.room {
            return Err(Impostor::Room.into());
        }
        let sealed = match &response.answer {
            GroupInfoAnswer::Success(sealed) => sealed,
            GroupInfoAnswer::NotAuthorized | GroupInfoAnswer::NoSuchRoom => {
                return Err(Refusal::Closed);
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
        Ok(answer)
    }
}

impl std::fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinRequest").field("room", &self.room).finish_non_exhaustive()
    }
}
