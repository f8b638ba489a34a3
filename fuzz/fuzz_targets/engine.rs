//! The whole engine over real sockets: whatever callers and back ends send, in whatever pieces, nothing panics, every
//! connection comes to its end, and every gauge to zero.
//!
//! The byte FF cuts; FF FF separates what the caller sends from what the back end sends on each connection.
#![no_main]

mod world;

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use world::World;

static WORLD: OnceLock<World> = OnceLock::new();

fuzz_target!(|input: &[u8]| {
    let at = input.windows(2).position(|pair| pair == [0xff, 0xff]).unwrap_or(input.len());
    let (caller, back) = (&input[..at], input.get(at + 2..).unwrap_or_default());
    WORLD.get_or_init(World::start).play(caller, back);
});
