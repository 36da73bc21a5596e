//! What a client supports or has to support.

use crate::{
    codec::{Reader, Wire, write_vec},
    error::DecodeError,
};

/// `RequiredCapabilities` (RFC 9420, section 11.1), as codes: no code is refused, each may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredCapabilities {
    /// Extension types.
    pub extension_types: Vec<u16>,
    /// Proposal types.
    pub proposal_types: Vec<u16>,
    /// Credential types.
    pub credential_types: Vec<u16>,
}

impl Wire for RequiredCapabilities {
    const NAME: &'static str = "RequiredCapabilities";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            extension_types: reader.codes("RequiredCapabilities.extension_types")?,
            proposal_types: reader.codes("RequiredCapabilities.proposal_types")?,
            credential_types: reader.codes("RequiredCapabilities.credential_types")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        for codes in [&self.extension_types, &self.proposal_types, &self.credential_types] {
            write_codes(out, codes);
        }
    }
}

/// `Capabilities` of a leaf (RFC 9420, section 7.2), as codes: no code is refused, each may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Protocol versions.
    pub versions: Vec<u16>,
    /// Cipher suites.
    pub cipher_suites: Vec<u16>,
    /// Extension types.
    pub extensions: Vec<u16>,
    /// Proposal types.
    pub proposals: Vec<u16>,
    /// Credential types.
    pub credentials: Vec<u16>,
}

impl Wire for Capabilities {
    const NAME: &'static str = "Capabilities";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            versions: reader.codes("Capabilities.versions")?,
            cipher_suites: reader.codes("Capabilities.cipher_suites")?,
            extensions: reader.codes("Capabilities.extensions")?,
            proposals: reader.codes("Capabilities.proposals")?,
            credentials: reader.codes("Capabilities.credentials")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Self { versions, cipher_suites, extensions, proposals, credentials } = self;
        for codes in [versions, cipher_suites, extensions, proposals, credentials] {
            write_codes(out, codes);
        }
    }
}

fn write_codes(out: &mut Vec<u8>, codes: &[u16]) {
    write_vec(out, codes, |code, out| out.extend_from_slice(&code.to_be_bytes()));
}
