//! The GroupContext (RFC 9420, section 8.1), taken apart: the delivery service reads it, compares it, and saves what
//! changed of it. The octets of components and of other extensions are kept as they came.

use std::collections::BTreeMap;

use super::view::{Credential, ExternalSender};
use crate::{
    codec::{Reader, decode_exact, write_bytes, write_vec, write_within},
    error::{DecodeError, Fault},
};

/// Extension types that the delivery service reads or writes.
pub(super) mod extension {
    pub(in super::super) const RATCHET_TREE: u16 = 2;
    pub(in super::super) const REQUIRED_CAPABILITIES: u16 = 3;
    pub(in super::super) const EXTERNAL_SENDERS: u16 = 5;
    pub(in super::super) const APP_DATA_DICTIONARY: u16 = 6;

    /// Those that every client supports without saying so (RFC 9420, section 13.4).
    pub(in super::super) const DEFAULT: std::ops::RangeInclusive<u16> = 1..=5;
}

/// The component that lists the components a client knows, and that makes `authenticated_data` a SafeAAD.
pub(super) mod component {
    pub(in super::super) const APP_COMPONENTS: u16 = 1;
    pub(in super::super) const SAFE_AAD: u16 = 2;
}

/// An extension of any structure: its type and its data.
pub(super) type RawExtension = (u16, Vec<u8>);

/// A GroupContext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(super) ciphersuite: u16,
    pub(super) group_id: Vec<u8>,
    pub(super) epoch: u64,
    pub(super) tree_hash: Vec<u8>,
    pub(super) confirmed_transcript_hash: Vec<u8>,
    /// All extensions but the dictionary, in order.
    pub(super) extensions: Vec<RawExtension>,
    /// Whether the dictionary is there, as the last extension. Elsewhere it counts among the others.
    pub(super) dictionary_last: bool,
    /// What is in it.
    pub(super) components: BTreeMap<u16, Vec<u8>>,
}

impl Context {
    /// Takes apart the octets of a GroupContext.
    ///
    /// # Errors
    /// If they are none.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_exact(bytes, Self::read)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        match reader.u16("GroupContext.version")? {
            1 => {}
            other => {
                return Err(start.error("GroupContext.version", Fault::Code(other.into())));
            }
        }
        let ciphersuite = reader.u16("GroupContext.cipher_suite")?;
        let group_id = reader.bytes("GroupContext.group_id")?.to_vec();
        let epoch = reader.u64("GroupContext.epoch")?;
        let tree_hash = reader.bytes("GroupContext.tree_hash")?.to_vec();
        let confirmed_transcript_hash =
            reader.bytes("GroupContext.confirmed_transcript_hash")?.to_vec();
        let mut extensions = read_extensions(reader)?;
        let dictionary = extensions.pop_if(|(kind, _)| *kind == extension::APP_DATA_DICTIONARY);
        let dictionary_last = dictionary.is_some();
        let components =
            dictionary.map_or_else(|| Ok(BTreeMap::new()), |(_, data)| read_dictionary(&data))?;
        Ok(Self {
            ciphersuite,
            group_id,
            epoch,
            tree_hash,
            confirmed_transcript_hash,
            extensions,
            dictionary_last,
            components,
        })
    }

    /// Its octets. Those it was read from, if it was.
    #[must_use]
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = 1_u16.to_be_bytes().to_vec();
        out.extend_from_slice(&self.ciphersuite.to_be_bytes());
        write_bytes(&mut out, &self.group_id);
        out.extend_from_slice(&self.epoch.to_be_bytes());
        write_bytes(&mut out, &self.tree_hash);
        write_bytes(&mut out, &self.confirmed_transcript_hash);
        write_within(&mut out, |out| {
            for extension in &self.extensions {
                write_extension(extension, out);
            }
            self.write_dictionary_extension(out);
        });
        out
    }

    /// `Extension extensions<V>` of this GroupContext, with other data in the first extension of one type.
    pub(super) fn write_extensions_with(&self, kind: u16, data: &[u8], out: &mut Vec<u8>) {
        write_within(out, |out| {
            for (other, old) in &self.extensions {
                let data = if *other == kind { data } else { old };
                out.extend_from_slice(&other.to_be_bytes());
                write_bytes(out, data);
            }
            self.write_dictionary_extension(out);
        });
    }

    fn write_dictionary_extension(&self, out: &mut Vec<u8>) {
        if self.dictionary_last {
            out.extend_from_slice(&extension::APP_DATA_DICTIONARY.to_be_bytes());
            write_within(out, |out| write_dictionary(&self.components, out));
        }
    }

    /// The content of the dictionary extension.
    pub(super) fn dictionary(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_dictionary(&self.components, &mut out);
        out
    }

    /// The data of an extension, the dictionary excepted.
    pub(super) fn extension(&self, kind: u16) -> Option<&[u8]> {
        self.extensions.iter().find(|(other, _)| *other == kind).map(|(_, data)| data.as_slice())
    }

    /// A component of the dictionary.
    pub(super) fn component(&self, component: u16) -> Option<&[u8]> {
        self.components.get(&component).map(Vec::as_slice)
    }

    /// Whether the whole `authenticated_data` of a message is SafeAAD (E-050).
    pub(super) fn safe_aad(&self) -> bool {
        self.component(component::SAFE_AAD).is_some()
    }

    /// The servers that may send proposals.
    ///
    /// # Errors
    /// If the extension does not decode.
    pub(super) fn external_senders(&self) -> Result<Vec<ExternalSender>, DecodeError> {
        self.extension(extension::EXTERNAL_SENDERS).map_or_else(|| Ok(Vec::new()), external_senders)
    }
}

