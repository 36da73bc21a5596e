//! Franking: the hub's stamp on messages that it cannot read (draft-ietf-mimi-protocol-06, section 5.4.1).
//!
//! 1. The sender puts a [`tag`] over its content into the authenticated data of the message. It is keyed by the salt
//!    in the content, so it says nothing to those who cannot decrypt the message.
//! 2. The hub [`stamp`]s: a hash of tag and [`Context`] under a secret of its own, and a signature for the receivers.
//! 3. The receiver [`verify`]s both, and keeps [`Evidence`] beside the message.
//! 4. If the receiver ever reports the message, the hub [`recognise`]s its own stamp: a [`Docket`] judges the report.
//!
//! A frank proves something to the hub only: to everyone else it is not evidence of who wrote the message (D-07). The
//! signature covers neither tag nor ciphertext, so a provider between hub and receiver can swap two franks of one
//! sender; [`Witness`] finds that out.

mod evidence;
mod report;
mod stamp;
#[cfg(test)]
mod tests;
mod verify;
mod witness;

pub use evidence::{Context, Evidence, FrankingAgentData, Tag, tag};
pub use report::{Docket, Forgery};
pub use stamp::{is_genuine, recognise, stamp};
pub use verify::{Claims, Invalid, Received, Verdict, verify};
pub use witness::{Suspicion, Witness};
