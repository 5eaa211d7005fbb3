//! `tidegate key`, and the key that commands show to a gateway.

use clap::Args;

use super::Answer;
use crate::access::Key;

/// The environment variable with the key.
const VARIABLE: &str = "TIDEGATE_KEY";

/// `tidegate key`
#[derive(Args, Clone, Debug, PartialEq)]
pub struct NewKey {
    /// Name of the client that the key is for, such as bots
    pub name: String,
}

/// The key of a command that asks a gateway.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// Key to show to the gateway; better in the variable TIDEGATE_KEY, where other users of the
    /// machine do not see it
    #[arg(long = "key", value_name = "KEY", value_parser = given)]
    key: Option<Key>,
}

/// Whatever it is, clap would repeat it in a complaint.
fn given(text: &str) -> Result<Key, std::convert::Infallible> {
    Ok(Key::given(text))
}

impl NewKey {
    /// Makes a key. The entry for the keys file goes to standard output, the key itself, which is
    /// kept nowhere, to standard error.
    pub fn run(&self) -> Answer {
        if let Err(what) = crate::access::check_name(&self.name) {
            let err = format!("tidegate: {:?}: {what}\n", self.name);
            return Answer { out: String::new(), err, code: 2 };
        }
        let (name, key) = (&self.name, Key::generate());
        let out = format!("[[client]]\nname = \"{name}\"\nkeys = [\"{}\"]\n", key.hash());
        let err = format!(
            "The key of {name}, which is shown only now:\n\n  {}\n\nThe entry for the keys file \
             (access.keys_file), which knows only its hash:\n\n",
            key.reveal()
        );
        Answer { out, err, code: 0 }
    }
}

impl Identity {
    /// The key that was given, or the one in the environment; an empty one is none.
    pub fn key(&self, env: &[(String, String)]) -> Option<Key> {
        let variable = || {
            let set = env.iter().find(|(name, _)| name == VARIABLE);
            set.map(|(_, text)| Key::given(text.trim()))
        };
        self.key.clone().or_else(variable).filter(|key| !key.reveal().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::KeyHash;

    #[test]
    fn a_new_key_is_shown_once_and_its_hash_is_what_is_kept() {
        let said = NewKey { name: "bots".to_owned() }.run();
        assert_eq!(said.code, 0);
        let key = said.err.split_whitespace().find(|word| word.starts_with("tg_")).unwrap();
        let entry = format!("[[client]]\nname = \"bots\"\nkeys = [\"{}\"]\n", KeyHash::of(key));
        assert_eq!(said.out, entry);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys.toml");
        std::fs::write(&file, &said.out).unwrap();
        assert_eq!(crate::access::check(&file), Ok(()));
        for wrong in ["Bots", "", "gateway", "anonymous", "a b"] {
            let said = NewKey { name: wrong.to_owned() }.run();
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{wrong}");
        }
    }

    #[test]
    fn the_flag_goes_before_the_variable() {
        let env = |text: &str| vec![("TIDEGATE_KEY".to_owned(), text.to_owned())];
        let identity = Identity { key: Some(Key::given("flag")) };
        assert_eq!(identity.key(&env("variable")), Some(Key::given("flag")));
        assert_eq!(Identity::default().key(&env("variable\n")), Some(Key::given("variable")));
        assert_eq!(Identity::default().key(&env("")), None);
        assert_eq!(Identity::default().key(&[]), None);
    }
}
