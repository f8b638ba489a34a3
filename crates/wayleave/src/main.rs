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

fn main() -> ExitCode {
    let arguments = Arguments::read(std::env::args_os());
    match arguments.command {
        Command::Proxy(proxy) => {
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
