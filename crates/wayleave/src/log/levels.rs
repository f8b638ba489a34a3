//! Which lines are written: a level for the root and for each logger that has one of its own.

use std::collections::BTreeMap;
use std::str::FromStr;
use tracing::level_filters::LevelFilter;

/// The loggers that are listed: the rooms of the house that have something to say.
const ROOMS: &[&str] =
    &["admin", "discovery", "engines", "handover", "naming", "proxy", "router", "telemetry", "wayleave"];
/// The one all others inherit from.
const ROOT: &str = "root";

/// The levels of all loggers. By default everything from INFO on is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Levels {
    root: LevelFilter,
    own: BTreeMap<String, LevelFilter>,
}

impl Default for Levels {
    fn default() -> Self {
        Levels { root: LevelFilter::INFO, own: BTreeMap::new() }
    }
}

/// A level for a logger: `DEBUG` (the root's), `engines=DEBUG`, `engines::accept=DEBUG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// `None`: the root.
    logger: Option<String>,
    level: LevelFilter,
}

impl Setting {
    /// # Errors
    /// When there is no such logger or level.
    pub(crate) fn new(logger: &str, level: &str) -> Result<Setting, String> {
        let level = parse(level).ok_or_else(|| {
            format!("`{level}` is no level; expected OFF, ERROR, WARNING, INFO, DEBUG or TRACE")
        })?;
        if matches!(logger, "" | ROOT) {
            return Ok(Setting { logger: None, level });
        }
        let room = logger.split("::").next().unwrap_or_default();
        if !ROOMS.contains(&room) {
            return Err(format!(
                "`{logger}` is no logger; expected {ROOT}, {}, or a module of one",
                ROOMS.join(", ")
            ));
        }
        Ok(Setting { logger: Some(logger.to_owned()), level })
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Setting, String> {
        let (logger, level) = text.split_once('=').unwrap_or((ROOT, text));
        Setting::new(logger, level)
    }
}

impl Levels {
    pub(crate) fn set(&mut self, setting: Setting) {
        match setting.logger {
            Some(logger) => drop(self.own.insert(logger, setting.level)),
            None => self.root = setting.level,
        }
    }

    /// The level of a target, a module's path.
    pub(crate) fn of(&self, target: &str) -> LevelFilter {
        let mut name = target;
        loop {
            if let Some(level) = self.own.get(name) {
                return *level;
            }
            match name.rsplit_once("::") {
                Some((parent, _)) => name = parent,
                None => return self.root,
            }
        }
    }

    /// The most talkative of them.
    pub(crate) fn most(&self) -> LevelFilter {
        self.own.values().copied().chain([self.root]).max().unwrap_or(self.root)
    }

    /// Each logger with its level: the root first, the others by name.
    pub(crate) fn list(&self) -> Vec<(String, String)> {
        let mut all: Vec<&str> = self.own.keys().map(String::as_str).chain(ROOMS.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        let others = all.into_iter().map(|name| (name.to_owned(), shown(self.of(name))));
        [(ROOT.to_owned(), shown(self.root))].into_iter().chain(others).collect()
    }
}

/// Finagle's names.
fn parse(level: &str) -> Option<LevelFilter> {
    Some(match level.to_ascii_uppercase().as_str() {
        "ALL" | "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "INFO" => LevelFilter::INFO,
        "WARNING" | "WARN" => LevelFilter::WARN,
        "ERROR" | "CRITICAL" | "FATAL" => LevelFilter::ERROR,
        "OFF" => LevelFilter::OFF,
        _ => return None,
    })
}

fn shown(level: LevelFilter) -> String {
    match level.into_level() {
        None => "OFF".to_owned(),
        Some(tracing::Level::WARN) => "WARNING".to_owned(),
        Some(level) => level.to_string(),
    }
}
