//! How a record's value is written: a format octet, then postcard.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::RestoreError;

/// The format of all records that this version writes.
pub(crate) const FORMAT: u8 = 1;

/// The value of a record.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![FORMAT])
        .expect("records hold no type that postcard cannot write")
}

/// What [`encode`] was given; all of `bytes` is used up.
pub(crate) fn decode<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, RestoreError> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => match postcard::take_from_bytes(rest) {
            Ok((value, [])) => Ok(value),
            Ok(_) | Err(_) => Err(RestoreError::Corrupt(what)),
        },
        Some((&other, _)) => Err(RestoreError::Format(other)),
        None => Err(RestoreError::Corrupt(what)),
    }
}
