//! The only place of the program that writes to standard output: lines, and on a terminal one block that is redrawn.

use std::io::{self, IsTerminal, StdoutLock, Write};

/// Standard output.
pub(crate) struct Screen {
    out: StdoutLock<'static>,
    terminal: bool,
    /// Lines of the block that stands on the screen.
    drawn: usize,
}

impl Screen {
    pub(crate) fn new() -> Screen {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Screen { out: io::stdout().lock(), terminal: io::stdout().is_terminal() && !dumb, drawn: 0 }
    }

    /// Whether blocks can be redrawn.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes text that stays, on a terminal with its comments (`# …`) less bright than the commands they are about.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn explain(&mut self, text: &str) -> io::Result<()> {
        let plain = !self.terminal || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        self.say(&if plain { text.to_owned() } else { dim_comments(text) })
    }

    /// Writes text that stays.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        self.drawn = 0;
        writeln!(self.out, "{}", text.trim_end())?;
        self.out.flush()
    }

    /// Writes a block in place of the one before it.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn draw(&mut self, block: &str) -> io::Result<()> {
        self.out.write_all(redraw(self.drawn, block).as_bytes())?;
        self.drawn = block.lines().count();
        self.out.flush()
    }
}

fn dim_comments(text: &str) -> String {
    let dim = |line: &str| match line.starts_with("# ") {
        true => format!("\x1b[2m{line}\x1b[0m\n"),
        false => format!("{line}\n"),
    };
    text.lines().map(dim).collect()
}

/// The bytes that replace `drawn` lines by those of `block`. Lines are cut at the edge of the terminal while they are
/// written, because a wrapped one would count as two.
fn redraw(drawn: usize, block: &str) -> String {
    let mut text = String::from("\x1b[?7l");
    if drawn > 0 {
        text.push_str(&format!("\x1b[{drawn}A\r"));
    }
    for line in block.lines() {
        text.push_str(line);
        text.push_str("\x1b[K\n");
    }
    text.push_str("\x1b[J\x1b[?7h");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_dim() {
        assert_eq!(dim_comments("a\n# b\nc"), "a\n\x1b[2m# b\x1b[0m\nc\n");
    }

    #[test]
    fn a_block_takes_the_place_of_the_last_one() {
        assert_eq!(redraw(0, "a\nb\n"), "\x1b[?7la\x1b[K\nb\x1b[K\n\x1b[J\x1b[?7h");
        assert_eq!(redraw(2, "c"), "\x1b[?7l\x1b[2A\rc\x1b[K\n\x1b[J\x1b[?7h");
    }
}
