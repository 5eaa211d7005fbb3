//! The keys file: TOML to checked entries, or every mistake at once.
//!
//! A text that is no hash may be a key that somebody pasted in the hash's place, so no value of
//! `keys` is ever repeated.

use std::{
    collections::HashMap,
    fs,
    io::Read as _,
    num::{NonZeroU16, NonZeroU32},
    path::Path,
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    ANONYMOUS, BadHash, KeyHash, Mistakes, Quota, Right, Rights, field,
    field::{Fault, Field},
};
use crate::{
    config::{Mistake, Origin},
    telemetry::Wait,
};

/// Clients of one file. Metrics have a series for each, and take a few more over reloads.
const MOST_CLIENTS: usize = 200;
/// Keys of one client: enough to hand new ones out before old ones are withdrawn.
const MOST_KEYS: usize = 16;
/// A larger file is none with so many clients.
const MOST_BYTES: u64 = 1024 * 1024;
/// What an entry may say.
const KNOWN: &str = "it may have name, keys, class, weight, rights, quota";

/// One `[[client]]`, checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) keys: Vec<KeyHash>,
    pub(super) class: Wait,
    pub(super) weight: NonZeroU16,
    pub(super) rights: Rights,
    pub(super) quota: Option<Quota>,
}

impl Entry {
    /// What a client is that says nothing of itself.
    pub(super) fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        let rights = if name == ANONYMOUS { Rights::ANYONE } else { Rights::CLIENT };
        let (class, weight) = (Wait::Client, NonZeroU16::MIN);
        Self { name, keys: Vec::new(), class, weight, rights, quota: None }
    }
}

/// Reads and checks a keys file.
pub(super) fn load(path: &Path) -> Result<Vec<Entry>, Mistakes> {
    let unreadable = |error: String| Mistakes::Unreadable { path: path.to_owned(), error };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let read = file.take(MOST_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(unreadable(format!("it is larger than {MOST_BYTES} bytes")));
    }
    read_text(path, &text).map_err(Mistakes::Invalid)
}

/// The same of a text.
fn read_text(path: &Path, text: &str) -> Result<Vec<Entry>, Vec<Mistake>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut file = File { path, text, found: Vec::new() };
    for error in &errors {
        file.note(error.span().map_or(0, |span| span.start), None, error.message());
    }
    let entries = file.entries(table.get_ref());
    if entries.is_empty() && file.found.is_empty() {
        file.note(0, None, "there is no [[client]] in it");
    }
    file.found.sort_by_key(|(offset, _)| *offset);
    let mistakes: Vec<_> = file.found.into_iter().map(|(_, mistake)| mistake).collect();
    if mistakes.is_empty() { Ok(entries) } else { Err(mistakes) }
}

/// A text and what was found wrong in it.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
    found: Vec<(usize, Mistake)>,
}

/// What has to be there once only.
#[derive(Default)]
struct Seen {
    names: HashMap<String, usize>,
    keys: HashMap<KeyHash, usize>,
}

