//! More than it can take: a flood of sign-ups before a held writer, clients that send or read as slowly as they can.
//! The house says so and stays as large as it was, stops go through, and nobody else waits (T-37, R-63).

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use reconsent::store::{ReadTx, StoreError};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::support::world::{Shop, World, launched_round};
use crate::support::{Engine, Process, TestApp, pages};

/// Both ends of a thousand connections are more than many systems let a process have unless it asks.
fn make_room_for_connections() {
    let id = std::process::id().to_string();
    let asked = Command::new("prlimit").args(["--pid", &id, "--nofile=4096:"]).status();
    assert!(asked.is_ok_and(|status| status.success()), "this process may not open 4,096 files (prlimit)");
}

/// Keeps every process from writing people down, as a disk that takes its time does, while `meanwhile` runs.
async fn while_nobody_can_write<T>(app: &TestApp, meanwhile: impl Future<Output = T>) -> T {
    match app.engine {
        Engine::Sqlite => {
            let file = app.database_url().trim_start_matches("sqlite:");
            let mut conn = SqliteConnection::establish(file).expect("the file can be opened");
            conn.batch_execute("PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE").expect("the lock can be had");
            let outcome = meanwhile.await;
            conn.batch_execute("ROLLBACK").expect("the lock is given back");
            outcome
        }
        Engine::Postgres => {
            let (client, connection) = tokio_postgres::connect(app.database_url(), NoTls).await.expect("a connection");
            let driver = tokio::spawn(connection);
            client.batch_execute("BEGIN; LOCK TABLE subjects IN EXCLUSIVE MODE").await.expect("the lock can be had");
            let outcome = meanwhile.await;
            client.batch_execute("ROLLBACK").await.expect("the lock is given back");
            drop(client);
            driver.await.expect("the driver ends").expect("the connection ends well");
            outcome
        }
    }
}

