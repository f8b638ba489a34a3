//! Requests: whatever a caller sends, and however the network cuts it, the engine and hyper see the same requests with the
//! same lines and bodies, or differ for a reason that is listed (crates/engines/src/http1/second.rs). The byte FF cuts.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let pieces: Vec<&[u8]> = input.split(|byte| *byte == 0xff).collect();
    if let Err(difference) = engines::compare_with_hyper(&pieces) {
        panic!("{difference}");
    }
});
