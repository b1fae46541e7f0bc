//! The command line, asked as a script asks it: the built binary, its exit codes, and what it prints. Where it runs a
//! service, that runs as a process of its own and is ended with a signal.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use diesel::{Connection, RunQueryDsl, sqlite::SqliteConnection};
use serde_json::Value;

/// The binary with an environment of its own: nothing of this process's settings comes through.
fn reconsent(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reconsent"));
    command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn run(args: &[&str], environment: &[(&str, &str)]) -> Output {
    reconsent(args).envs(environment.iter().copied()).output().expect("the binary runs")
}

#[track_caller]
fn expect(output: Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "stdout: {out}\nstderr: {err}");
    (out, err)
}

/// A data folder, migrated.
struct House {
    _folder: tempfile::TempDir,
    data: String,
}

impl House {
    fn new() -> Self {
        let house = Self::unmigrated();
        house.expect(&["migrate"], 0);
        house
    }

    fn unmigrated() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").to_str().unwrap().to_owned();
        expect(run(&["init", "--data-dir", &data], &[]), 0);
        Self { _folder: folder, data }
    }

    fn run(&self, args: &[&str]) -> Output {
        run(&[&["--data-dir", &self.data], args].concat(), &[])
    }

    #[track_caller]
    fn expect(&self, args: &[&str], code: i32) -> (String, String) {
        expect(self.run(args), code)
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let (out, _) = self.expect(&[args, &["--json"]].concat(), 0);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }
}

/// A process that serves, and where. Ended hard when it goes.
struct Serving {
    child: Child,
    log: Receiver<Value>,
    seen: RefCell<Vec<Value>>,
    listen: String,
    ops: String,
}

impl Serving {
    /// Starts `args` and waits for the line that says where it listens.
    fn start(house: &House, args: &[&str], said: &str) -> Self {
        let mut command = reconsent(&[&["--data-dir", house.data.as_str()], args].concat());
        command.env("RECONSENT_LOG_FORMAT", "json").stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("the binary runs");
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, log) = channel();
        // Reads on when nobody listens any more, so that the process is never held up by a full pipe.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
            }
        });
        let mut serving = Self { child, log, seen: RefCell::default(), listen: String::new(), ops: String::new() };
        let event = serving.says(said);
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        (serving.listen, serving.ops) = (text("listen"), text("ops"));
        serving
    }

    /// Waits for a line of the log; it may have come already.
    fn says(&self, message: &str) -> Value {
        let mut seen = self.seen.borrow_mut();
        loop {
            let fits = |event: &&Value| event["message"].as_str().is_some_and(|text| text.contains(message));
            if let Some(event) = seen.iter().find(fits) {
                return event.clone();
            }
            match self.log.recv_timeout(Duration::from_secs(30)) {
                Ok(event) => seen.push(event),
                Err(_) => panic!("it never said {message:?}, but {seen:?}"),
            }
        }
    }

    fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits for its end; says with which code.
    fn ended(&mut self, within: Duration) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < within {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not end within {within:?}");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ANYWHERE: [&str; 4] = ["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"];

#[test]
fn a_folder_is_made_a_service_runs_answers_for_its_health_and_stops() {
    let house = House::unmigrated();
    let mode = |name: &str| std::fs::metadata(Path::new(&house.data).join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("root.key"), mode("reconsent.toml")), (0o700, 0o600, 0o600));
    let (_, told) = house.expect(&["init"], 6);
    assert!(told.contains("root.key is there already"), "{told}");

    // An empty database is migrated on the way.
    let mut serving = Serving::start(&house, &[&["serve"], &ANYWHERE[..]].concat(), "serving");
    let ops = format!("http://{}", serving.ops);
    let (ready, _) = expect(run(&["health", "--url", &format!("{ops}/readyz")], &[]), 0);
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(
        ready,
        serde_json::json!({ "status": "ready", "database": "ok", "schema": "ok", "write_queue": "ok", "keys": "ok" })
    );
    expect(run(&["health", "--url", &format!("{ops}/healthz")], &[]), 0);
    let (numbers, _) = expect(run(&["health", "--url", &format!("{ops}/metrics")], &[]), 0);
    assert!(numbers.contains("# TYPE reconsent_"), "{numbers}");
    // What the public may ask does not answer for it.
    let (_, told) = expect(run(&["health", "--url", &format!("http://{}/metrics", serving.listen)], &[]), 1);
    assert!(told.contains("404"), "{told}");
    assert!(!told.contains("# TYPE reconsent_"));

    let begun = Instant::now();
    serving.signal("-TERM");
    assert_eq!(serving.ended(Duration::from_secs(12)), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(11));
    let (_, told) = expect(run(&["health", "--url", &format!("{ops}/readyz")], &[]), 1);
    assert!(told.contains("cannot be reached"), "{told}");
}

