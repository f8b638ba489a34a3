//! The `wayleave` command: argument parsing and wiring, nothing else.

mod arguments;
mod check;
mod demo;
mod explain;
mod lint;
mod log;
mod reloading;
mod run;
mod takeover;

use arguments::{Arguments, Command};
use std::process::ExitCode;

// jemalloc keeps a long-lived process from growing by fragmentation; switch the default feature off to compare.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Lets a thread of the allocator give memory back that has not been used for ten seconds. Without it, it is given back only
/// as more is asked for: a proxy that is idle after a busy hour would keep what that hour took.
fn give_memory_back() {
    #[cfg(feature = "jemalloc")]
    {
        use tikv_jemalloc_ctl::{background_thread, max_background_threads};
        // Not to be had everywhere; all works without it.
        let _ = max_background_threads::write(1).and_then(|()| background_thread::write(true));
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::read(std::env::args_os());
    match arguments.command {
        Command::Proxy(proxy) => {
            give_memory_back();
            let log = log::begin(arguments.levels, proxy.log_format);
            run::proxy(&proxy, &log)
        }
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Schema => {
            check::print(&proxy::document::schema());
            ExitCode::SUCCESS
        }
        Command::Reference { keys_without_effect } => {
            check::print(&if keys_without_effect {
                proxy::document::keys_without_effect()
            } else {
                proxy::document::reference()
            });
            ExitCode::SUCCESS
        }
        // Its terminal is taken, so its log goes to a file.
        Command::Demo(demo) => demo::demo(&demo, arguments.levels),
    }
}
