//! The component `base_room_policy` (room-policy, section 5).

use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    room::ComponentId,
    uri::RoomUri,
};

/// Rules of membership that hold for everybody.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BaseRoomPolicy {
    /// The participants are those of the creation (R-030 … R-033).
    pub fixed_membership: bool,
    /// The room that this one depends on: its participants are a strict subset of that room's (R-034 … R-037).
    #[serde(rename = "parent_room")]
    pub parent: Option<RoomUri>,
    /// A user may have more than one client in the group.
    pub multi_device: bool,
    /// At most so many clients in the group.
    pub max_clients: Option<u32>,
    /// At most so many participants, the banned not counted.
    pub max_users: Option<u32>,
    /// Clients may use pseudonymous credentials.
    pub pseudonyms_allowed: bool,
    /// The room outlives its group.
    pub persistent_room: bool,
    /// The room can be found by searching: whoever runs a directory of rooms lists those that say so, and no others
    /// . No endpoint of the protocol searches for rooms.
    pub discoverable: bool,
    /// The policy components that matter in this room.
    pub policy_component_ids: Vec<ComponentId>,
}

impl Default for BaseRoomPolicy {
    /// A temporary room without limits, not searchable, for real names and many devices.
    fn default() -> Self {
        Self {
            fixed_membership: false,
            parent: None,
            multi_device: true,
            max_clients: None,
            max_users: None,
            pseudonyms_allowed: false,
            persistent_room: false,
            discoverable: false,
            policy_component_ids: Vec::new(),
        }
    }
}

impl Wire for BaseRoomPolicy {
    const NAME: &'static str = "BaseRoomPolicy";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let limit = |reader: &mut Reader<'_>, what| reader.optional(what, |it| it.u32(what));
        Ok(Self {
            fixed_membership: reader.bool("fixed_membership")?,
            parent: read_parent(reader)?,
            multi_device: reader.bool("multi_device")?,
            max_clients: limit(reader, "max_clients")?,
            max_users: limit(reader, "max_users")?,
            pseudonyms_allowed: reader.bool("pseudonyms_allowed")?,
            persistent_room: reader.bool("persistent_room")?,
            discoverable: reader.bool("discoverable")?,
            policy_component_ids: reader.vec("policy_component_ids", |reader| {
                reader.u16("policy_component_ids").map(ComponentId)
            })?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.fixed_membership.into());
        out.push(self.parent.is_some().into());
        codec::write_vec(out, self.parent.as_slice(), |parent, out| {
            codec::write_bytes(out, parent.as_bytes());
        });
        out.push(self.multi_device.into());
        for limit in [self.max_clients, self.max_users] {
            codec::write_optional(out, limit.as_ref(), |limit, out| {
                out.extend_from_slice(&limit.to_be_bytes());
            });
        }
        out.push(self.pseudonyms_allowed.into());
        out.push(self.persistent_room.into());
        out.push(self.discoverable.into());
        codec::write_vec(out, &self.policy_component_ids, |id, out| {
            out.extend_from_slice(&id.0.to_be_bytes());
        });
    }
}

/// Reads `parent_dependant` and `parent_room`, which say the same thing twice.
fn read_parent(reader: &mut Reader<'_>) -> Result<Option<RoomUri>, DecodeError> {
    let dependent = reader.bool("parent_dependant")?;
    let start = reader.clone();
    let mut inside = reader.inside("parent_room")?;
    if inside.is_empty() {
        return match dependent {
            true => Err(start.error("parent_room", Fault::Empty)),
            false => Ok(None),
        };
    }
    if !dependent {
        return Err(start.error("parent_room", Fault::Contradiction("parent_dependant is false")));
    }
    let text = inside.bytes("parent_room")?;
    let parent = RoomUri::parse(text).map_err(|fault| start.error("parent_room", fault.into()))?;
    inside.finish()?;
    Ok(Some(parent))
}
