//! A provider whose clients are in a room: it relays what they send to the hub, and gives them what the hub sends.
//!
//! The hub's own provider has a [`Room`] beside its `hub::Room` too, as one more destination of the fan-out: the last
//! mile to a client is written once.
//!
//! ```text
//! hub ──notify──▶ Notice::decode ──▶ whose are Notice::references?  (provider::User::owner)
//!                                    ╰▶ Room::notify ──save, apply──▶ 201, then Action::Deliver for each client
//! client ──acknowledges──▶ Room::acknowledged
//! client ──update──▶ Room::update ──save, apply──▶ to the hub ──reply──▶ Room::answered, then to the client
//! ```
//!
//! An event is stored once, octet for octet, under [`event_key`]; the room keeps one cursor per client. Each event
//! that [`Room::owed`] names is for that client: a Welcome for the clients whose KeyPackages it names, everything else
//! for every client that is in the room, the origin included (Q-108).
//!
//! # The last mile
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use openmimi::{
//!     env::{Env, Limits, Peer, Timestamp},
//!     follower::{Action, Notice, Room, event_key},
//!     testing::MemoryStore,
//!     uri::{ClientUri, Domain, RoomUri, UserUri},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (limits, mut store) = (Limits::default(), MemoryStore::new());
//! let env = Env { now: Timestamp(0), crypto: &(), keys: &() };
//! let room = RoomUri::parse("mimi://a.example/r/clubhouse")?;
//! let alice = UserUri::parse("mimi://a.example/u/alice")?;
//! let phone = ClientUri::parse("mimi://a.example/d/alice/phone")?;
//!
//! // Beside the hub, with the client that has made the room. Elsewhere a room begins with a Welcome
//! // (`Room::welcomed`) or when a client joins from outside (`Room::join`).
//! let founding = Room::found(limits.clone(), room, [(phone.clone(), alice)]);
//! store.save(b"clubhouse", founding.changes())?;
//! let (mut follower, _) = founding.apply();
//!
//! // The hub has something for the room. `peer` is whom your server has authenticated.
//! # // A time, an application message of group g in epoch 0, and no frank.
//! # let body = [&[0; 8][..], &[0, 1, 0, 2, 1, b'g'], &[0; 8], &[1, 1, 0, 1, 9, 1, 9, 0]].concat();
//! let peer = Peer::Server(Domain::parse("a.example")?);
//! let notice = Notice::decode(&body, &limits)?;
//! let owners = BTreeMap::new(); // whose the KeyPackages of `notice.references()` are: `provider::User::owner`
//! let step = follower.notify(&env, &peer, &notice, &owners)?;
//! store.save(b"clubhouse", step.changes())?;
//! for action in step.apply().actions {
//!     let Action::Deliver { client, events } = action else { continue };
//!     for event in events.into_iter().flatten() {
//!         let octets = store.read(b"clubhouse", &event_key(event)).ok_or("kept until delivered")?;
//!         // Give them to the client, for `client::Room::receive`. When it has them:
//!         # assert!(!octets.is_empty());
//!         let step = follower.acknowledged(&client, event);
//!         store.save(b"clubhouse", step.changes())?;
//!         step.apply();
//!     }
//! }
//! assert_eq!(follower.backlog(), []);
//! # Ok(())
//! # }
//! ```
//!
//! # What a follower cannot know
//!
//! It holds neither the ratchet tree nor the participant list. A client gets events from the Welcome that is routed to
//! it, or its own accepted external commit, until it says that it is out ([`Room::left`]), and drops what it cannot
//! use. Events that overtake a client's Welcome go to the other clients only: if a commit is among them, that client
//! falls behind and joins again from outside. Whom to withhold application messages from, somebody has to say: the
//! hub beside it, which knows ([`Room::withhold_from`]), or a client in the room ([`Room::block`]). It verifies no
//! signature: clients do. A hub or a follower that delays or withholds events is noticed by clients alone (D-28).

mod arrival;
mod draft;
mod notice;
mod refusal;
mod relay;
mod room;
mod state;
#[cfg(any(test, feature = "testing"))]
mod tables;

pub use notice::Notice;
pub use refusal::{Fault, Refusal};
pub use relay::{
    Relay, group_info, identifier_query, key_material, proxy_download, report_abuse, submit_message,
};
pub use room::Room;
pub use state::event_key;

use std::ops::Range;

use crate::{
    uri::{ClientUri, UserUri},
    wire::KeyPackageRef,
};

/// What a follower does next, in this order. All but [`Action::Missing`] can be derived again: [`Room::backlog`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell the user's `provider::User::welcomed` that Welcomes for these KeyPackages have come. Some may be of others.
    ///
    /// Do it, and save it, before you give the client the Welcome: once that is acknowledged nothing says any more that
    /// this is due, and the KeyPackage might be handed out again to who repeats a claim (Q-21).
    Welcomed {
        /// The user.
        user: UserUri,
        /// The KeyPackages.
        references: Vec<KeyPackageRef>,
    },
    /// Read these events and give them to the client, in order; then [`Room::acknowledged`].
    Deliver {
        /// The client.
        client: ClientUri,
        /// Ranges of events; read each under [`event_key`].
        events: Vec<Range<u64>>,
    },
    /// Events were passed on although the commits of these epochs have not come (D-81): for the log.
    Missing {
        /// The epochs whose commits are missing.
        epochs: Range<u64>,
    },
    /// No client is in the room or about to join, and none was for [`Limits::left_for`](crate::env::Limits::left_for):
    /// delete its records, unless one comes before that.
    ///
    /// What the hub still sends is answered with 404 from then on. Our hub takes that for a receipt from a provider with
    /// no client in the room: [`hub::Room::notify_unknown`](crate::hub::Room::notify_unknown).
    Forget,
}
