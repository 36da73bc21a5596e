//! `keyMaterial`: the KeyPackages of all clients of one user (draft-ietf-mimi-protocol-06, section 5.2).

use openmls::credentials::Credential;
use openmls_traits::{crypto::OpenMlsCrypto, signatures::Signer, types::Ciphersuite};

use super::{
    Capabilities, CipherSuite, KeyPackage, PROTOCOL_MLS10, RequiredCapabilities, labelled,
};
use crate::{
    codec::{Reader, Wire, write_bytes, write_optional, write_vec},
    error::{DecodeError, Fault, Misuse},
    uri::{ClientUri, RoomUri, UserUri},
};

const LABEL: &str = "KeyMaterialRequestTBS";

/// Who asks for whose key material: what every protocol's request starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMaterialHead {
    /// The user that asks.
    pub requesting_user: UserUri,
    /// The user whose clients are asked for.
    pub target_user: UserUri,
    /// The room that the target is to be added to, if there is one yet (P-074, Q-22).
    pub room: Option<RoomUri>,
}

impl KeyMaterialHead {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            requesting_user: reader.uri("KeyMaterialRequest.requestingUser")?,
            target_user: reader.uri("KeyMaterialRequest.targetUser")?,
            room: reader.uri_if_any("KeyMaterialRequest.roomId")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, self.requesting_user.as_bytes());
        write_bytes(out, self.target_user.as_bytes());
        write_bytes(out, self.room.as_ref().map_or(&[], RoomUri::as_bytes));
    }
}

/// A request for key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMaterialRequest {
    /// For MLS 1.0.
    Mls10(KeyMaterialMls10),
    /// For a protocol that is not known here, to be answered with
    /// [`KeyMaterialUserCode::IncompatibleProtocol`] (P-052, P-087).
    Other {
        /// Its number, neither 0 nor 1.
        protocol: u8,
        /// Who asks for whose.
        head: KeyMaterialHead,
        /// What follows, kept as it is.
        rest: Vec<u8>,
    },
}

impl KeyMaterialRequest {
    /// Who asks for whose key material.
    #[must_use]
    pub const fn head(&self) -> &KeyMaterialHead {
        match self {
            Self::Mls10(request) => &request.head,
            Self::Other { head, .. } => head,
        }
    }

    /// The number of the protocol.
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        match self {
            Self::Mls10(_) => PROTOCOL_MLS10,
            Self::Other { protocol, .. } => *protocol,
        }
    }
}

impl Wire for KeyMaterialRequest {
    const NAME: &'static str = "KeyMaterialRequest";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let protocol = reader.u8("KeyMaterialRequest.protocol")?;
        match protocol {
            0 => Err(start.error("KeyMaterialRequest.protocol", Fault::Code(0))),
            PROTOCOL_MLS10 => KeyMaterialMls10::read(reader).map(Self::Mls10),
            _ => {
                let head = KeyMaterialHead::read(reader)?;
                let rest = reader.take("KeyMaterialRequest", reader.rest().len())?.to_vec();
                Ok(Self::Other { protocol, head, rest })
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.protocol());
        self.head().write(out);
        match self {
            Self::Mls10(request) => {
                request.write_rest(out);
                write_bytes(out, &request.signature);
            }
            Self::Other { rest, .. } => out.extend_from_slice(rest),
        }
    }
}

/// A request for KeyPackages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMaterialMls10 {
    /// Who asks for whose.
    pub head: KeyMaterialHead,
    /// The suites that will do, at least one; that of the requester's signature key first.
    pub acceptable_ciphersuites: Vec<CipherSuite>,
    /// What the clients have to support.
    pub required_capabilities: RequiredCapabilities,
    /// The requester's public signature key.
    pub requester_signature_key: Vec<u8>,
    /// The requester's credential.
    pub requester_credential: Credential,
    /// The requester's signature over [`KeyMaterialMls10::tbs`].
    pub signature: Vec<u8>,
}

impl KeyMaterialMls10 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let head = KeyMaterialHead::read(reader)?;
        let start = reader.clone();
        let what = "KeyMaterialRequest.acceptableCiphersuites";
        let acceptable_ciphersuites = reader.vec(what, CipherSuite::read)?;
        if acceptable_ciphersuites.is_empty() {
            return Err(start.error(what, Fault::Empty));
        }
        let bytes = Reader::bytes;
        Ok(Self {
            head,
            acceptable_ciphersuites,
            required_capabilities: Wire::read(reader)?,
            requester_signature_key: bytes(reader, "KeyMaterialRequest.requesterSignatureKey")?
                .to_vec(),
            requester_credential: Wire::read(reader)?,
            signature: bytes(reader, "KeyMaterialRequest.key_material_request_signature")?.to_vec(),
        })
    }

    /// What stands between the head and the signature.
    fn write_rest(&self, out: &mut Vec<u8>) {
        write_vec(out, &self.acceptable_ciphersuites, CipherSuite::write);
        self.required_capabilities.write(out);
        write_bytes(out, &self.requester_signature_key);
        self.requester_credential.write(out);
    }

    /// What is signed: `KeyMaterialRequestTBS`.
    #[must_use]
    pub fn tbs(&self) -> Vec<u8> {
        let mut out = vec![PROTOCOL_MLS10];
        self.head.write(&mut out);
        self.write_rest(&mut out);
        out
    }

    /// Replaces the signature by the requester's own.
    ///
    /// # Errors
    /// If the signer fails.
    pub fn sign(&mut self, signer: &impl Signer) -> Result<(), Misuse> {
        self.signature = labelled::sign(signer, LABEL, &self.tbs())?;
        Ok(())
    }

    /// The suite that the signature is of: the first acceptable one whose public keys are as long as the requester's
    ///
    #[must_use]
    pub fn signature_suite(&self) -> Option<Ciphersuite> {
        let length = Some(self.requester_signature_key.len());
        let fits = |suite: &&CipherSuite| suite.signature_key_length() == length;
        self.acceptable_ciphersuites.iter().find(fits).and_then(|suite| suite.known())
    }

    /// Whether the signature is the requester's (P-077).
    #[must_use]
    pub fn verify(&self, crypto: &impl OpenMlsCrypto) -> bool {
        self.signature_suite().is_some_and(|suite| {
            let key = &self.requester_signature_key;
            labelled::verify(crypto, suite, LABEL, &self.tbs(), key, &self.signature)
        })
    }
}

