//! What the demo says first: where things are, and what to try.

use super::ports::Ports;
use std::path::Path;

/// Something to try: a command, and what it shows. What is in double quotes is in the command's output, unless "no "
/// stands before it.
struct Try {
    shows: &'static str,
    command: String,
}

/// The whole text. `folder` is the demo's directory.
pub(crate) fn text(ports: Ports, folder: &Path, traffic: bool) -> String {
    let Ports { outgoing, incoming, admin, .. } = ports;
    let dir = folder.display();
    let mut text = format!(
        "\
A mesh on this machine. hello (2 replicas) calls world (3 replicas of world-v1,
3 of world-v2), and each call passes two routers of one Wayleave:

  caller > outgoing :{outgoing} > incoming :{incoming} > hello > outgoing > incoming > world

  configuration  {dir}/linkerd.yaml (a Linkerd 1.x file)
  discovery      {dir}/disco (a file for each service)
  log            {dir}/log
  admin          http://127.0.0.1:{admin}/
  metrics        http://127.0.0.1:{admin}/admin/metrics.json?pretty=true

Try these in another terminal.
"
    );
    for group in groups(ports, folder) {
        for Try { shows, command } in group {
            text.push_str(&format!("\n# {shows}\n{command}\n"));
        }
    }
    let load = if traffic { "About 50 requests a second are on their way. " } else { "" };
    text.push_str(&format!("\n{load}Ctrl-C ends the demo.\n"));
    text
}

fn groups(ports: Ports, folder: &Path) -> [Vec<Try>; 4] {
    [routing(ports.outgoing), watching(ports), killing(ports), discovery(ports, folder)]
}

/// curl to the outgoing router. A path `[1-20]` makes it ask twenty times.
fn curl(port: u16, options: &str, path: &str) -> String {
    format!("curl -s {options} 'http://127.0.0.1:{port}/{path}'")
}

/// The header that changes where `world` is for one request.
fn dtab(world: &str) -> String {
    format!("-H 'l5d-dtab: /host/world => {world}'")
}

fn routing(port: u16) -> Vec<Try> {
    let get = |options: &str, path: &str| curl(port, &format!("-w '\\n' {options}"), path);
    let hello = |options: &str| get(&format!("-H 'Host: hello'{options}"), "");
    let world = |world: &str, path: &str| get(&format!("-H 'Host: world' {}", dtab(world)), path);
    vec![
        Try {
            shows: "Both services say who they are: \"Hello (hello-\" and \"world (world-v1-\".",
            command: hello(""),
        },
        Try {
            shows: "A dtab for this request alone, two calls deep: \"earth (world-v2-\".",
            command: hello(&format!(" {}", dtab("/srv/world-v2"))),
        },
        Try {
            shows: "20 requests, half to each version: about 10 \"world\", about 10 \"earth\".",
            command: world("/srv/world-v1 & /srv/world-v2", "[1-20]") + " | cut -c 1-5 | sort | uniq -c",
        },
        Try {
            shows: "A canary: repeated, about 1 in 10 says \"earth\".",
            command: world("9 * /srv/world-v1 & 1 * /srv/world-v2", ""),
        },
        Try {
            shows: "A name nothing has: \"502 Bad Gateway\", and \"l5d-err:\" says why.",
            command: curl(port, "-i -w '\\n' -H 'Host: nobody'", ""),
        },
    ]
}

fn watching(Ports { admin, .. }: Ports) -> Vec<Try> {
    vec![Try {
        shows: "Metrics for Prometheus; here \"rt:service:requests\" by router and service.",
        command: format!(
            "curl -s http://127.0.0.1:{admin}/admin/metrics/prometheus | grep '^rt:service:requests'"
        ),
    }]
}

fn killing(Ports { outgoing, control, .. }: Ports) -> Vec<Try> {
    vec![
        Try {
            shows: "Kill a replica; discovery is not told. Says \"killed world-v1-\".",
            command: format!("curl -s -X POST http://127.0.0.1:{control}/kill/world-v1"),
        },
        Try {
            shows: "Nothing fails: \"100 200\", a hundred times status 200. See the table, too.",
            command: curl(outgoing, "-o /dev/null -w '%{http_code}\\n' -H 'Host: hello'", "[1-100]")
                + " | sort | uniq -c",
        },
        Try {
            shows: "Start it again; it is found without being told. Says \"3 of 3 run\".",
            command: format!("curl -s -X POST http://127.0.0.1:{control}/start/world-v1"),
        },
    ]
}

fn discovery(Ports { outgoing, control, .. }: Ports, folder: &Path) -> Vec<Try> {
    let file = shell_word(&folder.join("disco/world-v1").to_string_lossy());
    let ask = curl(outgoing, "-w '\\n' -H 'Host: world'", "[1-30]");
    vec![
        Try {
            shows: "Take a line out of a discovery file: \"world-v1-2\" answers, no \"world-v1-1\".",
            command: format!("sed -i.old 1d {file}; sleep 1; {ask} | sort | uniq -c"),
        },
        Try {
            shows: "Put it back. Says \"3 of 3 run\".",
            command: format!("curl -s -X POST http://127.0.0.1:{control}/start/world-v1"),
        },
    ]
}

/// A word for the shell, quoted only when it has to be.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_promise_and_suits_every_shell() {
        let ports = Ports { outgoing: 1, incoming: 2, admin: 3, control: 4 };
        let tries: Vec<Try> = groups(ports, Path::new("/tmp/it's")).into_iter().flatten().collect();
        for Try { shows, command } in &tries {
            assert!(shows.contains('"') && shows.matches('"').count() % 2 == 0, "{shows}");
            assert!(command.contains("curl "), "{command}");
            // zsh takes `?` and `[` outside of quotes for a pattern, and `#` for no comment.
            let outside: String = command.replace("'\\''", "").split('\'').step_by(2).collect();
            assert!(!outside.contains(['?', '[', '#']), "{command}");
        }
        let text = text(ports, Path::new("/tmp/it's"), true);
        assert_eq!(text.matches("\n# ").count(), tries.len());
        assert!(tries.iter().all(|t| text.contains(&format!("\n# {}\n{}\n", t.shows, t.command))));
    }

    #[test]
    fn odd_paths_are_quoted() {
        assert_eq!(shell_word("/tmp/a-b.c"), "/tmp/a-b.c");
        assert_eq!(shell_word("/tmp/it's here"), "'/tmp/it'\\''s here'");
    }
}
