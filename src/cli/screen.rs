//! What standard output can show.

use std::{env, io, io::IsTerminal as _};

/// Size and abilities of what a command prints to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Characters in a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Whether it shows colours and whoever looks at it wants them.
    pub colours: bool,
}

impl Screen {
    /// Standard output's. Where it is no terminal, `COLUMNS` and `LINES` tell its size, else it
    /// is 80 by 24. Colours are for terminals, and not where `NO_COLOR` is set to anything
    /// (no-color.org, 2026-11).
    pub fn of_stdout() -> Self {
        let told = |name: &str| env::var(name).ok()?.parse::<usize>().ok();
        let seen = console::Term::stdout().size_checked();
        let (height, width) = match seen {
            Some((rows, columns)) => (usize::from(rows), usize::from(columns)),
            None => (told("LINES").unwrap_or(24), told("COLUMNS").unwrap_or(80)),
        };
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colours = io::stdout().is_terminal() && !unwanted && !dumb;
        // Beyond these bounds a chart is none.
        Self { width: width.clamp(40, 1000), height: height.clamp(12, 200), colours }
    }
}
