//! `reconsent sandbox campaign-monitor`, as a stranger runs it: the built binary, its words, its end.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconsent"));
    command.args(["sandbox", "campaign-monitor"]).args(args).env_clear();
    command
}

fn refused(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command(args).output().expect("the binary runs");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// A running emulator process; killed when it goes without having been ended.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    told: Value,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut child = command(args).args(["--port", "0", "--json"]).stdout(Stdio::piped()).spawn().expect("it runs");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let told = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { child, out, told }
    }

    fn text(&self, name: &str) -> &str {
        self.told[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.told))
    }

    fn list(&self, at: usize) -> &str {
        self.told["lists"][at]["id"].as_str().unwrap()
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let request = client().get(format!("{}/api/v3.3/{path}", self.text("base_url")));
        let answer = request.basic_auth(self.text("api_key"), Some("x")).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn import(&self, email: &str) -> u16 {
        let path = format!("{}/api/v3.3/subscribers/{}/import.json", self.text("base_url"), self.list(0));
        let body = json!({"Subscribers": [{"EmailAddress": email, "ConsentToTrack": "No"}]});
        let request = client().post(path).basic_auth(self.text("api_key"), Some("x")).json(&body);
        request.send().await.unwrap().status().as_u16()
    }

    /// Sends the signal and gives the exit code.
    fn end(mut self, signal: &str) -> Option<i32> {
        let told = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line is all it says");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn the_emulator_runs_by_itself_and_goes_on_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let kept: &Path = &folder.path().join("kept");
    let folder = kept.to_str().unwrap();
    let args = ["--folder", folder, "--client", "Acme", "--list", "News", "--list", "Offers", "--seed-people", "40"];
    let first = Running::start(&[&args[..], &["--api-key", "my-key", "--fault", "every 2 import: 504 after"]].concat());
    assert_eq!(first.text("api_key"), "my-key");
    assert_eq!(first.get("clients.json").await.1, json!([{"ClientID": first.text("client_id"), "Name": "Acme"}]));
    let titles: Vec<_> = first.told["lists"].as_array().unwrap().iter().map(|list| list["title"].clone()).collect();
    assert_eq!(titles.len(), 2);
    let news = titles.iter().position(|title| title == "News").unwrap();
    let news_id = first.list(news).to_owned();
    let active = first.get(&format!("lists/{news_id}/active.json?pagesize=10")).await.1;
    assert_eq!((&active["TotalNumberOfRecords"], &active["NumberOfPages"]), (&json!(36), &json!(4)));
    assert_eq!([first.import("a@example.com").await, first.import("b@example.com").await], [201, 504]);
    let page = client().get(first.text("page_url")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Acme") && page.contains("Offers"));
    let (client_id, list_id) = (first.text("client_id").to_owned(), first.list(0).to_owned());
    assert_eq!(first.end("-TERM"), Some(0));

    let again = Running::start(&args);
    assert_eq!((again.text("api_key"), again.text("client_id")), ("my-key", client_id.as_str()));
    assert_eq!(again.told["lists"].as_array().unwrap().len(), 2);
    for email in ["a", "b"] {
        let person = again.get(&format!("subscribers/{list_id}.json?email={email}%40example.com")).await;
        assert_eq!(person.0, 200, "{email} was written before the end, whatever was answered");
    }
    let active = again.get(&format!("lists/{news_id}/active.json")).await.1["TotalNumberOfRecords"].as_u64();
    assert_eq!(active, Some(if list_id == news_id { 38 } else { 36 }), "the invented people came once");
    assert_eq!(again.end("-INT"), Some(0));
}

#[test]
fn a_stranger_finds_out_from_the_help_what_to_give() {
    let help = command(&["--help"]).output().unwrap();
    assert!(help.status.success());
    let text = String::from_utf8_lossy(&help.stdout);
    for word in [
        "--port",
        "--folder",
        "--api-key",
        "--time-zone",
        "--client",
        "--list",
        "--fault",
        "--seed-people",
        "--json",
        "base URL",
        "every 7 POST import: 504 after",
        "lost",
        "Ctrl-C",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_option_to_change() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (args, code, named) in [
        (&["--port", port.as_str()][..], 1, "--port"),
        (&["--fault", "every 7 POST import 504"], 2, "colon"),
        (&["--time-zone", "Mars/Olympus"], 2, "Mars/Olympus"),
        (&["--seed-people", "2000001"], 2, "2000000"),
        (&["--data-dir", "/nowhere"], 2, "--folder"),
    ] {
        let (status, words) = refused(args);
        assert_eq!(status, Some(code), "{args:?}: {words}");
        assert!(words.contains(named), "{args:?}: {words}");
    }
}
