//! Documents, spanned trees, typed configuration, faults with file, line and column.
//!
//! A document goes three ways here: text → spanned tree ([`Document`]) → typed values ([`Decode`], with types declared by
//! [`config!`] and [`kinds!`]) → faults ([`Faults`]), which tell everything that is wrong at once and where. The
//! declarations keep their documentation, types, defaults and examples ([`ObjectMeta`], [`FamilyMeta`]).

mod build;
mod declare;
mod decode;
mod fault;
mod json;
mod kinds;
mod meta;
mod naming;
mod nearest;
mod node;
mod parse;
mod reference;
mod scalars;
mod schema;
mod scopes;
mod source;

pub use decode::{Context, Declared, Decode, Object, OneOrMore, Places, default_of, from_fragment};
pub use fault::{Fault, Faults, Reason, Severity};
pub use meta::{
    Bounds, FamilyMeta, FormerMeta, KeyMeta, KindMeta, ObjectMeta, OnlyMeta, Type, counted, joined,
};
pub use naming::inner_span;
pub use nearest::nearest;
pub use node::{Entry, Node, Scalar, Style, Value};
pub use parse::Document;
pub use reference::{keys_without_effect, reference};
pub use scalars::{Directory, ExistingFile};
pub use schema::schema;
pub use scopes::{Scope, ScopeEntry, Scopes};
pub use source::{Position, Source, Span, Spanned};
