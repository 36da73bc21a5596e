//! `identifierQuery`: who at a provider goes by this name (draft-ietf-mimi-protocol-06, section 5.8).

use super::AppDataDictionary;
use crate::{
    codec::{Reader, Wire, write_bytes, write_vec},
    error::{DecodeError, Fault},
    uri::UserUri,
};

/// A search for users. All elements have to match (P-221).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierRequest {
    /// What to match, at least one element.
    pub query: Vec<QueryElement>,
    /// Extensions.
    pub extensions: AppDataDictionary,
}

impl Wire for IdentifierRequest {
    const NAME: &'static str = "IdentifierRequest";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let query = reader.vec("IdentifierRequest.query_elements", QueryElement::read)?;
        if query.is_empty() {
            return Err(start.error("IdentifierRequest.query_elements", Fault::Empty));
        }
        Ok(Self { query, extensions: Wire::read(reader)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_vec(out, &self.query, QueryElement::write);
        self.extensions.write(out);
    }
}

/// One thing to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryElement {
    /// Where.
    pub field: SearchField,
    /// What.
    pub value: String,
}

/// Where to match, and how (P-222 … P-224).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchField {
    /// The whole handle URI, exactly.
    Handle,
    /// The nickname or the user part of a handle, exactly.
    Nick,
    /// The `addr-spec` of an e-mail address, exactly.
    Email,
    /// A telephone number in its international form with `+`, exactly.
    Phone,
    /// A part of any field that holds a name, in upper or lower case.
    PartialName,
    /// A part of any searchable field.
    WholeProfile,
    /// The `OpenID` Connect standard claim of this name, exactly.
    OidcStdClaim(String),
    /// The vCard property of this name, exactly.
    VcardField(String),
}

impl SearchField {
    const fn code(&self) -> u8 {
        match self {
            Self::Handle => 1,
            Self::Nick => 2,
            Self::Email => 3,
            Self::Phone => 4,
            Self::PartialName => 5,
            Self::WholeProfile => 6,
            Self::OidcStdClaim(_) => 7,
            Self::VcardField(_) => 8,
        }
    }
}

impl Wire for QueryElement {
    const NAME: &'static str = "QueryElement";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let field = match reader.u8("QueryElement.searchType")? {
            1 => SearchField::Handle,
            2 => SearchField::Nick,
            3 => SearchField::Email,
            4 => SearchField::Phone,
            5 => SearchField::PartialName,
            6 => SearchField::WholeProfile,
            7 => SearchField::OidcStdClaim(reader.text("QueryElement.claimName")?.into()),
            8 => SearchField::VcardField(reader.text("QueryElement.propertyName")?.into()),
            other => return Err(start.error("QueryElement.searchType", Fault::Code(other.into()))),
        };
        Ok(Self { field, value: reader.text("QueryElement.searchValue")?.into() })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.field.code());
        match &self.field {
            SearchField::OidcStdClaim(name) | SearchField::VcardField(name) => {
                write_bytes(out, name.as_bytes());
            }
            SearchField::Handle
            | SearchField::Nick
            | SearchField::Email
            | SearchField::Phone
            | SearchField::PartialName
            | SearchField::WholeProfile => {}
        }
        write_bytes(out, self.value.as_bytes());
    }
}

/// The answer to a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierResponse {
    /// How it ended.
    pub outcome: IdentifierOutcome,
    /// Extensions.
    pub extensions: AppDataDictionary,
}

/// How a search ended (P-226).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentifierOutcome {
    /// At least one user matches.
    Found(Found),
    /// None does.
    NotFound,
    /// A field has to match exactly before anybody is found.
    Ambiguous,
    /// This provider does not allow such a search.
    Forbidden,
    /// This provider does not search one of the fields.
    UnsupportedField,
}

/// Who was found: at least one user, with profiles for all or for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Users without their profiles.
    Users(Vec<UserUri>),
    /// Users with what they share.
    Profiles(Vec<UserProfile>),
}

/// What a user shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserProfile {
    /// The user.
    pub user: UserUri,
    /// Some fields.
    pub fields: Vec<ProfileField>,
}

