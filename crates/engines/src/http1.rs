//! The HTTP/1 engine (architecture.md §5): heads, framing, bodies and the two connections of an exchange.

mod attempt;
mod body;
mod coding;
mod compress;
mod connection;
mod dial;
mod exchange;
mod flow;
mod framing;
mod head;
mod hold;
mod out;
mod patience;
mod presence;
#[cfg(test)]
mod property;
mod read;
#[cfg(any(test, fuzzing))]
mod reader;
mod reply;
mod scan;
#[cfg(any(test, fuzzing))]
mod second;
mod stall;
mod substitute;
mod tunnel;
mod work;

pub use coding::Compression;
pub(crate) use compress::Compressors;
pub(crate) use connection::Connection;
pub use scan::Limits;
#[cfg(fuzzing)]
pub(crate) use second::compare as compare_with_hyper;
pub(crate) use work::Work;
