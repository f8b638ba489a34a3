//! What the namer knows, as the admin server shows it.

use std::sync::Arc;

use names::Path;
use naming::State;

use super::{Item, Kind, Lines};

/// An object with a key for each name in use, in order: `{"web":{"state":{"kind":"file","value":["10.0.0.1 8080"]},...}}`.
pub(super) fn json<'a>(items: impl Iterator<Item = (&'a Path, &'a Arc<Item>)>) -> String {
    let mut shown: Vec<String> = items
        .map(|(name, item)| {
            let name = name.to_string();
            let state = join(&[kind(&item.kind.get()), lines(&item.lines.get())]);
            let file = quoted(&item.path.display().to_string());
            let observed = item.idle_for().is_none();
            let name = quoted(name.trim_start_matches('/'));
            format!(
                "{name}:{{\"state\":{{{state}}},\"watch\":{{\"request\":{file},\"streaming\":{observed}}}}}"
            )
        })
        .collect();
    shown.sort_unstable();
    format!("{{{}}}", shown.join(","))
}

fn join(parts: &[String]) -> String {
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join(",")
}

fn kind(state: &State<Kind>) -> String {
    match state {
        State::Pending => String::new(),
        State::Ok(Kind::Absent) => "\"kind\":\"absent\"".to_owned(),
        State::Ok(Kind::File) => "\"kind\":\"file\"".to_owned(),
        State::Ok(Kind::Directory) => "\"kind\":\"directory\"".to_owned(),
        State::Failed(text) => format!("\"error\":{}", quoted(text)),
    }
}

fn lines(state: &State<Lines>) -> String {
    match state {
        State::Pending | State::Ok(None) => String::new(),
        State::Ok(Some(lines)) => {
            let weight =
                |weight: Option<f64>| weight.map(|weight| format!(" * {weight}")).unwrap_or_default();
            let lines: Vec<String> =
                lines.iter().map(|l| quoted(&format!("{} {}{}", l.host, l.port, weight(l.weight)))).collect();
            format!("\"value\":[{}]", lines.join(","))
        }
        State::Failed(text) => format!("\"addressError\":{}", quoted(text)),
    }
}

fn quoted(text: &str) -> String {
    naming::json_text(text)
}
