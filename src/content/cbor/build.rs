//! Items built by the caller.

use std::fmt;

use super::{
    item::{Item, Value},
    walk,
    write::Writer,
};
use crate::content::Invalid;

/// One data item that owns its bytes, as strict as [`Item`].
///
/// Keys of maps are sorted, numbers and floats written in their shortest form; what cannot be written so is an error.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemBuf(Vec<u8>);

impl ItemBuf {
    fn write(write: impl FnOnce(&mut Writer<'_>)) -> Self {
        let mut bytes = Vec::new();
        write(&mut Writer(&mut bytes));
        Self(bytes)
    }

    /// A number.
    #[must_use]
    pub fn unsigned(number: u64) -> Self {
        Self::write(|out| out.unsigned(number))
    }

    /// An integer.
    #[must_use]
    pub fn integer(number: i64) -> Self {
        Self::write(|out| out.integer(number))
    }

    /// A byte string.
    #[must_use]
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::write(|out| out.bytes(bytes))
    }

    /// A text string.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::write(|out| out.text(text))
    }

    /// A boolean.
    #[must_use]
    pub fn bool(is: bool) -> Self {
        Self::write(|out| out.bool(is))
    }

    /// Null.
    #[must_use]
    pub fn null() -> Self {
        Self::write(|out| out.null())
    }

    /// A float, in the shortest form that holds it. The draft strongly discourages floats (section 6.2):
    /// send none where an integer would do (C-071).
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "asked before")]
    pub fn float(float: f64) -> Self {
        Self::write(|out| {
            if float.is_nan() {
                out.raw(&[0xf9, 0x7e, 0x00]);
            } else if !walk::fits_single(float) {
                out.raw(&[0xfb]);
                out.raw(&float.to_be_bytes());
            } else if walk::fits_half(float as f32) {
                out.raw(&[0xf9]);
                out.raw(&half_bits(float as f32).to_be_bytes());
            } else {
                out.raw(&[0xfa]);
                out.raw(&(float as f32).to_be_bytes());
            }
        })
    }

    /// Items in a row.
    ///
    /// # Errors
    /// [`Rule::ExtensionDepth`](crate::content::Rule::ExtensionDepth), beyond 3 levels.
    pub fn array(items: impl IntoIterator<Item = Self>) -> Result<Self, Invalid> {
        let items: Vec<_> = items.into_iter().collect();
        Self::container(Self::write(|out| {
            out.array(items.len());
            items.iter().for_each(|item| out.raw(&item.0));
        }))
    }

    /// Keys with values, in any order.
    ///
    /// # Errors
    /// For a key that is no integer within ±(2^53−1), text or byte string, or stands twice; and beyond 3 levels.
    pub fn map(entries: impl IntoIterator<Item = (Self, Self)>) -> Result<Self, Invalid> {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort();
        Self::container(Self::write(|out| {
            out.map(entries.len());
            for (key, value) in &entries {
                out.raw(&key.0);
                out.raw(&value.0);
            }
        }))
    }

    /// A tag and what it is about.
    ///
    /// # Errors
    /// For a big integer that is none, and beyond 3 levels.
    pub fn tag(tag: u64, item: &Self) -> Result<Self, Invalid> {
        Self::container(Self::write(|out| {
            out.tag(tag);
            out.raw(&item.0);
        }))
    }

    fn container(built: Self) -> Result<Self, Invalid> {
        Item::decode(&built.0)?;
        Ok(built)
    }

    /// The item, to be read.
    #[must_use]
    pub fn as_item(&self) -> Item<'_> {
        Item::checked(&self.0)
    }

    /// The outermost level of the item.
    #[must_use]
    pub fn value(&self) -> Value<'_> {
        self.as_item().value()
    }
}

/// The half that is this single.
#[expect(clippy::cast_possible_truncation, reason = "what is cut off is zero: the single fits")]
fn half_bits(float: f32) -> u16 {
    let bits = float.to_bits();
    let sign = bits >> 16 & 0x8000;
    let mantissa = bits & 0x007f_ffff;
    let size = match bits >> 23 & 0xff {
        0 => 0,
        0xff => 0x7c00,
        exponent @ 113.. => (exponent - 112) << 10 | mantissa >> 13,
        exponent => (mantissa | 0x0080_0000) >> 126_u32.saturating_sub(exponent),
    };
    (sign | size) as u16
}

impl From<Item<'_>> for ItemBuf {
    fn from(item: Item<'_>) -> Self {
        Self(item.as_bytes().to_vec())
    }
}

impl TryFrom<Vec<u8>> for ItemBuf {
    type Error = Invalid;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Invalid> {
        Item::decode(&bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for ItemBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_item().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Rule;

    #[test]
    fn built_items_are_what_was_put_in() {
        let key = ItemBuf::text;
        let built = ItemBuf::map([
            (key("aa"), ItemBuf::bool(true)),
            (ItemBuf::integer(-1), ItemBuf::null()),
            (key("z"), ItemBuf::bytes(&[7])),
            (ItemBuf::unsigned(100), ItemBuf::float(1.5)),
            (
                ItemBuf::unsigned(10),
                ItemBuf::array([ItemBuf::tag(32, &key("http://a")).unwrap()]).unwrap(),
            ),
        ])
        .unwrap();
        assert_eq!(
            format!("{built:?}"),
            r#"{10: [32("http://a")], 100: 1.5, -1: null, "z": h'07', "aa": true}"#
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let null = ItemBuf::null;
        let rule = |result: Result<ItemBuf, Invalid>| result.unwrap_err().rule();
        assert_eq!(rule(ItemBuf::map([(null(), null())])), Rule::KeyType);
        assert_eq!(rule(ItemBuf::map([(ItemBuf::unsigned(1 << 53), null())])), Rule::KeyRange);
        let one = ItemBuf::unsigned(1);
        assert_eq!(rule(ItemBuf::map([(one.clone(), null()), (one.clone(), one)])), Rule::KeyTwice);
        assert_eq!(rule(ItemBuf::tag(2, &ItemBuf::bytes(&[1]))), Rule::Bignum);
        let three = (0..3).fold(null(), |inner, _| ItemBuf::array([inner]).unwrap());
        assert_eq!(rule(ItemBuf::array([three])), Rule::ExtensionDepth);
    }

    #[test]
    fn floats_take_the_shortest_form_that_holds_them() {
        for bits in 0..=u16::MAX {
            let bytes = [&[0xf9][..], &bits.to_be_bytes()].concat();
            let Ok(item) = Item::decode(&bytes) else { continue };
            let Value::Float(float) = item.value() else { panic!("{bits:04x}") };
            assert_eq!(ItemBuf::float(float).as_item().as_bytes(), bytes);
        }
        for float in [0.1, 1e300, 100_000.0, f64::from(f32::MIN_POSITIVE), f64::MIN_POSITIVE] {
            let built = ItemBuf::float(float);
            assert_eq!(Item::decode(&built.0).unwrap().value(), Value::Float(float));
        }
    }
}
