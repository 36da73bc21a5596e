//! Messages that no honest client makes, properly signed: rules are broken, keys are not.
//!
//! The confirmation and membership tags of a forged message are those of nothing, which no server can tell.

use openmimi::{
    codec::{Reader, write_bytes, write_within},
    wire::labelled,
};

use super::{Client, tls};

/// The parts of a commit.
struct Parts<'a> {
    /// Up to the proposals.
    head: &'a [u8],
    /// The proposals, each with its tag.
    proposals: &'a [u8],
    /// The optional path.
    path: &'a [u8],
}

pub(crate) struct Forge;

impl Forge {
    /// The same commit with other proposals, signed by `client` for the epoch of `context`.
    pub(crate) fn commit(
        client: &Client,
        context: &[u8],
        commit: &[u8],
        proposals: &[Vec<u8>],
    ) -> Vec<u8> {
        let parts = split(commit);
        let mut message = parts.head.to_vec();
        write_within(&mut message, |out| proposals.iter().for_each(|it| out.extend(it)));
        message.extend_from_slice(parts.path);
        let member = parts.head[sender_at(commit)] == 1;
        seal(client, message, context, true, member)
    }

    /// The same commit with more proposals than it had.
    pub(crate) fn commit_and(
        client: &Client,
        context: &[u8],
        commit: &[u8],
        proposals: &[Vec<u8>],
    ) -> Vec<u8> {
        let mut all = vec![split(commit).proposals.to_vec()];
        all.extend(proposals.iter().cloned());
        Self::commit(client, context, commit, &all)
    }

    /// The same commit in another group or epoch.
    pub(crate) fn commit_for(client: &Client, group: &[u8], epoch: u64, commit: &[u8]) -> Vec<u8> {
        let mut reader = Reader::new(commit);
        reader.take("head", 4).unwrap();
        reader.bytes("group_id").unwrap();
        reader.u64("epoch").unwrap();
        let rest = &commit[reader.offset()..];
        let mut message = commit[..4].to_vec();
        write_bytes(&mut message, group);
        message.extend_from_slice(&epoch.to_be_bytes());
        message.extend_from_slice(rest);
        // The signature of the original stands at the end: made anew.
        let parts = split(&message);
        let mut again = parts.head.to_vec();
        write_bytes(&mut again, parts.proposals);
        again.extend_from_slice(parts.path);
        seal(client, again, &client.group_context(), true, true)
    }

    /// The same commit in another frame: sender type and index, and authenticated data.
    pub(crate) fn commit_as(
        client: &Client,
        context: &[u8],
        commit: &[u8],
        (sender, index): (u8, u32),
        authenticated_data: &[u8],
    ) -> Vec<u8> {
        let parts = split(commit);
        let mut message = commit[..sender_at(commit)].to_vec();
        message.push(sender);
        message.extend(index.to_be_bytes());
        write_bytes(&mut message, authenticated_data);
        message.push(3);
        write_bytes(&mut message, parts.proposals);
        message.extend_from_slice(parts.path);
        seal(client, message, context, true, sender == 1)
    }

    /// The same commit with other proposals and no update path.
    pub(crate) fn pathless(
        client: &Client,
        context: &[u8],
        commit: &[u8],
        proposals: &[Vec<u8>],
    ) -> Vec<u8> {
        let mut message = split(commit).head.to_vec();
        write_within(&mut message, |out| proposals.iter().for_each(|it| out.extend(it)));
        message.push(0);
        seal(client, message, context, true, true)
    }

    /// A standalone proposal, whatever it is.
    pub(crate) fn proposal(client: &Client, proposal: &[u8]) -> Vec<u8> {
        let mut message = frame(client, 1, client.leaf());
        message.push(2);
        message.extend_from_slice(proposal);
        seal(client, message, &client.group_context(), false, true)
    }

    /// A proposal of an external sender, signed with any key.
    pub(crate) fn of_server(client: &Client, index: u32, proposal: &[u8]) -> Vec<u8> {
        let mut message = frame(client, 2, index);
        message.push(2);
        message.extend_from_slice(proposal);
        seal(client, message, &[], false, false)
    }
}

fn frame(client: &Client, sender_type: u8, sender: u32) -> Vec<u8> {
    let mut message = vec![0, 1, 0, 1];
    write_bytes(&mut message, client.mls().group_id().as_slice());
    message.extend(client.epoch().to_be_bytes());
    message.push(sender_type);
    message.extend(sender.to_be_bytes());
    // An empty SafeAAD.
    write_bytes(&mut message, &[0]);
    message
}

fn seal(
    client: &Client,
    mut message: Vec<u8>,
    context: &[u8],
    commit: bool,
    member: bool,
) -> Vec<u8> {
    let signed = [&message, context].concat();
    let signature = labelled::sign(&client.signer, "FramedContentTBS", &signed).unwrap();
    write_bytes(&mut message, &signature);
    if commit {
        write_bytes(&mut message, &[7; 32]);
    }
    if member {
        write_bytes(&mut message, &[9; 32]);
    }
    message
}

fn sender_at(commit: &[u8]) -> usize {
    let mut reader = Reader::new(commit);
    reader.take("head", 4).unwrap();
    reader.bytes("group_id").unwrap();
    reader.u64("epoch").unwrap();
    reader.offset()
}

fn split(commit: &[u8]) -> Parts<'_> {
    let mut reader = Reader::new(commit);
    reader.take("head", sender_at(commit)).unwrap();
    let member = reader.u8("sender_type").unwrap() == 1;
    if member {
        reader.u32("leaf_index").unwrap();
    }
    reader.bytes("authenticated_data").unwrap();
    assert_eq!(reader.u8("content_type").unwrap(), 3);
    let head = reader.offset();
    let proposals = reader.bytes("proposals").unwrap();
    // Behind the path stand the signature, the confirmation tag and, of a member, the membership tag: of known lengths.
    let tags = 2 + 64 + 1 + 32 + if member { 1 + 32 } else { 0 };
    let path = &commit[reader.offset()..commit.len() - tags];
    Parts { head: &commit[..head], proposals, path }
}

pub(crate) fn by_value(proposal: &openmls::prelude::Proposal) -> Vec<u8> {
    [vec![1], tls(proposal)].concat()
}

pub(crate) fn by_reference(name: &[u8]) -> Vec<u8> {
    let mut out = vec![2];
    write_bytes(&mut out, name);
    out
}

/// The names that a commit of nothing but references holds.
pub(crate) fn references_of(commit: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(split(commit).proposals);
    let mut names = Vec::new();
    while !reader.is_empty() {
        assert_eq!(reader.u8("ProposalOrRef").unwrap(), 2);
        names.push(reader.bytes("reference").unwrap().to_vec());
    }
    names
}
