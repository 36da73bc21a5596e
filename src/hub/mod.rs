//! The hub: one room, at the provider that hosts it.
//!
//! A hub orders what happens in a room, decides whether it may, remembers it, and sees that everybody hears of it.
//! It reads no message: it follows the MLS group from outside, as its delivery service, and enforces the policy that
//! stands in the group's own context.
//!
//! # Top down
//!
//! [`offer`] says how a new room has to look; a client makes the group; [`Room::create`] takes it up. From then on:
//!
//! | call | endpoint | what happens |
//! | --- | --- | --- |
//! | [`Room::update`] | `update` | proposals wait for a commit, a commit takes the room to its next epoch |
//! | [`Room::submit_message`] | `submitMessage` | an application message is franked and fanned out |
//! | [`Room::group_info`] | `groupInfo` | somebody gets what an external commit needs |
//! | [`Room::keys_claimed`] | `keyMaterial` | KeyPackages pass through; Welcomes will follow the same way |
//! | [`Room::report_abuse`], [`Room::reviewed`] | `reportAbuse` | what was reported is verified, and kept for review |
//! | [`Room::propose`] | – | the hub itself asks for a change, as an external sender |
//! | [`Room::acknowledged`], [`Room::notify_failed`], [`Room::notify_unknown`], [`Room::ready`] | `notify` | who has got how far |
//! | [`Room::make_code`], [`Room::revoke_code`] | – | joining codes come and go; see [`JoiningCode`] |
//! | [`Room::serve_trees_at`] | – | joiners fetch the ratchet tree; see [`tree_key`] |
//! | [`Room::destroy`] | – | the room ends |
//! | [`Room::offer_again`], [`Room::found_again`] | – | a persistent room gets another group |
//! | [`Room::timeout`] | – | what is over goes, what failed is tried again |
//!
//! Each is a [`Step`](crate::machine::Step) or a refusal that knows its wire answer. In the words of the first MIMI
//! design documents: `m.room.user` is an update that carries a change of the participant list, `m.room.info` is
//! groupInfo, `ds.proposal` and `ds.commit` are the two kinds of update.
//!
//! # A room begins
//!
//! ```
//! use openmimi::{
//!     codec::Wire,
//!     env::{Env, Limits, Peer, Timestamp},
//!     hub::{self, Action, Event, Keys, Room, Wish},
//!     policy::presets::Preset,
//!     testing::MemoryStore,
//!     uri::{RoomUri, UserUri},
//! };
//! # use openmimi::{client::{self, Lifetime, Token}, content::{Compose, Salt}, room::Components, uri::ClientUri};
//! use openmls_basic_credential::SignatureKeyPair;
//! use openmls_rust_crypto::RustCrypto;
//! use openmls_traits::types::{Ciphersuite, SignatureScheme};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
//! # let now = Timestamp(u64::try_from(since.as_millis())?);
//! let (crypto, limits, mut store) = (RustCrypto::default(), Limits::default(), MemoryStore::new());
//! let key = SignatureKeyPair::new(SignatureScheme::ED25519)?;
//! let keys = Keys::new(key.public().to_vec(), Box::new(key), [7; 32]); // In earnest: a random franking secret.
//! let env = Env { now, crypto: &crypto, keys: &keys };
//!
//! // A user of this provider wants a room. The offer says what its group has to hold.
//! let room = RoomUri::parse("mimi://a.example/r/clubhouse")?;
//! let alice = UserUri::parse("mimi://a.example/u/alice")?;
//! let wish = Wish {
//!     room: room.clone(),
//!     creator: alice.clone(),
//!     ciphersuite: Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
//!     policy: Preset::Cooperative.room(&room, &alice, &[]),
//! };
//! let offer = hub::offer(&env, &wish)?;
//!
//! // The client makes the group (`client::Room::create`) and sends GroupInfo and ratchet tree.
//! # let phone = ClientUri::parse("mimi://a.example/d/alice/phone")?;
//! # let signer = SignatureKeyPair::new(SignatureScheme::ED25519)?;
//! # let public = signer.public().to_vec();
//! # let own_keys = client::Keys::new(public.clone(), Box::new(signer));
//! # let own = Env { now, crypto: &crypto, keys: &own_keys };
//! # let year = Lifetime { not_before: Timestamp(0), not_after: now.plus(1000 * 60 * 60 * 24 * 365) };
//! # let founding = client::Room::create(&own, &offer, &public, year, Components::default(), &limits)?;
//! # let (mut member, outcome) = founding.apply();
//! # let created = outcome.reply;
//! let founding = Room::create(&env, &offer, &created.group_info, &created.ratchet_tree, &limits)?;
//! store.save(b"clubhouse", founding.changes())?;
//! let (mut hub, _) = founding.apply();
//!
//! // Somebody sends a message. `peer` is whom your server has authenticated.
//! # let content = Compose::new(alice.as_str(), room.as_str()).text("Hi").encode(Salt::random(&crypto)?)?;
//! # member.send(&own, Token(1), &content)?.apply();
//! # let body = member.outbox().next().ok_or("it has sent something")?.body;
//! let peer = Peer::Client(phone, alice);
//! let step = hub.submit_message(&env, &peer, &body)?;
//! store.save(b"clubhouse", step.changes())?;
//! let outcome = step.apply();
//! let answer = outcome.reply.encode(); // 200, to whoever has asked
//! # assert!(!answer.is_empty());
//!
//! // Whoever is to hear of it: read the events, send them, and say that they have arrived.
//! for Action::Notify { provider, events } in outcome.actions {
//!     assert_eq!(provider.as_str(), "a.example");
//!     let records: Vec<(u64, Vec<u8>)> = events
//!         .filter_map(|event| Some((event, store.read(b"clubhouse", &Event::key(event))?.to_vec())))
//!         .collect();
//!     let records = records.iter().map(|(event, record)| (*event, record.as_slice()));
//!     let Some(batch) = Event::batch(&provider, &limits, records)? else { continue };
//!     // POST `batch.body` to the provider's notify endpoint. When it has answered 201:
//!     let step = hub.acknowledged(&env, &provider, batch.through);
//!     store.save(b"clubhouse", step.changes())?;
//!     step.apply();
//! }
//! assert_eq!(hub.backlog().count(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Two states of a room
//!
//! A change takes effect when it is *accepted*, but the members apply it when it is *committed* (Q-44). So the room
//! keeps `committed`, which is what the GroupContext of the epoch says, and `effective`, the same with all that
//! waits. Rights and limits are those of `effective`: a user that a ban proposal names is silent at once, and the
//! next commit, which has to contain that proposal, takes its clients out of the group.
//!
//! # Fan-out
//!
//! Every accepted event goes once into a log; every provider has a cursor in it ([`Event`]). [`Action::Notify`] names
//! a provider and a range of the log: read these records, give them to [`Event::batch`], send the result to the
//! provider's notify endpoint, and tell the room with [`Room::acknowledged`], [`Room::notify_failed`] or
//! [`Room::notify_unknown`]; go on until nothing is left of the range. After a
//! crash, [`Room::ready`] says the same again. The hub's own clients are served the same way: its own provider is
//! one more destination, with a [`follower`](crate::follower) beside the hub.

