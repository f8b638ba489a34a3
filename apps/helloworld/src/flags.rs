//! Flags in the manner of Go's `flag` package: `-name=value`, `-name value`, `--name=value`, `-switch`, `-switch=false`.

use crate::go::{self, FloatFault};

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Switch,
    Duration,
    Float,
}

/// A flag a program knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

/// A value that fits its flag's kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Switch(bool),
    /// Nanoseconds.
    Duration(i64),
    Float(f64),
}

/// Why the flags cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FlagFault {
    /// `-h` or `-help`.
    Help,
    /// Anything else, in Go's words.
    Bad(String),
}

/// Reads flags up to the first argument that is none (or `--`), which ends them as in Go; what follows is ignored.
/// Calls `set` for each flag in order.
pub(crate) fn parse(
    known: &[Flag],
    args: &[String],
    mut set: impl FnMut(&'static str, Value),
) -> Result<(), FlagFault> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let Some(body) = arg.strip_prefix('-').filter(|body| !body.is_empty()) else {
            return Ok(());
        };
        let body = body.strip_prefix('-').unwrap_or(body);
        if body.is_empty() {
            return Ok(());
        }
        if body.starts_with(['-', '=']) {
            return Err(FlagFault::Bad(format!("bad flag syntax: {arg}")));
        }
        let (name, value) = match body.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (body, None),
        };
        let flag = find(known, name)?;
        let value = match value {
            Some(value) => value,
            None if flag.kind == Kind::Switch => "true",
            None => args.next().ok_or_else(|| FlagFault::Bad(format!("flag needs an argument: -{name}")))?,
        };
        set(flag.name, read(flag, value)?);
    }
    Ok(())
}

fn find<'a>(known: &'a [Flag], name: &str) -> Result<&'a Flag, FlagFault> {
    known.iter().find(|flag| flag.name == name).ok_or_else(|| match name {
        "h" | "help" => FlagFault::Help,
        _ => FlagFault::Bad(format!("flag provided but not defined: -{name}")),
    })
}

fn read(flag: &Flag, text: &str) -> Result<Value, FlagFault> {
    let bad = |why: &str| FlagFault::Bad(format!("invalid value {text:?} for flag -{}: {why}", flag.name));
    match flag.kind {
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Duration => go::parse_duration(text).map(Value::Duration).ok_or_else(|| bad("parse error")),
        Kind::Float => go::parse_float(text).map(Value::Float).map_err(|fault| match fault {
            FloatFault::Syntax => bad("parse error"),
            FloatFault::Range => bad("value out of range"),
        }),
        Kind::Switch => match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Switch(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Switch(false)),
            _ => {
                Err(FlagFault::Bad(format!("invalid boolean value {text:?} for -{}: parse error", flag.name)))
            }
        },
    }
}

/// The text that explains all flags.
pub(crate) fn usage(program: &str, known: &[Flag]) -> String {
    let mut out = format!("Usage of {program}:\n");
    for Flag { name, kind, default, help } in known {
        let (argument, default) = match kind {
            Kind::Text => (" string", format!(" (default {default:?})")),
            Kind::Switch => ("", String::new()),
            Kind::Duration => (" duration", String::new()),
            Kind::Float => (" float", String::new()),
        };
        let default = if default.ends_with("\"\")") { "" } else { default.as_str() };
        out.push_str(&format!("  -{name}{argument}\n    \t{help}{default}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Flag; 4] = [
        Flag { name: "name", kind: Kind::Text, default: "def", help: "who" },
        Flag { name: "json", kind: Kind::Switch, default: "false", help: "how" },
        Flag { name: "lat", kind: Kind::Duration, default: "0", help: "when" },
        Flag { name: "rate", kind: Kind::Float, default: "0", help: "how often" },
    ];

    /// What was set, as `name=value` in order, or the fault; the expectations were printed by Go itself.
    fn check(args: &[&str], expected: Result<&[(&str, Value)], &str>) {
        let args: Vec<_> = args.iter().map(|s| (*s).to_owned()).collect();
        let mut got = Vec::new();
        let result = parse(&KNOWN, &args, |name, value| got.push((name, value)));
        match expected {
            Ok(expected) => assert_eq!((result, got.as_slice()), (Ok(()), expected), "{args:?}"),
            Err("help") => assert_eq!(result, Err(FlagFault::Help), "{args:?}"),
            Err(text) => assert_eq!(result, Err(FlagFault::Bad(text.to_owned())), "{args:?}"),
        }
    }

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn grammar() {
        for args in [&["-name=x"][..], &["-name", "x"], &["--name=x"], &["--name", "x"]] {
            check(args, Ok(&[("name", text("x"))]));
        }
        check(&["-name="], Ok(&[("name", text(""))]));
        check(&["-name=a=b"], Ok(&[("name", text("a=b"))]));
        check(&["-name", "-json"], Ok(&[("name", text("-json"))]));
        check(&["-name=a", "-name=b"], Ok(&[("name", text("a")), ("name", text("b"))]));
        check(&["-json", "-name=x"], Ok(&[("json", Value::Switch(true)), ("name", text("x"))]));
        check(&["-json", "true", "-name=x"], Ok(&[("json", Value::Switch(true))]));
        check(&["-lat", "-1s"], Ok(&[("lat", Value::Duration(-1_000_000_000))]));
        check(&["-lat=0"], Ok(&[("lat", Value::Duration(0))]));
        check(&["-rate", "0.25"], Ok(&[("rate", Value::Float(0.25))]));
        for (args, expected) in
            [("-json=T", true), ("-json=1", true), ("-json=FALSE", false), ("-json=f", false)]
        {
            check(&[args], Ok(&[("json", Value::Switch(expected))]));
        }
    }

    #[test]
    fn where_flags_end() {
        for args in [&[][..], &["--", "-name=x"], &["-", "-name=x"], &["arg", "-name=x"], &[""]] {
            check(args, Ok(&[]));
        }
    }

    #[test]
    fn faults() {
        check(&["-name"], Err("flag needs an argument: -name"));
        check(&["---name"], Err("bad flag syntax: ---name"));
        check(&["-=x"], Err("bad flag syntax: -=x"));
        check(&["--=x"], Err("bad flag syntax: --=x"));
        check(&["-nope"], Err("flag provided but not defined: -nope"));
        check(&["-nope=3"], Err("flag provided but not defined: -nope"));
        check(&["-Name=3"], Err("flag provided but not defined: -Name"));
        check(&["-json=maybe"], Err("invalid boolean value \"maybe\" for -json: parse error"));
        check(&["-json="], Err("invalid boolean value \"\" for -json: parse error"));
        check(&["-lat=5"], Err("invalid value \"5\" for flag -lat: parse error"));
        check(&["-rate=x"], Err("invalid value \"x\" for flag -rate: parse error"));
        check(&["-rate=1e400"], Err("invalid value \"1e400\" for flag -rate: value out of range"));
        check(&["-h"], Err("help"));
        check(&["--help"], Err("help"));
    }

    #[test]
    fn usage_names_each_flag() {
        let text = usage("prog", &KNOWN);
        assert_eq!(text.lines().next(), Some("Usage of prog:"));
        assert!(KNOWN.iter().all(|flag| text.contains(&format!("  -{}", flag.name))));
        assert!(text.contains("\twho (default \"def\")\n"));
    }
}
