//! The JSON Schema (draft 2020-12) of a document, generated from its declarations.
//!
//! It accepts what the decoder accepts: `null` where a key may be absent, numbers in quotes, text that looks like a
//! number. What only the decoder can tell (whether a directory exists, whether ports collide) it lets pass.

use crate::{Bounds, FamilyMeta, KeyMeta, KindMeta, ObjectMeta, OnlyMeta, Type};
use serde_json::{Map, Value, json};

/// The schema of the documents whose root is declared by `root`, as indented JSON.
pub fn schema(root: &'static ObjectMeta, id: &str, title: &str) -> String {
    let mut definitions = Definitions::default();
    let mut schema = Map::new();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("$id".into(), id.into());
    schema.insert("title".into(), title.into());
    schema.extend(definitions.object(root, Map::new(), Vec::new()));
    schema.insert("$defs".into(), definitions.0.into());
    format!("{:#}\n", Value::from(schema))
}

#[derive(Default)]
struct Definitions(Map<String, Value>);

impl Definitions {
    /// A reference to a definition, which is made when it is asked for the first time.
    fn reference(&mut self, name: &str, make: impl FnOnce(&mut Definitions) -> Value) -> Value {
        let name = name.replace(' ', "-");
        let reference = json!({ "$ref": format!("#/$defs/{name}") });
        if !self.0.contains_key(&name) {
            // Taken before it is made: a type may contain itself.
            self.0.insert(name.clone(), Value::Null);
            let made = make(self);
            self.0.insert(name, made);
        }
        reference
    }

    fn of(&mut self, ty: Type, bounds: Option<Bounds>) -> Value {
        match ty {
            Type::Bool => json!({ "enum": booleans(|_| true) }),
            Type::Int { min, max } => number(bounds, Bounds { min, max: Some(max) }, true),
            Type::Number => number(bounds, Bounds { min: i64::MIN, max: None }, false),
            Type::Text | Type::Pattern | Type::Directory | Type::File => {
                json!({ "type": ["string", "number", "boolean"] })
            }
            Type::Port => json!({ "type": "number", "exclusiveMinimum": -1, "exclusiveMaximum": 65536 }),
            Type::Ip => json!({ "type": "string", "pattern": IP }),
            Type::Path => json!({ "type": "string", "pattern": "^\\s*/" }),
            Type::Dtab => json!({ "type": "string", "pattern": "^[^/]*$|#|=>" }),
            Type::List(item) => {
                let mut list = json!({ "type": "array", "items": self.of(item(), None) });
                if let Some(bounds) = bounds {
                    list["minItems"] = bounds.min.into();
                }
                list
            }
            Type::OneOrMore(item) => {
                let item = self.of(item(), None);
                json!({ "anyOf": [item.clone(), { "type": "array", "items": item, "minItems": 1 }] })
            }
            Type::Object(object) => self.reference(object.name, |definitions| {
                definitions.object(object, Map::new(), Vec::new()).into()
            }),
            Type::Family(family) => self.reference(family.noun, |definitions| definitions.family(family)),
            Type::Scopes(object) => {
                self.reference(&format!("{}.scopes", object.name), |definitions| definitions.scopes(object))
            }
        }
    }

    /// An object with its own keys and those an enclosing declaration gives it.
    fn object(
        &mut self,
        meta: &'static ObjectMeta,
        mut properties: Map<String, Value>,
        mut required: Vec<&str>,
    ) -> Map<String, Value> {
        for key in meta.keys {
            let property = self.key(key);
            properties.insert(key.key.to_owned(), property);
            if is_required(key) {
                required.push(key.key);
            }
        }
        for key in meta.later {
            let nothing = json!({
                "description": "Known to Linkerd 1.7, not built yet in Wayleave.",
                "anyOf": [{ "type": "null" }, { "type": "array", "maxItems": 0 }],
            });
            properties.insert((*key).to_owned(), nothing);
        }
        for only in meta.only {
            properties.insert(only.key.to_owned(), only_value(only));
        }
        for former in meta.former {
            let text = format!("Ended with Linkerd {}, ignored: {}.", former.until, former.reason);
            properties.insert(former.key.to_owned(), json!({ "description": text, "deprecated": true }));
        }
        let mut object = Map::new();
        object.insert("description".into(), crate::reference::text(meta.doc).into());
        object.insert("type".into(), "object".into());
        object.insert("properties".into(), properties.into());
        if !required.is_empty() {
            object.insert("required".into(), required.into());
        }
        object.insert("additionalProperties".into(), false.into());
        object
    }

    fn key(&mut self, key: &KeyMeta) -> Value {
        let ty = self.of((key.ty)(), key.bounds);
        let mut property = if is_required(key) { ty } else { nullable(ty) };
        property["description"] = crate::reference::text(key.doc).into();
        if let Some(default) = key.default.filter(|_| !is_required(key)) {
            property["default"] = value_of(default);
        }
        if let Some(example) = key.example {
            property["examples"] = json!([value_of(example)]);
        }
        property
    }

