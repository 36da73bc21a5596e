//! Bots (room-policy, section 6.7).

use super::{Component, read_uri, write_bool, write_text};
use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    policy::RoleIndex,
    room::ComponentId,
};

/// A bot that may be in the room.
///
/// What it may send to one participant alone, or to each a different one, is stated for people: show it before a user
/// lets the bot in. Nothing on the wire depends on it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bot {
    /// For people to read.
    pub name: String,
    /// For people to read.
    #[serde(default)]
    pub description: String,
    /// For people to visit; may be empty.
    #[serde(default)]
    pub homepage: String,
    /// It is no participant, but part of somebody's client; its role is 0 then.
    pub local_client_bot: bool,
    /// Its role; 0 if it is no active participant.
    pub bot_role_index: RoleIndex,
    /// It may send something to one participant alone.
    pub can_target_message_in_group: bool,
    /// It may send something else to each participant.
    pub per_user_content: bool,
}

/// The component `bot_policy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BotPolicy {
    /// The bots that may be in the room.
    pub allowed_bots: Vec<Bot>,
}

impl Component for BotPolicy {
    const ID: ComponentId = ComponentId::BOT_POLICY;
}

impl Wire for Bot {
    const NAME: &'static str = "Bot";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = reader.text("name")?.to_owned();
        let description = reader.text("description")?.to_owned();
        let homepage = read_uri(reader, "homepage")?;
        let local_client_bot = reader.bool("local_client_bot")?;
        let start = reader.clone();
        let bot_role_index = RoleIndex::read(reader)?;
        if local_client_bot && bot_role_index != RoleIndex::NONE {
            let fault = Fault::Contradiction("a local bot has no role");
            return Err(start.error("bot_role_index", fault));
        }
        Ok(Self {
            name,
            description,
            homepage,
            local_client_bot,
            bot_role_index,
            can_target_message_in_group: reader.bool("can_target_message_in_group")?,
            per_user_content: reader.bool("per_user_content")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_text(out, &self.name);
        write_text(out, &self.description);
        write_text(out, &self.homepage);
        write_bool(out, self.local_client_bot);
        self.bot_role_index.write(out);
        write_bool(out, self.can_target_message_in_group);
        write_bool(out, self.per_user_content);
    }
}

impl Wire for BotPolicy {
    const NAME: &'static str = "BotPolicy";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.vec("allowed_bots", Bot::read).map(|allowed_bots| Self { allowed_bots })
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_vec(out, &self.allowed_bots, Bot::write);
    }
}
