//! Telling the kinds of a family apart.

use crate::decode::{list_of, shortened};
use crate::nearest::nearest;
use crate::{Context, Decode, FamilyMeta, Fault, Node, Object, Span};

impl Object<'_> {
    /// The kind of this object, one of the built ones. `None` means a fault was recorded.
    pub fn kind(&mut self, family: &'static FamilyMeta, cx: &mut Context) -> Option<&'static str> {
        let Some(node) = self.take(family.discriminator) else {
            return family.default.or_else(|| self.kind_missing(family, cx));
        };
        let written = String::decode(node, cx)?;
        if let Some(built) = family.kinds.iter().find(|kind| kind.kind == written) {
            return Some(built.kind);
        }
        cx.fault(not_a_kind(node, &written, family));
        None
    }

    fn kind_missing<T>(&self, family: &FamilyMeta, cx: &mut Context) -> Option<T> {
        let at = Span { end: self.span().start, ..self.span() };
        let message = format!("key `{}` is missing", family.discriminator);
        cx.fault(Fault::new(at, message).expected(list_of(built(family))));
        None
    }
}

fn built(family: &FamilyMeta) -> impl Iterator<Item = &'static str> + Clone {
    family.kinds.iter().map(|kind| kind.kind)
}

fn not_a_kind(node: &Node, written: &str, family: &FamilyMeta) -> Fault {
    let (noun, shown) = (family.noun, shortened(written));
    if family.later.contains(&written) {
        return Fault::not_built(node.span, format!("{noun} `{shown}`"));
    }
    let fault = Fault::new(node.span, format!("unknown {noun} `{shown}`"));
    match nearest(written, built(family).chain(family.later.iter().copied())) {
        Some(near) => fault.perhaps(near),
        None => fault.expected(list_of(built(family))),
    }
}
