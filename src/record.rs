//! How small records are written: `serde` by `postcard`, read back exactly.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::RestoreError;

/// The octets of a record.
pub(crate) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    postcard::to_stdvec(record).expect("a record has no map of unknown length and no failing field")
}

/// Reads a record that takes up all of `bytes`; `what` names it in the error.
pub(crate) fn decode<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
) -> Result<T, RestoreError> {
    match postcard::take_from_bytes(bytes) {
        Ok((record, [])) => Ok(record),
        Ok(_) | Err(_) => Err(RestoreError::Corrupt(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_exactly() {
        let bytes = encode(&(7_u64, "a".to_owned()));
        assert_eq!(decode("pair", &bytes), Ok((7_u64, "a".to_owned())));
        for end in 0..bytes.len() {
            assert_eq!(
                decode::<(u64, String)>("pair", &bytes[..end]),
                Err(RestoreError::Corrupt("pair"))
            );
        }
        let longer = [bytes, vec![0]].concat();
        assert_eq!(decode::<(u64, String)>("pair", &longer), Err(RestoreError::Corrupt("pair")));
    }
}
