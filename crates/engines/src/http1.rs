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
mod reply;
mod scan;
mod stall;
mod substitute;
mod tunnel;
mod work;

pub use coding::Compression;
pub(crate) use compress::Compressors;
pub(crate) use connection::Connection;
pub use scan::Limits;
pub(crate) use work::Work;
