//! What application components look like from outside: items by component (draft-ietf-mls-extensions-10, section 4).

use std::collections::BTreeMap;

use crate::{
    codec::{Reader, Wire, write_bytes, write_vec, write_within},
    error::{DecodeError, Fault},
};

/// Reads items that are sorted by component, each at most once.
fn read_items(
    reader: &mut Reader<'_>,
    what: &'static str,
) -> Result<BTreeMap<u16, Vec<u8>>, DecodeError> {
    let mut inside = reader.inside(what)?;
    let mut items = BTreeMap::new();
    while !inside.is_empty() {
        let start = inside.clone();
        let component = inside.u16("component_id")?;
        match items.last_key_value() {
            Some((last, _)) if *last == component => {
                return Err(start.error(what, Fault::Duplicate));
            }
            Some((last, _)) if *last > component => return Err(start.error(what, Fault::Order)),
            _ => {}
        }
        items.insert(component, inside.bytes(what)?.to_vec());
    }
    Ok(items)
}

fn write_items(out: &mut Vec<u8>, items: &BTreeMap<u16, Vec<u8>>) {
    write_within(out, |out| {
        for (component, data) in items {
            out.extend_from_slice(&component.to_be_bytes());
            write_bytes(out, data);
        }
    });
}

/// Declares a set of items by component.
macro_rules! items {
    ($(#[$doc:meta])* $name:ident, $draft:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name(pub BTreeMap<u16, Vec<u8>>);

        impl $name {
            /// The data of one component.
            #[must_use]
            pub fn get(&self, component: u16) -> Option<&[u8]> {
                self.0.get(&component).map(Vec::as_slice)
            }
        }

        impl Wire for $name {
            const NAME: &'static str = $draft;

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                read_items(reader, Self::NAME).map(Self)
            }

            fn write(&self, out: &mut Vec<u8>) {
                write_items(out, &self.0);
            }
        }
    };
}

items! {
    /// The data of application components (E-010). In the messages of servers: extensions that are not known yet.
    AppDataDictionary, "AppDataDictionary"
}
items! {
    /// The whole authenticated data of a message, by component, in a group that uses Safe AAD (section 4.9).
    SafeAad, "SafeAAD"
}

/// Declares a list of codes.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name(pub Vec<u16>);

        impl $name {
            /// The codes, in the order of the list.
            pub fn iter(&self) -> impl Iterator<Item = u16> {
                self.0.iter().copied()
            }

            /// Whether a code is listed.
            #[must_use]
            pub fn contains(&self, code: u16) -> bool {
                self.0.contains(&code)
            }
        }

        impl Wire for $name {
            const NAME: &'static str = stringify!($name);

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.codes(Self::NAME).map(Self)
            }

            fn write(&self, out: &mut Vec<u8>) {
                write_vec(out, &self.0, |code, out| out.extend_from_slice(&code.to_be_bytes()));
            }
        }
    };
}

codes! {
    /// The components that a leaf supports or a group requires (section 5).
    ComponentsList
}
codes! {
    /// The wire formats that a leaf supports or a group requires (section 5).
    WireFormats
}