impl Wire for UserProfile {
    const NAME: &'static str = "UserProfile";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            user: reader.uri("UserProfile.stableUri")?,
            fields: reader.vec("UserProfile.fields", ProfileField::read)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, self.user.as_bytes());
        write_vec(out, &self.fields, ProfileField::write);
    }
}

/// Whose names the fields of a profile have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldSource {
    /// `OpenID` Connect's standard claims.
    OidcStdClaim,
    /// vCard's properties.
    VcardField,
}

/// One field of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileField {
    /// Whose name it has.
    pub source: FieldSource,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
}

impl Wire for ProfileField {
    const NAME: &'static str = "ProfileField";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let source = match reader.u8("ProfileField.fieldSource")? {
            7 => FieldSource::OidcStdClaim,
            8 => FieldSource::VcardField,
            other => return Err(start.error("ProfileField.fieldSource", Fault::Code(other.into()))),
        };
        Ok(Self {
            source,
            name: reader.text("ProfileField.fieldName")?.into(),
            value: reader.bytes("ProfileField.fieldValue")?.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self.source {
            FieldSource::OidcStdClaim => 7,
            FieldSource::VcardField => 8,
        });
        write_bytes(out, self.name.as_bytes());
        write_bytes(out, &self.value);
    }
}

/// Checks that the list of users and that of profiles agree with each other and with the outcome.
fn found(
    is_success: bool,
    users: Vec<UserUri>,
    profiles: Vec<UserProfile>,
) -> Result<Option<Found>, Fault> {
    match (is_success, users.is_empty(), profiles.is_empty()) {
        (false, true, true) => Ok(None),
        (false, _, _) => Err(Fault::Contradiction("users with a code other than success")),
        (true, true, _) => Err(Fault::Empty),
        (true, false, true) => Ok(Some(Found::Users(users))),
        (true, false, false) if users.iter().eq(profiles.iter().map(|profile| &profile.user)) => {
            Ok(Some(Found::Profiles(profiles)))
        }
        (true, false, false) => Err(Fault::Contradiction("profiles of other users than listed")),
    }
}

impl Wire for IdentifierResponse {
    const NAME: &'static str = "IdentifierResponse";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let code = reader.u8("IdentifierResponse.responseCode")?;
        if code > 4 {
            return Err(start.error("IdentifierResponse.responseCode", Fault::Code(code.into())));
        }
        let lists = reader.clone();
        let users =
            reader.vec("IdentifierResponse.uri", |reader| reader.uri("IdentifierResponse.uri"))?;
        let profiles = reader.vec("IdentifierResponse.foundProfiles", UserProfile::read)?;
        let found = found(code == 0, users, profiles)
            .map_err(|fault| lists.error("IdentifierResponse.uri", fault))?;
        let outcome = match (found, code) {
            (Some(found), _) => IdentifierOutcome::Found(found),
            (None, 1) => IdentifierOutcome::NotFound,
            (None, 2) => IdentifierOutcome::Ambiguous,
            (None, 3) => IdentifierOutcome::Forbidden,
            (None, _) => IdentifierOutcome::UnsupportedField,
        };
        Ok(Self { outcome, extensions: Wire::read(reader)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let (code, found) = match &self.outcome {
            IdentifierOutcome::Found(found) => (0, Some(found)),
            IdentifierOutcome::NotFound => (1, None),
            IdentifierOutcome::Ambiguous => (2, None),
            IdentifierOutcome::Forbidden => (3, None),
            IdentifierOutcome::UnsupportedField => (4, None),
        };
        out.push(code);
        let (users, profiles): (Vec<&UserUri>, &[UserProfile]) = match found {
            None => (vec![], &[]),
            Some(Found::Users(users)) => (users.iter().collect(), &[]),
            Some(Found::Profiles(profiles)) => {
                (profiles.iter().map(|profile| &profile.user).collect(), profiles)
            }
        };
        write_vec(out, &users, |user, out| write_bytes(out, user.as_bytes()));
        write_vec(out, profiles, UserProfile::write);
        self.extensions.write(out);
    }
}
