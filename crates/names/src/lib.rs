//! Paths, name trees, dtabs and path patterns: parse, show, look up, simplify; pure.
//!
//! Everything a dtab can say is decided here and nowhere else, so that routing, `explain`, the delegation
//! API and the stores agree to the letter. No clock, no I/O, no runtime.
//!
//! ```
//! use names::{Dtab, Path};
//!
//! let dtab: Dtab = "/srv => /$/inet/127.1/8080; /svc/* => /srv".parse()?;
//! let name: Path = "/svc/web/rest".parse()?;
//! assert_eq!(dtab.lookup(&name).to_string(), "/srv/rest");
//! # Ok::<(), names::ParseError>(())
//! ```

mod dtab;
mod error;
pub mod lint;
mod parser;
mod path;
mod pattern;
mod tree;

pub use dtab::{Dentry, Dtab, Prefix, PrefixElem};
pub use error::ParseError;
pub use parser::{MAX_NESTING, MAX_WEIGHT};
pub use path::{Elems, Path, PathBuilder, Rest, ShowElem, show_elem};
pub use pattern::{Captures, PathPattern};
pub use tree::{Leaves, NameTree, Weighted};
