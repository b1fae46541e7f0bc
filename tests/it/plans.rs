//! Plans: every statement that the service sends while people sign up, confirm, are asked, answer and stop, on a database
//! with 20,000 people, finds its rows by an index. What is looked at are the statements themselves, as they were sent,
//! not copies of them: SQLite's are taken down by the driver and explained afterwards; PostgreSQL explains each as it
//! runs (`auto_explain`) and says so in notices, which a relay in between overhears.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use diesel::connection::{Instrumentation, InstrumentationEvent, SimpleConnection, set_default_instrumentation};
use diesel::prelude::*;
use reconsent::store::{DatabaseUrl, ReadTx};
use reconsent::usecases::Rules;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::world::{LIST, Shop, World, eventually, launched_round};
use crate::support::{Database, Engine, TestApp, pages};

/// People in the database, and rows of every other kind.
const MANY: usize = 20_000;

/// Rows that one step of a statement may look at, found or thrown away: more than any piece of work, far below [`MANY`].
const BOUND: f64 = 3_000.0;

/// Tables that grow with people and time.
const LARGE: [&str; 12] = [
    "subjects",
    "consents",
    "consent_events",
    "suppressions",
    "links",
    "import_rows",
    "campaign_members",
    "mails",
    "outbox",
    "destination_states",
    "idempotency_keys",
    "mailbox_caps",
];

/// Statements by the address of the SQLite file they were sent to, for those that are listened to.
static SENT: LazyLock<Mutex<HashMap<String, BTreeSet<String>>>> = LazyLock::new(Mutex::default);

fn listen() -> Option<Box<dyn Instrumentation>> {
    let mut address = String::new();
    Some(Box::new(move |event: InstrumentationEvent<'_>| match event {
        InstrumentationEvent::StartEstablishConnection { url, .. } => address = url.to_owned(),
        InstrumentationEvent::StartQuery { query, .. } => {
            let mut sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(statements) = sent.get_mut(&address) {
                let text = query.to_string();
                statements.insert(text.split(" -- binds:").next().unwrap_or_default().to_owned());
            }
        }
        _ => {}
    }))
}

/// What PostgreSQL said of each statement: its text and its plan.
type Overheard = Arc<Mutex<Vec<Value>>>;

