//! `tidegate backfill` and `tidegate candles` as people run them: the built binary, over real
//! sockets, before a gateway that does what it is told to.

mod backfill;
mod candles;
mod fake;
mod whole;

use std::process::{Command, Output, Stdio};

/// The binary, without settings of whoever runs the tests.
fn tidegate(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(args);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("TIDEGATE__") || ["COLUMNS", "LINES", "NO_COLOR"].contains(&&*name) {
            command.env_remove(&*name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code, standard output, standard error.
fn run(args: &[&str]) -> (i32, String, String) {
    told(tidegate(args).output().unwrap())
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
