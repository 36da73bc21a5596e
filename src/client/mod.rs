//! The client.

mod commit;
mod event;
mod keys;
mod leaf;
#[expect(unused)]
mod member;
mod outbox;
mod proposed;
mod refusal;
mod room;
mod state;
mod storage;
mod store;

pub use event::{Discard, Event, EventId, Evidence, Failure, Message};
pub use keys::{Keys, SigningKey};
pub use outbox::{Endpoint, Intent, Outgoing, OutgoingId, Token};
pub use proposed::Who;
pub use refusal::{Impostor, Refusal};
pub use room::{Action, Room};
