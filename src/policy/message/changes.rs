//! Edits, deletions, and topics given later (room-policy, section 8.3; content, section 9.3; Q-92).

use super::{Earlier, Sender, Sent, reacts};
use crate::{
    content::{Body, timeline::Act},
    policy::{Capability, Denied, Reason},
    room::RoomState,
    uri::UserUri,
};

/// The capability that an act takes.
#[must_use]
pub const fn capability_of(act: Act) -> Capability {
    match act {
        Act::EditOwnMessage => Capability::EDIT_OWN_MESSAGE,
        Act::DeleteOwnMessage => Capability::DELETE_OWN_MESSAGE,
        Act::EditReaction => Capability::EDIT_REACTION,
        Act::DeleteOwnReaction => Capability::DELETE_OWN_REACTION,
        Act::EditOwnTopic => Capability::EDIT_OWN_TOPIC,
        Act::DeleteOtherMessage => Capability::DELETE_OTHER_MESSAGE,
        Act::DeleteOtherReaction => Capability::DELETE_OTHER_REACTION,
        Act::EditOtherTopic => Capability::EDIT_OTHER_TOPIC,
    }
}

/// The rule that gates an act.
const fn rule_of(act: Act) -> &'static str {
    match act {
        Act::EditReaction => "R-186",
        Act::DeleteOwnReaction => "R-187",
        Act::DeleteOtherReaction => "R-188",
        Act::EditOwnMessage => "R-189",
        Act::DeleteOwnMessage => "R-190",
        Act::DeleteOtherMessage => "R-191",
        Act::EditOwnTopic => "R-194",
        Act::EditOtherTopic => "R-195",
    }
}

/// May this user do that to messages in this room? What [`Timeline::insert`] wants to know of each sender, by the room of
/// the message's epoch.
///
/// [`Timeline::insert`]: crate::content::timeline::Timeline::insert
#[must_use]
pub fn may_act(room: &RoomState, user: &UserUri, act: Act) -> bool {
    Sender::of(room, user).is_ok_and(|who| who.can(capability_of(act)))
}

fn act(who: &Sender<'_>, act: Act) -> Result<(), Denied> {
    who.needs(capability_of(act), rule_of(act))
}

/// Any of these will do.
fn one_of(who: &Sender<'_>, acts: &[Act]) -> Result<(), Denied> {
    let ways: Vec<_> = acts.iter().map(|act| (capability_of(*act), rule_of(*act))).collect();
    who.needs_one(&ways)
}

/// Edit or delete a message (R-186 … ). Tells whether it has to be judged again when the earlier
/// message is there.
pub(super) fn change(
    who: &Sender<'_>,
    sent: &Sent<'_>,
    earlier: Option<&Earlier<'_>>,
) -> Result<bool, Denied> {
    let message = sent.message;
    let deletes = matches!(message.body().body(), Body::Null);
    let Some(earlier) = earlier else {
        let acts: &[Act] = match (deletes, reacts(message)) {
            (true, _) => &[
                Act::DeleteOwnMessage,
                Act::DeleteOwnReaction,
                Act::DeleteOtherMessage,
                Act::DeleteOtherReaction,
            ],
            (false, true) => &[Act::EditReaction, Act::EditOwnMessage],
            (false, false) => &[Act::EditOwnMessage, Act::EditOwnTopic, Act::EditOtherTopic],
        };
        return one_of(who, acts).map(|()| true);
    };
    let own = earlier.sender == who.user.as_str();
    match (deletes, own, earlier.is_reaction()) {
        (true, true, false) => act(who, Act::DeleteOwnMessage),
        (true, true, true) => act(who, Act::DeleteOwnReaction),
        (true, false, false) => act(who, Act::DeleteOtherMessage),
        (true, false, true) => act(who, Act::DeleteOtherReaction),
        (false, true, true) => act(who, Act::EditReaction),
        (false, own, reaction) => edit(who, sent, earlier, own, reaction),
    }
    .map(|()| false)
}

/// Edit a message, or give it another topic. Others do no more than the latter, and not to reactions.
fn edit(
    who: &Sender<'_>,
    sent: &Sent<'_>,
    earlier: &Earlier<'_>,
    own: bool,
    reaction: bool,
) -> Result<(), Denied> {
    let same_body = sent.message.body_bytes() == earlier.message.body_bytes();
    let same_topic = sent.message.topic() == earlier.message.topic();
    if !own {
        if reaction || !same_body || same_topic {
            return Err(Denied::new("Q-92", Reason::Others));
        }
        return act(who, Act::EditOtherTopic);
    }
    if !same_topic {
        act(who, Act::EditOwnTopic)?;
    }
    if !same_body || same_topic {
        act(who, Act::EditOwnMessage)?;
    }
    Ok(())
}
