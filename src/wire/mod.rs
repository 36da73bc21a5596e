//! The messages of draft-ietf-mimi-protocol-06 in the presentation language of TLS, one file per endpoint: types and
//! code points only, no state.
//!
//! Every structure implements [`Wire`](crate::codec::Wire). Decoding is exact: a structure takes up all of its bytes,
//! lengths are in their shortest form, presence octets are 0 or 1, and codes are ones that the draft defines unless it
//! leaves room for others. What a decoder accepts encodes to the same octets again.
//!
//! ```
//! use openmimi::{codec::Wire, wire::KeyMaterialRequest};
//!
//! let error = KeyMaterialRequest::decode(&[1]).unwrap_err();
//! assert_eq!((error.offset, error.what), (1, "KeyMaterialRequest.requestingUser"));
//! ```
//!
//! The structures of MLS travel verbatim. [`PublicMessage`], [`PrivateMessage`], [`Welcome`], [`GroupInfo`],
//! [`KeyPackage`] and [`RatchetTree`] hold the very octets that were received, with what is needed to route them at
//! hand; `to_openmls` gives them to the MLS engine.
//!
//! | endpoint | request | answer |
//! | --- | --- | --- |
//! | `keyMaterial` | [`KeyMaterialRequest`] | [`KeyMaterialResponse`] |
//! | `update` | [`UpdateRequest`] | [`UpdateRoomResponse`] |
//! | `submitMessage` | [`SubmitMessageRequest`] | [`SubmitMessageResponse`] |
//! | `notify` | one or more [`FanoutMessage`], see [`notify`] | none |
//! | `groupInfo` | [`GroupInfoRequest`] | [`GroupInfoResponse`] |
//! | `requestConsent`, `updateConsent` | [`ConsentEntry`] | none |
//! | `identifierQuery` | [`IdentifierRequest`] | [`IdentifierResponse`] |
//! | `reportAbuse` | [`AbuseReport`] | none |
//!
//! SemiPrivateMessage, TargetedMessage and PrivateExternalMessage have no assigned numbers yet; they are refused
//! like every other unknown wire format, and a hub says so in its answer (Q-56, Q-58).

mod abuse_report;
mod app_ack;
mod application_framing;
mod capabilities;
mod components;
mod consent;
mod group_info;
mod group_info_option;
mod identifier_query;
mod key_material;
mod key_package;
pub mod labelled;
mod message;
mod multi_credential;
pub mod notify;
mod protocol;
mod pseudonym;
mod ratchet_tree;
mod submit_message;
#[cfg(test)]
pub(crate) mod tests;
mod update;
mod welcome;

pub use abuse_report::{AbuseReport, AbusiveMessage};
pub use app_ack::{AppAck, MessageRange};
pub use application_framing::ApplicationFraming;
pub use capabilities::{Capabilities, RequiredCapabilities};
pub use components::{AppDataDictionary, ComponentsList, SafeAad, WireFormats};
pub use consent::{ConsentEntry, ConsentOperation, ConsentScope};
pub use group_info::{
    GroupInfoAnswer, GroupInfoRatchetTree, GroupInfoRequest, GroupInfoResponse, HpkeCiphertext,
    PendingProposal, SealedGroupInfo,
};
pub use group_info_option::{GroupInfo, GroupInfoOption, PartialGroupInfo, RatchetTreePresence};
pub use identifier_query::{
    FieldSource, Found, IdentifierOutcome, IdentifierRequest, IdentifierResponse, ProfileField,
    QueryElement, SearchField, UserProfile,
};
pub use key_material::{
    ClientKeyMaterial, ClientMaterial, KeyMaterialHead, KeyMaterialMls10, KeyMaterialRequest,
    KeyMaterialResponse, KeyMaterialUserCode,
};
pub use key_package::{KeyPackage, KeyPackageRef};
pub(crate) use message::is_unknown_wire_format;
pub use message::{ContentType, MlsMessage, PrivateMessage, PublicMessage, Sender};
pub use multi_credential::{CredentialBinding, MultiCredential};
pub use notify::{FanoutEvent, FanoutMessage};
pub use protocol::{CipherSuite, ExternalSender, PROTOCOL_MLS10};
pub use pseudonym::{IdentityLink, PseudonymousCredential};
pub use ratchet_tree::{HttpsUrl, RatchetTree, RatchetTreeOption, RatchetTreeSourceDomains};
pub use submit_message::{Frank, SubmitMessageRequest, SubmitMessageResponse};
pub use update::{
    ErrorDescription, HandshakeBundle, ProposalRef, UpdateOutcome, UpdateRequest,
    UpdateRoomResponse,
};
pub use welcome::Welcome;