    fn family(&mut self, family: &'static FamilyMeta) -> Value {
        let kinds: Vec<&str> = family.kinds.iter().map(|kind| kind.kind).collect();
        let branches: Vec<Value> = family.kinds.iter().map(|kind| self.branch(family, kind)).collect();
        let mut text = crate::reference::text(family.doc);
        if !family.later.is_empty() {
            text += &format!(" Not built yet: {}.", family.later.join(", "));
        }
        let mut schema = json!({
            "description": text,
            "type": "object",
            "properties": { family.discriminator: { "enum": kinds } },
            "allOf": branches,
        });
        if family.default.is_none() {
            schema["required"] = json!([family.discriminator]);
        }
        schema
    }

    fn branch(&mut self, family: &FamilyMeta, kind: &'static KindMeta) -> Value {
        let then = self.reference(&format!("{}.{}", family.noun, kind.kind), |definitions| {
            let mut own = Map::new();
            own.insert(family.discriminator.to_owned(), json!({ "const": kind.kind }));
            let mut object = definitions.object(kind.object, own, Vec::new());
            if !kind.doc.is_empty() {
                object.insert("description".into(), crate::reference::text(kind.doc).into());
            }
            object.into()
        });
        let mut chosen = json!({ "properties": { family.discriminator: { "const": kind.kind } } });
        if family.default != Some(kind.kind) {
            chosen["required"] = json!([family.discriminator]);
        }
        json!({ "if": chosen, "then": then })
    }

    fn scopes(&mut self, meta: &'static ObjectMeta) -> Value {
        let mut with_prefix = Map::new();
        with_prefix.insert("prefix".into(), nullable(self.of(Type::Pattern, None)));
        let entry = self.object(meta, with_prefix, Vec::new());
        let mut with_kind = Map::new();
        // Any other kind is taken for the global one, with a warning.
        with_kind.insert("kind".into(), json!({ "not": { "const": "io.l5d.static" } }));
        let global = self.object(meta, with_kind, Vec::new());
        json!({
            "description": crate::reference::text(meta.doc),
            "type": "object",
            "if": { "properties": { "kind": { "const": "io.l5d.static" } }, "required": ["kind"] },
            "then": {
                "properties": { "kind": true, "configs": { "type": "array", "items": entry } },
                "required": ["configs"],
                "additionalProperties": false,
            },
            "else": global,
        })
    }
}

/// Linkerd's IP literals.
const IP: &str =
    "^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\\.(?!$)|$)){4}$|^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$";

/// A default outside the bounds is how a declaration says that there is none.
pub(crate) fn is_required(key: &KeyMeta) -> bool {
    let least = key.bounds.map_or(i64::MIN, |bounds| bounds.min);
    let default = match key.default.map(value_of) {
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::Array(items)) => i64::try_from(items.len()).ok(),
        _ => None,
    };
    (key.required)() || default.is_some_and(|default| default < least)
}

/// Fractions are cut off where a whole number is wanted, so its bounds are open ones, one further out.
fn number(narrow: Option<Bounds>, wide: Bounds, whole: bool) -> Value {
    let Bounds { min, max } = narrow.unwrap_or(wide);
    let max = max.or(wide.max);
    let mut number = json!({ "type": ["number", "string"], "pattern": "^[+-]?[0-9.][0-9_.eE+-]*$" });
    if min != i64::MIN {
        let (key, limit) = if whole { ("exclusiveMinimum", min - 1) } else { ("minimum", min) };
        number[key] = limit.into();
    }
    if let Some(max) = max {
        let (key, limit) = if whole { ("exclusiveMaximum", max + 1) } else { ("maximum", max) };
        number[key] = limit.into();
    }
    number
}

/// YAML 1.1's booleans, and their spellings for readers of YAML 1.2, to which `yes` is a text.
fn booleans(wanted: impl Fn(bool) -> bool) -> Vec<Value> {
    let words = [(true, "yes"), (true, "on"), (false, "no"), (false, "off")];
    let mut values: Vec<Value> = [true, false].into_iter().filter(|v| wanted(*v)).map(Value::from).collect();
    for (_, word) in words.into_iter().filter(|(value, _)| wanted(*value)) {
        let capital = format!("{}{}", word[..1].to_uppercase(), &word[1..]);
        values.extend([word.to_owned(), capital, word.to_uppercase()].map(Value::from));
    }
    values
}

fn only_value(only: &OnlyMeta) -> Value {
    let default = value_of(only.default);
    let mut values = match &default {
        Value::Bool(wanted) => booleans(|value| value == *wanted),
        other => vec![other.clone()],
    };
    values.push(Value::Null);
    let text = format!("{} Built with its default only so far.", crate::reference::text(only.doc));
    json!({ "description": text, "default": default, "enum": values })
}

/// A text of a declaration as JSON.
pub(crate) fn value_of(text: &str) -> Value {
    crate::parse::fragment(text).map_or(Value::Null, |(_, node)| node.to_json())
}

fn nullable(mut schema: Value) -> Value {
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
        return schema;
    }
    match schema.get_mut("type") {
        Some(Value::Array(types)) => types.push("null".into()),
        Some(ty) => *ty = json!([ty.clone(), "null"]),
        None => return json!({ "anyOf": [schema, { "type": "null" }] }),
    }
    schema
}
