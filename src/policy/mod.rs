//! Who may do what in a room: draft-ietf-mimi-room-policy-03 as pure functions.
//!
//! A room's policy is in its components. [`Roles`] say what each role may do, [`BaseRoomPolicy`] what holds for
//! everybody, [`PreAuth`] who may take a role by a credential. All of them are in a
//! [`RoomState`](crate::room::RoomState), and everything here is a question about one:
//!
//! * [`judge_proposals`] and [`judge_commit`]: may these changes be? Hubs ask before they accept, clients before they
//!   merge; see [`judge`].
//! * [`judge_creation`]: may a room be made like this? [`Envelope`]: does the hub's operator let it?
//! * [`may_send`], [`may_receive`] and their kin: may this user do that now? [`may`] answers for any capability.
//! * [`message::judge`]: may this message be sent, and shown? Clients ask, for only they can read it.
//!
//! Both sides call the same functions, so they give the same verdict (A-015).
//!
//! ```
//! use openmimi::{
//!     policy::{Capability, may, may_send, presets::Preset},
//!     room::RoomState,
//!     uri::{RoomUri, UserUri},
//! };
//!
//! let room = RoomUri::parse("mimi://a.example/r/clubhouse")?;
//! let alice = UserUri::parse("mimi://a.example/u/alice")?;
//! let bob = UserUri::parse("mimi://b.example/u/bob")?;
//! let components = Preset::Cooperative.room(&room, &alice, &[]);
//! // Everywhere else the state comes from a room: `hub::Room::effective`, `client::Room::effective`.
//! let state = RoomState::from_components(components, [&alice])?;
//! assert!(may_send(&state, &alice));
//! assert!(!may_send(&state, &bob), "not on the list");
//! assert!(may(&state, &alice, Capability::BAN));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Rooms are made from [`presets`].

mod ask;
mod base;
mod capability;
pub mod components;
mod creation;
mod envelope;
pub mod file;
pub mod judge;
pub(crate) mod leaf;
mod limits;
pub mod matrix;
pub mod message;
mod preauth;
pub mod presets;
pub mod question;
mod role;
pub mod rules;

pub use ask::{may, may_be_given_group_info, may_receive, may_send};
pub use base::BaseRoomPolicy;
pub use capability::Capability;
pub use creation::{fixed_participants, judge_creation, sound};
pub use envelope::{Choice, Envelope, EnvelopeRule, Outside};
pub use judge::{
    Accepted, Action, Committed, Committer, Denied, JoinCode, Proposed, Proposer, Queue, Reason,
    Verdict, View, assume, judge_commit, judge_proposals, replay,
};
pub use preauth::{Claim, Claims, PreAuth, PreAuthEntry};
pub use role::{Bounds, Role, RoleChange, RoleIndex, Roles, RolesFault, RolesRule};
