//! Live values, binding and the binder; opens no socket.
//!
//! [`Live`] is a value that changes, [`Namer`]s turn paths into names by reading live values, [`bind()`] walks a path
//! through the dtab and the namers, and the [`Binder`] runs that walk again whenever something it has read changes, so
//! that traffic always finds the last good tree in a [`Binding`]. See architecture.md §4 and routing.md §1.

mod addr;
mod binder;
mod binding;
mod delegation;
mod global;
pub mod inet;
mod interpreter;
mod live;
mod namer;
mod rewrite;
mod tables;
mod transform;
mod walk;

pub use addr::{Addr, AddrMeta, AddrSet, Address, Meta};
pub use binder::{Binder, BinderSettings, BinderStats, Replicas, ReplicasFactory};
pub use binding::{Binding, Bound, BoundTree, Leaf};
pub use delegation::{Delegation, Entry, Kind, Stopped, Table, json_of_addr, json_text};
pub use global::fixed_status;
pub use interpreter::Interpreter;
pub use live::{Hook, LINGER, Live, Publisher, Source, SourceId, State, Subscription};
pub use namer::{BoundName, Named, Namer, Namers, NoHosts, Reader, Resolver, Untracked, configured_prefix};
pub use rewrite::Rewrite;
pub use tables::slim;
pub use transform::{Change, Gateways, Nearness, Transformer};
pub use walk::{MAX_DEPTH, MAX_NODES, Walked, bind, bind_with};
