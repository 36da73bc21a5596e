//! A ratchet tree before the engine has verified it: who its leaves say that they are.

use std::collections::BTreeMap;

use crate::{
    codec::{Reader, decode_exact},
    error::{DecodeError, Fault},
};

/// What is read of a leaf before the engine has verified the tree.
pub(super) struct LeafHead {
    pub(super) signature_key: Vec<u8>,
    pub(super) identity: Vec<u8>,
}

/// The leaves of a tree on the wire, by index.
pub(super) fn leaves(tree: &[u8]) -> Result<BTreeMap<u32, LeafHead>, DecodeError> {
    decode_exact(tree, |reader| {
        let mut nodes = reader.inside("ratchet_tree")?;
        let mut leaves = BTreeMap::new();
        let mut place = 0u32;
        while !nodes.is_empty() {
            if let Some(Some(leaf)) = nodes.optional("ratchet_tree.node", read_node)? {
                leaves.insert(place / 2, leaf);
            }
            place = place.saturating_add(1);
        }
        Ok(leaves)
    })
}

fn read_node(reader: &mut Reader<'_>) -> Result<Option<LeafHead>, DecodeError> {
    let start = reader.clone();
    match reader.u8("Node.node_type")? {
        1 => {
            reader.bytes("LeafNode.encryption_key")?;
            let signature_key = reader.bytes("LeafNode.signature_key")?.to_vec();
            let start = reader.clone();
            match reader.u16("Credential.credential_type")? {
                1 => {}
                other => return Err(start.error("Credential", Fault::Code(other.into()))),
            }
            let identity = reader.bytes("BasicCredential.identity")?.to_vec();
            for _ in 0..5 {
                reader.bytes("Capabilities")?;
            }
            let start = reader.clone();
            match reader.u8("LeafNode.leaf_node_source")? {
                1 => {
                    reader.take("Lifetime", 16)?;
                }
                2 => {}
                3 => {
                    reader.bytes("LeafNode.parent_hash")?;
                }
                other => {
                    return Err(start.error("LeafNode.leaf_node_source", Fault::Code(other.into())));
                }
            }
            reader.bytes("LeafNode.extensions")?;
            reader.bytes("LeafNode.signature")?;
            Ok(Some(LeafHead { signature_key, identity }))
        }
        2 => {
            reader.bytes("ParentNode.encryption_key")?;
            reader.bytes("ParentNode.parent_hash")?;
            reader.bytes("ParentNode.unmerged_leaves")?;
            Ok(None)
        }
        other => Err(start.error("Node.node_type", Fault::Code(other.into()))),
    }
}
