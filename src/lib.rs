//! A sans-IO implementation of IETF MIMI (More Instant Messaging Interoperability) on MLS: rooms that users of
//! different providers share, end-to-end encrypted, as pure state machines that consume octets and ask for actions.
//! Callers bring transport, storage, clock and cryptography.
//!
//! A room lives at one provider, its *hub*; the other providers are *followers*. Every room has one MLS group, so no
//! server reads messages. The hub orders what happens, enforces the room's policy, and keeps proposals until a member
//! commits them.
//!
//! | you run | use | begin with |
//! | --- | --- | --- |
//! | a provider's servers | [`provider`] for your users' KeyPackages and consent, [`hub`] for rooms you host, [`follower`] for rooms your users are in, [`download`] for what you fetch for others | [`provider::User::found`], [`hub::offer`], [`follower::Room::welcomed`] |
//! | an app | [`client`] for devices and rooms, [`content`] for what people write, [`download`] for what they attach | [`client::Device::new`], [`content::Compose`] |
//! | a decoder, a fuzzer, a policy tool | [`wire`], [`content`], [`policy`], [`room`] | [`content::Message::decode`], [`codec::Wire::decode`], [`policy::judge_proposals`] |
//!
//! The documentation of each module says who calls it, in which order, and what is to be done next, mostly as a program
//! that runs.
//!
//! # The run loop
//!
//! Every machine has the same shape: a call *checks* and returns a [`machine::Step`]; you *save* its changes in one
//! transaction; you *apply* it, which releases the reply and the actions. To drop a step is to roll back, so `?` is
//! always safe.
//!
//! ```
//! use openmimi::{codec::Wire, env::{Crypto, Env, Peer}, hub::{self, Answer}, testing::MemoryStore};
//!
//! /// POST /update/{roomId}: the octets in, the status and the octets out.
//! fn update<C: Crypto>(
//!     room: &mut hub::Room, store: &mut MemoryStore, env: &Env<'_, C, hub::Keys>, peer: &Peer, body: &[u8],
//! ) -> (u16, Vec<u8>) {
//!     let id = room.uri().to_string();
//!     match room.update(env, peer, body) {                                   // check
//!         Ok(step) => match store.save(id.as_bytes(), step.changes()) {      // save
//!             Ok(()) => {
//!                 let outcome = step.apply();                                // apply
//!                 for hub::Action::Notify { provider, events } in outcome.actions {
//!                     println!("wake the sender: {provider} is owed {events:?}");
//!                 }
//!                 (200, outcome.reply.encode())
//!             }
//!             Err(_) => (503, Vec::new()), // the step is dropped; now forget the room and restore it
//!         },
//!         Err(refusal) => match refusal.reason.answer() {
//!             Answer::Response(response) => (200, response.encode()),
//!             Answer::Status(status) => (status, Vec::new()),
//!             Answer::Later { .. } => (429, Vec::new()),
//!         },
//!     }
//! }
//! ```
//!
//! # Drafts
//!
//! draft-ietf-mimi-protocol-06, draft-ietf-mimi-content-08, draft-ietf-mimi-room-policy-03, draft-ietf-mimi-arch-02,
//! draft-ietf-mls-ratchet-tree-options-00, and of draft-ietf-mls-extensions-10 what these use. Identifiers such as
//! `P-019`, `R-128`, `Q-79` or `D-51` in the documentation name rules of these drafts, decisions where the drafts leave
//! something open, and threats; tests cite them too.
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `http` | requests and responses as values of the `http` crate: directory, headers, status codes |
//! | `ohttp` | downloads by Oblivious HTTP; draws randomness from the operating system |
//! | `markdown` | GFM-MIMI for apps that show or send formatted text |
//! | `testing` | an in-memory store that can fail, the conformance suite that a real store has to pass, and simulated worlds |
//! | `js` | clock and randomness of a JavaScript host for openmls on `wasm32-unknown-unknown` |

pub mod client;
pub mod codec;
pub mod content;
pub mod delivery;
pub mod download;
pub mod env;
pub mod error;
pub mod follower;
pub mod franking;
#[cfg(feature = "http")]
pub mod http;
pub mod hub;
pub mod machine;
mod pieces;
pub mod policy;
pub mod provider;
mod retry;
pub mod room;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod uri;
pub mod wire;

/// The examples in the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