#[test]
fn a_worker_runs_beside_a_service_without_one_and_says_that_mails_wait() {
    let house = House::new();
    let mut service = Serving::start(&house, &[&["serve", "--no-worker"], &ANYWHERE[..]].concat(), "serving");
    let mut worker = Serving::start(&house, &["worker", "--ops-listen", "127.0.0.1:0"], "working");
    worker.says("mails wait in the outbox");
    expect(run(&["health", "--url", &format!("http://{}/readyz", worker.ops)], &[]), 0);
    worker.signal("-INT");
    service.signal("-INT");
    assert_eq!(worker.ended(Duration::from_secs(12)), Some(0));
    assert_eq!(service.ended(Duration::from_secs(12)), Some(0));
}

#[test]
fn a_service_refuses_to_start_on_what_it_cannot_trust() {
    let house = House::unmigrated();
    let url = format!("sqlite:{}/reconsent.db", house.data);
    let serve = &[&["serve"], &ANYWHERE[..]].concat();

    let (_, told) = expect(run(serve, &[("DATABASE_URL", &url)]), 5);
    assert!(told.contains("RECONSENT_ROOT_KEY") && told.contains("reconsent init"), "{told}");
    let (_, told) = expect(run(serve, &[("DATABASE_URL", "mysql://user:hush@host/db")]), 3);
    assert!(told.contains("DATABASE_URL: expected") && !told.contains("hush"), "{told}");
    let (_, told) = expect(run(serve, &[("RECONSENT_LISTN", "x")]), 3);
    assert!(told.contains("did you mean RECONSENT_LISTEN?"), "{told}");
    let (_, told) = house.expect(&[&["serve", "--no-migrate"], &ANYWHERE[..]].concat(), 4);
    assert!(told.contains("reconsent migrate"), "{told}");
    let (_, told) = house.expect(&["migrate", "--check"], 4);
    assert!(told.contains("behind"), "{told}");

    assert_eq!(house.json(&["migrate"])["applied"].as_array().map(Vec::len), Some(1));
    assert_eq!(house.json(&["migrate"])["applied"].as_array().map(Vec::len), Some(0));
    house.expect(&["token", "list", "--operator"], 0);
    let (key, _) = expect(run(&["keys", "generate"], &[]), 0);
    let (_, told) = expect(run(serve, &[("DATABASE_URL", &url), ("RECONSENT_ROOT_KEY", key.trim())]), 5);
    assert!(told.contains("does not belong to this database") && !told.contains(key.trim()), "{told}");

    let mut database = SqliteConnection::establish(url.strip_prefix("sqlite:").unwrap()).unwrap();
    diesel::sql_query("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')")
        .execute(&mut database)
        .unwrap();
    for command in [&serve[..], &["migrate"], &["token", "list", "--operator"]] {
        let (_, told) = house.expect(command, 4);
        assert!(told.contains("newer than this program") && told.contains("29990101000000"), "{told}");
    }

    let (_, told) = expect(run(&["migrate"], &[("DATABASE_URL", "sqlite:/nowhere/at/all.db")]), 4);
    assert!(told.contains("/nowhere/at"), "{told}");
    let (_, told) = expect(run(&["migrate"], &[("DATABASE_URL", "postgres://u:hush@127.0.0.1:1/none")]), 4);
    assert!(!told.contains("hush"), "{told}");
}

