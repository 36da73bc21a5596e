//! `ParticipantListUpdate`: what an AppDataUpdate brings for the participant list (mimi-protocol, section 7.5).

use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    policy::RoleIndex,
    uri::ParticipantUri,
};

/// Changes of the participant list. Indices are places in the list at the start of the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParticipantListUpdate {
    /// Participants by place, and the role that each one gets.
    pub changed: Vec<(u32, RoleIndex)>,
    /// Participants by place who leave the list.
    pub removed: Vec<u32>,
    /// Participants who join the list, at its end and in this order.
    pub added: Vec<(ParticipantUri, RoleIndex)>,
}

impl Wire for ParticipantListUpdate {
    const NAME: &'static str = "ParticipantListUpdate";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            changed: reader.vec("changedRoleParticipants", |reader| {
                Ok((reader.u32("user_index")?, RoleIndex::read(reader)?))
            })?,
            removed: reader.vec("removedIndices", |reader| reader.u32("removedIndices"))?,
            added: reader.vec("addedParticipants", |reader| {
                let start = reader.clone();
                let participant = ParticipantUri::parse(reader.bytes("user")?)
                    .map_err(|fault| start.error("user", Fault::Uri(fault)))?;
                Ok((participant, RoleIndex::read(reader)?))
            })?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_vec(out, &self.changed, |(place, role), out| {
            out.extend_from_slice(&place.to_be_bytes());
            role.write(out);
        });
        codec::write_vec(out, &self.removed, |place, out| {
            out.extend_from_slice(&place.to_be_bytes());
        });
        codec::write_vec(out, &self.added, |(participant, role), out| {
            codec::write_bytes(out, participant.as_bytes());
            role.write(out);
        });
    }
}
