//! Which groups are taken up.

use openmls::prelude::*;

use super::{client::*, parts::*, room::*};
use crate::delivery::{FoundRefusal, LeafFault, LeafIndex};

/// B3: the engine moves the dictionary to the end with its first update; a stack that leaves it in its place would
/// part ways.
#[test]
fn a_group_is_founded_with_the_dictionary_last() {
    let (_, hub) = server("mimi://hub.example");
    let found_with = |extensions: Vec<Extension>| {
        let mut alice = Client::new("mimi://hub.example/u/alice");
        alice.create(Extensions::from_vec(extensions).unwrap());
        found(&alice).map(|group| group.epoch())
    };
    let dictionary = dictionary(&components());
    let good = vec![required(), senders(&[&hub]), dictionary.clone()];
    assert_eq!(found_with(good), Ok(0));
    let first = vec![dictionary.clone(), required(), senders(&[&hub])];
    assert_eq!(found_with(first), Err(FoundRefusal::DictionaryNotLast));
    let none = vec![required(), senders(&[&hub])];
    assert_eq!(found_with(none), Err(FoundRefusal::DictionaryNotLast));
    let nothing_required = vec![senders(&[&hub]), dictionary.clone()];
    assert_eq!(found_with(nothing_required), Err(FoundRefusal::RequiredCapabilities));
    let no_senders = vec![required(), dictionary];
    assert_eq!(found_with(no_senders), Err(FoundRefusal::NoExternalSenders));
    let unknown = vec![required(), senders(&[&hub]), super::parts::dictionary(&[(UNKNOWN, b"x")])];
    let fault = LeafFault::Component(UNKNOWN);
    assert_eq!(found_with(unknown), Err(FoundRefusal::Leaf { leaf: LeafIndex(0), fault }));
}

#[test]
fn a_group_is_founded_on_its_own_tree() {
    let room = Room::new(3);
    let (info, tree) = (room.group.group_info(), room.group.ratchet_tree());
    assert!(found_with(&info, &tree).is_ok());
    for length in 0..info.len() {
        assert!(found_with(&info[..length], &tree).is_err());
    }
    let mut other = tree.clone();
    let at = other.len() / 2;
    other[at] ^= 1;
    assert!(found_with(&info, &other).is_err());
    let mut other = info;
    *other.last_mut().unwrap() ^= 1;
    assert_eq!(found_with(&other, &tree).unwrap_err(), FoundRefusal::Invalid);
}