/// Passes connections on to the server and keeps the plans that come back in notices.
async fn relay(server: std::net::SocketAddr, overheard: Overheard) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("a bound listener has an address");
    tokio::spawn(async move {
        while let Ok((ours, _)) = listener.accept().await {
            let theirs = TcpStream::connect(server).await.expect("the server takes connections");
            let overheard = Arc::clone(&overheard);
            ours.set_nodelay(true).expect("a connected socket");
            theirs.set_nodelay(true).expect("a connected socket");
            let ((mut from_us, mut to_us), (mut from_server, mut to_server)) = (ours.into_split(), theirs.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut from_us, &mut to_server).await });
            tokio::spawn(async move {
                // A message of the server: its kind, its length (which counts itself), its body.
                let mut head = [0; 5];
                while from_server.read_exact(&mut head).await.is_ok() {
                    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
                    let mut body = vec![0; length - 4];
                    if from_server.read_exact(&mut body).await.is_err() || to_us.write_all(&head).await.is_err() {
                        break;
                    }
                    if head[0] == b'N' {
                        let text = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&b'M'));
                        let text = String::from_utf8_lossy(text.unwrap_or_default()).into_owned();
                        if let Some(plan) =
                            text.split_once("plan:").and_then(|(_, plan)| serde_json::from_str(plan).ok())
                        {
                            overheard.lock().unwrap_or_else(PoisonError::into_inner).push(plan);
                        }
                    }
                    if to_us.write_all(&body).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

async fn by_hand(engine: Engine, database: &str, statements: &str) {
    match engine {
        Engine::Sqlite => {
            let path = database.strip_prefix("sqlite:").expect("a file").to_owned();
            let statements = format!("PRAGMA busy_timeout = 10000; {statements}");
            let work = move || {
                let mut conn = SqliteConnection::establish(&path).expect("the file opens");
                conn.batch_execute(&statements).expect("the statements run");
            };
            tokio::task::spawn_blocking(work).await.expect("it does not panic");
        }
        Engine::Postgres => {
            let (client, connection) =
                tokio_postgres::connect(database, tokio_postgres::NoTls).await.expect("it connects");
            let driver = tokio::spawn(connection);
            // What is done by hand is not listened to.
            let statements = format!("SET auto_explain.log_min_duration = -1; {statements}");
            client.batch_execute(&statements).await.expect("the statements run");
            drop(client);
            driver.await.expect("the driver ends").expect("the connection ends well");
        }
    }
}

/// Fills every large table with rows of other people, and brings the statistics up to date.
fn filler(app: &TestApp, shop: &Shop, newsletter: &str) -> String {
    let id = |text: &str| {
        let id: uuid::Uuid = text.parse().expect("an id");
        match app.engine {
            Engine::Sqlite => format!("x'{}'", id.simple()),
            Engine::Postgres => format!("'{id}'::uuid"),
        }
    };
    let (any, random, bytes, series) = match app.engine {
        Engine::Sqlite => (
            "randomblob(16)",
            "abs(random() % 86400000000)",
            "randomblob(32)",
            format!(
                "(WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {MANY}) SELECT i FROM n) AS n"
            ),
        ),
        Engine::Postgres => (
            "gen_random_uuid()",
            "CAST(random() * 86400000000 AS BIGINT)",
            "sha256(convert_to(gen_random_uuid()::text, 'UTF8'))",
            format!("generate_series(1, {MANY}) AS n (i)"),
        ),
    };
    let (c, p) = (id(&app.scope.controller().to_string()), id(newsletter));
    let (notice, sender, nil) = (id(&shop.notice), id(&shop.sender), id("00000000-0000-0000-0000-000000000000"));
    let (import, round) = (id(&app.services.ids.row().to_string()), id(&app.services.ids.row().to_string()));
    let (now, day) = (app.services.clock.now().micros(), 86_400_000_000);
    let later = format!("{} + {random}", now + 300 * day);
    let today = now / day;
    // Of today: too young for the timetable.
    let lately = format!("{} + {random}", now - day / 2);
    format!(
        "INSERT INTO subjects SELECT {c}, {any}, {bytes}, 1, {bytes}, {bytes}, NULL, NULL, false, false, NULL, {now} FROM {series};
         INSERT INTO consents SELECT {c}, id, {p}, 3, 1, NULL, NULL, false, NULL, NULL, {later}, {later}, false, NULL, NULL, NULL, {any}, {now}, NULL FROM subjects;
         INSERT INTO consent_events SELECT {c}, {any}, id, {p}, 3, {now}, 1, NULL, NULL, NULL, NULL, {later}, NULL, NULL, 1, {bytes}, {bytes} FROM subjects;
         INSERT INTO consent_events SELECT {c}, {any}, id, {p}, 3, {now}, 1, NULL, NULL, NULL, NULL, {later}, NULL, NULL, 1, {bytes}, {bytes} FROM subjects;
         INSERT INTO suppressions SELECT {c}, {bytes}, {nil}, 1, 1, 1, NULL, {now}, NULL FROM {series};
         INSERT INTO links SELECT {c}, {any}, 1, id, '[]', NULL, NULL, NULL, false, {now}, {later}, NULL, NULL, NULL FROM subjects;
         INSERT INTO imports VALUES ({c}, {import}, 1, 4, 'old', '[]', {bytes}, 1, NULL, 0, 0, 0, 0, 0, NULL, {now}, {now});
         INSERT INTO import_rows SELECT {c}, {import}, i, {any}, 1, NULL FROM {series};
         INSERT INTO campaigns VALUES ({c}, {round}, 'old', 5, '[]', '[]', {notice}, {sender}, '', '', '', 1, NULL, {now}, {now}, {now}, NULL, NULL, 0, {now}, {now});
         INSERT INTO campaign_members SELECT {c}, {round}, id, 2, NULL, NULL, 0, NULL FROM subjects;
         INSERT INTO mails SELECT {c}, {any}, 2, id, {round}, NULL, {sender}, {notice}, '[]', 4, 0, NULL, NULL, '250', NULL, NULL, {now}, {now} FROM subjects;
         INSERT INTO outbox SELECT {c}, 1, {any}, 5, 1, {later}, 0, {now}, 0, 0, NULL, {now} FROM {series};
         INSERT INTO outbox SELECT {c}, 2, {any}, 1, 1, {later}, 0, {now}, 0, 0, NULL, {now} FROM {series};
         INSERT INTO destination_states SELECT {c}, id, '{LIST}', true, false, {any}, {now}, NULL, NULL, NULL FROM subjects;
         INSERT INTO idempotency_keys SELECT {c}, {any}, {bytes}, {bytes}, {bytes}, 1, {lately} FROM {series};
         INSERT INTO mailbox_caps SELECT {bytes}, {today}, 1 FROM {series};"
    )
}

/// What people and staff do in a day, and what the workers and the timetable do about it.
async fn a_day(app: &TestApp, world: &World, shop: &Shop) {
    let worker = world.worker();
    let visitor = app.nobody();
    let choices = json!({ "newsletter": "yes" });
    for name in ["ana", "ben", "cleo"] {
        let body = json!({ "email": format!("{name}@example.org"), "choices": choices });
        visitor.post(&format!("/f/{}", shop.form_key), body).await.expect(202);
        let link = World::link_in(&*world.mail_to(&format!("{name}@example.org")).await, "/c/");
        pages::answer(app, &visitor, &link, &[("choice.newsletter", "yes")]).await.expect(200);
    }
    let cleo =
        eventually("they are at the provider", async || world.emulator.subscriber(LIST, "cleo@example.org")).await;
    let (_, token) = cleo.fields.iter().find(|(key, _)| key == "ReconsentPreferences").expect("a link stands there");
    visitor.get(&format!("/p/{token}")).await.expect(200);
    visitor.form(&format!("/p/{token}"), &[("purpose", "newsletter")]).await.expect(200);
    visitor.form(&format!("/p/{token}"), &[("stop", "all")]).await.expect(200);
    let event = json!({ "Type": "Deactivate", "Date": "2026-11-24 12:00:00", "EmailAddress": "ben@example.org", "Name": "",
        "State": "Unsubscribed", "CustomFields": [] });
    visitor.post(&shop.webhook, json!({ "ListID": LIST, "Events": [event] })).await.expect(200);

    let list = "email,name,collected_at\ndora@example.org,Dora,2026-03-01\nemil@example.org,Emil,2019-01-01\nnobody,,2026-01-01\n";
    let (campaign, _) = launched_round(app, shop, list).await;
    let mail = world.mail_to("dora@example.org").await;
    pages::answer(
        app,
        &visitor,
        &World::link_in(&mail, "/r/"),
        &[("choice.newsletter", "yes"), ("choice.tracking", "no")],
    )
    .await
    .expect(200);
    let stop = mail.header("list-unsubscribe").expect("one-click");
    let stop = stop.trim_start_matches('<').split('>').next().expect("an address").to_owned();
    visitor.upload(&stop, "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click").await.expect(200);
    let api = app.api();
    for path in ["", "/results", "/exclusions", "/exclusions?reason=expired"] {
        api.get(&format!("/v1/campaigns/{campaign}{path}")).await.expect(200);
    }
    let subject = app.subject_of("ana@example.org").await;
    for path in ["", "/events", "/mails"] {
        api.get(&format!("/v1/subjects/{subject}{path}")).await.expect(200);
    }
    for path in ["/v1/imports", "/v1/campaigns", "/v1/suppressions", "/v1/parked"] {
        api.get(path).await;
    }
    // A few looks of the timetable.
    app.clock.advance(Duration::from_secs(10));
    tokio::time::sleep(Duration::from_millis(500)).await;
    worker.stop().await;
    let scope = app.scope;
    let (before, now) = (app.services.clock.now(), app.services.clock.now());
    app.services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            tx.old_mails(scope, before.minus(Duration::from_secs(86_400)), 1000)?;
            tx.ended_consents(scope, now, 200)?;
            tx.lapsed_requests(scope, now, 200)?;
            tx.never_confirmed(scope, now, 200)
        })
        .await
        .expect("the timetable looks");
}

