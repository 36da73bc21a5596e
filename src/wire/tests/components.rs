//! Items by component.

use super::{assert_strict, hex};
use crate::{codec::Wire, error::Fault, wire::*};

#[test]
fn safe_aad_and_dictionary_are_sorted_and_unique() {
    // E-010, E-050, P-131, P-212
    let aad = assert_strict::<SafeAad>(&hex("09 | 0020 02 a1a2 | 0040 01 b1"));
    assert_eq!(aad.get(0x0020), Some(&[0xA1, 0xA2][..]));
    assert_eq!(aad.get(0x0021), None);
    let dictionary = assert_strict::<AppDataDictionary>(&hex("06 | 0001 00 | 0002 00"));
    assert_eq!(dictionary.0.len(), 2);
    assert_eq!(assert_strict::<SafeAad>(&hex("00")), SafeAad::default());
    assert!(SafeAad::decode(&[]).is_err(), "no Safe AAD at all is none (Q-59)");
    let fault = |text| AppDataDictionary::decode(&hex(text)).unwrap_err().fault;
    assert_eq!(fault("06 | 0002 00 | 0001 00"), Fault::Order);
    assert_eq!(fault("06 | 0001 00 | 0001 00"), Fault::Duplicate);
}
