//! Through the built program: a rotation while it serves, killed half-way and started anew, and the commands that look
//! on and end the old version. Its processes have the machine's clock; the rotation is dated back by an hour, so that
//! nobody has to wait.

use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use super::*;
use crate::support::ROOT_KEY;
use crate::support::world::{Shop, World};

/// The program on the test's database.
fn program(app: &TestApp, port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconsent"));
    command
        .env_clear()
        .env("DATABASE_URL", app.database_url())
        .env("RECONSENT_DATA_DIR", app.folder())
        .env("RECONSENT_ROOT_KEY", ROOT_KEY)
        .env("RECONSENT_BASE_URL", format!("http://127.0.0.1:{port}"))
        .env("RECONSENT_LISTEN", format!("127.0.0.1:{port}"))
        .env("RECONSENT_OPS_LISTEN", "127.0.0.1:0")
        .env("RECONSENT_OUTBOX_LEASE", "1s")
        .env("RECONSENT_SMTP_CONNECT_TIMEOUT", "400ms")
        .env("RECONSENT_SMTP_COMMAND_TIMEOUT", "400ms")
        .env("RECONSENT_OUTBOX_POLL_INTERVAL", "20ms")
        .env("RECONSENT_OUTBOX_TIMETABLE_INTERVAL", "200ms")
        .env("RECONSENT_CAMPAIGN_MONITOR_CALL_TIMEOUT", "500ms")
        .env("RECONSENT_CAMPAIGN_MONITOR_CONNECT_TIMEOUT", "400ms")
        .env("RECONSENT_LOG_LEVEL", "warn");
    command
}

struct Process(Child);

impl Process {
    fn serve(app: &TestApp, port: u16) -> Self {
        let child = program(app, port).arg("serve").stdout(Stdio::null()).stderr(Stdio::inherit()).spawn();
        Self(child.expect("the service starts"))
    }
}

impl Drop for Process {
    /// The end without warning.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn keys(app: &TestApp, args: &[&str]) -> Output {
    let mut command = program(app, 1);
    command.arg("keys").args(args);
    tokio::task::spawn_blocking(move || command.output().expect("the program runs")).await.unwrap()
}

/// What rests on a version of the data key, of the kinds that are sealed anew.
async fn resting(app: &TestApp, version: i64) -> i64 {
    let listed = keys(app, &["list", "--controller", "acme", "--json"]).await;
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let key = listed["keys"].as_array().unwrap().iter().find(|key| key["use"] == "data" && key["version"] == version);
    let rows = key.expect("the version is listed")["rows"].as_object().unwrap();
    rows.iter().filter(|(kind, _)| *kind != "kept_answers").map(|(_, count)| count.as_i64().unwrap()).sum()
}

both_engines! {
    async fn a_rotation_under_a_running_service_that_is_killed_empties_the_old_version_which_then_goes(app: TestApp) {
        let world = World::around(&app);
        app.clock.follow_the_machine();
        let now = app.services.clock.now();
        app.clock.set(&now.minus(Duration::from_secs(3600)).to_string());
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let shop = Shop::open(&app, &world).await;
        let everybody = people(&app, 1500).await;
        let document = with_document(&app).await;
        rotate(&app, KeyUse::Data).await;
        app.clock.follow_the_machine();
        app.services.keys.forget();
        let before = resting(&app, 1).await;
        assert!(before > 1500, "{before} rows rest on it");
        let refused = keys(&app, &["retire", "--controller", "acme", "--use", "data", "--version", "1"]).await;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(6), "{told}");
        assert!(told.contains("people 1502") && told.contains("destinations 1") && told.contains("import"), "{told}");

        let mut served = app.clone();
        served.base = format!("http://127.0.0.1:{port}");
        let process = Process::serve(&app, port);
        served.until_up().await;
        let started = std::time::Instant::now();
        while resting(&app, 1).await == before {
            assert!(started.elapsed() < Duration::from_secs(30), "nothing is sealed anew");
        }
        drop(process);
        let process = Process::serve(&app, port);
        served.until_up().await;
        while resting(&app, 1).await > 0 {
            assert!(started.elapsed() < Duration::from_secs(60), "rows are left");
            // Meanwhile the service serves: whoever is asked for opens under the one version or the other.
            assert_eq!(shown(&served, everybody[700]).await, "person700@example.org");
        }
        let retired = keys(&app, &["retire", "--controller", "acme", "--use", "data", "--version", "1", "--json"]).await;
        assert!(retired.status.success(), "{}", String::from_utf8_lossy(&retired.stderr));
        let listed = String::from_utf8(keys(&app, &["list", "--controller", "acme"]).await.stdout).unwrap();
        assert!(listed.lines().any(|line| line.starts_with("data") && line.contains("retired") && line.contains("destroyed")), "{listed}");

        // In a process that read the keys before, and in one that reads them now.
        for round in 0..2 {
            for n in [0, 199, 200, 1499] {
                assert_eq!(shown(&served, everybody[n]).await, format!("person{n}@example.org"), "{round}");
            }
            let proof = served.api().get(&format!("/v1/imports/{document}/document")).await.expect(200);
            assert_eq!(proof.body(), "%PDF-1.7 proof");
            let there = served.api().get(&format!("/v1/destinations/{}", shop.destination)).await.expect(200);
            assert!(there.text("client_id").starts_with("c1"));
            let sign_up = json!({ "email": format!("new{round}@example.org"), "choices": { "newsletter": "yes" } });
            served.nobody().post(&format!("/f/{}", shop.form_key), sign_up).await.expect(202);
            served.base = app.base.clone();
            app.services.keys.forget();
        }
        drop(process);
    }
}

/// An upload with a document, left as it has come.
async fn with_document(app: &TestApp) -> String {
    let part = |name: &str, extra: &str, body: &str| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{extra}\r\n\r\n{body}\r\n")
    };
    let body = part("kind", "", "contacts")
        + &part("purposes", "", "newsletter")
        + &part("basis", "", "consent")
        + &part("collected_at", "", "2026-03-01")
        + &part("how", "", "event")
        + &part("document", "; filename=\"proof.pdf\"", "%PDF-1.7 proof")
        + &part("file", "; filename=\"list.csv\"", "email\r\nlisted@example.org\r\n")
        + "--XX--\r\n";
    let sent = app.api().upload("/v1/imports", "multipart/form-data; boundary=XX", body).await;
    sent.expect(202).text("id")
}
