//! The structures of franking.

use hmac::{Hmac, Mac as _};
use openmls::credentials::{BasicCredential, Credential, CredentialType};
use openmls_traits::{crypto::OpenMlsCrypto, types::Ciphersuite};
use sha2::Sha256;

use crate::{
    codec::{Reader, Wire, write_bytes},
    env::Timestamp,
    error::DecodeError,
    uri::{ProviderUri, RoomUri, UserUri},
    wire::{AbusiveMessage, CipherSuite, Frank, labelled},
};

pub(super) const LABEL: &str = "FrankingIntegrityTBS";

/// HMAC-SHA256 over some parts, one after the other.
pub(super) fn mac(key: &[u8], parts: [&[u8]; 2]) -> Hmac<Sha256> {
    let mut mac =
        <Hmac<Sha256> as hmac::Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// What a sender commits to its content with: `FrankAAD`, the data of the component `frank_aad` in the Safe AAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub [u8; 32]);

impl Wire for Tag {
    const NAME: &'static str = "FrankAAD";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array("FrankAAD.franking_tag").map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// The franking tag of a message: `salt` is that of its content, `application_data` all that is encrypted, including
/// the media type if the room frames its content (P-137, Q-52).
#[must_use]
pub fn tag(salt: &[u8], application_data: &[u8]) -> Tag {
    Tag(mac(salt, [application_data, &[]]).finalize().into_bytes().into())
}

/// The room's franking agent, the data of the component `franking_agent` in the GroupContext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrankingAgentData {
    /// The public key that franks are signed with, of the signature scheme of the group's cipher suite (P-133).
    pub signature_key: Vec<u8>,
    /// Who it belongs to: the hub.
    pub credential: Credential,
}

impl FrankingAgentData {
    /// An agent with a basic credential, which holds the provider URI.
    #[must_use]
    pub fn basic(signature_key: &[u8], provider: &ProviderUri) -> Self {
        let credential = BasicCredential::new(provider.as_bytes().to_vec()).into();
        Self { signature_key: signature_key.to_vec(), credential }
    }

    /// The provider that the credential names, if it is basic. The meaning of others is for the caller to find out.
    #[must_use]
    pub fn provider(&self) -> Option<ProviderUri> {
        match self.credential.credential_type() {
            CredentialType::Basic => ProviderUri::parse(self.credential.serialized_content()).ok(),
            CredentialType::X509 | CredentialType::Grease(_) | CredentialType::Other(_) => None,
        }
    }
}

impl Wire for FrankingAgentData {
    const NAME: &'static str = "FrankingAgentData";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            signature_key: reader.bytes("FrankingAgentData.franking_signature_key")?.to_vec(),
            credential: Wire::read(reader)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, &self.signature_key);
        self.credential.write(out);
    }
}

/// What the hub vouches for: `ServerFrankingContext`. It is never sent, since it names the sender; hub and receiver
/// put it together from what each knows (P-144, P-147).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// Who has sent the message.
    pub sender: &'a UserUri,
    /// The room.
    pub room: &'a RoomUri,
    /// When the hub accepted it.
    pub accepted: Timestamp,
}

impl Context<'_> {
    /// Its encoding (W-23).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_bytes(&mut out, self.sender.as_bytes());
        write_bytes(&mut out, self.room.as_bytes());
        out.extend_from_slice(&self.accepted.0.to_be_bytes());
        out
    }

    /// What the franking agent signs: `FrankingIntegrityTBS` (W-24).
    pub(super) fn tbs(&self, server_frank: &[u8; 32], suite: CipherSuite) -> Vec<u8> {
        [&server_frank[..], &suite.encode(), &self.encode()].concat()
    }
}

/// What a receiver keeps with a message, to be able to report it (P-150).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Evidence {
    /// The hub's stamp.
    pub frank: Frank,
    /// Who has sent the message, by the credential of its leaf.
    pub sender: UserUri,
    /// The room.
    pub room: RoomUri,
    /// When the hub accepted it.
    pub accepted: Timestamp,
}

impl Evidence {
    /// What the hub vouched for.
    #[must_use]
    pub const fn context(&self) -> Context<'_> {
        Context { sender: &self.sender, room: &self.room, accepted: self.accepted }
    }

    /// The message as it stands in a report; `content` is all that was encrypted.
    #[must_use]
    pub fn report(&self, content: Vec<u8>) -> AbusiveMessage {
        AbusiveMessage { content, frank: self.frank.clone(), accepted: self.accepted }
    }

    /// Whether the franking agent with this key has signed it (P-147).
    #[must_use]
    pub fn is_signed_by(&self, crypto: &impl OpenMlsCrypto, agent_key: &[u8]) -> bool {
        is_signed(crypto, &self.frank, &self.context(), agent_key)
    }
}

/// Whether the agent with this key has signed a frank for this context, by the suite that the frank names.
pub(super) fn is_signed(
    crypto: &impl OpenMlsCrypto,
    frank: &Frank,
    context: &Context<'_>,
    agent_key: &[u8],
) -> bool {
    let verified = |suite: Ciphersuite| {
        let tbs = context.tbs(&frank.server_frank, frank.ciphersuite);
        labelled::verify(crypto, suite, LABEL, &tbs, agent_key, &frank.integrity_signature)
    };
    frank.ciphersuite.known().is_some_and(verified)
}
