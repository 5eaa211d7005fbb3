use std::time::Duration;

use super::*;
use crate::telemetry::{ClientId, Wait};

/// A keys file that is changed under a gateway.
struct Desk {
    _dir: tempfile::TempDir,
    path: PathBuf,
    metrics: Arc<Metrics>,
    access: Access,
}

fn client(name: &str, keys: &[&str], more: &str) -> String {
    let hashes: Vec<String> = keys.iter().map(|key| format!("\"{}\"", KeyHash::of(key))).collect();
    format!("[[client]]\nname = \"{name}\"\nkeys = [{}]\n{more}\n", hashes.join(", "))
}

impl Desk {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        std::fs::write(&path, text).unwrap();
        let settings = config::Access { keys_file: Some(path.clone()), open: false };
        let metrics = Metrics::new();
        let access = Access::open(&settings, &metrics).unwrap();
        Self { _dir: dir, path, metrics, access }
    }

    fn write(&self, text: &str) -> Result<Summary, Mistakes> {
        std::fs::write(&self.path, text).unwrap();
        self.access.reload()
    }

    fn grant(&self, key: &str) -> Option<Grant> {
        self.access.roster().of_key(key).cloned()
    }

    fn name(&self, key: &str) -> Option<String> {
        self.grant(key).map(|grant| grant.client().name().to_owned())
    }
}

fn is_revoked(grant: &Grant) -> bool {
    use futures_util::FutureExt as _;
    grant.revoked().now_or_never().is_some()
}

#[test]
fn a_client_is_found_by_each_of_its_keys_and_by_nothing_else() {
    let more = "class = \"background\"\nweight = 7\nrights = [\"read\", \"admin\"]\n";
    let desk = Desk::new(&(client("a", &["key 1", "key 2"], more) + &client("b", &["key 3"], "")));
    assert_eq!(["key 1", "key 2", "key 3"].map(|key| desk.name(key).unwrap()), ["a", "a", "b"]);
    for wrong in ["", "key", "key 11", "KEY 1", &KeyHash::of("key 1").to_string()] {
        assert_eq!(desk.name(wrong), None, "{wrong}");
    }
    let grant = desk.grant("key 1").unwrap();
    let payer = grant.client().payer();
    assert_eq!((payer.class, payer.weight.get()), (Wait::Background, 7));
    assert_eq!(desk.metrics.of_client(payer.client).name(), "a");
    assert!(grant.has_key() && desk.access.has_keys() && desk.access.has_admin());
    let roster = desk.access.roster();
    let anonymous = roster.anonymous();
    assert_eq!(anonymous.client().id(), ClientId::ANONYMOUS);
    assert_eq!(anonymous.client().rights(), Rights::ANYONE);
    assert!(!anonymous.has_key());
    let names = |client: &Arc<Client>| client.name().to_owned();
    let clients: Vec<_> = desk.access.clients().iter().map(names).collect();
    assert_eq!(clients, ["anonymous", "a", "b"]);
}

#[test]
fn without_a_keys_file_there_is_anyone() {
    let access = Access::open(&config::Access::default(), &Metrics::new()).unwrap();
    assert_eq!((access.has_keys(), access.has_admin()), (false, false));
    assert_eq!(access.anyone().client().payer().client, ClientId::ANONYMOUS);
    assert_eq!(access.reload(), Ok(Summary::default()));
}

