//! A room across three providers, end to end, on real MLS: the example of draft-ietf-mimi-protocol-06, sections 3.1 to
//! 3.6, and then a ban. Everybody has machines and a disk of its own; what passes between them is octets.
//!
//! ```sh
//! cargo run --example clubhouse                 # each hop as it happens, and the room at the end
//! cargo run --example clubhouse -- --mermaid    # the same as a Mermaid sequence diagram
//! cargo run --example clubhouse -- --crash 7    # with a crash in each scene, chosen by the seed
//! cargo run --example clubhouse -- --storm 7    # with a crash at every other save
//! ```
//!
//! It exits with 1 if anything differs from what the flow promises.

#![expect(unreachable_pub, reason = "the modules of an example are its own")]
#![expect(clippy::disallowed_methods, reason = "an example has a clock")]

mod people;
mod server;
#[path = "../shared/mod.rs"]
mod shared;
mod story;
mod world;

fn main() -> std::process::ExitCode {
    shared::stage::main::<story::Story>()
}