/// How a request for key material ended, for the user as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMaterialUserCode {
    /// Every client's key material is here.
    Success,
    /// At least one client's key material is here.
    PartialSuccess,
    /// The provider, or all clients of the user, do not support the protocol.
    IncompatibleProtocol,
    /// No client has key material that fits.
    NoCompatibleMaterial,
    /// The user is not known.
    UserUnknown,
    /// The requester has no consent; also in place of any other code, for privacy (P-089).
    NoConsent,
    /// The requester has no consent for this room.
    NoConsentForThisRoom,
    /// The user existed and is gone.
    UserDeleted,
}

impl KeyMaterialUserCode {
    const ALL: [Self; 8] = [
        Self::Success,
        Self::PartialSuccess,
        Self::IncompatibleProtocol,
        Self::NoCompatibleMaterial,
        Self::UserUnknown,
        Self::NoConsent,
        Self::NoConsentForThisRoom,
        Self::UserDeleted,
    ];

    /// Whether clients may be listed with it (P-082, P-083).
    #[must_use]
    pub const fn lists_clients(self) -> bool {
        match self {
            Self::Success | Self::PartialSuccess | Self::NoCompatibleMaterial => true,
            Self::IncompatibleProtocol
            | Self::UserUnknown
            | Self::NoConsent
            | Self::NoConsentForThisRoom
            | Self::UserDeleted => false,
        }
    }
}

impl Wire for KeyMaterialUserCode {
    const NAME: &'static str = "KeyMaterialUserCode";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let code = reader.u8(Self::NAME)?;
        let found = Self::ALL.get(usize::from(code)).copied();
        found.ok_or_else(|| start.error(Self::NAME, Fault::Code(code.into())))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
}

/// What one client of the target user has to offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKeyMaterial {
    /// The client.
    pub client: ClientUri,
    /// Its key material, or why there is none.
    pub material: ClientMaterial,
}

/// The key material of one client, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMaterial {
    /// A KeyPackage that is in no other answer.
    KeyPackage(KeyPackage),
    /// It has none left.
    Exhausted,
    /// It has none that fits; perhaps what it supports (P-081).
    NothingCompatible(Option<Capabilities>),
}

impl Wire for ClientKeyMaterial {
    const NAME: &'static str = "ClientKeyMaterial";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let status = reader.u8("ClientKeyMaterial.clientStatus")?;
        let client = reader.uri("ClientKeyMaterial.clientUri")?;
        let material = match status {
            0 => ClientMaterial::KeyPackage(KeyPackage::read(reader)?),
            1 => ClientMaterial::Exhausted,
            2 => {
                let what = "ClientKeyMaterial.clientCapabilities";
                ClientMaterial::NothingCompatible(reader.optional(what, Capabilities::read)?)
            }
            other => {
                return Err(
                    start.error("ClientKeyMaterial.clientStatus", Fault::Code(other.into()))
                );
            }
        };
        Ok(Self { client, material })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(match &self.material {
            ClientMaterial::KeyPackage(_) => 0,
            ClientMaterial::Exhausted => 1,
            ClientMaterial::NothingCompatible(_) => 2,
        });
        write_bytes(out, self.client.as_bytes());
        match &self.material {
            ClientMaterial::KeyPackage(key_package) => key_package.write(out),
            ClientMaterial::Exhausted => {}
            ClientMaterial::NothingCompatible(capabilities) => {
                write_optional(out, capabilities.as_ref(), Capabilities::write);
            }
        }
    }
}

/// The answer to a request for key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMaterialResponse {
    /// The protocol of the request.
    pub protocol: u8,
    /// How it ended.
    pub user_status: KeyMaterialUserCode,
    /// The target user.
    pub user: UserUri,
    /// The user's clients; none unless [`KeyMaterialUserCode::lists_clients`].
    pub clients: Vec<ClientKeyMaterial>,
}

impl Wire for KeyMaterialResponse {
    const NAME: &'static str = "KeyMaterialResponse";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let protocol = reader.u8("KeyMaterialResponse.protocol")?;
        if protocol == 0 {
            return Err(start.error("KeyMaterialResponse.protocol", Fault::Code(0)));
        }
        let user_status = KeyMaterialUserCode::read(reader)?;
        let user = reader.uri("KeyMaterialResponse.userUri")?;
        let start = reader.clone();
        let mut clients = reader.inside("KeyMaterialResponse.clients")?;
        if !clients.is_empty() && (protocol != PROTOCOL_MLS10 || !user_status.lists_clients()) {
            let fault = Fault::Contradiction("clients with a status that lists none");
            return Err(start.error("KeyMaterialResponse.clients", fault));
        }
        let mut list = Vec::new();
        while !clients.is_empty() {
            list.push(ClientKeyMaterial::read(&mut clients)?);
        }
        Ok(Self { protocol, user_status, user, clients: list })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.protocol);
        self.user_status.write(out);
        write_bytes(out, self.user.as_bytes());
        write_vec(out, &self.clients, ClientKeyMaterial::write);
    }
}
