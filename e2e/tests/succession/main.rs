//! One process after another: takeover, socket activation, the service manager, and how a process ends
//! (docs/operation.md, docs/adr/0004-takeover.md).

mod ends;
mod service;
mod site;
mod stall;
mod successors;
