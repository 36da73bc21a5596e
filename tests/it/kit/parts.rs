//! What clients, groups and messages are made of.

use openmimi::{
    codec::{Reader, Wire, write_bytes, write_vec, write_within},
    hub::Offer,
    policy::components::MediaTypeList,
    room::{ComponentId, ComponentOperation, Components, ParticipantListUpdate, RoomState},
    wire::{GroupInfo as WireGroupInfo, GroupInfoOption, RatchetTreeOption},
};
use openmls::{component::ComponentData, messages::proposals::AppDataUpdateProposal, prelude::*};

use super::{Client, SUITE, client::Bundle};

/// The room in a GroupContext, its clients left out.
pub(super) fn room_of_group_context(octets: &[u8]) -> RoomState {
    let context = GroupContext::tls_deserialize_exact_bytes(octets).unwrap();
    let dictionary = context.extensions().app_data_dictionary().unwrap().dictionary();
    let mut components = Components::new();
    for entry in dictionary.entries() {
        components.insert(ComponentId(entry.id()), entry.data().to_vec());
    }
    RoomState::from_components(components, &[]).unwrap()
}

/// What members make of the updates of a commit.
pub(super) fn fold_into<'a>(
    room: &RoomState,
    updater: &mut AppDataDictionaryUpdater<'_>,
    proposals: impl Iterator<Item = &'a AppDataUpdateProposal>,
) -> Result<(), String> {
    let operations: Vec<_> = proposals
        .map(|proposal| {
            let operation = match proposal.operation() {
                AppDataUpdateOperation::Update(data) => ComponentOperation::Update(data.as_slice()),
                AppDataUpdateOperation::Remove => ComponentOperation::Remove,
            };
            (ComponentId(proposal.component_id()), operation)
        })
        .collect();
    match room.fold(&operations, &[]) {
        Ok(change) => {
            for (id, data) in change.components(room) {
                match data {
                    Some(data) => updater.set(ComponentData::from_parts(id.0, data.into())),
                    None => updater.remove(&id.0),
                }
            }
        }
        // Senseless updates: what a hostile member makes of them is its own affair.
        Err(_) => {
            for (id, operation) in operations {
                match operation {
                    ComponentOperation::Update(data) => {
                        updater.set(ComponentData::from_parts(id.0, data.to_vec().into()));
                    }
                    ComponentOperation::Remove => updater.remove(&id.0),
                }
            }
        }
    }
    Ok(())
}

pub(super) fn bundle(
    commit: &MlsMessageOut,
    welcome: Option<&Welcome>,
    info: &openmls::messages::group_info::GroupInfo,
) -> Bundle {
    Bundle {
        commit: tls(commit),
        welcome: welcome.map(tls),
        group_info: GroupInfoOption::Full(WireGroupInfo::decode(&tls(info)).unwrap()),
        ratchet_tree: RatchetTreeOption::DistributionService,
    }
}

pub(super) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(MIXED_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(false)
        .max_past_epochs(1)
        .build()
}

/// From 2020 to 2200.
pub(super) fn lifetime() -> Lifetime {
    Lifetime::init(1_577_836_800, 7_258_118_400)
}

pub(super) fn components_list(ids: &[u16]) -> Vec<u8> {
    let mut out = Vec::new();
    write_vec(&mut out, ids, |id, out| out.extend_from_slice(&id.to_be_bytes()));
    out
}

pub(super) fn leaf_dictionary(known: &[u16], receives: &[&str]) -> Extension {
    let mut dictionary = AppDataDictionary::new();
    dictionary.insert(ComponentId::APP_COMPONENTS.0, components_list(known));
    dictionary.insert(ComponentId::SAFE_AAD.0, components_list(&[ComponentId::FRANK_AAD.0]));
    if !receives.is_empty() {
        let list = MediaTypeList(receives.iter().map(|it| it.parse().unwrap()).collect());
        dictionary.insert(ComponentId::CONTENT_MEDIA_TYPES.0, list.encode());
    }
    Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary))
}

/// The extensions of the group that an offer asks for.
pub(crate) fn extensions_of(offer: &Offer) -> Vec<Extension> {
    extensions_with(offer, None)
}

/// The same and one more, by type and octets, that everybody has to list.
pub(super) fn extensions_with(offer: &Offer, more: Option<(u16, Vec<u8>)>) -> Vec<Extension> {
    let mut dictionary = AppDataDictionary::new();
    for (id, data) in offer.components() {
        dictionary.insert(id.0, data);
    }
    let mut required = vec![ExtensionType::AppDataDictionary];
    required.extend(more.as_ref().map(|(kind, _)| ExtensionType::Unknown(*kind)));
    let mut extensions = vec![
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(
            &required,
            &[ProposalType::AppDataUpdate, ProposalType::SelfRemove],
            &[CredentialType::Basic],
        )),
        Extension::ExternalSenders(vec![external_sender(
            &offer.signature_key,
            offer.provider.as_bytes(),
        )]),
    ];
    extensions.extend(more.map(|(kind, data)| Extension::Unknown(kind, UnknownExtension(data))));
    // openmls has it last.
    extensions.push(Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary)));
    extensions
}

pub(crate) fn external_sender(key: &[u8], identity: &[u8]) -> ExternalSender {
    ExternalSender::new(key.into(), BasicCredential::new(identity.to_vec()).into())
}

/// A GroupContextExtensions proposal with the group's extensions, by type and octets, as `change` makes them.
pub(crate) fn with_extensions(
    client: &Client,
    mut change: impl FnMut(u16, Vec<u8>) -> Vec<u8>,
) -> Vec<u8> {
    let context = client.group_context();
    let mut reader = Reader::new(&context);
    reader.take("version and suite", 4).unwrap();
    reader.bytes("group_id").unwrap();
    reader.u64("epoch").unwrap();
    reader.bytes("tree_hash").unwrap();
    reader.bytes("confirmed_transcript_hash").unwrap();
    let mut extensions = reader.inside("extensions").unwrap();
    let mut proposal = vec![0, 7];
    write_within(&mut proposal, |out| {
        while !extensions.is_empty() {
            let kind = extensions.u16("type").unwrap();
            let data = extensions.bytes("data").unwrap().to_vec();
            out.extend(kind.to_be_bytes());
            write_bytes(out, &change(kind, data));
        }
    });
    proposal
}

pub(crate) fn add(key_package: KeyPackage) -> Proposal {
    Proposal::Add(Box::new(AddProposal::from(key_package)))
}

pub(crate) fn remove(leaf: u32) -> Proposal {
    let remove = RemoveProposal::tls_deserialize_exact_bytes(&leaf.to_be_bytes()).unwrap();
    Proposal::Remove(Box::new(remove))
}

pub(crate) fn component_update(id: ComponentId, data: &[u8]) -> Proposal {
    Proposal::AppDataUpdate(Box::new(AppDataUpdateProposal::update(id.0, data)))
}

pub(crate) fn list_update(update: &ParticipantListUpdate) -> Proposal {
    component_update(ComponentId::PARTICIPANT_LIST, &update.encode())
}

pub(crate) fn tls(value: &impl tls_codec::Serialize) -> Vec<u8> {
    value.tls_serialize_detached().unwrap()
}
