//! Signatures and encryption with labels (RFC 9420, sections 5.1.2 and 5.1.3), as the drafts use them outside of MLS
//! messages.
//!
//! A label keeps what was signed or encrypted for one purpose from being taken for another (D-75). The prefix
//! `MLS 1.0 ` is added here.

use openmls_traits::{
    crypto::OpenMlsCrypto,
    signatures::Signer,
    types::{Ciphersuite, HpkeCiphertext as EngineCiphertext},
};

use super::HpkeCiphertext;
use crate::{codec::write_bytes, error::Misuse};

/// `SignContent` and `EncryptContext`: the label with its prefix, then the content or context.
fn labelled(label: &str, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + label.len() + 16);
    write_bytes(&mut out, format!("MLS 1.0 {label}").as_bytes());
    write_bytes(&mut out, content);
    out
}

/// `SignWithLabel`.
///
/// # Errors
/// If the signer fails.
pub fn sign(signer: &impl Signer, label: &str, content: &[u8]) -> Result<Vec<u8>, Misuse> {
    signer.sign(&labelled(label, content)).map_err(|_| Misuse::Crypto("signing failed"))
}

/// `VerifyWithLabel`, with the signature scheme of `suite`: whether the signature is good.
#[must_use]
pub fn verify(
    crypto: &impl OpenMlsCrypto,
    suite: Ciphersuite,
    label: &str,
    content: &[u8],
    public_key: &[u8],
    signature: &[u8],
) -> bool {
    let scheme = suite.signature_algorithm();
    crypto.verify_signature(scheme, &labelled(label, content), public_key, signature).is_ok()
}

/// `EncryptWithLabel`: nothing if the public key is none of the suite, or the cryptography provider does not know it.
#[must_use]
pub fn encrypt(
    crypto: &impl OpenMlsCrypto,
    suite: Ciphersuite,
    public_key: &[u8],
    label: &str,
    context: &[u8],
    plaintext: &[u8],
) -> Option<HpkeCiphertext> {
    let info = labelled(label, context);
    crypto.hpke_seal(suite.hpke_config(), public_key, &info, &[], plaintext).ok().map(Into::into)
}

/// `DecryptWithLabel`: nothing if it was not encrypted to this key with this label and context.
#[must_use]
pub fn decrypt(
    crypto: &impl OpenMlsCrypto,
    suite: Ciphersuite,
    private_key: &[u8],
    label: &str,
    context: &[u8],
    sealed: &HpkeCiphertext,
) -> Option<Vec<u8>> {
    let sealed = EngineCiphertext {
        kem_output: sealed.kem_output.clone().into(),
        ciphertext: sealed.ciphertext.clone().into(),
    };
    let info = labelled(label, context);
    crypto.hpke_open(suite.hpke_config(), &sealed, private_key, &info, &[]).ok()
}
