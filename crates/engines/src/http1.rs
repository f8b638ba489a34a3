//! The HTTP/1 engine (architecture.md §5): heads, framing, bodies and the two connections of an exchange.

mod attempt;
mod body;
mod connection;
mod dial;
mod exchange;
mod flow;
mod framing;
mod head;
mod out;
mod patience;
#[cfg(test)]
mod property;
mod read;
mod reply;
mod scan;
mod substitute;
mod work;

pub(crate) use connection::Connection;
pub use scan::Limits;
pub(crate) use work::Work;
