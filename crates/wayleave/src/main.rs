//! The `wayleave` command: argument parsing and wiring, nothing else.

mod arguments;
mod demo;
mod log;
mod run;

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
            log::begin(arguments.log_level);
            run::proxy(&proxy)
        }
        // Its terminal is taken, so its log goes to a file.
        Command::Demo(demo) => demo::demo(&demo, arguments.log_level),
    }
}
