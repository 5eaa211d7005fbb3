//! The settings in force, as text.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Loaded, current::is_changeable, keys::keys};

impl Loaded {
    /// A settings file that gives these settings, with the origin of each value beside it.
    pub fn to_toml(&self) -> String {
        let mut config = self.config.clone();
        let mut text = String::new();
        let mut open = "";
        for key in keys() {
            let (section, name) = key.path().rsplit_once('.').unwrap_or(("", key.path()));
            if section != open {
                let gap = if text.is_empty() { "" } else { "\n" };
                let _infallible = writeln!(text, "{gap}[{section}]");
                open = section;
            }
            // A JSON scalar is a TOML scalar.
            let value = key.show(&mut config);
            let _infallible = writeln!(text, "{name} = {value}  # {}", self.origin(key.path()));
        }
        text
    }

    /// Every setting as a table for people (Markdown): path, these values, what it is and may be,
    /// and whether it can be changed at run time.
    pub fn to_markdown(&self) -> String {
        let mut config = self.config.clone();
        let mut text = String::from(
            "| setting | value | what it is | what it may be | without a restart |\n\
             |---|---|---|---|---|\n",
        );
        for key in keys() {
            let cell = |text: &str| text.replace('|', "\\|");
            let value = cell(&key.show(&mut config).to_string());
            let (about, expected) = (cell(key.about()), cell(key.expected()));
            let live = if is_changeable(key.path()) { "yes" } else { "no" };
            let path = key.path();
            let _infallible =
                writeln!(text, "| `{path}` | `{value}` | {about} | {expected} | {live} |");
        }
        text
    }

    /// The settings as a JSON object: path to `{value, origin, from, about}`; `from` is the file and
    /// line or the variable.
    pub fn to_json(&self) -> String {
        let mut config = self.config.clone();
        let settings: Map<String, Value> = keys()
            .iter()
            .map(|key| {
                let origin = self.origin(key.path());
                let setting = json!({
                    "value": key.show(&mut config),
                    "origin": origin.layer(),
                    "from": origin.to_string(),
                    "about": key.about(),
                });
                (key.path().to_owned(), setting)
            })
            .collect();
        format!("{:#}\n", Value::Object(settings))
    }
}
