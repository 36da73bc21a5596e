//! What there is to be found.

use crate::{
    uri::UserUri,
    wire::{FieldSource, ProfileField},
};

/// A user as others may find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The user: what is answered.
    pub user: UserUri,
    /// What it is found by. A field with several values stands several times.
    pub fields: Vec<Field>,
}

/// One field of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: FieldName,
    /// Its value.
    pub value: String,
    /// How far the user lets others search it.
    pub searchable: Searchable,
    /// Whether the user shares it with whoever finds it. A handle is never shared this way: the answer has no place
    /// for it.
    pub shared: bool,
}

/// The name of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldName {
    /// A handle: a URI such as `im:alice.smith@a.example`.
    Handle,
    /// A standard claim of `OpenID` Connect, such as `given_name`.
    OidcStdClaim(String),
    /// A property of vCard, such as `ORG`.
    VcardField(String),
}

/// How far a user lets others search a field (P-225).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Searchable {
    /// Not at all.
    #[default]
    No,
    /// By its whole value.
    Exactly,
    /// By parts of it too. The user part is a part of a handle.
    Partly,
}

impl Field {
    /// The field as it is answered, if the user shares it.
    pub(super) fn shared(&self) -> Option<ProfileField> {
        let (source, name) = match &self.name {
            FieldName::Handle => return None,
            FieldName::OidcStdClaim(name) => (FieldSource::OidcStdClaim, name),
            FieldName::VcardField(name) => (FieldSource::VcardField, name),
        };
        let value = self.value.clone().into_bytes();
        self.shared.then(|| ProfileField { source, name: name.clone(), value })
    }
}
