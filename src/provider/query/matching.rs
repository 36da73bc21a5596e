//! Whether a profile matches an element of a query (P-222 … P-224).

use super::{Field, FieldName, Profile, Searchable};
use crate::{
    uri::UserUri,
    wire::{QueryElement, SearchField},
};

/// The claims of `OpenID` Connect that hold the name of a user.
const NAME_CLAIMS: [&str; 6] =
    ["name", "given_name", "family_name", "middle_name", "nickname", "preferred_username"];
/// The properties of vCard that do.
const NAME_PROPERTIES: [&str; 3] = ["FN", "N", "NICKNAME"];

/// Whether some field matches that the user lets others search in this way.
pub(super) fn matches(profile: &Profile, element: &QueryElement) -> bool {
    let value = element.value.as_str();
    profile.fields.iter().any(|field| {
        let exact = |is_it: bool| is_it && field.searchable >= Searchable::Exactly;
        let partial = |is_it: bool| is_it && field.searchable >= Searchable::Partly;
        match &element.field {
            SearchField::Handle => exact(field.name == FieldName::Handle && field.value == value),
            SearchField::Nick => {
                exact(is(field, "nickname", "NICKNAME") && field.value == value)
                    || partial(field.name == FieldName::Handle && user_part(&field.value, value))
            }
            SearchField::Email => exact(is(field, "email", "EMAIL") && field.value == value),
            SearchField::Phone => {
                let number = field.value.strip_prefix("tel:").unwrap_or(&field.value);
                exact(is(field, "phone_number", "TEL") && is_number(value) && number == value)
            }
            SearchField::PartialName => partial(is_name(field) && holds(&field.value, value)),
            SearchField::WholeProfile => partial(field.value.contains(value)),
            SearchField::OidcStdClaim(claim) => exact(match &field.name {
                FieldName::OidcStdClaim(name) => name == claim && field.value == value,
                FieldName::Handle | FieldName::VcardField(_) => false,
            }),
            SearchField::VcardField(property) => exact(match &field.name {
                FieldName::VcardField(name) => {
                    name.eq_ignore_ascii_case(property) && field.value == value
                }
                FieldName::Handle | FieldName::OidcStdClaim(_) => false,
            }),
        }
    })
}

/// Whether a field is this claim or this property.
fn is(field: &Field, claim: &str, property: &str) -> bool {
    match &field.name {
        FieldName::Handle => false,
        FieldName::OidcStdClaim(name) => name == claim,
        FieldName::VcardField(name) => name.eq_ignore_ascii_case(property),
    }
}

/// Whether a field holds a name of its user.
fn is_name(field: &Field) -> bool {
    match &field.name {
        FieldName::Handle => false,
        FieldName::OidcStdClaim(name) => NAME_CLAIMS.contains(&name.as_str()),
        FieldName::VcardField(name) => {
            NAME_PROPERTIES.iter().any(|property| name.eq_ignore_ascii_case(property))
        }
    }
}

/// Whether `user` is the user part of a handle: of a MIMI URI its name, of `im:alice@a.example` and its like what is
/// between scheme and host.
fn user_part(handle: &str, user: &str) -> bool {
    let part = match UserUri::parse(handle) {
        Ok(uri) => return uri.name() == user,
        Err(_) => handle.split_once(':').and_then(|(_, rest)| rest.split_once('@')),
    };
    part.is_some_and(|(part, _)| part == user)
}

/// Whether it is the international form of a telephone number (E.164): `+` and digits.
fn is_number(value: &str) -> bool {
    value.strip_prefix('+').is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// Whether `part` is a part of `text`, in upper or lower case.
fn holds(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}
