//! A day in the life of four providers, over the types of the `http` crate: every request between them is a value that
//! one side encodes and the other decodes. `server.rs`, `outbox.rs` and `shelf.rs` are a provider's server, to be read
//! as a tutorial; see the README beside this file.
//!
//! ```sh
//! cargo run --example federation                 # each hop as it happens, and what it has come to
//! cargo run --example federation -- --mermaid    # the same as a Mermaid sequence diagram
//! cargo run --example federation -- --crash 7    # with a crash in each scene, chosen by the seed
//! cargo run --example federation -- --storm 7    # with a crash at every other save
//! ```
//!
//! It exits with 1 if anything differs from what the story promises.

#![expect(unreachable_pub, reason = "the modules of an example are its own")]
#![expect(clippy::disallowed_methods, reason = "an example has a clock")]

mod apps;
mod evening;
mod morning;
mod net;
mod outbox;
mod people;
mod server;
#[path = "../shared/mod.rs"]
mod shared;
mod shelf;
mod story;

fn main() -> std::process::ExitCode {
    shared::stage::main::<story::Story>()
}
