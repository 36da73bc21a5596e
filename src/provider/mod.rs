//! What every server does for its own users, whether it is the hub of a room or follows one.
//!
//! [`User`] is the machine, one for each user: its clients publish KeyPackages, others claim them, and the user says
//! who may. Who asks for whom decides the way (Q-25):
//!
//! ```text
//! client ──publish──▶ its provider: User::publish
//! requester's provider ──claim, no room──▶ User::claim
//! requester's provider ──claim for a room──▶ hub of the room ──▶ User::claim
//! hub ──notify with a Welcome──▶ follower: User::owner routes it to the client, User::welcomed closes the claim
//! ```
//!
//! # Consent
//!
//! Consent goes straight from provider to provider, never through a hub (P-200). Each of the two users has its own
//! machine; where both are of this provider, the letters go to itself.
//!
//! ```text
//! requester: User::ask      ──requestConsent──▶ target: User::consent_requested ──▶ the target's clients
//! target:    User::grant    ──updateConsent ──▶ requester: User::consent_updated ──▶ the requester's clients
//!            User::revoke
//! ```
//!
//! ```
//! use openmimi::env::{Env, Limits, Timestamp};
//! use openmimi::provider::{Action, Contact, Policy, Stance, User};
//! use openmimi::testing::MemoryStore;
//! use openmimi::uri::UserUri;
//!
//! let mut store = MemoryStore::new();
//! let bob = UserUri::parse("mimi://b.example/u/bob")?;
//! let founding = User::found(Limits::default(), Policy::default(), bob, Stance::Closed);
//! store.save(b"bob", founding.changes())?;
//! let (mut bob, _) = founding.apply();
//!
//! // Bob lets Alice add him to any room.
//! let alice = Contact { user: UserUri::parse("mimi://a.example/u/alice")?, room: None };
//! let env = Env { now: Timestamp(0), crypto: &(), keys: &() };
//! let step = bob.grant(&env, &alice, &[])?;
//! store.save(b"bob", step.changes())?;
//! for action in step.apply().actions {
//!     let Action::Send(letter) = action else { continue };
//!     assert_eq!(letter.to.as_str(), "a.example");
//!     // POST it to that provider's `updateConsent`; when it has answered 201:
//!     let step = bob.sent(letter.number);
//!     store.save(b"bob", step.changes())?;
//!     assert_eq!(step.apply().actions, []);
//! }
//! assert_eq!(bob.backlog(), []);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # From KeyPackage to user
//!
//! A Welcome names KeyPackages, not users. To find the user, keep an index from KeyPackageRef to user beside the
//! records, and bring it up to date in the transaction of each save: [`references`] says how.

mod claim;
mod consent;
pub mod directory;
mod ledger;
pub mod pace;
mod package;
pub mod peering;
mod publish;
pub mod query;
mod refusal;
mod request;
mod state;
#[cfg(any(test, feature = "testing"))]
mod tables;
mod user;

pub use consent::{Consent, Contact, Decision, Stance, Verdict};
pub use ledger::{ConsentEndpoint, ConsentFault, ConsentRefusal, Grant, Letter, consent_unknown};
pub(crate) use package::Package;
pub use publish::{PublishFault, PublishRefusal, Published, Unfit};
pub use refusal::{ClaimAnswer, ClaimFault, ClaimRefusal};
pub use request::claim_unknown;
pub use user::{Owner, User};

use crate::{machine::Changes, uri::ClientUri, wire::KeyPackageRef};

/// What a provider chooses, the same for all its users. Not part of the records.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Whether requesters are kept from learning who exists and what clients support: unknown and deleted users are
    /// answered like users who have not consented, and capabilities are left out (P-081, P-089, P-090).
    pub privacy: bool,
    /// Whether KeyPackages of last resort are handed out when no other fits, again and again (Q-24). The draft
    /// forbids what it is for, so the default is not to.
    pub last_resort: bool,
    /// Whether a claim that comes again gets the first answer (Q-21).
    pub repeat_answers: bool,
    /// With how many KeyPackages left a client is asked for more.
    pub low_water: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { privacy: false, last_resort: false, repeat_answers: true, low_water: 10 }
    }
}

/// What a provider does next for a user. All but [`Action::Withdrawn`] can be derived again: [`User::backlog`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Wake this client and ask it to publish more KeyPackages (P-091, D-95).
    Replenish {
        /// The client.
        client: ClientUri,
        /// How many it has left.
        left: usize,
    },
    /// Send this to another provider, in the order of the numbers, until it has received it; then [`User::sent`].
    Send(Letter),
    /// Show the user that somebody asks for consent; the answer is [`User::grant`], [`User::revoke`] or none.
    Requested(Contact),
    /// A request that the user has been shown was taken back.
    Withdrawn(Contact),
    /// Tell the user's clients what another user has said of its consent: [`User::told`], then [`User::noted`].
    Told(Contact),
}

/// The changes to the index from KeyPackageRef to user that a save of a [`User`] brings: `true` where the KeyPackage
/// is the user's from now on, `false` where it is to be forgotten.
pub fn references(changes: &Changes) -> impl Iterator<Item = (KeyPackageRef, bool)> {
    state::references(changes)
}
