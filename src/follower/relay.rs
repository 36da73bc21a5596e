//! What a provider's own clients send to a hub, checked and passed on as it is (P-012, P-014).
//!
//! Only the hub judges: the provider vouches that its client speaks for its own user, and no more.

use openmls::credentials::{Credential, CredentialType};

use super::{
    draft::Draft,
    notice::{digest, place},
    refusal::{Fault, Refusal},
    room::Room,
    state::Joining,
};
use crate::{
    codec::Wire,
    env::{Env, Limits, Peer},
    error::DecodeError,
    machine::{Founding, Step},
    uri::{ClientUri, Domain, RoomUri, UserUri},
    wire::{
        AbuseReport, GroupInfoRequest, HandshakeBundle, IdentifierRequest, KeyMaterialRequest,
        PublicMessage, Sender, SubmitMessageRequest, UpdateOutcome, UpdateRequest,
        UpdateRoomResponse,
    },
};

/// Where a request goes: to this provider, with the same body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The provider to send it to; if that is this one, it is handled here.
    pub to: Domain,
}

impl Room {
    /// A client's `update` goes to the hub. An external commit is taken down first, for a notification may overtake
    /// the reply (D-30): send it on when the step is saved. With the reply call [`Room::answered`].
    ///
    /// # Errors
    /// If it cannot be read, or does not come from a client.
    pub fn update<C, K>(
        &mut self,
        env: &Env<'_, C, K>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Step<'_, Self, Relay>, Refusal> {
        let update = self.read_update(peer, body).map_err(|fault| self.refusal(fault))?;
        let mut draft = Draft::new(self);
        if let Some(commit) = &update.external {
            draft.start_joining(&update.client, update.joining(env, &self.limits, commit));
        }
        let reply = Relay { to: self.hub() };
        let (staged, changes, actions) = draft.finish();
        Ok(self.step(staged, changes, actions, reply))
    }

    /// The `update` of a client for a room that this follower does not know: only an external commit makes it known.
    ///
    /// # Errors
    /// If it cannot be read, is no external commit, or does not come from a client.
    pub fn join<C, K>(
        limits: Limits,
        env: &Env<'_, C, K>,
        peer: &Peer,
        room: RoomUri,
        body: &[u8],
    ) -> Result<Founding<Self, Relay>, Refusal> {
        let founded = Self::unsaved(limits, room);
        let refuse = |fault| founded.refusal(fault);
        let update = founded.read_update(peer, body).map_err(refuse)?;
        let commit = update.external.as_ref().ok_or_else(|| refuse(Fault::UnknownRoom))?;
        let mut draft = Draft::new(&founded);
        draft.start_joining(&update.client, update.joining(env, &founded.limits, commit));
        let reply = Relay { to: founded.hub() };
        let (staged, changes, actions) = draft.finish();
        Ok(founded.founding(staged, changes, actions, reply))
    }

    /// The hub has answered a client's `update`. A joiner whose external commit was accepted is a member from here
    /// on, whether or not the hub sends the commit back; one whose commit was refused is not awaited any more.
    ///
    /// # Errors
    /// If the request or the answer cannot be read, or the request does not come from a client.
    pub fn answered(
        &mut self,
        peer: &Peer,
        request: &[u8],
        response: &[u8],
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let refuse = |fault| self.refusal(fault);
        let update = self.read_update(peer, request).map_err(refuse)?;
        let response =
            UpdateRoomResponse::decode(response).map_err(|error| refuse(error.into()))?;
        let mut draft = Draft::new(self);
        match (response.outcome, &update.commit) {
            (UpdateOutcome::Success { accepted_timestamp }, Some(commit)) => {
                if update.external.is_some() {
                    draft.join_by(&update.client, &update.user, &digest(commit));
                }
                draft.accepted(&place(commit), accepted_timestamp);
            }
            (UpdateOutcome::Success { .. }, None) => {}
            (
                UpdateOutcome::WrongEpoch { .. }
                | UpdateOutcome::NotAllowed
                | UpdateOutcome::InvalidProposal(_),
                _,
            ) => {
                if let Some(commit) = &update.external {
                    draft.stop_joining_with(&update.client, &digest(commit));
                }
            }
        }
        let (staged, changes, actions) = draft.finish();
        Ok(self.step(staged, changes, actions, ()))
    }

    fn read_update(&self, peer: &Peer, body: &[u8]) -> Result<Update, Fault> {
        let (client, user, update) = read::<UpdateRequest>(&self.limits, peer, body)?;
        let commit = match update.bundle {
            HandshakeBundle::Commit { commit, .. } => Some(commit),
            HandshakeBundle::Proposals { .. } => None,
        };
        let external = commit.clone().filter(|commit| commit.sender() == Sender::NewMemberCommit);
        Ok(Update { client: client.clone(), user: user.clone(), commit, external })
    }
}

/// An update of a client of ours.
struct Update {
    client: ClientUri,
    user: UserUri,
    commit: Option<PublicMessage>,
    /// The commit, if it is an external one.
    external: Option<PublicMessage>,
}

impl Update {
    fn joining<C, K>(
        &self,
        env: &Env<'_, C, K>,
        limits: &Limits,
        commit: &PublicMessage,
    ) -> Joining {
        Joining {
            user: self.user.clone(),
            commit: digest(commit),
            place: place(commit),
            // The client sends it again until it is answered, and for so long the hub may answer `success`.
            until: env.now.plus(limits.joiner_for.max(limits.answered_for)),
            accepted: false,
        }
    }
}

/// A client's `submitMessage` goes to the hub.
///
/// # Errors
/// If it cannot be read, does not come from a client, or names another sender than the client's user (D-23).
pub fn submit_message(
    limits: &Limits,
    peer: &Peer,
    room: &RoomUri,
    body: &[u8],
) -> Result<Relay, Fault> {
    let (_, user, request) = read::<SubmitMessageRequest>(limits, peer, body)?;
    if request.sending_uri != *user {
        return Err(Fault::NotOurs);
    }
    Ok(Relay { to: room.domain() })
}

/// A client's `groupInfo` goes to the hub.
///
/// # Errors
/// If it cannot be read, does not come from a client, or holds another basic credential than the client's user.
pub fn group_info(
    limits: &Limits,
    peer: &Peer,
    room: &RoomUri,
    body: &[u8],
) -> Result<Relay, Fault> {
    let (_, user, request) = read::<GroupInfoRequest>(limits, peer, body)?;
    speaks_for(&request.requesting_credential, user)?;
    Ok(Relay { to: room.domain() })
}

/// A client's `keyMaterial` goes to the hub of the room it is for, else straight to the provider of its target
/// (P-072, Q-25).
///
/// # Errors
/// If it cannot be read, does not come from a client, or is made in another user's name.
pub fn key_material(limits: &Limits, peer: &Peer, body: &[u8]) -> Result<Relay, Fault> {
    let (_, user, request) = read::<KeyMaterialRequest>(limits, peer, body)?;
    let head = request.head();
    if head.requesting_user != *user {
        return Err(Fault::NotOurs);
    }
    if let KeyMaterialRequest::Mls10(request) = &request {
        speaks_for(&request.requester_credential, user)?;
    }
    let to = head.room.as_ref().map_or_else(|| head.target_user.domain(), RoomUri::domain);
    Ok(Relay { to })
}

/// A client's `reportAbuse` goes to the hub, and nowhere else (P-230).
///
/// # Errors
/// If it cannot be read, does not come from a client, or complains in another user's name. Who reports need not be
/// named.
pub fn report_abuse(
    limits: &Limits,
    peer: &Peer,
    room: &RoomUri,
    body: &[u8],
) -> Result<Relay, Fault> {
    let (_, user, report) = read::<AbuseReport>(limits, peer, body)?;
    if report.reporting_user.is_some_and(|reporter| reporter != *user) {
        return Err(Fault::NotOurs);
    }
    Ok(Relay { to: room.domain() })
}

/// A client's `identifierQuery` goes straight to the provider that it asks (P-220).
///
/// # Errors
/// If it cannot be read, or does not come from a client.
pub fn identifier_query(
    limits: &Limits,
    peer: &Peer,
    provider: &Domain,
    body: &[u8],
) -> Result<Relay, Fault> {
    read::<IdentifierRequest>(limits, peer, body)?;
    Ok(Relay { to: provider.clone() })
}

/// A client's `proxyDownload` goes to the hub of the room that the asset was sent in (P-245).
///
/// # Errors
/// If it does not come from a client.
pub fn proxy_download(peer: &Peer, room: &RoomUri) -> Result<Relay, Fault> {
    ours(peer)?;
    Ok(Relay { to: room.domain() })
}

/// A provider relays for its own clients only.
fn ours(peer: &Peer) -> Result<(&ClientUri, &UserUri), Fault> {
    match peer {
        Peer::Client(client, user) if client.host() == user.host() => Ok((client, user)),
        Peer::Client(..) | Peer::Server(_) => Err(Fault::NotOurs),
    }
}

/// A basic credential holds the user's URI; of others the caller has found out whose they are.
fn speaks_for(credential: &Credential, user: &UserUri) -> Result<(), Fault> {
    if credential.credential_type() == CredentialType::Basic
        && credential.serialized_content() != user.as_bytes()
    {
        return Err(Fault::NotOurs);
    }
    Ok(())
}

/// The request of a client of this provider, and whose it is.
fn read<'p, T: Wire>(
    limits: &Limits,
    peer: &'p Peer,
    body: &[u8],
) -> Result<(&'p ClientUri, &'p UserUri, T), Fault> {
    let (client, user) = ours(peer)?;
    if body.len() > limits.body {
        let (found, limit) = (body.len() as u64, limits.body as u64);
        let fault = crate::error::Fault::TooLarge { found, limit };
        return Err(DecodeError { offset: 0, what: "request", fault }.into());
    }
    Ok((client, user, T::decode(body)?))
}
