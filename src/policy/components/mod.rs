//! The other policy components (room-policy, sections 6 and 7) and those of MLS (mls-extensions, sections 4 to 6).
//!
//! A [`RoomState`](crate::room::RoomState) holds only components that decode here and fit together, so
//! [`RoomState::policy`](crate::room::RoomState::policy) answers each question about one of them:
//!
//! ```
//! # use openmimi::{policy::{components::MessageExpiration, presets::Preset}, room::RoomState};
//! # let room = openmimi::uri::RoomUri::parse("mimi://a.example/r/clubhouse")?;
//! # let alice = openmimi::uri::UserUri::parse("mimi://a.example/u/alice")?;
//! # let state = RoomState::from_components(Preset::Strict.room(&room, &alice, &[]), [&alice])?;
//! assert_eq!(state.policy::<MessageExpiration>(), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asset;
mod bot;
mod expiration;
mod fit;
mod history;
mod join_link;
mod link_preview;
mod logging;
mod media_type;
mod operational;
mod status;
#[cfg(test)]
mod tests;

pub use asset::{AssetPolicy, DownloadPrivacy, DownloadType, UploadDomains, UploadLocation};
pub use bot::{Bot, BotPolicy};
pub use expiration::MessageExpiration;
pub use history::HistoryPolicy;
pub use join_link::{JoinLinkPolicy, JoinLinks, JoinLinksUpdate};
pub use link_preview::LinkPreviewPolicy;
pub use logging::LoggingPolicy;
pub use media_type::{MediaType, MediaTypeList};
pub use operational::{
    AppMessagePolicy, ExtendedCapabilities, MinDefaultMax, OperationalParameters,
    PendingProposalPolicy,
};
pub use status::StatusNotificationPolicy;

pub(crate) use fit::fit;

use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    franking::FrankingAgentData,
    room::ComponentId,
    wire::ComponentsList,
};

/// The contents of an application component in the GroupContext.
pub trait Component: Wire {
    /// Its number.
    const ID: ComponentId;
}

impl Component for FrankingAgentData {
    const ID: ComponentId = ComponentId::FRANKING_AGENT;
}

/// Whether something is optional, required or forbidden. The draft's `mandatory` is `required` (Q-63).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optionality {
    /// As each client likes.
    #[default]
    Optional,
    /// It has to be.
    Required,
    /// It must not be.
    Forbidden,
}

impl Optionality {
    /// Whether it is to be done, where `wish` is what the user, or the app, would have (R-050, R-072, M-010): the room
    /// decides first.
    #[must_use]
    pub const fn decide(self, wish: bool) -> bool {
        match self {
            Self::Optional => wish,
            Self::Required => true,
            Self::Forbidden => false,
        }
    }
}

impl Wire for Optionality {
    const NAME: &'static str = "Optionality";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        match reader.u8(Self::NAME)? {
            0 => Ok(Self::Optional),
            1 => Ok(Self::Required),
            2 => Ok(Self::Forbidden),
            other => Err(start.error(Self::NAME, Fault::Code(other.into()))),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Optional => 0,
            Self::Required => 1,
            Self::Forbidden => 2,
        });
    }
}

/// A URI of any scheme, or nothing.
fn read_uri(reader: &mut Reader<'_>, what: &'static str) -> Result<String, DecodeError> {
    let start = reader.clone();
    let text = reader.text(what)?;
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '+' | '-' | '.'));
    let is_plain = text.chars().all(|it| it.is_ascii_graphic());
    if text.is_empty() || is_scheme && is_plain {
        return Ok(text.to_owned());
    }
    Err(start.error(what, Fault::Contradiction("not a URI")))
}

/// URIs, none of them empty.
fn read_uris(reader: &mut Reader<'_>, what: &'static str) -> Result<Vec<String>, DecodeError> {
    reader.vec(what, |reader| {
        let start = reader.clone();
        match read_uri(reader, what)? {
            uri if uri.is_empty() => Err(start.error(what, Fault::Empty)),
            uri => Ok(uri),
        }
    })
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    codec::write_bytes(out, text.as_bytes());
}

fn write_texts(out: &mut Vec<u8>, texts: &[String]) {
    codec::write_vec(out, texts, |text, out| write_text(out, text));
}

fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.push(value.into());
}

fn write_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn write_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Checks the octets of a component that is not decoded for good elsewhere.
///
/// # Errors
/// If they are not what the component holds.
pub(crate) fn check(id: ComponentId, octets: &[u8]) -> Result<(), DecodeError> {
    fn of<T: Wire>(octets: &[u8]) -> Result<(), DecodeError> {
        T::decode(octets).map(|_| ())
    }
    match id {
        ComponentId::APP_COMPONENTS | ComponentId::SAFE_AAD => of::<ComponentsList>(octets),
        ComponentId::CONTENT_MEDIA_TYPES => of::<MediaTypeList>(octets),
        ComponentId::FRANKING_AGENT => of::<FrankingAgentData>(octets),
        ComponentId::MLS_OPERATIONAL_POLICY => of::<OperationalParameters>(octets),
        ComponentId::STATUS_NOTIFICATION_POLICY => of::<StatusNotificationPolicy>(octets),
        ComponentId::JOIN_LINK_POLICY => of::<JoinLinkPolicy>(octets),
        ComponentId::JOIN_LINKS => of::<JoinLinks>(octets),
        ComponentId::LINK_PREVIEW_POLICY => of::<LinkPreviewPolicy>(octets),
        ComponentId::ASSET_POLICY => of::<AssetPolicy>(octets),
        ComponentId::LOGGING_POLICY => of::<LoggingPolicy>(octets),
        ComponentId::CHAT_HISTORY_POLICY => of::<HistoryPolicy>(octets),
        ComponentId::BOT_POLICY => of::<BotPolicy>(octets),
        ComponentId::MESSAGE_EXPIRATION_POLICY => of::<MessageExpiration>(octets),
        // Those that the room decodes itself, and those of which nothing is known.
        _ => Ok(()),
    }
}
