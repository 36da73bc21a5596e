//! Preauthorisation: the component `preauth_list` (room-policy, section 4).

use crate::{
    codec::{self, Reader, Wire},
    error::DecodeError,
    policy::{Role, RoleIndex},
};

/// One property of a credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The MLS credential type that the claim is of.
    pub credential_type: u16,
    /// Which claim: the octets of an X.509 OID, the name of a JWT claim, the CBOR key of a CWT claim. For a basic
    /// credential (type 1): empty for the identity as a whole, `domain` for the domain of its URI.
    pub id: Vec<u8>,
    /// Its value; claims are equal if these octets are.
    pub value: Vec<u8>,
}

impl Claim {
    /// The MLS credential type `basic`.
    pub const BASIC: u16 = 1;
    /// The [`Claim::id`] of a basic credential's domain.
    pub const DOMAIN: &'static [u8] = b"domain";
}

/// What is known of a credential's claims.
///
/// The claims of a basic credential need not be given: they follow from its URI. For other credentials the caller
/// extracts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claims<'a> {
    /// These, and those of the URI.
    Known(&'a [Claim]),
    /// The credential is of a type that the caller has no extractor for. A hub refuses then; a client goes with its
    /// hub and reports the change as unverified.
    Unknown,
}

impl Claims<'_> {
    /// A basic credential: the claims of its URI alone.
    pub const BASIC: Self = Self::Known(&[]);
}

/// Who holds all of some claims may take a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreAuthEntry {
    /// All of them must be met; an empty set matches everybody.
    pub claims: Vec<Claim>,
    /// The role. Only its index counts: what it may do stands in the roles of the room.
    pub target: Role,
}

/// Who may take which role by virtue of a credential; entries are consulted in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreAuth {
    /// The first one that matches decides.
    pub entries: Vec<PreAuthEntry>,
}

impl PreAuth {
    /// The role of the first entry that matches somebody whose URI is `uri`, `exists` telling which roles there are:
    /// an entry for a role that does not exist never matches.
    #[must_use]
    pub fn role(
        &self,
        uri: &str,
        claims: &[Claim],
        exists: impl Fn(RoleIndex) -> bool,
    ) -> Option<RoleIndex> {
        self.entries
            .iter()
            .filter(|entry| exists(entry.target.index))
            .find(|entry| entry.claims.iter().all(|claim| holds(uri, claims, claim)))
            .map(|entry| entry.target.index)
    }
}

/// Whether a credential has a claim.
fn holds(uri: &str, claims: &[Claim], wanted: &Claim) -> bool {
    let derived = wanted.credential_type == Claim::BASIC
        && match wanted.id.as_slice() {
            [] => wanted.value == uri.as_bytes(),
            Claim::DOMAIN => wanted.value == domain_of(uri).as_bytes(),
            _ => false,
        };
    derived || claims.contains(wanted)
}

impl Wire for Claim {
    const NAME: &'static str = "Claim";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            credential_type: reader.u16("credential_type")?,
            id: reader.bytes("id")?.to_vec(),
            value: reader.bytes("claim_value")?.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.credential_type.to_be_bytes());
        codec::write_bytes(out, &self.id);
        codec::write_bytes(out, &self.value);
    }
}

impl Wire for PreAuthEntry {
    const NAME: &'static str = "PreAuthRoleEntry";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { claims: reader.vec("claimset", Claim::read)?, target: Role::read(reader)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_vec(out, &self.claims, Claim::write);
        self.target.write(out);
    }
}

impl Wire for PreAuth {
    const NAME: &'static str = "PreAuthData";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.vec("preauthorized_entries", PreAuthEntry::read).map(|entries| Self { entries })
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_vec(out, &self.entries, PreAuthEntry::write);
    }
}

/// The host of a URI.
fn domain_of(uri: &str) -> &str {
    uri.split('/').nth(2).unwrap_or_default()
}
