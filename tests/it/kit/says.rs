//! What the leaves of a client say.

use openmimi::room::ComponentId;
use openmls::prelude::*;

use super::{SUITE, parts::leaf_dictionary};

/// What the leaves of a client say.
#[derive(Clone)]
pub(crate) struct Says {
    /// The components that it knows.
    pub(crate) knows: Vec<u16>,
    /// The media types that it receives.
    pub(crate) receives: Vec<&'static str>,
    /// The extensions that nobody has defined, and that it could do something with.
    pub(crate) lists: Vec<u16>,
    /// Those of them that its leaf holds, and its KeyPackage.
    pub(crate) holds: Vec<u16>,
    pub(crate) in_key_package: Vec<u16>,
}

impl Default for Says {
    fn default() -> Self {
        let knows = ComponentId::KNOWN.iter().map(|id| id.0).collect();
        let receives = vec![
            "application/mimi-content",
            "text/plain;charset=utf-8",
            "text/markdown;variant=GFM-MIMI",
        ];
        Self { knows, receives, lists: Vec::new(), holds: Vec::new(), in_key_package: Vec::new() }
    }
}

impl Says {
    pub(super) fn capabilities(&self, suite: Ciphersuite) -> Capabilities {
        let mut extensions = vec![
            ExtensionType::AppDataDictionary,
            ExtensionType::Unknown(openmimi::wire::RatchetTreeSourceDomains::EXTENSION),
        ];
        extensions.extend(self.lists.iter().map(|kind| ExtensionType::from(*kind)));
        Capabilities::builder()
            .ciphersuites(vec![suite])
            .extensions(extensions)
            .proposals(vec![
                ProposalType::AppDataUpdate,
                ProposalType::AppEphemeral,
                ProposalType::SelfRemove,
            ])
            .credentials(vec![CredentialType::Basic])
            .build()
    }

    pub(super) fn extensions(&self) -> Extensions<LeafNode> {
        let held = self.holds.iter().map(|kind| unknown(*kind));
        let all =
            std::iter::once(leaf_dictionary(&self.knows, &self.receives)).chain(held).collect();
        Extensions::from_vec(all).unwrap()
    }

    pub(crate) fn leaf(&self) -> LeafNodeParameters {
        LeafNodeParameters::builder()
            .with_capabilities(self.capabilities(SUITE))
            .with_extensions(self.extensions())
            .build()
    }
}

pub(super) fn unknown(kind: u16) -> Extension {
    Extension::Unknown(kind, openmls::extensions::UnknownExtension(vec![1, 2, 3]))
}
