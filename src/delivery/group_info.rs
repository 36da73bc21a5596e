//! The GroupInfo of a commit, rebuilt from the state it leads to (T-011, T-012; RFC 9420, section 12.4.3).
//!
//! It is not enough that a GroupInfo is signed: a committer could plant another signer or another confirmation tag,
//! and nobody could join with it any more. So whatever form it comes in, it is put together here from the staged
//! state, the commit, and the only parts that cannot be known from these: its extensions and its signature.

use openmls_traits::{crypto::OpenMlsCrypto, types::Ciphersuite};
use serde::{Deserialize, Serialize};

use super::{
    commit::GroupInfoForm,
    context::{extension, read_extensions},
    external::verify_signature,
    refusal::{GroupInfoFault, WelcomeFault},
    view::{KeyPackageRef, LeafIndex},
};
use crate::{
    codec::{Reader, decode_exact, write_bytes},
    error::DecodeError,
};

/// What a GroupInfo adds to its GroupContext.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Info {
    /// `Extension extensions<V>`, as it came.
    extensions: Vec<u8>,
    confirmation_tag: Vec<u8>,
    signer: LeafIndex,
    signature: Vec<u8>,
}

impl Info {
    /// What of a whole GroupInfo is not its GroupContext, whose octets are `context`.
    pub(super) fn of(group_info: &[u8], context: &[u8]) -> Result<Self, GroupInfoFault> {
        let rest = group_info.strip_prefix(context).ok_or(GroupInfoFault::Differs)?;
        let info = decode_exact(rest, |reader| {
            let extensions = extensions(reader)?;
            Ok(Self {
                extensions,
                confirmation_tag: reader.bytes("GroupInfo.confirmation_tag")?.to_vec(),
                signer: LeafIndex(reader.u32("GroupInfo.signer")?),
                signature: reader.bytes("GroupInfo.signature")?.to_vec(),
            })
        })?;
        info.without_tree()
    }

    fn of_partial(
        partial: &[u8],
        confirmation_tag: &[u8],
        signer: LeafIndex,
    ) -> Result<Self, GroupInfoFault> {
        let (presence, info) = decode_exact(partial, |reader| {
            let presence = reader.u8("PartialGroupInfo.ratchet_tree_presence")?;
            let extensions = extensions(reader)?;
            let signature = reader.bytes("PartialGroupInfo.signature")?.to_vec();
            let confirmation_tag = confirmation_tag.to_vec();
            Ok((presence, Self { extensions, confirmation_tag, signer, signature }))
        })?;
        // No GroupInfo of this service embeds the tree, the first one included: it neither is there nor was.
        if presence != 0 {
            return Err(GroupInfoFault::TreePresence(presence));
        }
        info.without_tree()
    }

    fn without_tree(self) -> Result<Self, GroupInfoFault> {
        let extensions = decode_exact(&self.extensions, read_extensions)?;
        if extensions.iter().any(|(kind, _)| *kind == extension::RATCHET_TREE) {
            return Err(GroupInfoFault::EmbeddedTree);
        }
        Ok(self)
    }

    /// The GroupInfo that a commit leads to: what `form` conveys has to fit it octet for octet.
    pub(super) fn rebuild(
        crypto: &impl OpenMlsCrypto,
        ciphersuite: Ciphersuite,
        form: GroupInfoForm<'_>,
        expected: &Expected<'_>,
    ) -> Result<Self, GroupInfoFault> {
        let info = match form {
            GroupInfoForm::Full(octets) => Self::of(octets, expected.context)?,
            GroupInfoForm::Partial(octets) => {
                Self::of_partial(octets, expected.confirmation_tag, expected.signer)?
            }
        };
        if info.confirmation_tag != expected.confirmation_tag || info.signer != expected.signer {
            return Err(GroupInfoFault::Differs);
        }
        let signed = info.signed(expected.context);
        let key = expected.signature_key;
        verify_signature(crypto, ciphersuite, key, "GroupInfoTBS", &signed, &info.signature)
            .ok_or(GroupInfoFault::Signature)?;
        Ok(info)
    }

    /// GroupInfoTBS.
    fn signed(&self, context: &[u8]) -> Vec<u8> {
        let mut octets = context.to_vec();
        octets.extend_from_slice(&self.extensions);
        write_bytes(&mut octets, &self.confirmation_tag);
        octets.extend_from_slice(&self.signer.0.to_be_bytes());
        octets
    }

    /// The whole GroupInfo.
    pub(super) fn encode(&self, context: &[u8]) -> Vec<u8> {
        let mut octets = self.signed(context);
        write_bytes(&mut octets, &self.signature);
        octets
    }
}

/// What a GroupInfo has to be of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// The octets of the new GroupContext.
    pub(super) context: &'a [u8],
    /// The commit's.
    pub(super) confirmation_tag: &'a [u8],
    /// The committer's leaf, in the new tree.
    pub(super) signer: LeafIndex,
    /// What that leaf signs with.
    pub(super) signature_key: &'a [u8],
}

/// The octets of `Extension extensions<V>`.
fn extensions(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let rest = reader.rest();
    reader.bytes("GroupInfo.extensions")?;
    Ok(rest.get(..rest.len() - reader.rest().len()).unwrap_or_default().to_vec())
}

/// A Welcome's ciphersuite, and whom it is for.
fn read_welcome(welcome: &[u8]) -> Result<(u16, Vec<KeyPackageRef>), DecodeError> {
    decode_exact(welcome, |reader| {
        let ciphersuite = reader.u16("Welcome.cipher_suite")?;
        let secrets = reader.vec("Welcome.secrets", |reader| {
            let new_member = reader.bytes("EncryptedGroupSecrets.new_member")?.to_vec();
            reader.bytes("HPKECiphertext.kem_output")?;
            reader.bytes("HPKECiphertext.ciphertext")?;
            Ok(KeyPackageRef(new_member))
        })?;
        reader.bytes("Welcome.encrypted_group_info")?;
        Ok((ciphersuite, secrets))
    })
}

/// Whom a Welcome (bare) is for.
///
/// # Errors
/// If it does not decode.
pub fn welcome_refs(welcome: &[u8]) -> Result<Vec<KeyPackageRef>, DecodeError> {
    read_welcome(welcome).map(|(_, secrets)| secrets)
}

/// A commit's Welcome is for exactly those it adds, each once (P-117).
pub(super) fn check_welcome<'a>(
    welcome: Option<&[u8]>,
    ciphersuite: u16,
    added: impl Iterator<Item = &'a KeyPackageRef>,
) -> Result<(), WelcomeFault> {
    let mut added: Vec<_> = added.collect();
    let Some(welcome) = welcome else {
        return if added.is_empty() { Ok(()) } else { Err(WelcomeFault::Missing) };
    };
    if added.is_empty() {
        return Err(WelcomeFault::Surplus);
    }
    let (suite, secrets) = read_welcome(welcome)?;
    if suite != ciphersuite {
        return Err(WelcomeFault::Ciphersuite);
    }
    let mut welcomed: Vec<_> = secrets.iter().collect();
    added.sort();
    welcomed.sort();
    if added == welcomed { Ok(()) } else { Err(WelcomeFault::Addressees) }
}
