//! The built program: `check`, `serve`, `key`, `candles`, and what it writes to its log.

use std::process::Stdio;

use tidegate::access::KeyHash;
use tokio::process::Command;

use crate::rig::{Rig, client, eventually, soon};

fn tidegate(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(args).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("TIDEGATE_") {
            command.env_remove(&*name);
        }
    }
    command
}

/// Exit code, standard output, standard error.
async fn run(command: &mut Command) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let output = soon("the end of the program", command.output()).await.unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_listener_that_others_reach_needs_keys_or_a_word() {
    let reason = "flag: server.listen: whoever reaches 0.0.0.0 could ask: set access.keys_file, or \
                  access.open = true if that is what is wanted\n";
    let far = ["--listen", "0.0.0.0:0"];
    for command in [["serve"].as_slice(), &["config"]] {
        let (code, out, err) = run(&mut tidegate(&[command, &far].concat())).await;
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.ends_with(reason), "{err}");
    }
    let check = async |name: &str, value: &str| {
        let mut command = tidegate(&["check"]);
        run(command.env("TIDEGATE__SERVER__LISTEN", "[::]:8087").env(name, value)).await
    };
    assert_eq!(check("TIDEGATE__ACCESS__OPEN", "false").await.0, 1);
    let fine = (0, "OK\n".to_owned(), String::new());
    assert_eq!(check("TIDEGATE__ACCESS__OPEN", "true").await, fine);
    let (code, _, err) = check("TIDEGATE__ACCESS__KEYS_FILE", "/nowhere/keys.toml").await;
    assert_eq!(code, 2);
    assert!(err.starts_with("cannot read the keys file /nowhere/keys.toml: "), "{err}");
    let admin = ["config", "--set", "server.admin.listen=0.0.0.0:8086"];
    let (code, _, err) = run(&mut tidegate(&admin)).await;
    assert_eq!(code, 1);
    assert!(err.contains("server.admin.listen: whoever reaches 0.0.0.0 could ask"), "{err}");
    let (code, _, err) = run(&mut tidegate(&["demo", "--listen", "0.0.0.0:0"])).await;
    assert_eq!(code, 1);
    assert!(err.contains("whoever reaches 0.0.0.0 could ask"), "{err}");
    for near in ["127.0.0.9:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
        let (code, _, err) = run(&mut tidegate(&["config", "--listen", near])).await;
        assert_eq!(code, 0, "{near}: {err}");
    }
}

#[tokio::test]
async fn check_and_serve_name_every_mistake_of_the_keys_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.toml");
    std::fs::write(&file, "[[client]]\nname = \"A\"\nkeys = []\nweight = 0\n").unwrap();
    for args in [["check"].as_slice(), &["serve", "--listen", "127.0.0.1:0"]] {
        let (code, _, err) = run(tidegate(args).env("TIDEGATE__ACCESS__KEYS_FILE", &file)).await;
        assert_eq!(code, 1, "{err}");
        for line in [
            "3 mistakes in the keys file:",
            ":2: client[0].name: expected 1 to 40 of a-z, 0-9, _ and -",
            ":1: client[0]: has no keys; `tidegate key NAME` makes one",
            ":4: client[0].weight: expected a whole number from 1 to 100",
        ] {
            assert!(err.contains(line), "{line}\n{err}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_show_their_key() {
    let (code, entry, said) = run(&mut tidegate(&["key", "research"])).await;
    assert_eq!(code, 0);
    let key = said.split_whitespace().find(|word| word.starts_with("tg_")).unwrap();
    assert!(entry.contains(&KeyHash::of(key).to_string()) && !entry.contains(key), "{entry}");
    let rig = Rig::far(&format!("{entry}rights = [\"read\", \"ops\"]\n")).await;
    let url = rig.url("");
    let candles = ["candles", "BTC/USD", "--limit", "2", "--format", "csv", "--url", &url];
    let (code, out, err) = run(tidegate(&candles).env("TIDEGATE_KEY", key)).await;
    assert_eq!((code, out.lines().count()), (0, 3), "{out}{err}");
    let flag = [&candles[..], &["--key", key]].concat();
    let (code, out, _) = run(tidegate(&flag).env("TIDEGATE_KEY", "wrong")).await;
    assert_eq!((code, out.lines().count()), (0, 3));

    let (code, out, err) = run(&mut tidegate(&candles)).await;
    assert_eq!((code, out.as_str()), (1, ""));
    let host = url.strip_prefix("http://").unwrap();
    let refused = format!(
        "tidegate: the gateway at {host} refuses: a key is needed here: Authorization: Bearer KEY, \
         or X-Api-Key: KEY; show it a key with --key or TIDEGATE_KEY\n"
    );
    assert_eq!(err, refused);
    let unusable = [&candles[..], &["--key", "se\ncret"]].concat();
    let (code, _, err) = run(&mut tidegate(&unusable)).await;
    assert_eq!(code, 1);
    assert!(err.contains("no header can carry") && !err.contains("cret"), "{err}");
    // Two gateways would each spend a whole budget, so one that refuses is not replaced.
    let port = rig.app.address().port().to_string();
    let listen = format!("127.0.0.1:{port}");
    let near = ["candles", "BTC/USD", "--limit", "2", "--listen", &listen];
    let (code, _, err) = run(&mut tidegate(&near)).await;
    assert_eq!(code, 1);
    assert!(err.contains(" refuses: a key is needed here"), "{err}");
}

/// However much it is told to log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_ever_logged() {
    let (right, wrong) = ("tg_RightKeyOfTheBots", "tg_WrongKeyOfSomebody");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.toml");
    std::fs::write(&file, client("bots", right, "")).unwrap();
    let rig = Rig::near(&client("bots", right, "")).await;
    let mut command = tidegate(&["serve", "--listen", "127.0.0.1:0", "--log", "trace"]);
    command.args(["--rest-url", &rig.sim.rest_url(), "--set", "feed.enabled=false"]);
    command.args(["--set", "server.drain_delay=0s"]);
    command.env("TIDEGATE__ACCESS__KEYS_FILE", &file);
    let log = dir.path().join("log");
    let output = std::fs::File::create(&log).unwrap();
    command.stdout(output.try_clone().unwrap()).stderr(output);
    let mut process = command.spawn().unwrap();
    let said = || String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
    let url = || {
        let all = said();
        let (url, _) = all.split_once("tidegate is listening on ")?.1.split_once('\n')?;
        Some(url.to_owned())
    };
    eventually("where it listens", || url().is_some()).await;
    let url = url().unwrap();
    for (key, status) in [(right, 200), (wrong, 401)] {
        for path in ["/api/market-data/ticker/BTC-USD", "/v2/ticker/tBTCUSD"] {
            for (name, value) in
                [("authorization", format!("Bearer {key}")), ("x-api-key", key.to_owned())]
            {
                let request = rig.client.get(format!("{url}{path}")).header(name, value);
                assert_eq!(request.send().await.unwrap().status(), status, "{path}");
            }
        }
    }
    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert!(soon("the end of the program", process.wait()).await.unwrap().success());
    let all = said();
    assert!(all.contains("unauthorized"), "refusals are logged: {all}");
    for secret in ["RightKeyOfTheBots", "WrongKeyOfSomebody"] {
        assert!(!all.contains(secret), "{all}");
    }
}
