//! A key for whoever looks at the demo, so that the page's actions can be tried.

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::Context as _;

use crate::access::Key;

/// A key with every right, and the keys file that knows it. The file goes with the value.
pub(super) struct Operator {
    key: Key,
    pub(super) keys_file: PathBuf,
}

impl Operator {
    /// Makes the key and writes the file, among the system's temporary ones.
    pub(super) fn new() -> anyhow::Result<Self> {
        let key = Key::generate();
        let name = format!("tidegate-demo-{}.toml", std::process::id());
        let keys_file = std::env::temp_dir().join(name);
        let mut text = String::from("[[client]]\nname = \"operator\"\n");
        let _infallible = writeln!(text, "keys = [\"{}\"]", key.hash());
        text.push_str("rights = [\"read\", \"stream\", \"ops\", \"admin\"]\n");
        fs::write(&keys_file, text)
            .with_context(|| format!("cannot write {}", keys_file.display()))?;
        Ok(Self { key, keys_file })
    }

    /// The key, for its owner.
    pub(super) fn key(&self) -> &str {
        self.key.reveal()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Nothing but a hash of a key that nobody will ask for again is left behind.
        let _gone = fs::remove_file(&self.keys_file);
    }
}
