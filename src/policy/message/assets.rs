//! Images, videos, audio and attachments (room-policy, sections 6.4 and 8.4; Q-96).

use super::Sender;
use crate::{
    content::{Body, Disposition, Part, asset::Location, media},
    policy::{
        Capability, Denied, Reason,
        components::{AssetPolicy, MediaType},
    },
    room::RoomState,
    uri::UserUri,
};

/// What sort of asset a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Image,
    Video,
    Audio,
    Attachment,
}

impl Sort {
    /// Of a part that shows or holds a file; none for text, and for what has no media type.
    fn of(part: &Part<'_>) -> Option<Self> {
        let content_type = part.content_type().filter(|it| !it.is_empty())?;
        match part.disposition().effective() {
            Disposition::ATTACHMENT => return Some(Self::Attachment),
            Disposition::REACTION | Disposition::PROFILE | Disposition::SESSION => return None,
            _ => {}
        }
        let top = media::essence(content_type).split('/').next().unwrap_or_default();
        if top.eq_ignore_ascii_case("image") {
            Some(Self::Image)
        } else if top.eq_ignore_ascii_case("video") {
            Some(Self::Video)
        } else if top.eq_ignore_ascii_case("audio") {
            Some(Self::Audio)
        } else {
            // Another file is one all the same if it lies elsewhere; in the message it is its text.
            matches!(part.body(), Body::External(_)).then_some(Self::Attachment)
        }
    }

    const fn upload(self) -> (Capability, &'static str) {
        match self {
            Self::Image => (Capability::UPLOAD_IMAGE, "R-201"),
            Self::Video => (Capability::UPLOAD_VIDEO, "R-202"),
            Self::Audio => (Capability::UPLOAD_AUDIO, "R-203"),
            Self::Attachment => (Capability::UPLOAD_ATTACHMENT, "R-200"),
        }
    }

    const fn download(self) -> (Capability, &'static str) {
        match self {
            Self::Image => (Capability::DOWNLOAD_IMAGE, "R-201"),
            Self::Video => (Capability::DOWNLOAD_VIDEO, "R-202"),
            Self::Audio => (Capability::DOWNLOAD_AUDIO, "R-203"),
            Self::Attachment => (Capability::DOWNLOAD_ATTACHMENT, "R-200"),
        }
    }
}

/// The capability that it takes to send this part, if it is an asset.
#[must_use]
pub fn upload_capability(part: &Part<'_>) -> Option<Capability> {
    Sort::of(part).map(|sort| sort.upload().0)
}

/// Send this part, if it is an asset (R-200 … R-203), and of a type and size, and in a place, that the room accepts
/// (R-082 … R-087).
///
/// # Errors
/// If the sender, or anybody in this room, may not.
pub fn asset(room: &RoomState, who: &Sender<'_>, part: &Part<'_>) -> Result<(), Denied> {
    let Some(sort) = Sort::of(part) else { return Ok(()) };
    let (capability, rule) = sort.upload();
    who.needs(capability, rule)?;
    accepted(room, who.user, part, sort)
}

/// May this user's client download this part, which `sender` has sent? What is no asset, and what is in the message
/// already, needs no download.
///
/// # Errors
/// If the user may not (R-200 … R-203), or the room does not accept the asset.
pub fn download(
    room: &RoomState,
    user: &UserUri,
    sender: &UserUri,
    part: &Part<'_>,
) -> Result<(), Denied> {
    let (Some(sort), Body::External(_)) = (Sort::of(part), part.body()) else { return Ok(()) };
    let (capability, rule) = sort.download();
    Sender::of(room, user)?.needs(capability, rule)?;
    accepted(room, sender, part, sort)
}

/// What the room's `asset_policy` says.
fn accepted(room: &RoomState, sender: &UserUri, part: &Part<'_>, sort: Sort) -> Result<(), Denied> {
    let Some(policy) = room.policy::<AssetPolicy>() else { return Ok(()) };
    let media_type = media_type(part.content_type().unwrap_or_default());
    if !policy.allows_type(&media_type) {
        return Err(Denied::new("R-086", Reason::AssetType));
    }
    let (external, octets) = match part.body() {
        Body::External(external) => (Some(external), external.size()),
        Body::Single(single) => (None, single.content().len() as u64),
        Body::Null | Body::Multi(_) => (None, 0),
    };
    if octets > policy.largest(&media_type, sort == Sort::Attachment) {
        return Err(Denied::new("R-085", Reason::AssetSize));
    }
    let Some(external) = external else { return Ok(()) };
    // What is no address at all is on no host.
    let host = Location::parse(external.url()).map(|at| at.host().to_ascii_lowercase());
    if policy.allows_host(&sender.domain(), &host.unwrap_or_default()) {
        return Ok(());
    }
    Err(Denied::new("R-082", Reason::AssetHost))
}

/// A media type as a policy compares it. Parameters that no policy can hold are left out.
pub(super) fn media_type(text: &str) -> MediaType {
    let plain = |_| MediaType { name: media::essence(text).to_owned(), parameters: Vec::new() };
    text.parse().unwrap_or_else(plain)
}