#[test]
fn a_taken_port_is_named_with_its_setting() {
    let house = House::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (_, told) = house.expect(&["serve", "--listen", &address, "--ops-listen", "127.0.0.1:0"], 1);
    assert!(told.contains(&format!("{address} is taken")) && told.contains("RECONSENT_LISTEN"), "{told}");
}

#[test]
fn controllers_and_tokens_are_made_listed_and_revoked() {
    let house = House::new();
    let made = house.json(&["controller", "create", "--slug", "acme", "--name", "Acme Ltd", "--with-token"]);
    assert!(made["token"].as_str().unwrap().starts_with("rc_"));
    let (_, told) = house.expect(&["controller", "create", "--slug", "acme", "--name", "Acme"], 6);
    assert!(told.contains("is taken"), "{told}");
    house.expect(&["controller", "create", "--slug", "Not A Slug", "--name", "Acme"], 2);

    let create = ["token", "create", "--controller", "acme", "--name", "site"];
    let token = house.json(&[&create[..], &["--scope", "consents,imports", "--expires", "P90D"]].concat());
    assert_eq!(token["scopes"], serde_json::json!(["consents", "imports"]));
    assert!(token["expires_at"].is_string());
    house.expect(&create, 2);
    house.expect(&[&create[..], &["--scope", "operator"]].concat(), 2);
    house.expect(&["token", "create", "--controller", "nobody", "--name", "x", "--scope", "all"], 6);
    let operator = house.json(&["token", "create", "--operator", "--name", "ops"]);
    assert_eq!(operator["scopes"], serde_json::json!(["operator"]));

    let listed = house.json(&["token", "list", "--controller", "acme"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let secret = token["token"].as_str().unwrap();
    assert!(!listed.to_string().contains(secret) && !listed.to_string().contains("hash"));
    let id = token["id"].as_str().unwrap();
    house.expect(&["token", "revoke", id], 0);
    house.expect(&["token", "revoke", id], 6);
    house.expect(&["token", "revoke", operator["id"].as_str().unwrap()], 0);
    let listed = house.json(&["token", "list", "--controller", "acme"]);
    let revoked = listed.as_array().unwrap().iter().find(|row| row["id"] == id).unwrap();
    assert!(revoked["revoked_at"].is_string());
}

#[test]
fn keys_are_listed_rotated_and_withdrawn_and_the_root_key_is_changed() {
    let house = House::new();
    house.expect(&["controller", "create", "--slug", "acme", "--name", "Acme Ltd"], 0);
    let first = house.json(&["keys", "list", "--controller", "acme"]);
    let kid = |keys: &Value, at: usize| keys["link_keys"][at]["kid"].as_str().unwrap().to_owned();
    let old = kid(&first, 0);
    let (_, told) = house.expect(&["keys", "retire", &old], 6);
    assert!(told.contains("rotate first"), "{told}");
    let made = house.json(&["keys", "rotate", "--controller", "acme", "--use", "link"]);
    assert_eq!(house.json(&["keys", "rotate", "--controller", "acme", "--use", "data"])["version"], 2);
    assert_eq!(house.json(&["keys", "retire", &old])["standing"], "retired");
    let replaced = house.json(&["keys", "compromise", made["kid"].as_str().unwrap()]);
    let listed = house.json(&["keys", "list", "--controller", "acme"]);
    let standing = |kid: &Value| {
        let keys = listed["link_keys"].as_array().unwrap();
        keys.iter().find(|key| key["kid"] == *kid).unwrap()["standing"].clone()
    };
    assert_eq!(standing(&Value::from(old)), "retired");
    assert_eq!(standing(&made["kid"]), "compromised");
    assert_eq!(standing(&replaced["replaced_by"]), "active");
    house.expect(&["keys", "compromise", "no-such-key"], 6);
    house.expect(&["keys", "rotate", "--controller", "acme"], 2);
    house.expect(&["keys", "rotate", "--root"], 3);

    let old_root = std::fs::read_to_string(format!("{}/root.key", house.data)).unwrap();
    let (new_root, _) = expect(run(&["keys", "generate"], &[]), 0);
    let url = format!("sqlite:{}/reconsent.db", house.data);
    let new = [("DATABASE_URL", url.as_str()), ("RECONSENT_ROOT_KEY", new_root.trim())];
    let both = [&new[..], &[("RECONSENT_ROOT_KEY_PREVIOUS", old_root.trim())]].concat();
    let rotate = ["keys", "rotate", "--root", "--json"];
    let (out, _) = expect(run(&rotate, &both), 0);
    assert!(serde_json::from_str::<Value>(&out).unwrap()["resealed"].as_u64().unwrap() > 4, "{out}");
    assert_eq!(expect(run(&rotate, &both), 0).0.trim(), "{\"resealed\":0}");
    expect(run(&["keys", "list", "--controller", "acme"], &new), 0);
    house.expect(&["keys", "list", "--controller", "acme"], 5);
}

#[test]
fn versions_of_a_key_are_listed_with_what_rests_on_them_and_stay_while_they_are_needed() {
    let house = House::new();
    house.expect(&["controller", "create", "--slug", "acme", "--name", "Acme Ltd"], 0);
    house.expect(&["keys", "rotate", "--controller", "acme", "--use", "data"], 0);
    let listed = house.json(&["keys", "list", "--controller", "acme"]);
    let version = |key_use: &str, version: i64| {
        let keys = listed["keys"].as_array().unwrap();
        keys.iter().find(|key| key["use"] == key_use && key["version"] == version).unwrap().clone()
    };
    assert_eq!(version("data", 1)["standing"], "current");
    assert_eq!(version("data", 2)["standing"], "coming");
    // One decoy from the beginning, one from the rotation.
    assert_eq!(version("data", 1)["rows"]["people"], 2);
    assert_eq!(version("suppression", 1)["rows"], serde_json::json!({ "suppressions": 0 }));
    assert!(version("index", 1)["rows"].as_object().unwrap().is_empty());
    assert!(version("names", 1)["age_seconds"].as_i64().unwrap() < 60);
    let (text, _) = house.expect(&["keys", "list", "--controller", "acme"], 0);
    assert!(text.contains("rows: people 2") && text.contains("rows: everything"), "{text}");

    let retire = ["keys", "retire", "--controller", "acme", "--use", "data", "--version"];
    for (number, why) in [("1", "it is current"), ("2", "it is coming"), ("3", "no such version")] {
        let (_, told) = house.expect(&[&retire[..], &[number]].concat(), 6);
        assert!(told.contains(why), "{told}");
    }
    house.expect(&["keys", "retire", "--controller", "acme", "--use", "data"], 2);
    house.expect(&["keys", "retire", "--controller", "acme", "--use", "index", "--version", "1"], 2);
    house.expect(&["keys", "retire"], 2);
}

#[test]
fn a_service_finds_a_controllers_key_that_is_not_the_one_it_was_without_being_asked() {
    use reconsent::crypto::{Key, Place, RootKeys};
    let house = House::new();
    let made = house.json(&["controller", "create", "--slug", "acme", "--name", "Acme Ltd"]);
    let controller = made["id"].as_str().unwrap().parse().unwrap();
    let root = std::fs::read_to_string(format!("{}/root.key", house.data)).unwrap();
    let place = Place { table: "controller_keys", column: "index", controller, row: controller, key_version: 1 };
    let another = RootKeys::parse(&root, None).unwrap().seal(&place, Key::random().bytes());
    let mut database = SqliteConnection::establish(&format!("{}/reconsent.db", house.data)).unwrap();
    diesel::sql_query("UPDATE controller_keys SET sealed = ? WHERE key_use = 'index'")
        .bind::<diesel::sql_types::Binary, _>(another)
        .execute(&mut database)
        .unwrap();

    let serving = Serving::start(&house, &[&["serve"], &ANYWHERE[..]].concat(), "serving");
    let told = serving.says("is not the one it was");
    assert_eq!(
        (&told["event"], &told["level"], &told["key_use"]),
        (&"wrong_key".into(), &"ERROR".into(), &"index".into())
    );
    let (ready, _) = expect(run(&["health", "--url", &format!("http://{}/readyz", serving.ops)], &[]), 0);
    assert_eq!(serde_json::from_str::<Value>(&ready).unwrap()["keys"], "wrong key");
    let (numbers, _) = expect(run(&["health", "--url", &format!("http://{}/metrics", serving.ops)], &[]), 0);
    assert!(numbers.contains("reconsent_key_alarms_total{kind=\"wrong_key\"}"), "{numbers}");
}

#[test]
fn the_document_and_the_reference_need_no_settings() {
    // Even unfit settings are not looked at.
    let unfit = [("RECONSENT_NONSENSE", "1"), ("DATABASE_URL", "mysql://x")];
    let (out, _) = expect(run(&["openapi"], &unfit), 0);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert!(document["openapi"].is_string() && document["paths"]["/v1/purposes"].is_object());
    let (out, _) = expect(run(&["config", "--json"], &unfit), 0);
    let settings: Value = serde_json::from_str(&out).unwrap();
    let settings = settings.as_array().unwrap();
    assert!(settings.len() > 60);
    assert!(settings.iter().all(|setting| setting["env"].is_string() && setting["expected"].is_string()));
    let (out, _) = expect(run(&["config"], &unfit), 0);
    assert!(out.contains("RECONSENT_ROOT_KEY, or RECONSENT_ROOT_KEY_FILE"));
}

#[test]
fn the_help_of_each_command_says_what_it_does() {
    for (command, words) in [
        (&[][..], &["Exit codes:", "reconsent demo", "root key is missing"][..]),
        (&["demo"], &["127.0.0.1", "Nothing leaves the machine", "--contacts", "DATABASE_URL"]),
        (&["init"], &["0700", "next step", "Keep a copy of the root key"]),
        (&["serve"], &["--no-worker", "--no-migrate", "RECONSENT_SMTP_URL", "SIGTERM"]),
        (&["worker"], &["serve --no-worker", "RECONSENT_OPS_LISTEN"]),
        (&["migrate"], &["schema", "--check", "newer"]),
        (&["controller", "create"], &["--slug", "--with-token", "--json"]),
        (&["token", "create"], &["--scope", "settings, consents, imports", "P90D"]),
        (&["token", "list"], &["without their secrets", "--operator"]),
        (&["token", "revoke"], &["Revoke", "<ID>"]),
        (&["keys", "list"], &["standing", "no secret", "takes seconds", "cannot be made anew"]),
        (&["keys", "retire"], &["link key", "--version", "exit code 6"]),
        (&["keys", "rotate"], &["RECONSENT_ROOT_KEY_PREVIOUS", "link", "suppression"]),
        (&["openapi"], &["OpenAPI document", "needs no settings"]),
        (&["health"], &["ready", "--url"]),
        (&["config"], &["every setting", "default"]),
    ] {
        let (out, _) = expect(run(&[command, &["--help"]].concat(), &[]), 0);
        let flat = out.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(flat.contains(word), "the help of {command:?} does not mention {word:?}: {flat}");
        }
    }
    expect(run(&["no-such-command"], &[]), 2);
    expect(run(&[], &[]), 2);
    expect(run(&["--version"], &[]), 0);
}
