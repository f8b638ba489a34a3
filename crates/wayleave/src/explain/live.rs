//! The question put to a running proxy: its admin server explains (`/explain`), so the answer is about the namers that
//! serve its traffic, and the places are those of the file it was started with.

use super::{Explain, Told};
use crate::arguments::Format;
use names::Path;
use proxy::explain::SERVED;
use std::fmt::Write as _;
use std::time::Duration;

/// How long the way there and back may take, besides the waiting that was asked for.
const WAY: Duration = Duration::from_secs(10);

/// Asks the admin server at `base`.
pub(super) async fn ask(base: &str, arguments: &Explain, colour: bool) -> Result<Told, String> {
    let target = target(arguments, colour)?;
    let patience = WAY + Duration::from_millis(arguments.wait);
    let answer = admin::get(base, &target, patience).await.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    match answer.status.as_u16() {
        200 => {
            let served = answer.headers.get(SERVED).is_some_and(|served| served == "true");
            Ok(Told { text, served })
        }
        400 => Err(text),
        404 => Err(format!("{base} has no page /explain; is it the admin server of a Wayleave proxy?")),
        status => Err(format!("{base} answers with status {status}: {}", text.trim_end())),
    }
}

/// The page and its query.
fn target(arguments: &Explain, colour: bool) -> Result<String, String> {
    let page = match arguments.output {
        Format::Text => "/explain",
        Format::Json => "/explain.json",
    };
    let mut target = format!("{page}?wait={}", arguments.wait);
    let mut put = |key: &str, value: &str| {
        write!(target, "&{key}={}", encoded(value)).expect("writing to a string");
    };
    // Without a configuration the first word is the name.
    let word = arguments.config.as_ref().map(|word| word.to_string_lossy());
    let name = match (word, &arguments.name) {
        (Some(word), None) => Some(word.parse::<Path>().map_err(|error| format!("{word}: {error}"))?),
        (None, name) => name.clone(),
        (Some(word), Some(_)) => {
            return Err(format!("either a configuration ({word}) or --admin, not both"));
        }
    };
    match name {
        Some(_) if arguments.host.is_some() || !arguments.headers.is_empty() => {
            return Err("either a name or a request (--host, --header), not both".to_owned());
        }
        Some(name) => put("path", &name.to_string()),
        None => {
            arguments.host.iter().for_each(|host| put("host", host));
            arguments.target.iter().for_each(|target| put("target", target));
            arguments.headers.iter().for_each(|(name, value)| put("header", &format!("{name}: {value}")));
        }
    }
    arguments.router.iter().for_each(|label| put("router", label));
    if !arguments.dtab.is_empty() {
        put("dtab", &arguments.dtab.to_string());
    }
    for (key, set) in [("all", arguments.all), ("colour", colour)] {
        if set {
            put(key, "1");
        }
    }
    Ok(target)
}

/// A value as it stands in a query.
fn encoded(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};

    fn check(line: &[&str], expected: Result<&str, &str>) {
        let words = ["wayleave", "explain"].iter().chain(line).map(|word| word.into());
        let Command::Explain(arguments) = Arguments::read(words).command else { panic!("{line:?}") };
        assert_eq!(target(&arguments, false), expected.map(str::to_owned).map_err(str::to_owned), "{line:?}");
    }

    #[test]
    fn targets() {
        let admin = ["--admin", "http://127.0.0.1:9990"];
        let of = |more: &[&'static str]| [&admin, more].concat();
        check(&of(&["/svc/web"]), Ok("/explain?wait=3000&path=/svc/web"));
        check(
            &of(&["/svc/web", "--router", "in", "--dtab", "/svc=>/#/x", "--all", "--wait", "5"]),
            Ok("/explain?wait=5&path=/svc/web&router=in&dtab=/svc%3D%3E/%23/x&all=1"),
        );
        check(
            &of(&["--host", "web:80", "--header", "l5d-dtab: /a => /b", "--output", "json"]),
            Ok("/explain.json?wait=3000&host=web%3A80&header=l5d-dtab%3A%20/a%20%3D%3E%20/b"),
        );
        check(&of(&["linkerd.yaml"]), Err("linkerd.yaml: '/' expected but 'l' found at '[l]inkerd.yaml'"));
        check(
            &of(&["linkerd.yaml", "/svc/web"]),
            Err("either a configuration (linkerd.yaml) or --admin, not both"),
        );
        check(
            &of(&["/svc/web", "--host", "x"]),
            Err("either a name or a request (--host, --header), not both"),
        );
    }
}