/// `Extension extensions<V>`.
pub(super) fn read_extensions(reader: &mut Reader<'_>) -> Result<Vec<RawExtension>, DecodeError> {
    reader.vec("extensions", |reader| {
        let kind = reader.u16("Extension.extension_type")?;
        Ok((kind, reader.bytes("Extension.extension_data")?.to_vec()))
    })
}

fn write_extension((kind, data): &RawExtension, out: &mut Vec<u8>) {
    out.extend_from_slice(&kind.to_be_bytes());
    write_bytes(out, data);
}

/// `Extension extensions<V>`.
pub(super) fn write_extensions(extensions: &[RawExtension], out: &mut Vec<u8>) {
    write_vec(out, extensions, write_extension);
}

/// The content of an `app_data_dictionary` extension: sorted, each component once (E-010).
pub(super) fn read_dictionary(data: &[u8]) -> Result<BTreeMap<u16, Vec<u8>>, DecodeError> {
    let mut components = BTreeMap::<u16, Vec<u8>>::new();
    decode_exact(data, |reader| {
        let mut entries = reader.inside("AppDataDictionary.component_data")?;
        while !entries.is_empty() {
            let start = entries.clone();
            let component = entries.u16("ComponentData.component_id")?;
            match components.last_key_value().map(|(last, _)| component.cmp(last)) {
                None | Some(std::cmp::Ordering::Greater) => {}
                Some(std::cmp::Ordering::Equal) => {
                    return Err(start.error("ComponentData.component_id", Fault::Duplicate));
                }
                Some(std::cmp::Ordering::Less) => {
                    return Err(start.error("ComponentData.component_id", Fault::Order));
                }
            }
            components.insert(component, entries.bytes("ComponentData.data")?.to_vec());
        }
        Ok(components)
    })
}

fn write_dictionary(components: &BTreeMap<u16, Vec<u8>>, out: &mut Vec<u8>) {
    write_within(out, |out| {
        for (component, data) in components {
            out.extend_from_slice(&component.to_be_bytes());
            write_bytes(out, data);
        }
    });
}

/// The content of an `external_senders` extension.
pub(super) fn external_senders(data: &[u8]) -> Result<Vec<ExternalSender>, DecodeError> {
    decode_exact(data, |reader| {
        reader.vec("external_senders", |reader| {
            let signature_key = reader.bytes("ExternalSender.signature_key")?.to_vec();
            Ok(ExternalSender { signature_key, credential: read_credential(reader)? })
        })
    })
}

pub(super) fn write_external_senders(senders: &[ExternalSender], out: &mut Vec<u8>) {
    write_vec(out, senders, |sender, out| {
        write_bytes(out, &sender.signature_key);
        out.extend_from_slice(&sender.credential.kind.to_be_bytes());
        write_bytes(out, &sender.credential.identity);
    });
}

/// A Credential, of which every type known here is a type and one vector.
pub(super) fn read_credential(reader: &mut Reader<'_>) -> Result<Credential, DecodeError> {
    let kind = reader.u16("Credential.credential_type")?;
    Ok(Credential { kind, identity: reader.bytes("Credential")?.to_vec() })
}

/// `ComponentID component_ids<V>`, the content of `app_components` and `safe_aad`.
pub(super) fn read_component_ids(data: &[u8]) -> Result<Vec<u16>, DecodeError> {
    decode_exact(data, |reader| {
        reader.vec("ComponentsList.component_ids", |reader| reader.u16("ComponentID"))
    })
}
