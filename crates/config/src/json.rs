//! JSON is taken at its word. A document that begins with `{` is JSON, as for Linkerd, and what programs write and read has to
//! be what the standard says; the reader of YAML, which makes the tree, would take much more for it.

use crate::{Fault, Source, Span};
use serde_json::Value;

/// What the standard wants, and people forget.
const RULES: &str = "a document that begins with `{` is JSON: keys and texts stand in double quotes, nothing behind the last \
                     comma, no comments";

/// Whether a text is meant to be JSON.
pub(crate) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// What keeps a text that is meant to be JSON from being it. What merely ends too early the reader of YAML tells better: it
/// knows which bracket is open.
pub(crate) fn fault(source: &Source) -> Option<Fault> {
    if !is_json(source.text()) {
        return None;
    }
    let error = serde_json::from_str::<Value>(source.text()).err().filter(|error| !error.is_eof())?;
    let offset = source.offset(error.line(), error.column());
    let message = error.to_string();
    let what = message.rfind(" at line ").map_or(&*message, |end| &message[..end]);
    let fault = Fault::new(Span::new(offset..offset), format!("not valid JSON: {what}"));
    Some(Fault { hint: Some(RULES.to_owned()), ..fault })
}
