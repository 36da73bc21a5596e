//! One provider: what its process holds, and how it answers its endpoints. Only octets come in and go out.

mod accounts;
mod following;
mod hosting;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use openmimi::{
    codec::Wire,
    env::{Limits, Peer, Timestamp},
    follower,
    hub::{self, Answer},
    provider,
    uri::{Domain, RoomUri, UserUri},
};
use openmls_rust_crypto::RustCrypto;

use super::shared::crash::{Disk, Plan};

/// An endpoint with what stands in its path.
#[derive(Clone, Debug)]
pub enum Endpoint {
    KeyMaterial(UserUri),
    Update(RoomUri),
    SubmitMessage(RoomUri),
    GroupInfo(RoomUri),
    Notify(RoomUri),
}

impl Endpoint {
    pub fn name(&self) -> &'static str {
        match self {
            Self::KeyMaterial(_) => "keyMaterial",
            Self::Update(_) => "update",
            Self::SubmitMessage(_) => "submitMessage",
            Self::GroupInfo(_) => "groupInfo",
            Self::Notify(_) => "notify",
        }
    }
}

/// What an endpoint answers: an HTTP status and a body.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Reply {
    fn ok(body: Vec<u8>) -> Self {
        Self { status: 200, body }
    }

    fn status(status: u16) -> Self {
        Self { status, body: Vec::new() }
    }

    fn of<R: Wire>(answer: Answer<R>) -> Self {
        match answer {
            Answer::Response(response) => Self::ok(response.encode()),
            Answer::Status(status) => Self::status(status),
            Answer::Later { .. } => Self::status(429),
        }
    }
}

/// A provider's process, with its disk.
pub struct Server {
    pub domain: Domain,
    pub crypto: Rc<RustCrypto>,
    pub keys: hub::Keys,
    pub limits: Limits,
    pub disk: Disk,
    pub hubs: BTreeMap<RoomUri, hub::Room>,
    pub followers: BTreeMap<RoomUri, follower::Room>,
    pub users: BTreeMap<UserUri, provider::User>,
}

/// What is left to do for a request that another provider has to see first.
pub enum Step {
    /// Answered.
    Done(Reply),
    /// To be sent on to this provider; then [`Server::key_material_passed`].
    Forward(Domain),
}

impl Server {
    pub fn new(
        domain: Domain,
        keys: hub::Keys,
        crypto: &Rc<RustCrypto>,
        plan: &Rc<RefCell<Plan>>,
    ) -> Self {
        Self {
            domain,
            crypto: Rc::clone(crypto),
            keys,
            limits: Limits::default(),
            disk: Disk::new(plan),
            hubs: BTreeMap::new(),
            followers: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }

    /// Answers a request of another provider or of a client of its own. `None`: the process died.
    pub fn serve(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        endpoint: &Endpoint,
        body: &[u8],
    ) -> Option<Step> {
        match endpoint {
            Endpoint::KeyMaterial(target) => self.key_material(now, peer, target, body),
            Endpoint::Notify(room) => self.notify(now, peer, room, body).map(Step::Done),
            Endpoint::Update(room) => self
                .at_hub(
                    now,
                    room,
                    |room, env| room.update(env, peer, body),
                    hub::UpdateRefusal::answer,
                )
                .map(Step::Done),
            Endpoint::SubmitMessage(room) => self
                .at_hub(
                    now,
                    room,
                    |room, env| room.submit_message(env, peer, body),
                    hub::SubmitRefusal::answer,
                )
                .map(Step::Done),
            Endpoint::GroupInfo(room) => self
                .at_hub(
                    now,
                    room,
                    |room, env| room.group_info(env, peer, body),
                    |refusal: &hub::GroupInfoRefusal| refusal.answer(room),
                )
                .map(Step::Done),
        }
    }
}