#[test]
fn a_reload_lets_clients_in_and_out_and_ends_what_removed_ones_started() {
    let desk = Desk::new(&(client("a", &["old", "kept"], "") + &client("b", &["gone"], "")));
    let [old, kept, gone] = ["old", "kept", "gone"].map(|key| desk.grant(key).unwrap());
    let anonymous = desk.access.roster().anonymous().clone();
    let text = client("c", &["new"], "") + &client("a", &["kept", "newer"], "weight = 3");
    let names = |name: &str| vec![name.to_owned()];
    let expected = Summary { clients: 2, keys: 3, added: names("c"), removed: names("b") };
    assert_eq!(desk.write(&text), Ok(expected));
    assert_eq!((desk.name("old"), desk.name("gone")), (None, None));
    let found = ["kept", "newer", "new"].map(|key| desk.name(key).unwrap());
    assert_eq!(found, ["a", "a", "c"]);
    assert_eq!(desk.grant("kept").unwrap().client().payer().weight.get(), 3);
    assert_eq!(
        [&old, &kept, &gone, &anonymous].map(is_revoked),
        [true, false, true, false],
        "a key that stays is not revoked"
    );
    // Over two readings as over one.
    desk.write(&client("a", &["kept"], "")).unwrap();
    assert!(!is_revoked(&kept));
    let newer = desk.grant("kept").unwrap();
    desk.write(&client("a", &["kept"], "rights = [\"read\"]")).unwrap();
    assert!(is_revoked(&kept) && is_revoked(&newer), "streams need their right");
    let no_streams = "[[client]]\nname = \"anonymous\"\nrights = [\"read\"]\n";
    desk.write(no_streams).unwrap();
    assert!(is_revoked(&anonymous));
    // A key that moves to another client is another grant.
    desk.write(&client("a", &["moves"], "")).unwrap();
    let moves = desk.grant("moves").unwrap();
    desk.write(&client("b", &["moves"], "")).unwrap();
    assert!(is_revoked(&moves));
    assert_eq!(desk.name("moves").unwrap(), "b");
}

#[test]
fn a_file_with_a_mistake_changes_nothing() {
    let desk = Desk::new(&client("a", &["key"], ""));
    let grant = desk.grant("key").unwrap();
    let told = desk.write(&client("b", &["key"], "weight = 0")).unwrap_err();
    let expected = format!(
        "1 mistake in the keys file:\n  {0}:4: client[0].weight: expected a whole number from 1 \
         to 100",
        desk.path.display()
    );
    assert_eq!(told.to_string(), expected);
    assert!(matches!(desk.write(""), Err(Mistakes::Invalid(_))), "half written");
    std::fs::remove_file(&desk.path).unwrap();
    let told = desk.access.reload().unwrap_err();
    assert!(matches!(told, Mistakes::Unreadable { .. }), "{told}");
    assert_eq!(desk.name("key").unwrap(), "a");
    assert!(!is_revoked(&grant));
    let settings = config::Access { keys_file: Some(desk.path.clone()), open: false };
    assert_eq!(Access::open(&settings, &desk.metrics).unwrap_err(), told);
    assert_eq!(check(&desk.path).unwrap_err(), told);
}

#[tokio::test(start_paused = true)]
async fn a_reload_gives_no_quota_back() {
    let more = |requests: u32| format!("quota = {{ requests = {requests}, window = \"1m\" }}");
    let desk = Desk::new(&client("a", &["key"], &more(2)));
    let spend = || desk.grant("key").unwrap().client().spend();
    assert_eq!(spend().unwrap().unwrap().left, 1);
    desk.write(&client("a", &["key"], &more(2))).unwrap();
    assert_eq!(spend().unwrap().unwrap().left, 0);
    desk.write(&client("a", &["other"], &more(2))).unwrap();
    let client_now = desk.grant("other").unwrap();
    let exceeded = Err(Exceeded { wait: Duration::from_secs(30) });
    assert_eq!(client_now.client().spend(), exceeded);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(client_now.client().allowance().unwrap().left, 1);
    desk.write(&client("a", &["key"], "")).unwrap();
    assert_eq!((spend(), spend()), (Ok(None), Ok(None)), "there is none any more");
}

/// Labels stay bounded over any number of reloads.
#[test]
fn names_that_metrics_have_no_room_for_are_a_mistake() {
    let desk = Desk::new(&client("a", &["key"], ""));
    let many = |from: usize| -> String {
        (from..from + 150).map(|n| client(&format!("n{n}"), &[&n.to_string()], "")).collect()
    };
    desk.write(&many(0)).unwrap();
    let told = desk.write(&many(150)).unwrap_err().to_string();
    assert!(told.contains("there is no room for \"n253\" in the metrics"), "{told}");
    assert_eq!(desk.name("149").unwrap(), "n149");
    assert_eq!(desk.metrics.clients().len(), 256);
}
