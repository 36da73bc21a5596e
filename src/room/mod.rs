//! What hub and clients agree on about a room: its components, its participants and who of them has clients.
//!
//! A [`RoomState`] is made of the [`Components`] of a GroupContext and the users of the group's leaves. It changes in
//! two moves, like everything here: a change is computed on `&self` and may fail ([`RoomState::fold`]); to apply it
//! cannot ([`RoomState::apply`]). The octets of components are kept as they came, and a changed participant list is
//! the old octets with the change in them, never a new encoding.
//!
//! Whether somebody *may* change something is not decided here but in [`policy`](crate::policy), which calls this.
//!
//! ```text
//! GroupContext ── Components ─┐
//!                             ├─ RoomState::from_components ─▶ RoomState ── fold ─▶ Change ── apply ─▶ RoomState
//! leaves ──────── UserUri ────┘                                              └─ components ─▶ the new dictionary
//! ```

mod change;
mod component;
mod draft;
mod entries;
mod metadata;
mod participants;
mod places;
mod state;
mod take;
#[cfg(test)]
mod tests;
mod update;

pub use change::{Change, ChangeError, ChangeFault, ClientChange};
pub use component::{ComponentId, ComponentOperation, Components};
pub(crate) use draft::{Draft, Move, Tally};
pub use metadata::{RichDescription, RoomMetadata};
pub use participants::{Listed, ParticipantList};
pub use state::{Membership, RoomState, StateError, StateFault};
pub use update::ParticipantListUpdate;
