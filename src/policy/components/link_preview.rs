//! Link previews (room-policy, section 6.3).

use super::{Component, Optionality, read_uris, write_texts};
use crate::{
    codec::{Reader, Wire},
    error::{DecodeError, Fault},
    room::ComponentId,
};

/// How clients show links.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkPreviewPolicy {
    /// Whether composers find links in text; never required.
    pub autodetect_hyperlinks_in_text: Optionality,
    /// Whether senders send previews.
    pub send_link_previews: Optionality,
    /// Whether receivers make previews.
    pub automatic_link_previews: Optionality,
    /// Whether previews are made through the proxy.
    pub link_preview_proxy_use: Optionality,
    /// The proxy, there unless its use is forbidden.
    pub link_preview_proxy: Option<String>,
}

impl Component for LinkPreviewPolicy {
    const ID: ComponentId = ComponentId::LINK_PREVIEW_POLICY;
}

impl Wire for LinkPreviewPolicy {
    const NAME: &'static str = "LinkPreviewPolicy";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let autodetect = Optionality::read(reader)?;
        if autodetect == Optionality::Required {
            return Err(start.error(
                "autodetect_hyperlinks_in_text",
                Fault::Contradiction("finding links cannot be required"),
            ));
        }
        let send_link_previews = Optionality::read(reader)?;
        let automatic_link_previews = Optionality::read(reader)?;
        let link_preview_proxy_use = Optionality::read(reader)?;
        let link_preview_proxy = match link_preview_proxy_use {
            Optionality::Forbidden => None,
            Optionality::Optional | Optionality::Required => Some(read_proxy(reader)?),
        };
        Ok(Self {
            autodetect_hyperlinks_in_text: autodetect,
            send_link_previews,
            automatic_link_previews,
            link_preview_proxy_use,
            link_preview_proxy,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.autodetect_hyperlinks_in_text.write(out);
        self.send_link_previews.write(out);
        self.automatic_link_previews.write(out);
        self.link_preview_proxy_use.write(out);
        if self.link_preview_proxy_use != Optionality::Forbidden {
            write_texts(out, self.link_preview_proxy.as_slice());
        }
    }
}

fn read_proxy(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let start = reader.clone();
    let mut proxies = read_uris(reader, "link_preview_proxy")?;
    match (proxies.pop(), proxies.is_empty()) {
        (Some(proxy), true) => Ok(proxy),
        (None, _) => Err(start.error("link_preview_proxy", Fault::Empty)),
        (Some(_), false) => Err(start.error("link_preview_proxy", Fault::Duplicate)),
    }
}