mod abuse;
mod answered;
mod codes;
mod commit;
mod create;
mod destroy;
mod draft;
mod envelope;
mod epochs;
mod expiring;
mod fanout;
mod floods;
mod follow_up;
mod group_info;
mod join_attempt;
mod joining;
mod keys;
mod keys_claimed;
mod leaves;
mod log;
mod messages;
mod offer;
mod omitted;
mod parent;
mod propose;
mod proposed;
mod record;
mod refound;
mod refusal;
mod restore;
mod room;
mod senders;
mod sizes;
mod submit;
#[cfg(any(test, feature = "testing"))]
mod tables;
mod trees;
mod update;

use std::ops::Range;

pub use self::{
    abuse::{Finding, Report, ReportRefusal, Reported},
    codes::{CodeFault, CodeRefusal, CodeSource, CodeTerms, JoiningCode},
    create::CreateRefusal,
    destroy::{By, DestroyRefusal, Ending, Tombstone},
    group_info::GroupInfoStep,
    join_attempt::JoinAttempt,
    keys::{Keys, SigningKey},
    log::{Batch, Event},
    offer::{Offer, Wish, offer},
    propose::{Proposal, ProposeRefusal},
    proposed::Nobody,
    refound::RefoundRefusal,
    refusal::{
        Answer, GroupInfoRefusal, KeysClaimedRefusal, Refusal, SubmitRefusal, UpdateRefusal,
    },
    room::Room,
    trees::tree_key,
};
use crate::uri::Domain;

/// What the hub asks its caller to do once a step is saved and applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a provider the events of this range that are owed to it. Ask [`Event::batch`] for the bodies.
    Notify {
        /// Whom.
        provider: Domain,
        /// The numbers of the events in the log.
        events: Range<u64>,
    },
}
