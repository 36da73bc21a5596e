//! `groupInfo`: what a client needs to join by an external commit (draft-ietf-mimi-protocol-06, section 5.6).

use openmls::credentials::Credential;
use openmls_traits::{
    crypto::OpenMlsCrypto,
    signatures::Signer,
    types::{Ciphersuite, HpkeCiphertext as EngineCiphertext},
};

use super::{
    CipherSuite, ExternalSender, GroupInfo, PROTOCOL_MLS10, PublicMessage, RatchetTreeOption,
    labelled, protocol::read_mls10,
};
use crate::{
    codec::{Reader, Wire, write_bytes, write_optional, write_vec},
    env::Timestamp,
    error::{DecodeError, Fault, Misuse},
    uri::RoomUri,
};

const REQUEST_LABEL: &str = "GroupInfoRequestTBS";
const RESPONSE_LABEL: &str = "GroupInfoResponseTBS";
const ENCRYPTION_LABEL: &str = "GroupInfo and ratchet_tree encryption";

/// A request for the GroupInfo of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfoRequest {
    /// The suite of the keys and signatures of request and answer.
    pub cipher_suite: CipherSuite,
    /// The joiner's public signature key.
    pub requesting_signature_key: Vec<u8>,
    /// The joiner's credential.
    pub requesting_credential: Credential,
    /// The public key that the answer is encrypted to.
    pub group_info_public_key: Vec<u8>,
    /// What proves that one who is not a participant may join, if anything.
    pub joining_code: Option<Vec<u8>>,
    /// The joiner's signature over [`GroupInfoRequest::tbs`].
    pub signature: Vec<u8>,
}

impl GroupInfoRequest {
    /// What is signed: `GroupInfoRequestTBS`.
    #[must_use]
    pub fn tbs(&self) -> Vec<u8> {
        let mut out = vec![PROTOCOL_MLS10];
        self.cipher_suite.write(&mut out);
        write_bytes(&mut out, &self.requesting_signature_key);
        self.requesting_credential.write(&mut out);
        write_bytes(&mut out, &self.group_info_public_key);
        write_optional(&mut out, self.joining_code.as_ref(), |code, out| write_bytes(out, code));
        out
    }

    /// Replaces the signature by the joiner's own.
    ///
    /// # Errors
    /// If the signer fails.
    pub fn sign(&mut self, signer: &impl Signer) -> Result<(), Misuse> {
        self.signature = labelled::sign(signer, REQUEST_LABEL, &self.tbs())?;
        Ok(())
    }

    /// Whether the signature is the joiner's (P-185). A suite that is not known verifies nothing.
    #[must_use]
    pub fn verify(&self, crypto: &impl OpenMlsCrypto) -> bool {
        self.cipher_suite.known().is_some_and(|suite| {
            let key = &self.requesting_signature_key;
            labelled::verify(crypto, suite, REQUEST_LABEL, &self.tbs(), key, &self.signature)
        })
    }
}

impl Wire for GroupInfoRequest {
    const NAME: &'static str = "GroupInfoRequest";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_mls10(reader, "GroupInfoRequest.protocol")?;
        let bytes = Reader::bytes;
        Ok(Self {
            cipher_suite: Wire::read(reader)?,
            requesting_signature_key: bytes(reader, "GroupInfoRequest.requestingSignatureKey")?
                .to_vec(),
            requesting_credential: Wire::read(reader)?,
            group_info_public_key: bytes(reader, "GroupInfoRequest.groupInfoPublicKey")?.to_vec(),
            joining_code: reader.optional("GroupInfoRequest.joiningCode", |reader| {
                reader.bytes("GroupInfoRequest.joiningCode").map(<[u8]>::to_vec)
            })?,
            signature: bytes(reader, "GroupInfoRequest.signature")?.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.tbs());
        write_bytes(out, &self.signature);
    }
}

/// A proposal that waits for a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingProposal {
    /// The proposal.
    pub proposal: PublicMessage,
    /// When the hub accepted it.
    pub accepted: Timestamp,
}

impl Wire for PendingProposal {
    const NAME: &'static str = "PendingProposal";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            proposal: PublicMessage::read_proposal(reader)?,
            accepted: Timestamp(reader.u64("PendingProposal.hub_accepted_time")?),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.proposal.write(out);
        out.extend_from_slice(&self.accepted.0.to_be_bytes());
    }
}

/// The state of the group that a joiner starts from: `GroupInfoRatchetTreeTBE`, the part that is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfoRatchetTree {
    /// The GroupInfo, without the ratchet tree.
    pub group_info: GroupInfo,
    /// The ratchet tree.
    pub ratchet_tree: RatchetTreeOption,
    /// The valid proposals of this epoch that wait for a commit. The joiner's commit references the SelfRemoves
    /// among them (P-189).
    pub pending_proposals: Vec<PendingProposal>,
}

impl GroupInfoRatchetTree {
    /// Encrypts it to the joiner's public key: nothing if that is none of the suite, for which the joiner is to blame.
    #[must_use]
    pub fn seal(
        &self,
        crypto: &impl OpenMlsCrypto,
        suite: Ciphersuite,
        public_key: &[u8],
        room: &RoomUri,
    ) -> Option<HpkeCiphertext> {
        let (label, context) = (ENCRYPTION_LABEL, room.as_bytes());
        labelled::encrypt(crypto, suite, public_key, label, context, &self.encode())
    }