/// How SQLite would carry out each statement; the ones that walk through a large table.
fn walks_of_sqlite(path: &str, statements: &BTreeSet<String>) -> BTreeMap<String, Vec<String>> {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let mut conn = SqliteConnection::establish(path).expect("the file opens");
    let mut walks = BTreeMap::new();
    for statement in statements {
        let verb = statement.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        if !["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&verb.as_str()) {
            continue;
        }
        let plan: Vec<Step> =
            diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(&mut conn).expect("a plan");
        let steps: Vec<String> = plan.into_iter().map(|step| step.detail).collect();
        let walk = |step: &String| {
            let mut words = step.split_whitespace();
            words.next() == Some("SCAN") && words.next().is_some_and(|table| LARGE.contains(&table) || table == "o")
        };
        // All of a controller's rows are as many; a page of them ends, but not where one person's are looked for.
        let page = statement.contains("LIMIT") && !statement.contains("`subject_id` = ?");
        let whole = |step: &String| {
            let table = step.split_whitespace().nth(1).unwrap_or_default();
            step.starts_with("SEARCH") && LARGE.contains(&table) && step.contains("(controller_id=?)")
        };
        if steps.iter().any(walk) || (steps.iter().any(whole) && !page) {
            walks.insert(statement.clone(), steps);
        }
    }
    walks
}

/// The steps of a plan, each with the large table it reads and how many rows it looked at.
fn steps(plan: &Value, found: &mut Vec<(String, String, f64)>) {
    let number = |name: &str| plan[name].as_f64().unwrap_or(0.0);
    let kind = plan["Node Type"].as_str().unwrap_or_default();
    let table = plan["Relation Name"].as_str().unwrap_or_default();
    if LARGE.contains(&table) && kind != "ModifyTable" {
        let each = number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
        found.push((kind.to_owned(), table.to_owned(), each * number("Actual Loops")));
    }
    for below in plan["Plans"].as_array().into_iter().flatten() {
        steps(below, found);
    }
}

