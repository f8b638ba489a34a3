//! What the declarations know about themselves: the raw material of the reference, the schema and of many messages.

use crate::{Context, Node};

/// A lower bound, and perhaps an upper one; both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest.
    pub min: i64,
    /// The largest.
    pub max: Option<i64>,
}

impl Bounds {
    /// `1 to 60`, `1 or more`.
    pub fn describe(&self) -> String {
        match self.max {
            Some(max) => format!("{} to {max}", self.min),
            None => format!("{} or more", self.min),
        }
    }
}

/// The type of a key's value.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number between two bounds, both included.
    Int {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// A number, perhaps with a fraction.
    Number,
    /// Any text.
    Text,
    /// A TCP port.
    Port,
    /// A literal IP address.
    Ip,
    /// A name: `/svc/web`.
    Path,
    /// A prefix pattern: `/#/io.l5d.fs/{service}`.
    Pattern,
    /// A delegation table.
    Dtab,
    /// A directory that exists.
    Directory,
    /// A file that exists.
    File,
    /// A list of values of one type.
    List(fn() -> Type),
    /// One value, or a list of at least one.
    OneOrMore(fn() -> Type),
    /// An object with declared keys.
    Object(&'static ObjectMeta),
    /// An object whose `kind` says which keys it has.
    Family(&'static FamilyMeta),
    /// The keys of the object directly, or `kind: io.l5d.static` with `configs`, each with a `prefix`.
    Scopes(&'static ObjectMeta),
}

impl Type {
    /// What a value of this type looks like, for `expected …`.
    pub fn describe(&self) -> String {
        match self {
            Type::Bool => "`true` or `false`".into(),
            Type::Int { min: 0, max } if *max == i64::from(i32::MAX) => "a whole number, 0 or more".into(),
            Type::Int { min: 1, max } if *max == i64::from(i32::MAX) => "a whole number, 1 or more".into(),
            Type::Int { min, max } if *min == i64::from(i32::MIN) && *max == i64::from(i32::MAX) => {
                "a whole number".into()
            }
            Type::Int { min, max } => format!("a whole number from {min} to {max}"),
            Type::Number => "a number".into(),
            Type::Text => "a text".into(),
            Type::Port => "a port: a whole number from 0 to 65535, without quotes".into(),
            Type::Ip => "an IP address such as `127.0.0.1` or `::1`".into(),
            Type::Path => "a name such as `/svc/web`".into(),
            Type::Pattern => "a prefix such as `/#/io.l5d.fs/{service}`".into(),
            Type::Dtab => "a dtab such as `/svc => /#/io.l5d.fs;`".into(),
            Type::Directory => "a directory that exists".into(),
            Type::File => "a file that exists".into(),
            Type::List(_) => "a list".into(),
            Type::OneOrMore(item) => format!("{}, or a list of such", item().describe()),
            Type::Object(_) | Type::Scopes(_) => "an object".into(),
            Type::Family(family) => format!("an object with `{}`", family.discriminator),
        }
    }
}

/// One key of an object.
#[derive(Clone, Copy, Debug)]
pub struct KeyMeta {
    /// The key as written in documents.
    pub key: &'static str,
    /// What it does; the declaration's doc comment, one element per line.
    pub doc: &'static [&'static str],
    /// The type of its value.
    pub ty: fn() -> Type,
    /// The default as YAML text; `None` when the key is required or absence has a meaning of its own.
    pub default: Option<&'static str>,
    /// A value other than the default, as YAML text.
    pub example: Option<&'static str>,
    /// Between which numbers it lies, or how many elements it has; what the declaration's `check` says in words.
    pub bounds: Option<Bounds>,
    /// Whether the object is faulty without it.
    pub required: fn() -> bool,
    /// Whether a text is a value of this key, its `check` included; a test holds defaults and examples to it.
    pub check_example: fn(&str) -> Result<(), String>,
}

/// How many keys several lists have.
#[must_use]
pub const fn counted(parts: &[&[KeyMeta]]) -> usize {
    let (mut all, mut part) = (0, 0);
    while part < parts.len() {
        all += parts[part].len();
        part += 1;
    }
    all
}

/// The keys of several lists in one; `N` is what [`counted`] says of them.
#[must_use]
pub const fn joined<const N: usize>(parts: &[&[KeyMeta]]) -> [KeyMeta; N] {
    let mut all = [NO_KEY; N];
    let (mut at, mut part) = (0, 0);
    while part < parts.len() {
        let mut key = 0;
        while key < parts[part].len() {
            all[at] = parts[part][key];
            (at, key) = (at + 1, key + 1);
        }
        part += 1;
    }
    all
}

/// What stands in a list before its keys do.
const NO_KEY: KeyMeta = KeyMeta {
    key: "",
    doc: &[],
    ty: || Type::Bool,
    default: None,
    example: None,
    bounds: None,
    required: || false,
    check_example: |_| Ok(()),
};

/// An object of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct ObjectMeta {
    /// The name of the Rust type, unique within a family of documents.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static [&'static str],
    /// The keys with effect.
    pub keys: &'static [KeyMeta],
    /// Keys Linkerd 1.7 knows here and Wayleave does not build yet.
    pub later: &'static [&'static str],
    /// Keys of which only the default is built.
    pub only: &'static [OnlyMeta],
    /// Keys of older Linkerds.
    pub former: &'static [FormerMeta],
}

