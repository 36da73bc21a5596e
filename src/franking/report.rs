//! The hub's side of a report of abuse: whether a reported message is what it seems (P-234).

use openmls_traits::{crypto::OpenMlsCrypto, types::Ciphersuite};
use thiserror::Error;

use super::{
    Context,
    evidence::{is_signed, tag},
    recognise,
};
use crate::{
    codec::Wire,
    content::{Message, MessageId, media},
    policy::components::{MediaType, MediaTypeList},
    uri::{RoomUri, UserUri},
    wire::{AbusiveMessage, ApplicationFraming},
};

/// Why a reported message proves nothing.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error, serde::Serialize, serde::Deserialize,
)]
#[non_exhaustive]
pub enum Forgery {
    /// What was encrypted is no MIMI content, framed or not.
    #[error("it holds no MIMI content")]
    Content,
    /// The content names no sender or no room, so no frank can be over it (P-136).
    #[error("its content does not name its sender and its room")]
    Unnamed,
    /// The content is of another room.
    #[error("its content is of another room")]
    Room,
    /// The content is of somebody else than the report is about.
    #[error("its content is of somebody else")]
    Sender,
    /// The frank names another suite than the group's (D-74).
    #[error("its frank is of another suite than the group")]
    CipherSuite,
    /// No secret of this hub has stamped this content, of this sender, at this time.
    #[error("this hub has not stamped it")]
    Stamp,
    /// The room has no franking agent, or the signature is not the agent's.
    #[error("the signature is not the franking agent's")]
    Signature,
}

/// What a hub judges a reported message by.
#[derive(Clone, Copy, Debug)]
pub struct Docket<'a, S> {
    /// The hub's franking secrets, present and past, in the order in which they are to be tried.
    pub secrets: &'a [S],
    /// The public key of the room's franking agent, if it has one.
    pub agent_key: Option<&'a [u8]>,
    /// The suite of the room's group.
    pub suite: Ciphersuite,
    /// The media types that the room requires, if it frames its content with them by now.
    pub media_types: Option<&'a MediaTypeList>,
    /// The room.
    pub room: &'a RoomUri,
    /// Whom the report is about.
    pub alleged_abuser: &'a UserUri,
}

impl<S: AsRef<[u8]>> Docket<'_, S> {
    /// Judges a reported message: its content names its sender and its room; one of the hub's secrets has stamped that
    /// content, for them, at the reported time; and the franking agent has signed the stamp (P-234, Q-54). Gives the ID
    /// of the message.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn judge(
        &self,
        crypto: &impl OpenMlsCrypto,
        reported: &AbusiveMessage,
    ) -> Result<MessageId, Forgery> {
        // From before the room required media types its messages are bare. No octets can be read both ways.
        let framed = self.media_types.and_then(|required| {
            let framed = ApplicationFraming::decode(&reported.content).ok()?;
            let is_content = |it: &MediaType| it.name.eq_ignore_ascii_case(media::CONTENT);
            framed.media_type_in(required).is_some_and(is_content).then_some(framed)
        });
        let content = framed.as_ref().map_or(&reported.content, |framed| &framed.content);
        let content = Message::decode(content).map_err(|_| Forgery::Content)?;
        let (Some(sender), Some(room)) = (content.sender(), content.room()) else {
            return Err(Forgery::Unnamed);
        };
        if room != self.room.as_str() {
            return Err(Forgery::Room);
        }
        if sender != self.alleged_abuser.as_str() {
            return Err(Forgery::Sender);
        }
        let frank = &reported.frank;
        if frank.ciphersuite != self.suite.into() {
            return Err(Forgery::CipherSuite);
        }
        let context =
            Context { sender: self.alleged_abuser, room: self.room, accepted: reported.accepted };
        let tag = tag(&content.salt().0, &reported.content);
        if !recognise(self.secrets, &tag, &context, &frank.server_frank) {
            return Err(Forgery::Stamp);
        }
        let signed = self.agent_key.is_some_and(|key| is_signed(crypto, frank, &context, key));
        if !signed {
            return Err(Forgery::Signature);
        }
        content.id(sender, room).map_err(|_| Forgery::Content)
    }
}
