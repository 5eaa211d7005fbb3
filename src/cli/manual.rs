//! `tidegate completions` and `tidegate man`: what a package installs beside the binary, made from
//! the definition of the command line itself, so that it cannot tell of flags that are not there.

use std::io::Write as _;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Answer, Cli};

/// `tidegate completions`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Completions {
    /// Shell to complete for
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `tidegate man`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Manual {
    /// Command whose page it is; without one, tidegate's own
    #[arg(conflicts_with = "list")]
    pub command: Option<String>,
    /// Print the names of the pages, one a line: `tidegate-NAME` is printed by `tidegate man NAME`
    #[arg(long)]
    pub list: bool,
}

impl Completions {
    /// The script, for the shell to read.
    pub fn run(&self) -> Answer {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "tidegate", &mut script);
        Answer { out: String::from_utf8_lossy(&script).into_owned(), err: String::new(), code: 0 }
    }
}

impl Manual {
    /// The page, in the language of troff; or the names of all.
    pub fn run(&self) -> Answer {
        // Without it, `build` adds a `help` with all commands below it, and a page for each.
        let mut whole = Cli::command().disable_help_subcommand(true);
        whole.build();
        if self.list {
            let mut out = "tidegate\n".to_owned();
            for command in whole.get_subcommands() {
                out = out + "tidegate-" + command.get_name() + "\n";
            }
            return Answer { out, err: String::new(), code: 0 };
        }
        let page = match &self.command {
            None => Ok(whole),
            Some(name) => whole.find_subcommand(name).cloned().ok_or(name),
        };
        match page {
            Ok(command) => Answer { out: page_of(command), err: String::new(), code: 0 },
            Err(name) => {
                let err = format!("{name}: no command; `tidegate man --list` names the pages\n");
                Answer { out: String::new(), err, code: 2 }
            }
        }
    }
}

fn page_of(command: clap::Command) -> String {
    let source = concat!("tidegate ", env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    let man = Man::new(command).source(source).manual("Tidegate");
    man.render(&mut page).and_then(|()| page.flush()).expect("a vector takes every byte");
    // A date that is empty has to be quoted, else troff takes what follows it for the date.
    String::from_utf8_lossy(&page).replacen(" 1  \"", " 1 \"\" \"", 1)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    fn page(command: Option<&str>) -> Answer {
        Manual { command: command.map(str::to_owned), list: false }.run()
    }

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in Shell::value_variants() {
            let script = Completions { shell: *shell }.run();
            assert_eq!((script.err.as_str(), script.code), ("", 0));
            for word in ["tidegate", "backfill", "ticker-every"] {
                assert!(script.out.contains(word), "{shell} lacks {word}");
            }
        }
    }

    #[test]
    fn every_page_that_is_listed_is_there() {
        let list = Manual { command: None, list: true }.run().out;
        let names: Vec<_> = list.lines().collect();
        assert_eq!(names[..2], ["tidegate", "tidegate-serve"]);
        assert!(!names.contains(&"tidegate-help"), "clap's own help is no page of ours");
        for name in names {
            let answer = page(name.strip_prefix("tidegate-"));
            assert_eq!((answer.err.as_str(), answer.code), ("", 0), "{name}");
            let version = env!("CARGO_PKG_VERSION");
            let title = format!(".TH {name} 1 \"\" \"tidegate {version}\" Tidegate\n");
            assert!(answer.out.contains(&title), "{title}{}", answer.out);
        }
        // In roff a hyphen is escaped, so that no line ends with it.
        assert!(
            page(None).out.contains("tidegate\\-serve(1)"),
            "the first page leads to the others"
        );
    }

    #[test]
    fn a_page_that_is_none_is_said() {
        let answer = page(Some("sevre"));
        assert_eq!((answer.out.as_str(), answer.code), ("", 2));
        assert_eq!(answer.err, "sevre: no command; `tidegate man --list` names the pages\n");
    }
}