/// What PostgreSQL did for each statement; the ones that walked through a large table.
fn walks_of_postgres(overheard: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut walks = BTreeMap::new();
    for statement in overheard {
        let text = statement["Query Text"].as_str().unwrap_or_default();
        let bound = if text.contains("LIMIT 10001") { 10_001.0 } else { BOUND };
        let mut found = Vec::new();
        steps(&statement["Plan"], &mut found);
        if found.iter().any(|(kind, _, rows)| kind == "Seq Scan" || *rows > bound) {
            walks.insert(
                text.to_owned(),
                found.iter().map(|(kind, table, rows)| format!("{kind} on {table}: {rows} rows")).collect(),
            );
        }
    }
    walks
}

async fn every_statement_finds_its_rows_by_an_index(engine: Engine) {
    set_default_instrumentation(listen).expect("it is listened");
    let mut database = Database::create(engine);
    let (direct, overheard) = (database.text.clone(), Overheard::default());
    let path = direct.trim_start_matches("sqlite:").to_owned();
    match engine {
        Engine::Sqlite => {
            SENT.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), BTreeSet::new());
        }
        Engine::Postgres => {
            let mut url: url::Url = direct.parse().expect("an address");
            let name = url.path().trim_start_matches('/').to_owned();
            let set = |what: &str| format!("ALTER DATABASE {name} SET {what};");
            let settings = [
                "session_preload_libraries = 'auto_explain'",
                "auto_explain.log_min_duration = 0",
                "auto_explain.log_analyze = on",
                "auto_explain.log_timing = off",
                "auto_explain.log_nested_statements = on",
                "auto_explain.log_format = 'json'",
                "auto_explain.log_level = 'notice'",
            ];
            by_hand(engine, &direct, &settings.map(set).concat()).await;
            let server = (url.host_str().expect("a host").to_owned(), url.port().unwrap_or(5432));
            let server = tokio::net::lookup_host(server).await.expect("the host is known").next().expect("an address");
            let between = relay(server, Arc::clone(&overheard)).await;
            url.set_ip_host(between.ip()).expect("an address has a host");
            url.set_port(Some(between.port())).expect("an address has a port");
            database.text = url.to_string();
            database.url = DatabaseUrl::parse(url.as_str()).expect("an address");
        }
    }
    let (app, _server) = TestApp::start(Arc::new(database), Rules::default()).await;
    let world = World::around(&app);
    let shop = Shop::open(&app, &world).await;
    let purposes = app.api().get("/v1/purposes").await.expect(200).json;
    let newsletter = purposes["items"].as_array().into_iter().flatten().find(|purpose| purpose["slug"] == "newsletter");
    let newsletter = newsletter.and_then(|purpose| purpose["id"].as_str()).expect("it is there").to_owned();
    // Nothing has SQLite look at its tables as they grow: it plans by its indexes alone, and so it must here.
    let looked_at = if engine == Engine::Postgres { "ANALYZE;" } else { "" };
    by_hand(engine, &direct, &(filler(&app, &shop, &newsletter) + looked_at)).await;

    // What was sent while the tables were empty says nothing.
    overheard.lock().unwrap_or_else(PoisonError::into_inner).clear();
    if let Some(sent) = SENT.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&path) {
        sent.clear();
    }
    a_day(&app, &world, &shop).await;

    let (seen, walks): (BTreeSet<String>, _) = match engine {
        Engine::Sqlite => {
            let sent = SENT.lock().unwrap_or_else(PoisonError::into_inner).remove(&path).expect("it was listened");
            let walks = walks_of_sqlite(&path, &sent);
            (sent, walks)
        }
        Engine::Postgres => {
            let all = overheard.lock().unwrap_or_else(PoisonError::into_inner).clone();
            (
                all.iter().filter_map(|one| one["Query Text"].as_str()).map(str::to_owned).collect(),
                walks_of_postgres(&all),
            )
        }
    };
    for table in LARGE.iter().filter(|table| **table != "idempotency_keys") {
        assert!(seen.iter().any(|text| text.contains(table)), "no statement about {table} was seen");
    }
    assert!(seen.len() > 60, "a day takes more statements than {}", seen.len());
    assert!(walks.is_empty(), "{} statements walk through a large table: {walks:#?}", walks.len());
}

/// The tests of both engines, each with a database that it sets up itself.
mod on_a_large_database_every_statement_finds_its_rows_by_an_index {
    use super::*;

    fn run(engine: Engine) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        runtime.block_on(every_statement_finds_its_rows_by_an_index(engine));
        runtime.shutdown_timeout(Duration::from_secs(5));
    }

    #[test]
    fn on_sqlite() {
        run(Engine::Sqlite);
    }

    #[test]
    fn on_postgres() {
        run(Engine::Postgres);
    }
}
