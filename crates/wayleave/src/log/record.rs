//! One event, and the line it becomes.

use jiff::Timestamp;
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people: time, level, message, fields.
    #[default]
    Text,
    /// For programs: an object on each line, with `time`, `level`, `logger`, `message` and, where there are any, `fields`.
    Json,
}

/// Fields that tell one occurrence from another, not one cause from another.
const OCCASION: &[&str] = &["peer"];

/// What was said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    level: Level,
    logger: &'static str,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Record {
    pub(super) fn of(event: &Event<'_>) -> Record {
        let of = event.metadata();
        let mut record =
            Record { level: *of.level(), logger: of.target(), message: String::new(), fields: Vec::new() };
        event.record(&mut record);
        record
    }

    /// The same for all that say the same thing.
    pub(super) fn cause(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        (self.level, self.logger, &self.message).hash(&mut hash);
        for (name, value) in self.fields.iter().filter(|(name, _)| !OCCASION.contains(name)) {
            (name, value.to_string()).hash(&mut hash);
        }
        hash.finish()
    }

    /// The line that stands for `more` of them that were kept back.
    pub(super) fn counted(mut self, more: u64) -> Record {
        self.fields.retain(|(name, _)| !OCCASION.contains(name));
        let _ = write!(self.message, " ({more} more like this within a minute)");
        self.fields.push(("repeated", more.into()));
        self
    }

    pub(super) fn line(&self, format: Format, colours: bool) -> String {
        let time = format!("{:.6}", Timestamp::now());
        match format {
            Format::Text => self.text(&time, colours),
            Format::Json => self.json(&time),
        }
    }

    fn text(&self, time: &str, colours: bool) -> String {
        let level = self.level.as_str();
        let mut line = if colours {
            let colour = match self.level {
                Level::ERROR => 31,
                Level::WARN => 33,
                Level::INFO => 32,
                Level::DEBUG => 34,
                Level::TRACE => 35,
            };
            format!("\x1b[2m{time}\x1b[0m \x1b[{colour}m{level:>5}\x1b[0m {}", self.message)
        } else {
            format!("{time} {level:>5} {}", self.message)
        };
        for (name, value) in &self.fields {
            let _ = match value {
                Value::String(text) => write!(line, " {name}={text}"),
                other => write!(line, " {name}={other}"),
            };
        }
        line.push('\n');
        line
    }

    fn json(&self, time: &str) -> String {
        let mut object = Map::new();
        object.insert("time".into(), time.into());
        object.insert("level".into(), self.level.as_str().into());
        object.insert("logger".into(), self.logger.into());
        object.insert("message".into(), self.message.as_str().into());
        if !self.fields.is_empty() {
            let fields: Map<String, Value> =
                self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            object.insert("fields".into(), fields.into());
        }
        format!("{}\n", Value::Object(object))
    }

    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            ("message", other) => self.message = other.to_string(),
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}
