//! The client: one device's side of rooms, as two machines.
//!
//! A [`Device`] is who it is: a user, a signing key, and the KeyPackages that let others add it. A [`Room`] is one room
//! on that device: the MLS group, what the room's members agree on, what waits for the hub, and what waits for the app.
//! Both are steps as everywhere in this crate ([`machine`](crate::machine)): check, save, apply. Secret keys stay with
//! the caller, in [`Keys`].
//!
//! ```text
//! create ─▶ Room ◀─ join (Welcome) ◀─ Device::lend          hub::Offer, FanoutMessage, GroupInfoResponse: in
//!            │   ◀─ join_external ◀─ Device::join_request   Created, Outgoing: out
//!            ├─ rejoin ◀─ Device::join_request, after the client has lost the others
//!            ├─ send, add, remove, ban, set_role, leave, update_self, commit_pending, propose ─▶ outbox()
//!            ├─ answer_update, answer_submit ◀─ the hub's answers to the outbox
//!            └─ receive ◀─ the hub's fan-out, in its order ─▶ events() ─▶ acknowledge
//! ```
//!
//! # A first room, a first message
//!
//! ```
//! use openmimi::{
//!     client::{Device, Endpoint, Event, Keys, Lifetime, Room, Token},
//!     content::{Compose, Salt},
//!     env::{Env, Limits, Peer, Timestamp},
//!     room::Components,
//!     testing::MemoryStore,
//!     uri::{ClientUri, UserUri},
//! };
//! # use openmimi::{hub, policy::presets::Preset, uri::RoomUri};
//! use openmls_basic_credential::SignatureKeyPair;
//! use openmls_rust_crypto::RustCrypto;
//! use openmls_traits::types::{Ciphersuite, SignatureScheme};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
//! # let now = Timestamp(u64::try_from(since.as_millis())?);
//! let (crypto, limits, mut store) = (RustCrypto::default(), Limits::default(), MemoryStore::new());
//! let alice = UserUri::parse("mimi://a.example/u/alice")?;
//! let phone = ClientUri::parse("mimi://a.example/d/alice/phone")?;
//! let key = SignatureKeyPair::new(SignatureScheme::ED25519)?;
//! let public = key.public().to_vec();
//! let keys = Keys::new(public.clone(), Box::new(key));
//! let env = Env { now, crypto: &crypto, keys: &keys };
//!
//! // Once: the device.
//! let founding = Device::new(alice.clone(), phone.clone(), public.clone(), &limits);
//! store.save(b"device", founding.changes())?;
//! let (mut device, _) = founding.apply();
//!
//! // The provider says what a new room has to look like (`hub::offer`). The client makes its group.
//! # let hub_key = SignatureKeyPair::new(SignatureScheme::ED25519)?;
//! # let hub_keys = hub::Keys::new(hub_key.public().to_vec(), Box::new(hub_key), [7; 32]);
//! # let hub_env = Env { now, crypto: &crypto, keys: &hub_keys };
//! # let uri = RoomUri::parse("mimi://a.example/r/clubhouse")?;
//! # let policy = Preset::Cooperative.room(&uri, &alice, &[]);
//! # let ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
//! # let wish = hub::Wish { room: uri.clone(), creator: alice.clone(), ciphersuite, policy };
//! # let offer = hub::offer(&hub_env, &wish)?;
//! let year = Lifetime { not_before: Timestamp(0), not_after: now.plus(1000 * 60 * 60 * 24 * 365) };
//! let founding = Room::create(&env, &offer, &public, year, Components::default(), &limits)?;
//! store.save(b"room", founding.changes())?;
//! let (mut room, outcome) = founding.apply();
//! let created = outcome.reply; // Send this to the provider, for `hub::Room::create`.
//! # let founding = hub::Room::create(&hub_env, &offer, &created.group_info, &created.ratchet_tree, &limits)?;
//! # let (mut hub, _) = founding.apply();
//! let step = device.entered(room.uri(), room.group());
//! store.save(b"device", step.changes())?;
//! step.apply();
//!
//! // A message: saved, and only then sent.
//! let compose = Compose::new(alice.as_str(), room.uri().as_str());
//! let content = compose.text("Hi everyone").encode(Salt::random(&crypto)?)?;
//! let step = room.send(&env, Token(1), &content)?;
//! store.save(b"room", step.changes())?;
//! step.apply();
//! let outbox: Vec<_> = room.outbox().collect();
//! for sent in outbox {
//!     assert_eq!(sent.endpoint, Endpoint::SubmitMessage);
//!     // Send `sent.body` to the provider until there is an answer.
//!     # let peer = Peer::Client(phone.clone(), alice.clone());
//!     # let response = hub.submit_message(&hub_env, &peer, &sent.body)?.apply().reply;
//!     let step = room.answer_submit(&env, sent.id, &response)?;
//!     store.save(b"room", step.changes())?;
//!     step.apply();
//! }
//!
//! // What the app is to show, until it says that it has.
//! let seen: Vec<_> = room.events().map(|(id, _)| id).collect();
//! assert!(matches!(room.events().next(), Some((_, Event::Accepted { token: Token(1), .. }))));
//! let step = room.acknowledge(&seen)?;
//! store.save(b"room", step.changes())?;
//! step.apply();
//! # Ok(())
//! # }
//! ```
//!
//! # What the caller owes
//!
//! * Send what is in [`Room::outbox`], the same octets, until it is answered; then give the answer to the room. If the
//!   room has moved on in the meantime, the room makes the change or the message again by itself: other octets, another
//!   [`OutgoingId`], the same [`Token`]. Send a message when the one before it is answered: if they overtake each other,
//!   receivers find that the hub's times contradict the sender's order, and flag the franks (Q-53).
//! * Give [`Room::receive`] what the hub fans out, in order. What is early is refused and changes nothing.
//! * When the room says that it cannot follow ([`Refusal::Behind`], [`Event::Forked`]; [`Refusal::Early`] or
//!   [`Refusal::Unseen`] for which nothing earlier can be had), ask the hub for its GroupInfo and give the answer to
//!   [`Room::rejoin`]. What was not acknowledged, and what the hub has not answered, stays.
//! * Show [`Room::events`], then [`Room::acknowledge`] them. The key that decrypted a message is gone with the save that
//!   holds its event, so events stay in the records until then.
//! * Save with compare-and-swap. For a client that is a rule of security: of two owners of one room only one may make
//!   a ciphertext visible, or one key encrypts twice. After a store has gone back in time (a backup, a snapshot of a
//!   virtual machine) do not send: join again from outside.
//! * While an external commit waits for the hub's answer, do not acknowledge a Welcome for the same room to the
//!   provider: either leaf may be the one that stays. Once the answer is there, join by the Welcome or drop it.
//! * Tell the provider that this client is out, or that a user is to be blocked, when everything that the provider has
//!   for this client has been received, and not before: a newer Welcome may be among it, or that user's return.
//! * When a room is over ([`Event::Removed`]) delete its records: they hold the keys of the epochs it was in.
//!
//! # Several devices, several rooms
//!
//! Each device of a user is a member of its own: a [`Device`] and a [`Room`] a room. A new one is told which rooms its
//! user is in, by another device or by the provider, and keeps them as [wanted](Device::want) until it has entered them
//! all: from outside, one [`Device::join_request`] a room, or by a KeyPackage of its that another device gives to
//! [`Room::add`].
//!
//! # What is kept for later
//!
//! Of each message whose stamp was right the room keeps the stamp, for a report of abuse: [`Room::report`] puts it
//! together with the contents that the app still has. The contents themselves are in the records no longer than their
//! events.
//!
//! # What a hub can and cannot do
//!
//! It orders messages and can hold them back, and it sees who is in the room. It can neither read messages nor change
//! the room: every commit and every proposal is verified by MLS and judged by the room policy, with the functions that
//! the hub uses itself. A commit that must not be is not followed, and a second commit for an epoch is noticed:
//! [`Event::Forked`], and nothing is sent any more. That a commit leaves out what it had to contain is flagged, not
//! refused ([`Event::Omitted`]), since whoever refuses it would only fork itself; it may be a race. A hub that shows two halves of a room
//! two histories is found out by comparing [`Room::epoch_authenticator`] by another channel ([`Room::compare`]). Messages
//! that have not come are counted ([`Message::skipped`]); who keeps them back, nobody can tell. The hub's stamp on a
//! message ([`Message::franking`]) is evidence for a report to the hub, and never proof of the sender: MLS is that.
//!
//! # What a step costs
//!
//! The MLS state of a large room takes half a megabyte, and openmls writes most of it with every message. It is saved in
//! content-defined pieces, of which a step writes those that changed and deletes those that are gone: overwritten, so
//! that deleted keys stay nowhere. Octets of MLS state that a step saves, keys of records included, with all members
//! listed as participants and one past epoch kept (openmls 0.9.2; the test `octets_saved` prints and bounds them):
//!
//! | members | state in all | a message | the first of its sender in an epoch | another's commit | own commit, merged |
//! |---|---|---|---|---|---|
//! | 10 | 7 KB | 0.8 KB | 0.8 KB | 5.5 KB | 5.8 KB |
//! | 100 | 55 KB | 0.2 KB | 1.3 KB | 5.9 KB | 6 KB |
//! | 1,000 | 522 KB | 0.2–0.3 KB | 2.4 KB | 7.1 KB | 9.1 KB |
//!
//! To build an own commit saves two copies of the GroupContext more (89 KB at 1,000 members), deleted when it is merged.
//! Beside this a step saves its ciphertext or event, and a stamp for reports (a quarter of a kilobyte). A dropped step loads the group again from what is saved. Medians of
//! `cargo bench --bench client` on two shared cores, saves into memory:
//!
//! | members | restore | send | receive | send and drop, reload included |
//! |---|---|---|---|---|
//! | 10 | 0.05 ms | 0.08 ms | 0.08 ms | 0.12 ms |
//! | 100 | 0.3 ms | 0.25 ms | 0.2 ms | 0.6 ms |
//! | 1,000 | 3.4 ms | 1.0 ms | 1.0 ms | 3.4 ms |

mod answer;
mod commit;
mod create;
mod device;
mod draft;
mod epoch;
mod event;
mod follow;
mod inbound;
mod join;
mod keys;
mod leaf;
mod media;
mod member;
mod outbox;
mod propose;
mod proposed;
#[cfg(any(test, feature = "testing"))]
mod raw;
mod receive;
mod refusal;
mod report;
mod request;
mod room;
mod rooms;
mod secrets;
mod send;
mod state;
mod storage;
mod store;
mod table;
#[cfg(any(test, feature = "testing"))]
mod tables;
mod tree;
mod waiting;

pub use create::Created;
pub use device::{Device, DeviceAction};
pub use event::{Discard, Event, EventId, Evidence, Failure, Message};
pub use join::LentKeyPackage;
pub use keys::{Keys, SigningKey};
pub use leaf::Lifetime;
pub use outbox::{Endpoint, Intent, Outgoing, OutgoingId, Token};
pub use proposed::Who;
pub use receive::Received;
pub use refusal::{Impostor, Refusal};
pub use report::Complaint;
pub use request::JoinRequest;
pub use room::{Action, Room};

#[cfg(test)]
mod tests;
