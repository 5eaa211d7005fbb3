//! The built program: SIGHUP, and its own health check over TLS.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use crate::rig::{Issued, TICKER, eventually, exchange, exchange_on, secure};

/// Ends with the test.
struct Process {
    child: Child,
    errors: Arc<Mutex<Vec<String>>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Process {
    fn serve(config: &Path) -> (Self, SocketAddr) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let errors = Arc::<Mutex<Vec<String>>>::default();
        let (lines, into) = (BufReader::new(child.stderr.take().unwrap()).lines(), errors.clone());
        let _reader = std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| into.lock().unwrap().push(line));
        });
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = said
            .find_map(|line| Some(line.ok()?.split_once("listening on https://")?.1.to_owned()));
        let address = url.expect("it says where it listens").parse().unwrap();
        let _reader = std::thread::spawn(move || said.count());
        (Self { child, errors }, address)
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    fn logged(&self, text: &str) -> Option<String> {
        self.errors.lock().unwrap().iter().find(|line| line.contains(text)).cloned()
    }
}

/// SIGHUP: another policy is in force, what needs a restart is named, a file with mistakes changes
/// nothing and each of them is told. SIGTERM still ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_reloads() {
    let (sim, _tasks) = exchange().await;
    let issued = Issued::until(2040);
    let file = issued.cert().with_file_name("tidegate.toml");
    let write = |ttl: &str, rest: &str| {
        let (cert, key, rest_url) = (issued.cert(), issued.key(), sim.rest_url());
        let text = format!(
            "server.tls.cert = {cert:?}\nserver.tls.key = {key:?}\nfeed.enabled = false\n\
             exchanges.bitfinex.rest_url = {rest_url:?}\nlog.format = \"json\"\n\
             cache.ticker.ttl = {ttl:?}\ncache.ticker.stale_while_revalidate = \"0s\"\n{rest}\n"
        );
        fs::write(&file, text).unwrap();
    };
    write("600s", "");
    let (mut process, address) = Process::serve(&file);
    let max_age = async || {
        let stream = secure(address, &issued.der).await.unwrap();
        let reply = exchange_on(stream, "GET", TICKER, &[]).await.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.header("cache-control").unwrap().to_owned()
    };
    assert_eq!(max_age().await, "max-age=600, stale-if-error=30");

    write("300s", "store.max_bytes = \"1MiB\"");
    process.signal("HUP");
    eventually("300 s", async || {
        (max_age().await == "max-age=300, stale-if-error=30").then_some(())
    })
    .await;
    let done = "settings were reloaded";
    eventually("it is told", async || process.logged(done)).await;
    let line = process.logged("this change needs a restart").expect("it is told");
    assert!(line.contains("store.max_bytes"), "{line}");
    let line = process.logged("a setting was changed").expect("it is told");
    assert!(line.contains("cache.ticker.ttl"), "{line}");

    write("200s", "validation.max_spread_pct = 101\nsever = 1");
    process.signal("HUP");
    let kept = "the settings in force stay in force";
    let line = eventually("it is told", async || process.logged(kept)).await;
    assert!(line.contains("\"mistakes\":2"), "{line}");
    for mistake in ["validation.max_spread_pct: expected a number from 0 to 100", "unknown key"] {
        assert!(process.logged(mistake).is_some(), "{mistake}");
    }
    assert_eq!(max_age().await, "max-age=300, stale-if-error=30", "nothing has changed");

    let health = |url: String| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        let output = command.args(["health", "--url", &url]).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // It waits for two seconds only, which a machine may take a rest for.
    let healthy = async || health(format!("https://{address}")).0.then_some(());
    eventually("it is healthy", healthy).await;
    let told = async || {
        let (success, told) = health(format!("http://{address}"));
        assert!(!success, "{told}");
        told.contains("426 Upgrade Required").then_some(())
    };
    eventually("it is told what is spoken", told).await;

    process.signal("TERM");
    let ended = async || process.child.try_wait().unwrap();
    assert_eq!(eventually("it ends", ended).await.code(), Some(0));
}