    /// Decrypts it with the joiner's private key.
    ///
    /// # Errors
    /// If it was not encrypted to that key for that room, or does not decode.
    pub fn open(
        crypto: &impl OpenMlsCrypto,
        suite: Ciphersuite,
        private_key: &[u8],
        room: &RoomUri,
        sealed: &HpkeCiphertext,
    ) -> Result<Self, DecodeError> {
        let (label, context) = (ENCRYPTION_LABEL, room.as_bytes());
        let opened = labelled::decrypt(crypto, suite, private_key, label, context, sealed)
            .ok_or(DecodeError { offset: 0, what: Self::NAME, fault: Fault::Decryption })?;
        Self::decode(&opened)
    }
}

impl Wire for GroupInfoRatchetTree {
    const NAME: &'static str = "GroupInfoRatchetTreeTBE";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let what = "GroupInfoRatchetTreeTBE.pending_proposals";
        Ok(Self {
            group_info: GroupInfo::read_without_tree(reader)?,
            ratchet_tree: Wire::read(reader)?,
            pending_proposals: reader.vec(what, PendingProposal::read)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.group_info.write(out);
        self.ratchet_tree.write(out);
        write_vec(out, &self.pending_proposals, PendingProposal::write);
    }
}

/// `HPKECiphertext` (RFC 9420, section 5.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HpkeCiphertext {
    /// The encapsulated key.
    pub kem_output: Vec<u8>,
    /// The ciphertext.
    pub ciphertext: Vec<u8>,
}

impl Wire for HpkeCiphertext {
    const NAME: &'static str = "HPKECiphertext";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            kem_output: reader.bytes("HPKECiphertext.kem_output")?.to_vec(),
            ciphertext: reader.bytes("HPKECiphertext.ciphertext")?.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, &self.kem_output);
        write_bytes(out, &self.ciphertext);
    }
}

impl From<EngineCiphertext> for HpkeCiphertext {
    fn from(sealed: EngineCiphertext) -> Self {
        Self { kem_output: sealed.kem_output.into(), ciphertext: sealed.ciphertext.into() }
    }
}

/// The answer to a request for the GroupInfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfoResponse {
    /// The room.
    pub room: RoomUri,
    /// The answer itself.
    pub answer: GroupInfoAnswer,
}

/// How a request for the GroupInfo ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupInfoAnswer {
    /// Here it is.
    Success(SealedGroupInfo),
    /// The requester may not have it; also in place of the other, for privacy (P-188).
    NotAuthorized,
    /// There is no such room.
    NoSuchRoom,
}

impl GroupInfoAnswer {
    const fn code(&self) -> u8 {
        match self {
            Self::Success(_) => 1,
            Self::NotAuthorized => 2,
            Self::NoSuchRoom => 3,
        }
    }
}

/// The encrypted GroupInfo and tree, signed by the hub. Only a success is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedGroupInfo {
    /// The suite of keys and signature, that of the request.
    pub cipher_suite: CipherSuite,
    /// The hub's key and credential. The client trusts them only if they are the room's.
    pub hub_sender: ExternalSender,
    /// A [`GroupInfoRatchetTree`].
    pub encrypted: HpkeCiphertext,
    /// The hub's signature over [`SealedGroupInfo::tbs`].
    pub signature: Vec<u8>,
}

impl SealedGroupInfo {
    /// What is signed: `GroupInfoResponseTBS`.
    #[must_use]
    pub fn tbs(&self, room: &RoomUri) -> Vec<u8> {
        let mut out = vec![PROTOCOL_MLS10];
        write_bytes(&mut out, room.as_bytes());
        out.push(1);
        self.write_body(&mut out);
        out
    }

    fn write_body(&self, out: &mut Vec<u8>) {
        self.cipher_suite.write(out);
        self.hub_sender.write(out);
        self.encrypted.write(out);
    }

    /// Replaces the signature by the hub's own.
    ///
    /// # Errors
    /// If the signer fails.
    pub fn sign(&mut self, signer: &impl Signer, room: &RoomUri) -> Result<(), Misuse> {
        self.signature = labelled::sign(signer, RESPONSE_LABEL, &self.tbs(room))?;
        Ok(())
    }

    /// Whether the signature is of [`SealedGroupInfo::hub_sender`] (P-187), which proves nothing before that is known
    /// to be the room's hub. A suite that is not known verifies nothing.
    #[must_use]
    pub fn verify(&self, crypto: &impl OpenMlsCrypto, room: &RoomUri) -> bool {
        self.cipher_suite.known().is_some_and(|suite| {
            let key = &self.hub_sender.signature_key;
            labelled::verify(crypto, suite, RESPONSE_LABEL, &self.tbs(room), key, &self.signature)
        })
    }
}

impl Wire for GroupInfoResponse {
    const NAME: &'static str = "GroupInfoResponse";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_mls10(reader, "GroupInfoResponse.version")?;
        let room = reader.uri("GroupInfoResponse.room_id")?;
        let start = reader.clone();
        let answer = match reader.u8("GroupInfoResponse.status")? {
            1 => GroupInfoAnswer::Success(SealedGroupInfo {
                cipher_suite: Wire::read(reader)?,
                hub_sender: Wire::read(reader)?,
                encrypted: Wire::read(reader)?,
                signature: reader.bytes("GroupInfoResponse.signature")?.to_vec(),
            }),
            2 => GroupInfoAnswer::NotAuthorized,
            3 => GroupInfoAnswer::NoSuchRoom,
            other => return Err(start.error("GroupInfoResponse.status", Fault::Code(other.into()))),
        };
        Ok(Self { room, answer })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(PROTOCOL_MLS10);
        write_bytes(out, self.room.as_bytes());
        out.push(self.answer.code());
        match &self.answer {
            GroupInfoAnswer::Success(sealed) => {
                sealed.write_body(out);
                write_bytes(out, &sealed.signature);
            }
            GroupInfoAnswer::NotAuthorized | GroupInfoAnswer::NoSuchRoom => {}
        }
    }
}