impl File<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn note(&mut self, offset: usize, place: Option<String>, what: impl Into<String>) {
        let origin = Origin::File { path: self.path.to_owned(), line: self.line(offset) };
        self.found.push((offset, Mistake { path: place, origin, what: what.into() }));
    }

    fn entries(&mut self, table: &DeTable<'_>) -> Vec<Entry> {
        let (mut entries, mut seen) = (Vec::new(), Seen::default());
        for (key, value) in table {
            let offset = key.span().start;
            let name = key.get_ref().as_ref();
            let clients = value.get_ref().as_array().filter(|_| name == "client");
            let Some(clients) = clients else {
                let what = "unknown; a keys file has [[client]] entries only";
                self.note(offset, Some(name.to_owned()), what);
                continue;
            };
            if clients.len() > MOST_CLIENTS {
                let what = format!("{} entries, more than {MOST_CLIENTS}", clients.len());
                self.note(offset, Some(name.to_owned()), what);
            }
            for (index, client) in clients.iter().enumerate().take(MOST_CLIENTS) {
                let place = format!("client[{index}]");
                match client.get_ref().as_table() {
                    Some(fields) => {
                        let offset = client.span().start;
                        entries.push(self.entry(&place, offset, fields, &mut seen));
                    }
                    None => self.note(client.span().start, Some(place), "expected a table"),
                }
            }
        }
        entries
    }

    fn entry(
        &mut self,
        place: &str,
        offset: usize,
        fields: &DeTable<'_>,
        seen: &mut Seen,
    ) -> Entry {
        let mut entry = Entry::named(self.name(place, offset, fields, seen).unwrap_or_default());
        for (key, value) in fields {
            let at = format!("{place}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "name" => {}
                "keys" => entry.keys = self.keys(&at, value, seen),
                "class" => entry.class = self.take(&at, value, field::class).unwrap_or(entry.class),
                "weight" => {
                    entry.weight = self.take(&at, value, field::weight).unwrap_or(entry.weight);
                }
                "rights" => {
                    entry.rights = self.take(&at, value, field::rights).unwrap_or(entry.rights);
                }
                "quota" => entry.quota = self.quota(&at, key.span().start, value),
                _ => self.note(key.span().start, Some(at), format!("unknown; {KNOWN}")),
            }
        }
        self.check_keys(place, offset, fields, &entry);
        entry
    }

    fn name(
        &mut self,
        place: &str,
        offset: usize,
        fields: &DeTable<'_>,
        seen: &mut Seen,
    ) -> Option<String> {
        let Some(value) = fields.get("name") else {
            self.note(offset, Some(place.to_owned()), "has no name");
            return None;
        };
        let (at, offset) = (format!("{place}.name"), value.span().start);
        let name = self.take(&at, value, field::name)?;
        if let Some(first) = seen.names.insert(name.clone(), offset) {
            let what = format!("{name:?} is the name of line {} already", self.line(first));
            self.note(offset, Some(at), what);
        }
        Some(name)
    }

    /// Who has a key needs one, and nobody who has none becomes an admin.
    fn check_keys(&mut self, place: &str, offset: usize, fields: &DeTable<'_>, entry: &Entry) {
        let has_keys = fields.get("keys").is_some_and(|keys| match keys.get_ref() {
            DeValue::Array(keys) => !keys.is_empty(),
            _ => true,
        });
        let what = match (entry.name == ANONYMOUS, has_keys) {
            (true, true) => "anonymous are those without a key, so it has no keys",
            (true, false) if entry.rights.has(Right::Admin) => {
                "anonymous cannot have the right admin: what it allows always needs a key"
            }
            (false, false) => "has no keys; `tidegate key NAME` makes one",
            _ => return,
        };
        self.note(offset, Some(place.to_owned()), what);
    }

    fn keys(&mut self, at: &str, value: &Spanned<DeValue<'_>>, seen: &mut Seen) -> Vec<KeyHash> {
        let Some(list) = value.get_ref().as_array() else {
            self.note(value.span().start, Some(at.to_owned()), "expected a list of hashes");
            return Vec::new();
        };
        if list.len() > MOST_KEYS {
            let what = format!("{} keys, more than {MOST_KEYS}", list.len());
            self.note(value.span().start, Some(at.to_owned()), what);
        }
        let mut keys = Vec::new();
        for (index, item) in list.iter().enumerate().take(MOST_KEYS) {
            let (at, offset) = (format!("{at}[{index}]"), item.span().start);
            let hash = item.get_ref().as_str().ok_or(BadHash).and_then(str::parse::<KeyHash>);
            match hash {
                Ok(hash) => match seen.keys.insert(hash, offset) {
                    None => keys.push(hash),
                    Some(first) => {
                        let what = format!("is the key of line {} already", self.line(first));
                        self.note(offset, Some(at), what);
                    }
                },
                Err(bad) => self.note(offset, Some(at), bad.to_string()),
            }
        }
        keys
    }

    fn quota(&mut self, at: &str, offset: usize, value: &Spanned<DeValue<'_>>) -> Option<Quota> {
        let Some(fields) = value.get_ref().as_table() else {
            let what = "expected a table with requests and window";
            self.note(value.span().start, Some(at.to_owned()), what);
            return None;
        };
        let (mut requests, mut window) = (None::<Option<NonZeroU32>>, None::<Option<Duration>>);
        for (key, value) in fields {
            let at = format!("{at}.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "requests" => requests = Some(self.take(&at, value, field::requests)),
                "window" => window = Some(self.take(&at, value, field::window)),
                _ => {
                    let what = "unknown; a quota has requests and window";
                    self.note(key.span().start, Some(at), what);
                }
            }
        }
        for (name, is_missing) in [("requests", requests.is_none()), ("window", window.is_none())] {
            if is_missing {
                self.note(offset, Some(at.to_owned()), format!("has no {name}"));
            }
        }
        Some(Quota { requests: requests??, window: window?? })
    }

    /// Reads one value, or notes what it should have been.
    fn take<T>(&mut self, at: &str, value: &Spanned<DeValue<'_>>, field: Field<T>) -> Option<T> {
        match field(value.get_ref()) {
            Ok(read) => Some(read),
            Err(Fault(what)) => {
                self.note(value.span().start, Some(at.to_owned()), what);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Entry>, Vec<String>> {
        let told = |mistakes: Vec<Mistake>| mistakes.iter().map(ToString::to_string).collect();
        read_text(Path::new("keys.toml"), text).map_err(told)
    }

    fn hash(text: &str) -> KeyHash {
        KeyHash::of(text)
    }

    #[test]
    fn an_entry_says_who_a_client_is() {
        let text = format!(
            "[[client]]\nname = \"bots\"\nkeys = [\"{}\", \"{}\"]\n\n\
             [[client]]\nname = \"research-2\"\nkeys = [\"{}\"]\nclass = \"background\"\n\
             weight = 100\nrights = [\"ops\", \"admin\"]\n\
             [client.quota]\nrequests = 6_000\nwindow = \"1m\"\n\n\
             [[client]]\nname = \"anonymous\"\nquota = {{ requests = 1, window = \"1d\" }}\n",
            hash("a"),
            hash("b"),
            hash("c")
        );
        let quota = |requests, seconds| {
            let requests = NonZeroU32::new(requests).unwrap();
            Some(Quota { requests, window: Duration::from_secs(seconds) })
        };
        let expected = [
            Entry { keys: vec![hash("a"), hash("b")], ..Entry::named("bots") },
            Entry {
                keys: vec![hash("c")],
                class: Wait::Background,
                weight: NonZeroU16::new(100).unwrap(),
                rights: Rights::default().and(Right::Ops).and(Right::Admin),
                quota: quota(6000, 60),
                ..Entry::named("research-2")
            },
            Entry { quota: quota(1, 86_400), ..Entry::named("anonymous") },
        ];
        assert_eq!(read(&text).unwrap(), expected);
        assert!(expected[0].rights.has(Right::Stream) && !expected[0].rights.has(Right::Ops));
        assert!(expected[2].rights.has(Right::Ops) && !expected[2].rights.has(Right::Admin));
    }

    #[test]
    fn every_mistake_is_named_at_once_with_its_place() {
        let text = format!(
            "title = 1\n\
             [[client]]\n\
             name = \"Bots\"\n\
             keys = [\"sha256:12\"]\n\
             [[client]]\n\
             keys = []\n\
             [[client]]\n\
             name = \"a\"\n\
             keys = [\"{a}\", \"tg_secret\", 7]\n\
             class = \"refresh\"\n\
             weight = 0\n\
             rights = [\"read\", \"write\"]\n\
             colour = \"red\"\n\
             [client.quota]\n\
             requests = 0\n\
             burst = 5\n\
             [[client]]\n\
             name = \"a\"\n\
             keys = [\"{a}\"]\n\
             quota = {{ requests = 10, window = \"1500ms\" }}\n\
             [[client]]\n\
             name = \"gateway\"\n\
             [[client]]\n\
             name = \"anonymous\"\n\
             keys = [\"{b}\"]\n\
             [[client]]\n\
             name = \"idle\"\n",
            a = hash("a"),
            b = hash("b"),
        );
        let told = read(&text).unwrap_err();
        let expected = [
            "keys.toml:1: title: unknown; a keys file has [[client]] entries only",
            "keys.toml:3: client[0].name: expected 1 to 40 of a-z, 0-9, _ and -",
            "keys.toml:4: client[0].keys[0]: expected \"sha256:\" and 64 hexadecimal digits, as \
             `tidegate key NAME` prints it",
            "keys.toml:5: client[1]: has no name",
            "keys.toml:5: client[1]: has no keys; `tidegate key NAME` makes one",
            "keys.toml:9: client[2].keys[1]: expected \"sha256:\" and 64 hexadecimal digits, as \
             `tidegate key NAME` prints it",
            "keys.toml:9: client[2].keys[2]: expected \"sha256:\" and 64 hexadecimal digits, as \
             `tidegate key NAME` prints it",
            "keys.toml:10: client[2].class: expected \"client\" or \"background\"",
            "keys.toml:11: client[2].weight: expected a whole number from 1 to 100",
            "keys.toml:12: client[2].rights: expected a list of \"read\", \"stream\", \"ops\", \
             \"admin\"",
            "keys.toml:13: client[2].colour: unknown; it may have name, keys, class, weight, \
             rights, quota",
            "keys.toml:14: client[2].quota: has no window",
            "keys.toml:15: client[2].quota.requests: expected a whole number from 1 to 1000000",
            "keys.toml:16: client[2].quota.burst: unknown; a quota has requests and window",
            "keys.toml:18: client[3].name: \"a\" is the name of line 8 already",
            "keys.toml:19: client[3].keys[0]: is the key of line 9 already",
            "keys.toml:20: client[3].quota.window: expected a duration from 1s to 24h in whole \
             seconds",
            "keys.toml:21: client[4]: has no keys; `tidegate key NAME` makes one",
            "keys.toml:22: client[4].name: \"gateway\" is the gateway itself",
            "keys.toml:23: client[5]: anonymous are those without a key, so it has no keys",
            "keys.toml:26: client[6]: has no keys; `tidegate key NAME` makes one",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_key_in_the_place_of_its_hash_is_not_repeated() {
        for text in [
            "[[client]]\nname = \"a\"\nkeys = [\"tg_secret\"]\n",
            "[[client]]\nname = \"a\"\nkeys = \"tg_secret\"\n",
            "[[client]]\nname = \"a\"\nkeys = [tg_secret]\n",
            "[[client]]\nname = \"tg_SECRET\"\nkeys = []\n",
        ] {
            let told = read(text).unwrap_err().concat();
            assert!(!told.to_lowercase().contains("secret"), "{told}");
        }
    }

    #[test]
    fn what_is_no_keys_file_is_refused() {
        assert_eq!(read("").unwrap_err(), ["keys.toml:1: there is no [[client]] in it"]);
        let told = read("[[client]\nname = 1").unwrap_err();
        assert!(told[0].starts_with("keys.toml:1: "), "{told:?}");
        let admin = "[[client]]\nname = \"anonymous\"\nrights = [\"admin\"]\n";
        let what = "keys.toml:1: client[0]: anonymous cannot have the right admin: what it allows \
                    always needs a key";
        assert_eq!(read(admin).unwrap_err(), [what]);
        let one = |n: usize| {
            format!("[[client]]\nname = \"a{n}\"\nkeys = [\"{}\"]\n", { hash(&n.to_string()) })
        };
        let many: String = (0..=MOST_CLIENTS).map(one).collect();
        assert_eq!(read(&many).unwrap_err(), ["keys.toml:1: client: 201 entries, more than 200"]);
        let few: String = (0..MOST_CLIENTS).map(one).collect();
        assert_eq!(read(&few).unwrap().len(), MOST_CLIENTS);
    }
}
