//! The demo, started as a visitor starts it: it seeds once, mails arrive, nobody is active before they answer, and the
//! next start finds everything again. On both engines, as it honours `DATABASE_URL`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Database, Engine};

/// A running demo, and what it said on its first line. Ended hard when it goes.
struct Demo {
    child: Child,
    told: Value,
}

impl Demo {
    fn command(folder: &Path, database: Option<&str>, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconsent"));
        command.args(["demo", "--port", "0", "--json", "--data"]).arg(folder).args(more).env_clear();
        // None of these may be heeded: they would lead out of the box.
        command.env("RECONSENT_SMTP_URL", "smtp://relay.invalid").env("RECONSENT_LISTEN", "0.0.0.0:1");
        command.envs(database.map(|url| ("DATABASE_URL", url)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(folder: &Path, database: Option<&str>, more: &[&str]) -> Self {
        let mut child = Self::command(folder, database, more).spawn().expect("the binary runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let output = child.wait_with_output().unwrap();
            panic!("it ended with {:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Self { child, told: serde_json::from_str(&line).unwrap() }
    }

    fn text(&self, field: &str) -> &str {
        self.told[field].as_str().unwrap_or_else(|| panic!("{field} is missing in {}", self.told))
    }

    async fn get(&self, url: &str, login: &str) -> (u16, Value) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = match login.strip_prefix("rc_") {
            Some(_) => client.get(url).bearer_auth(login),
            None => client.get(url).basic_auth(login, Some("x")),
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    async fn provider(&self, path: &str) -> Value {
        let url = format!("{}/api/v3.3/{path}", self.text("campaign_monitor_url"));
        let (status, body) = self.get(&url, self.text("campaign_monitor_api_key")).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn recipients(&self, at_least: usize) -> BTreeSet<String> {
        let url = format!("{}/messages.json", self.text("inbox_url"));
        let begun = Instant::now();
        loop {
            let (_, mails) = self.get(&url, "").await;
            let to = |mail: &Value| mail["to"][0].as_str().unwrap().to_owned();
            let found: Vec<String> = mails.as_array().unwrap().iter().map(to).collect();
            if found.len() >= at_least || begun.elapsed() > Duration::from_secs(30) {
                let once: BTreeSet<String> = found.iter().cloned().collect();
                assert_eq!(once.len(), found.len(), "somebody was asked twice");
                return once;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends it in good order; gives what it said on standard error.
    fn stop(mut self) -> String {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(15), "it did not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(self.child.wait().unwrap().success());
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        told
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn holds_what_it_promises(demo: &Demo) {
    // Eight consents, two soft opt-ins and one charity soft opt-in are whole; nobody else may be asked.
    let asked = demo.recipients(11).await;
    assert_eq!(asked.len(), 11, "{asked:?}");
    for nobody in ["nora.never@example.org", "kim.kaur@example.org", "mia.moss@example.org", "rosa.reed@example.org"] {
        assert!(!asked.contains(nobody), "{nobody} was asked");
    }
    assert!(demo.provider("systemdate.json").await["SystemDate"].is_string());
    let client = demo.text("campaign_monitor_client_id");
    let lists = demo.provider(&format!("clients/{client}/lists.json")).await;
    assert_eq!(lists.as_array().unwrap().len(), 3);
    for list in lists.as_array().unwrap() {
        let id = list["ListID"].as_str().unwrap();
        let active = demo.provider(&format!("lists/{id}/active.json?date=2020-01-01")).await;
        assert_eq!(active["TotalNumberOfRecords"], 0, "{active}");
        let hooks = demo.provider(&format!("lists/{id}/webhooks.json")).await;
        assert_eq!(hooks.as_array().unwrap().len(), 1);
        let hook = hooks[0]["Url"].as_str().unwrap();
        assert!(hook.starts_with(&format!("{}/hooks/campaign-monitor/", demo.text("base_url"))), "{hook}");
    }
    let controllers = demo.told["controllers"].as_array().unwrap();
    assert_eq!(controllers.len(), 2);
    for controller in controllers {
        let field = |name: &str| controller[name].as_str().unwrap();
        let (status, policies) = demo.get(&format!("{}/v1/policies", demo.text("base_url")), field("api_token")).await;
        assert_eq!((status, policies["items"].as_array().map(Vec::len)), (200, Some(1)));
        let (status, _) = demo.get(&format!("{}/f/{}", demo.text("base_url"), field("form_key")), "").await;
        assert_eq!(status, 200);
        assert!(lists.as_array().unwrap().iter().any(|list| list["ListID"] == field("list_id")));
    }
    let (status, page) = demo.get(demo.text("site_url"), "").await;
    let action = format!("action=\"{}/f/{}\"", demo.text("base_url"), controllers[0]["form_key"].as_str().unwrap());
    assert!(status == 200 && page.as_str().unwrap().contains(&action));
    let (status, _) = demo.get(&format!("{}/readyz", demo.text("ops_url")), "").await;
    assert_eq!(status, 200);
}

fn seeds_once_and_reopens(engine: Engine) {
    let database = Database::create(engine);
    let folder = database.folder.path().join("demo");
    // On SQLite the demo is started as most will: with a database of its own.
    let url = match engine {
        Engine::Sqlite => None,
        Engine::Postgres => Some(database.text.as_str()),
    };
    let demo = Demo::start(&folder, url, &[]);
    runtime().block_on(holds_what_it_promises(&demo));
    let first = demo.told.clone();
    demo.stop();
    let demo = Demo::start(&folder, url, &[]);
    for same in ["controllers", "campaign_monitor_api_key", "campaign_monitor_client_id", "database_url"] {
        assert_eq!(demo.told[same], first[same], "{same}");
    }
    // Bookmarks of the first start still lead there, as nobody took the ports.
    for same in ["ops_url", "inbox_url", "site_url", "campaign_monitor_url"] {
        assert_eq!(demo.told[same], first[same], "{same}");
    }
    runtime().block_on(holds_what_it_promises(&demo));
    demo.stop();
}

#[test]
fn it_seeds_once_and_reopens_on_sqlite() {
    seeds_once_and_reopens(Engine::Sqlite);
}

#[test]
fn it_seeds_once_and_reopens_on_postgres() {
    seeds_once_and_reopens(Engine::Postgres);
}

#[test]
fn a_visitors_list_is_asked_and_what_its_columns_say_holds() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("mine.csv");
    std::fs::write(
        &list,
        "email,name,basis\nvisitor.one@example.org,One,\nvisitor.two@example.org,Two,none\nno address,Three,\n",
    )
    .unwrap();
    let data = folder.path().join("demo");
    let given = ["--contacts", list.to_str().unwrap()];
    let demo = Demo::start(&data, None, &given);
    let asked = runtime().block_on(demo.recipients(1));
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["visitor.one@example.org"]);
    let told = demo.stop();
    assert!(told.contains("Your list: 3 rows read, 2 taken, 1 refused."), "{told}");
    assert!(told.contains("/rows\n"), "{told}");
    let again = Demo::command(&data, None, &given).output().unwrap();
    let told = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(6), "{told}");
    assert!(told.contains("seeded already"), "{told}");
}

#[test]
fn a_taken_port_is_said_and_a_foreign_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconsent"));
    let output = command.args(["demo", "--port", &port, "--data"]).arg(folder.path().join("a")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("is taken") && told.contains("--port"), "{told}");

    let demo = Demo::start(&folder.path().join("b"), None, &[]);
    let url = demo.text("database_url").to_owned();
    demo.stop();
    // The key comes along, but the list of who was seeded does not.
    std::fs::create_dir(folder.path().join("c")).unwrap();
    std::fs::copy(folder.path().join("b/root.key"), folder.path().join("c/root.key")).unwrap();
    let output = Demo::command(&folder.path().join("c"), Some(&url), &[]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(6), "{told}");
    assert!(told.contains("empty database"), "{told}");
    let output = Demo::command(&folder.path().join("d"), Some(&url), &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
}
