//! The client.

mod answer;
mod commit;
mod create;
mod device;
mod event;
mod inbound;
mod join;
mod keys;
mod leaf;
#[expect(unused)]
mod member;
mod outbox;
mod propose;
mod proposed;
mod receive;
mod refusal;
mod room;
mod send;
mod state;
mod storage;
mod store;

pub use create::Created;
pub use device::{Device, DeviceAction};
pub use event::{Discard, Event, EventId, Evidence, Failure, Message};
pub use join::{JoinRequest, LentKeyPackage};
pub use keys::{Keys, SigningKey};
pub use outbox::{Endpoint, Intent, Outgoing, OutgoingId, Token};
pub use proposed::Who;
pub use receive::Received;
pub use refusal::{Impostor, Refusal};
pub use room::{Action, Room};

#[cfg(test)]
mod tests;