impl ObjectMeta {
    /// The key of this object whose own object has a key of that name: where a key one level too far out belongs.
    pub(crate) fn home_of(&self, name: &str) -> Option<&'static str> {
        let has = |key: &&KeyMeta| match (key.ty)() {
            Type::Object(object) | Type::Scopes(object) => object.knows(name),
            _ => false,
        };
        self.keys.iter().find(has).map(|key| key.key)
    }

    fn knows(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.key == name)
            || self.later.contains(&name)
            || self.only.iter().any(|only| only.key == name)
    }
}

/// A key that is accepted with its default and not built yet with anything else.
#[derive(Clone, Copy, Debug)]
pub struct OnlyMeta {
    /// The key as written in documents.
    pub key: &'static str,
    /// What it would do; one element per line.
    pub doc: &'static [&'static str],
    /// The type of its value.
    pub ty: fn() -> Type,
    /// The one value that is built, as YAML text.
    pub default: &'static str,
    /// Whether a value is the default; `None` means a fault was recorded.
    pub is_default: fn(&Node, &mut Context) -> Option<bool>,
}

/// A key that some Linkerd before 1.7 had; it is ignored, with a warning.
#[derive(Clone, Copy, Debug)]
pub struct FormerMeta {
    /// The key as written in documents.
    pub key: &'static str,
    /// The Linkerd version that took it away.
    pub until: &'static str,
    /// Why ignoring it is right.
    pub reason: &'static str,
}

/// One kind of a family.
#[derive(Clone, Copy, Debug)]
pub struct KindMeta {
    /// The discriminator's value.
    pub kind: &'static str,
    /// What it is, where the object alone does not say it; one element per line.
    pub doc: &'static [&'static str],
    /// The object with its keys.
    pub object: &'static ObjectMeta,
}

/// A plugin family: objects told apart by their `kind`.
#[derive(Clone, Copy, Debug)]
pub struct FamilyMeta {
    /// What one of them is called in messages: `namer`.
    pub noun: &'static str,
    /// What the family is for.
    pub doc: &'static [&'static str],
    /// The key that tells kinds apart: `kind`, for routers `protocol`.
    pub discriminator: &'static str,
    /// The kind meant when the discriminator is absent.
    pub default: Option<&'static str>,
    /// The built kinds.
    pub kinds: &'static [KindMeta],
    /// Kinds Linkerd 1.7 knows and Wayleave does not build yet.
    pub later: &'static [&'static str],
}
