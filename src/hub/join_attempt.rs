//! A joining code that the room does not know: a question for the hub's operator.

use super::{
    CodeFault, CodeRefusal, CodeTerms, GroupInfoRefusal, Keys, Refusal, Room, codes, draft::Draft,
    expiring::Joiner, joining::WayIn,
};
use crate::{
    env::{Crypto, Env, Peer},
    error::Misuse,
    machine::{Revision, Step},
    uri::{RoomUri, UserUri},
    wire::{GroupInfoRequest, GroupInfoResponse},
};

/// Somebody who may come in if its joining code is good. Look the code up where such codes are kept, and
/// [admit](JoinAttempt::admit) or [refuse](JoinAttempt::refuse) it.
///
/// The room is not held meanwhile: it may go on, and what has changed by then is heeded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "whoever asked waits for the answer"]
pub struct JoinAttempt {
    room: RoomUri,
    judged_at: Revision,
    peer: Peer,
    request: GroupInfoRequest,
    user: UserUri,
    code: Vec<u8>,
}

impl JoinAttempt {
    pub(super) fn new(
        room: &Room,
        peer: Peer,
        request: GroupInfoRequest,
        user: UserUri,
        code: Vec<u8>,
    ) -> Self {
        let (uri, judged_at) = (room.uri().clone(), room.revision());
        Self { room: uri, judged_at, peer, request, user, code }
    }

    /// Who wants to come in.
    #[must_use]
    pub const fn user(&self) -> &UserUri {
        &self.user
    }

    /// The joining code. Octets of a stranger's: they may be anything.
    #[must_use]
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// The code is good, on these terms. From now on the room keeps it as one of its own and counts its uses: it asks
    /// no more about it, and [`Room::revoke_code`] takes it back.
    ///
    /// # Errors
    /// If the room does not let this user in by now, or the terms give nothing; state is unchanged.
    pub fn admit<'r, C: Crypto>(
        self,
        room: &'r mut Room,
        env: &Env<'_, C, Keys>,
        terms: &CodeTerms,
    ) -> Result<Step<'r, Room, GroupInfoResponse>, Refusal<GroupInfoRefusal>> {
        let mut draft = Draft::new(&room.head);
        let code = self.judge(room, env, terms, &mut draft).map_err(|it| room.refuse(it))?;
        room.give_group_info(env, self.request, Joiner { user: self.user, code }, draft)
    }

    fn judge<C: Crypto>(
        &self,
        room: &Room,
        env: &Env<'_, C, Keys>,
        terms: &CodeTerms,
        draft: &mut Draft,
    ) -> Result<Option<Vec<u8>>, GroupInfoRefusal> {
        if *room.uri() != self.room {
            let wrong = Misuse::Argument("somebody who may come in asked for another room");
            return Err(wrong.into());
        }
        match room.may_have_group_info(env, &self.peer, &self.request)?.1 {
            WayIn::Free => Ok(None),
            WayIn::Code(name) => Ok(Some(name)),
            WayIn::Unknown(code) => {
                let kept = room.draft_code(env.now, &code, terms, draft)?;
                kept.fault(env.now).map_or(Ok(()), |fault| Err(GroupInfoRefusal::Code(fault)))?;
                Ok(Some(codes::name(&code)))
            }
        }
    }

    /// Nobody knows the code.
    #[must_use]
    pub fn refuse(self) -> Refusal<GroupInfoRefusal> {
        let reason = GroupInfoRefusal::Code(CodeFault::Unknown);
        Refusal { reason, judged_at: self.judged_at }
    }
}

impl From<CodeRefusal> for GroupInfoRefusal {
    fn from(refusal: CodeRefusal) -> Self {
        match refusal {
            CodeRefusal::Ended => Self::Ended,
            CodeRefusal::TooMany(limit) => Self::Codes(limit),
            CodeRefusal::Misuse(misuse) => Self::Misuse(misuse),
            CodeRefusal::Denied(_) | CodeRefusal::Role => Self::Code(CodeFault::Role),
            CodeRefusal::Unknown | CodeRefusal::Exists | CodeRefusal::Length => {
                Self::Code(CodeFault::Unknown)
            }
        }
    }
}