both_engines! {
    async fn a_flood_is_answered_or_turned_away_in_bounded_memory_and_stops_go_through(app: TestApp) {
        make_room_for_connections();
        let world = World::around(&app);
        let relay = format!("smtp://{}", world.catcher.smtp_addr());
        let mut house = Process::new(&app, &[
            ("RECONSENT_SMTP_URL", &relay),
            // For 48 visitors, and for the lanes of the worker, which wait in the same queue with a question each.
            ("RECONSENT_STORE_WRITE_QUEUE", "72"),
            ("RECONSENT_STORE_BATCH", "32"),
            // The test is about the queue; a machine under load must not turn it into one about the deadline.
            ("RECONSENT_HTTP_REQUEST_DEADLINE", "60s"),
            ("RECONSENT_STORE_READ_WAIT", "20s"),
            // A thousand who are turned away are a thousand lines.
            ("RECONSENT_LOG_LEVEL", "error"),
        ]);
        house.start();
        let app = house.door();
        app.clock.follow_the_machine();
        app.until_up().await;
        let shop = Shop::open(&app, &world).await;
        let people: Vec<String> = (0..6).map(|n| format!("stops{n}@example.org")).collect();
        let list = people.iter().fold("email,collected_at\n".to_owned(), |list, who| list + who + ",2026-03-01\n");
        launched_round(&app, &shop, &list).await;
        let mut stops = Vec::new();
        for person in &people {
            stops.push(World::link_in(&*world.mail_to(person).await, "/u/"));
        }
        let before = house.peak_memory();

        let refusals = Arc::new(AtomicUsize::new(0));
        let mut flood = JoinSet::new();
        let mut stopping = JoinSet::new();
        while_nobody_can_write(&app, async {
            for n in 0..1_000 {
                let (visitor, path) = (app.nobody(), format!("/f/{}", shop.form_key));
                let refusals = Arc::clone(&refusals);
                flood.spawn(async move {
                    let address = format!("flood{n}@example.org");
                    let body = json!({ "email": address, "choices": { "newsletter": "yes" } });
                    let answer = visitor.post(&path, body).await;
                    refusals.fetch_add(usize::from(answer.status == 503), Ordering::SeqCst);
                    (address, answer)
                });
            }
            // In the thick of it: the queue is full, and the writer stands. SQLite's writer stands for ten seconds, no longer.
            let begun = Instant::now();
            while refusals.load(Ordering::SeqCst) < 50 && begun.elapsed() < Duration::from_secs(8) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            for link in stops {
                let visitor = app.nobody();
                stopping.spawn(async move { visitor.form(&link, &[("List-Unsubscribe", "One-Click")]).await });
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }).await;

        while let Some(answer) = stopping.join_next().await {
            answer.expect("each is answered").expect(200);
        }
        let (mut taken, mut turned_away) = (Vec::new(), 0);
        while let Some(answer) = flood.join_next().await {
            let (address, answer) = answer.expect("each is answered");
            if answer.status == 202 {
                taken.push(address);
            } else {
                let answer = answer.expect_problem(503, "busy");
                let wait: u64 = answer.header("retry-after").parse().expect("Retry-After in seconds");
                assert!((1..=60).contains(&wait), "{wait}");
                turned_away += 1;
            }
        }
        assert_eq!(taken.len() + turned_away, 1_000);
        assert!(turned_away >= 50 && taken.len() >= 48, "{} taken, {turned_away} turned away", taken.len());
        let grown = house.peak_memory() - before;
        assert!(grown < 100 * 1024, "a thousand connections took {grown} KiB beyond {before}");
        println!("{} taken, {turned_away} turned away, {before} KiB before, {grown} KiB more at the peak", taken.len());
        for person in &people {
            assert_eq!(app.events_of(person).await.last().map(String::as_str), Some("consent.withdrawn"), "{person}");
        }
        for address in taken.iter().take(200) {
            assert!(app.events_of(address).await.contains(&"consent.requested".to_owned()), "{address}");
        }
    }

    async fn a_stop_goes_through_while_every_connection_for_reading_is_busy(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let visitor = app.nobody();
        let body = json!({ "email": "ana@example.org", "choices": { "newsletter": "yes" } });
        visitor.post(&format!("/f/{}", shop.form_key), body).await.expect(202);
        let link = World::link_in(&*world.mail_to("ana@example.org").await, "/c/");
        let seal = pages::seal(&visitor.get(&link).await.expect(200).body());
        app.clock.advance(Duration::from_secs(3));
        let done = visitor.form(&link, &[("nonce", &seal), ("choice.newsletter", "yes")]).await.expect(200);
        let stop = pages::link_on(&done.body(), "/u/");
        worker.stop().await;

        // Two at once hold the connections; the others stand in line before the stop.
        let (mut until_the_stop, mut holding, begun) = (Vec::new(), JoinSet::new(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..6 {
            let (release, released) = std::sync::mpsc::channel::<()>();
            until_the_stop.push(release);
            let (store, begun) = (app.services.store.clone(), Arc::clone(&begun));
            holding.spawn(async move {
                let hold = move |_: &mut ReadTx<'_>| {
                    begun.fetch_add(1, Ordering::SeqCst);
                    let _ = released.recv();
                    Ok::<_, StoreError>(())
                };
                store.read(hold).await
            });
        }
        while begun.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The keys that were read are too old by now and have to be read anew.
        app.clock.advance(Duration::from_secs(3600));
        visitor.form(&stop, &[("List-Unsubscribe", "One-Click")]).await.expect(200);
        drop(until_the_stop);
        while let Some(read) = holding.join_next().await {
            read.expect("no read panics").expect("each has its turn");
        }
        assert_eq!(app.events_of("ana@example.org").await.last().map(String::as_str), Some("consent.withdrawn"));
    }
}

/// A connection on which the head of a post has been sent and the body comes one byte at a time; gives what the server
/// said when it had enough.
async fn drips(address: String, head: String) -> String {
    let mut stream = TcpStream::connect(&address).await.expect("the server takes connections");
    stream.write_all(head.as_bytes()).await.expect("the head is taken");
    let mut said = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        match tokio::time::timeout(Duration::from_millis(500), stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return String::from_utf8_lossy(&said).into_owned(),
            Ok(Ok(read)) => said.extend_from_slice(&buffer[..read]),
            // Still patient: another byte.
            Err(_) => drop(stream.write_all(b"a").await),
        }
    }
}

/// A connection that asks for far more than it reads, which is nothing.
async fn asks_and_does_not_read(address: String) -> TcpStream {
    let mut stream = TcpStream::connect(&address).await.expect("the server takes connections");
    let asked = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    // What does not fit any more stays unsent.
    let _ = tokio::time::timeout(Duration::from_millis(200), stream.write_all(asked.as_bytes())).await;
    stream
}

#[test]
fn who_sends_or_reads_slowly_is_cut_off_and_keeps_nobody_waiting() {
    // What the database is has no part in it.
    crate::support::run(Engine::Sqlite, slow);
}

async fn slow(app: TestApp) {
    let mut house = Process::new(
        &app,
        &[
            ("RECONSENT_HTTP_REQUEST_DEADLINE", "5s"),
            ("RECONSENT_HTTP_HEAD_TIMEOUT", "5s"),
            ("RECONSENT_HTTP_DISCONNECT_TIMEOUT", "1s"),
        ],
    );
    house.start();
    let app = house.door();
    app.until_up().await;
    let (key, _) = app.form_for("news").await;
    let address = app.base.trim_start_matches("http://").to_owned();
    let (idle, memory) = (house.connections(), house.peak_memory());

    let begun = Instant::now();
    let mut slow = JoinSet::new();
    for _ in 0..40 {
        let body = format!(
            "POST /f/{key} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
        );
        slow.spawn(drips(address.clone(), body));
        slow.spawn(drips(address.clone(), format!("GET /f/{key} HTTP/1.1\r\nHost: x\r\nX-Long: ")));
    }
    let mut asking = JoinSet::new();
    for _ in 0..40 {
        asking.spawn(asks_and_does_not_read(address.clone()));
    }
    let readers = asking.join_all().await;
    while house.connections() < idle + 100 {
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{} of 120 connections are there",
            house.connections() - idle
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let asked = Instant::now();
        app.nobody().get(&format!("/f/{key}")).await.expect(200);
        longest = longest.max(asked.elapsed());
    }
    // Whoever had to wait for the slow ones would wait for their deadline.
    assert!(longest < Duration::from_secs(5), "somebody else waited for {longest:?}");

    while let Some(said) = slow.join_next().await {
        let said = said.expect("the server ends it");
        // A head that never comes to its end may be cut off without a word.
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
    }
    let written = begun.elapsed();
    assert!(written < Duration::from_secs(20), "slow writers were borne for {written:?}");
    while house.connections() > idle + 10 {
        let left = house.connections() - idle;
        assert!(begun.elapsed() < Duration::from_secs(30), "{left} connections that do not read are still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let grown = house.peak_memory() - memory;
    println!(
        "longest wait {longest:?}, writers gone after {written:?}, readers after {:?}, {grown} KiB more",
        begun.elapsed()
    );
    assert!(grown < 150 * 1024, "120 slow connections took {grown} KiB");
    drop(readers);
}
