//! Changes of the room that this client wants: a commit of its own, or proposals for others to commit.

use std::collections::{BTreeMap, BTreeSet};

use openmls::{
    group::{MlsGroup, Propose},
    messages::proposals::{AppDataUpdateOperation, Proposal},
};
use tls_codec::Serialize as _;

use super::{
    Keys,
    commit::hash_of,
    draft::Draft,
    outbox::{Entry, Intent, Stage, Token, Wish},
    refusal::Refusal,
    room::{Room, Tried},
    state::{Standing, State},
};
use crate::{
    codec::Wire,
    env::{Crypto, Env},
    error::Misuse,
    machine::Step,
    policy::RoleIndex,
    room::{ComponentId, ParticipantListUpdate},
    uri::ParticipantUri,
    wire::{ClientMaterial, HandshakeBundle, KeyMaterialResponse, PublicMessage, UpdateRequest},
};

impl Room {
    /// Makes a commit: of this change, and of all proposals that wait.
    ///
    /// It goes into the outbox, and is sent until the hub answers: [`Room::answer_update`]. The room enters the new
    /// epoch with that answer, or with the commit's echo in the room's order, whichever comes first. If somebody else
    /// was faster, the same change is made again on top of theirs; if that makes no sense any more, an
    /// [`Event::Failed`](super::Event::Failed) says so. The same token again changes nothing.
    ///
    /// # Errors
    /// If a commit of ours waits already ([`Refusal::Busy`]), the policy forbids the change, or it makes no sense.
    pub fn commit<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        intent: &Intent,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let tried = self.try_commit(env, token, intent);
        self.conclude(tried)
    }

    fn try_commit<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        intent: &Intent,
    ) -> Tried<()> {
        let mut draft = Draft::of(&self.state);
        if self.state.knows(token) {
            return Ok((draft, ()));
        }
        self.ready()?;
        let entry = self.make_commit(env, &draft.state, token, intent)?;
        draft.send(entry);
        Ok((draft, ()))
    }

    /// Refuses unless this client may start something new.
    fn ready(&self) -> Result<(), Refusal> {
        self.state.open()?;
        if self.state.own_commit().is_some() {
            return Err(Refusal::Busy);
        }
        Ok(())
    }

    /// Adds a user: its entry in the participant list, if it has none, and all clients that key material was given
    /// for, in one commit (P-008, P-102). Of a user whose clients are members in part, our own for instance, the
    /// others are added (P-007); their KeyPackages go unused.
    ///
    /// # Errors
    /// As [`Room::commit`]; if the answer holds KeyPackages of another user, two of one client (D-26), or none that is
    /// new here.
    pub fn add<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        role: RoleIndex,
        material: &KeyMaterialResponse,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let key_packages = self.newcomers(material)?;
        let mut intent = Intent { key_packages, ..Intent::default() };
        if self.state.epoch.committed.participants().find(&material.user).is_none() {
            intent.add.push((material.user.clone(), role));
        }
        let tried = self.try_commit(env, token, &intent);
        self.conclude(tried)
    }

    /// The KeyPackages of clients that are not members yet, all of the user that was asked for (D-25, D-26).
    fn newcomers(&self, material: &KeyMaterialResponse) -> Result<Vec<Vec<u8>>, Refusal> {
        let (mut clients, mut keys) = (BTreeSet::new(), BTreeSet::new());
        let mut newcomers = Vec::new();
        let members: BTreeSet<Vec<u8>> =
            self.member.group()?.members().map(|member| member.signature_key).collect();
        for client in &material.clients {
            let key_package = match &client.material {
                ClientMaterial::KeyPackage(key_package) => key_package,
                ClientMaterial::Exhausted | ClientMaterial::NothingCompatible(_) => continue,
            };
            let leaf = key_package.to_openmls().unverified_credential();
            if super::proposed::user(&leaf.credential).as_ref() != Some(&material.user) {
                return Err(Refusal::Mls("a KeyPackage of another user"));
            }
            let key = leaf.signature_key.as_slice().to_vec();
            if !clients.insert(&client.client) || !keys.insert(key.clone()) {
                return Err(Refusal::Mls("two KeyPackages of one client"));
            }
            if !members.contains(&key) {
                newcomers.push(key_package.as_bytes().to_vec());
            }
        }
        if newcomers.is_empty() {
            return Err(Misuse::Argument("the answer holds no KeyPackage that is new here").into());
        }
        Ok(newcomers)
    }

    /// Removes a participant and all its clients, in one commit (P-016).
    ///
    /// # Errors
    /// As [`Room::commit`].
    pub fn remove<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        participant: &ParticipantUri,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        self.commit(env, token, &Intent { remove: vec![participant.clone()], ..Intent::default() })
    }

    /// Bans a participant: it stays in the list with the banned role, and its clients go, in one commit (P-103).
    ///
    /// # Errors
    /// As [`Room::commit`]; if the room's policy has no banned role.
    pub fn ban<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        participant: &ParticipantUri,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let banned = self.state.epoch.committed.roles().banned().map(|role| role.index);
        let banned = banned.ok_or(Misuse::Argument("the room has no banned role"))?;
        self.set_role(env, token, participant, banned)
    }

    /// Gives a participant another role.
    ///
    /// # Errors
    /// As [`Room::commit`].
    pub fn set_role<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        participant: &ParticipantUri,
        role: RoleIndex,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let intent = Intent { roles: vec![(participant.clone(), role)], ..Intent::default() };
        self.commit(env, token, &intent)
    }

    /// Changes a component: the metadata, or a part of the policy.
    ///
    /// # Errors
    /// As [`Room::commit`].
    pub fn set_component<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        id: ComponentId,
        data: Option<Vec<u8>>,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let components = BTreeMap::from([(id, data)]);
        self.commit(env, token, &Intent { components, ..Intent::default() })
    }

    /// Commits what waits: proposals of others are obligatory for whoever commits next (P-019).
    ///
    /// # Errors
    /// As [`Room::commit`].
    pub fn commit_pending<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        self.commit(env, token, &Intent::default())
    }

    /// Takes new keys, so that whoever has learned the old ones can no longer read.
    ///
    /// # Errors
    /// As [`Room::commit`].
    pub fn update_self<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        self.commit(env, token, &Intent { update: true, ..Intent::default() })
    }

    /// Asks for a change without making it: proposals, for whoever commits next.
    ///
    /// # Errors
    /// If the change makes no sense or holds nothing that can be proposed.
    pub fn propose<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        intent: &Intent,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let tried = self.try_bundle(env, token, Wish::Proposals(intent.clone()));
        self.conclude(tried)
    }

    /// Leaves the room with all devices of this user: SelfRemove for this one, Removes for the others, and the end of
    /// the list entry, as one bundle. Nobody can commit its own removal, so it happens with the next commit of
    /// somebody else; until then nothing can be sent any more. Everybody sees who leaves.
    ///
    /// # Errors
    /// If a commit of ours waits, or the client takes no part any more.
    pub fn leave<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let tried = self.try_bundle(env, token, Wish::Leave).map(|(mut draft, reply)| {
            draft.state.head.standing = Standing::Leaving(token);
            (draft, reply)
        });
        self.conclude(tried)
    }

    fn try_bundle<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        wish: Wish,
    ) -> Tried<()> {
        let mut draft = Draft::of(&self.state);
        if self.state.knows(token) {
            return Ok((draft, ()));
        }
        self.ready()?;
        let entry = self.make_bundle(env, &draft.state, token, wish)?;
        draft.send(entry);
        Ok((draft, ()))
    }

    /// Makes a bundle of proposals for the current epoch.
    pub(super) fn make_bundle<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        state: &State,
        token: Token,
        wish: Wish,
    ) -> Result<Entry, Refusal> {
        let wanted = match &wish {
            Wish::Leave => self.leaving(state)?,
            Wish::Proposals(intent) => self.wanted(env, state, intent)?,
            Wish::Message { .. } | Wish::Commit(_) | Wish::Join => Vec::new(),
        };
        let signer = self.signer(env)?;
        let epoch = self.member.group()?.epoch().as_u64();
        let mut messages = Vec::new();
        if wish == Wish::Leave {
            let (message, _) = self.member.self_remove(env.crypto, &signer)?;
            messages.push(public(message.tls_serialize_detached())?);
        }
        for propose in wanted {
            let (message, _) = self.member.propose(env.crypto, &signer, propose)?;
            messages.push(public(message.tls_serialize_detached())?);
        }
        let hash = hash_of(&messages);
        let mut messages = messages.into_iter();
        let first = messages.next().ok_or(Misuse::Argument("nothing to propose"))?;
        let more: Vec<_> = messages.collect();
        let proposals = more.len() + 1;
        let request = UpdateRequest { bundle: HandshakeBundle::Proposals { first, more } };
        Ok(Entry {
            token,
            wish,
            stage: Stage::Sent,
            epoch,
            hash,
            proposals,
            body: request.encode(),
        })
    }

    /// What goes with our SelfRemove.
    fn leaving(&self, state: &State) -> Result<Vec<Propose>, Refusal> {
        let (group, user) = (self.member.group()?, &state.head.user);
        let mut wanted = others(group, state);
        let room = &state.epoch.committed;
        let listed =
            room.participants().find(user).filter(|_| !room.base_policy().fixed_membership);
        if let Some(listed) = listed {
            let update =
                ParticipantListUpdate { removed: vec![listed.place], ..Default::default() };
            wanted.push(Propose::UpdateAppDataComponent {
                component_id: ComponentId::PARTICIPANT_LIST.0,
                update: update.encode(),
            });
        }
        Ok(wanted)
    }

    fn wanted<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        state: &State,
        intent: &Intent,
    ) -> Result<Vec<Propose>, Refusal> {
        let plan = self.plan(env, state, intent)?;
        let components = plan.proposals.into_iter().filter_map(|proposal| {
            let Proposal::AppDataUpdate(update) = proposal else { return None };
            let component_id = update.component_id();
            Some(match update.operation() {
                AppDataUpdateOperation::Update(data) => {
                    let update = data.as_slice().to_vec();
                    Propose::UpdateAppDataComponent { component_id, update }
                }
                AppDataUpdateOperation::Remove => Propose::RemoveAppDataComponent { component_id },
            })
        });
        let removes = plan.removes.into_iter().map(|leaf| Propose::Remove(leaf.u32()));
        let adds = plan.adds.into_iter().map(Propose::Add);
        Ok(removes.chain(components).chain(adds).collect())
    }
}

/// Removes of our user's other clients, but for those that are going already.
fn others(group: &MlsGroup, state: &State) -> Vec<Propose> {
    let (own, going) = (group.own_leaf_index().u32(), state.going());
    state
        .epoch
        .leaves
        .iter()
        .filter(|(leaf, user)| **leaf != own && **user == state.head.user && !going.contains(*leaf))
        .map(|(leaf, _)| Propose::Remove(*leaf))
        .collect()
}

fn public(octets: Result<Vec<u8>, tls_codec::Error>) -> Result<PublicMessage, Refusal> {
    let octets = octets.map_err(|_| Misuse::Crypto("a proposal does not encode"))?;
    Ok(PublicMessage::decode(&octets)?)
}
