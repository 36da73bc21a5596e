//! The room's first epoch: built by its creator, from what the hub offers.

use openmls::{
    credentials::{BasicCredential, CredentialType, CredentialWithKey},
    extensions::{
        AppDataDictionary, AppDataDictionaryExtension, Extension, ExtensionType, Extensions,
        ExternalSender, RequiredCapabilitiesExtension,
    },
    group::{GroupContext, GroupId},
    messages::proposals::ProposalType,
};
use openmls_traits::types::Ciphersuite;
use tls_codec::Serialize as _;

use super::{
    Keys, Lifetime,
    draft::Draft,
    epoch::Epoch,
    leaf,
    member::{Genesis, Member, Tuning},
    refusal::Refusal,
    room::{Room, changes},
    state::{Head, Standing, State},
};
use crate::{
    env::{Crypto, Env, Limits, Timestamp},
    error::Misuse,
    hub::Offer,
    machine::{Founding, Outcome, Revision},
    policy::components::OperationalParameters,
    room::{Components, RoomState},
    uri::UserUri,
};

/// Past epochs whose messages can still be read, if the policy does not say: a message that the hub accepted just
/// before a commit may come after it.
const PAST_EPOCHS: u8 = 2;
/// Messages of one sender that may be lost before a later one is read, if the policy does not say.
const SKIP_AHEAD: u32 = 1000;

/// How the engine is set before the room is known.
pub(super) fn untuned() -> Tuning {
    Tuning { past_epochs: PAST_EPOCHS.into(), padding: 0, skip_ahead: SKIP_AHEAD }
}

/// What the room's policy sets of the engine (R-168 … R-170), within our limits; 0 is "not set".
///
/// The hub takes messages of `epoch_tolerance` past epochs; a client that has merged its own commit with the reply is
/// one epoch further.
pub(super) fn tuned(room: &RoomState, limits: &Limits) -> Tuning {
    let set = room.policy::<OperationalParameters>().unwrap_or_default().app_message_policy;
    let past_epochs = match set.epoch_tolerance {
        0 => PAST_EPOCHS,
        tolerance => tolerance.saturating_add(1),
    };
    let skip_ahead = match set.max_generations_skipahead {
        0 => SKIP_AHEAD,
        skip_ahead => skip_ahead,
    };
    Tuning {
        past_epochs: past_epochs.min(limits.past_epochs).into(),
        padding: set.pad_to_size.into(),
        skip_ahead: skip_ahead.min(limits.skip_ahead),
    }
}

/// For how many epochs messages can be read after they are over.
pub(super) fn kept(tuning: &Tuning) -> u64 {
    u64::try_from(tuning.past_epochs).unwrap_or(u64::MAX)
}

/// What the hub needs to take the room up: the arguments of [`hub::Room::create`](crate::hub::Room::create).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The GroupInfo, bare and signed by the creator.
    pub group_info: Vec<u8>,
    /// The ratchet tree: `optional<Node> ratchet_tree<V>`.
    pub ratchet_tree: Vec<u8>,
}

/// Who a client is in MLS: its user, and its signature key.
pub(super) fn credential(user: &UserUri, signature_key: &[u8]) -> CredentialWithKey {
    CredentialWithKey {
        credential: BasicCredential::new(user.as_bytes().to_vec()).into(),
        signature_key: signature_key.into(),
    }
}

impl Room {
    /// Builds the room that a hub offers. Nobody else is in the group yet; add the participants that the offer may
    /// list, and the user's other devices, with [`Room::add`].
    ///
    /// `components` replace those that the offer leaves [open](Offer::open), the metadata for instance. `lifetime` is
    /// that of the creator's leaf, until it takes new keys. Send the reply to the hub; if it refuses, forget the room.
    ///
    /// # Errors
    /// If a component is not open, the lifetime is not now, the signing key is not at hand, or the offer makes no room.
    pub fn create<C: Crypto>(
        env: &Env<'_, C, Keys>,
        offer: &Offer,
        signature_key: &[u8],
        lifetime: Lifetime,
        components: Components,
        limits: &Limits,
    ) -> Result<Founding<Self, Created>, Refusal> {
        if !lifetime.holds(env.now) {
            return Err(Misuse::Argument("the leaf's lifetime has not begun or is over").into());
        }
        let mut all = offer.components();
        for (id, data) in components {
            if !offer.open.contains_key(&id) {
                return Err(Misuse::Argument("this component is not open to the creator").into());
            }
            all.insert(id, data);
        }
        let suite = Ciphersuite::try_from(offer.ciphersuite)
            .map_err(|_| Misuse::Argument("the offer's ciphersuite is not known"))?;
        let mut dictionary = AppDataDictionary::new();
        for (id, data) in all {
            dictionary.insert(id.0, data);
        }
        let signer = env.keys.require(signature_key)?;
        let mut member = Member::create(
            env.crypto,
            &signer,
            Genesis {
                credential: credential(&offer.creator, signature_key),
                id: GroupId::from_slice(offer.group.as_bytes()),
                ciphersuite: suite,
                lifetime,
                extensions: extensions(offer, dictionary)?,
            },
            untuned(),
        )?;

        let group = member.group()?;
        let epoch = Epoch::of(group, &offer.room)?;
        leaf::stand(&epoch.committed, group)?;
        member.tune(env.crypto, &tuned(&epoch.committed, limits))?;
        let group = member.group()?;
        let octets = |it: Result<Vec<u8>, tls_codec::Error>| {
            it.map_err(|_| Misuse::Crypto("a group does not encode"))
        };
        let group_info = group
            .export_group_info(env.crypto, &signer, false)
            .map_err(|_| Misuse::Crypto("a GroupInfo cannot be made"))?;
        let group_info = octets(group_info.tls_serialize_detached())?;
        let created = Created {
            // Bare: without version and wire format.
            group_info: group_info.get(4..).unwrap_or_default().to_vec(),
            ratchet_tree: octets(group.export_ratchet_tree().tls_serialize_detached())?,
        };
        let head = Head {
            room: offer.room.clone(),
            group: offer.group.clone(),
            user: offer.creator.clone(),
            standing: Standing::Member,
            last_timestamp: Timestamp::default(),
            ahead: None,
            key_package: None,
            next: 0,
            lapsed: Vec::new(),
        };
        Ok(Self::found(member, Draft::founding(State::new(head, epoch)), created, limits))
    }

    /// A founding out of a draft.
    pub(super) fn found<R>(
        mut member: Member,
        draft: Draft,
        reply: R,
        limits: &Limits,
    ) -> Founding<Self, R> {
        let (mut state, writes, actions) = draft.into_parts();
        state.keep();
        let changes = changes(Revision::NONE, &mut member, &state, writes);
        member.keep();
        let room = Self { limits: limits.clone(), revision: changes.next, member, state };
        Founding::new(room, changes, Outcome { reply, actions })
    }
}

/// The GroupContext's extensions. The dictionary stands last: the engine moves it there with the first update.
fn extensions(
    offer: &Offer,
    dictionary: AppDataDictionary,
) -> Result<Extensions<GroupContext>, Misuse> {
    let hub = BasicCredential::new(offer.provider.as_bytes().to_vec());
    Extensions::from_vec(vec![
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(
            &[ExtensionType::AppDataDictionary],
            &[ProposalType::AppDataUpdate, ProposalType::SelfRemove],
            &[CredentialType::Basic],
        )),
        Extension::ExternalSenders(vec![ExternalSender::new(
            offer.signature_key.as_slice().into(),
            hub.into(),
        )]),
        Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary)),
    ])
    .map_err(|_| Misuse::Argument("the offer makes no GroupContext"))
}
