//! The service is killed (SIGKILL) again and again while people sign up, are asked, answer and stop. Afterwards nothing
//! that was acknowledged is missing, nobody was skipped, and whoever was mailed twice got the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reconsent::domain::task::TaskKind;
use reconsent::sandbox::campaign_monitor::State;
use reconsent::store::ReadTx;
use serde_json::json;
use tokio::sync::Mutex;

use crate::support::world::{LIST, Shop, World, drafted_round};
use crate::support::{Api, TestApp, pages};

/// The service as a process of its own, on a database, a relay and a port that stay the same over its lives.
struct House {
    app: TestApp,
    port: u16,
    relay: u16,
    child: Option<Child>,
}

impl House {
    fn start(&mut self) {
        let child = Command::new(env!("CARGO_BIN_EXE_reconsent"))
            .arg("serve")
            .env_clear()
            .env("DATABASE_URL", self.app.database_url())
            .env("RECONSENT_DATA_DIR", self.app.folder())
            .env("RECONSENT_ROOT_KEY", crate::support::ROOT_KEY)
            .env("RECONSENT_BASE_URL", format!("http://127.0.0.1:{}", self.port))
            .env("RECONSENT_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("RECONSENT_OPS_LISTEN", "127.0.0.1:0")
            .env("RECONSENT_SMTP_URL", format!("smtp://127.0.0.1:{}", self.relay))
            .env("RECONSENT_SMTP_CONNECT_TIMEOUT", "900ms")
            .env("RECONSENT_SMTP_COMMAND_TIMEOUT", "900ms")
            .env("RECONSENT_SMTP_FINAL_DOT_TIMEOUT", "900ms")
            .env("RECONSENT_CAMPAIGN_MONITOR_CONNECT_TIMEOUT", "900ms")
            .env("RECONSENT_CAMPAIGN_MONITOR_CALL_TIMEOUT", "1500ms")
            .env("RECONSENT_OUTBOX_LEASE", "1s")
            .env("RECONSENT_OUTBOX_HANDOVER_LEASE", "2s")
            .env("RECONSENT_OUTBOX_MAILS_IN_HAND", "10")
            .env("RECONSENT_OUTBOX_POLL_INTERVAL", "50ms")
            .env("RECONSENT_OUTBOX_TIMETABLE_INTERVAL", "200ms")
            .env("RECONSENT_OUTBOX_RETRY_FIRST", "100ms")
            .env("RECONSENT_OUTBOX_RETRY_CAP", "300ms")
            .env("RECONSENT_RULES_MINIMUM_DWELL", "0s")
            .env("RECONSENT_LOG_LEVEL", "warn")
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn();
        self.child = Some(child.expect("the service starts"));
    }

    /// The end without warning.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it is gone");
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks until the service is there again; a connection that breaks counts for nothing.
async fn until_answered(api: &Api, path: &str, body: &serde_json::Value) -> u16 {
    let started = Instant::now();
    loop {
        if let Some(answer) = api.try_post(path, body.clone()).await
            && answer != 503
        {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the service does not come back");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

both_engines! {
    async fn kills_lose_nothing_acknowledged_skip_nobody_and_double_only_identically(app: TestApp) {
        let world = World::around(&app);
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let mut house = House { app: app.clone(), port, relay: world.catcher.smtp_addr().port(), child: None };
        house.start();
        let mut app = app;
        app.base = format!("http://127.0.0.1:{port}");
        app.clock.follow_the_machine();
        app.until_up().await;
        let shop = Shop::open(&app, &world).await;
        let mut list = "email,name,collected_at\n".to_owned();
        for n in 0..120 {
            list.push_str(&format!("asked{n}@example.org,Asked {n},2026-03-01\n"));
        }
        let (campaign, dry) = drafted_round(&app, &shop, &list).await;
        assert_eq!(dry["eligible"], 120, "{dry}");
        app.api().post(&format!("/v1/campaigns/{campaign}/launch"), json!({})).await.expect(200);

        // People sign up all the while; what is answered with 202 is written down here.
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeSet::new())));
        let mut crowd = Vec::new();
        for walker in 0..4 {
            let (visitor, path) = (app.nobody(), format!("/f/{}", shop.form_key));
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            crowd.push(tokio::spawn(async move {
                let mut n = 0;
                while !stop.load(Ordering::SeqCst) {
                    let address = format!("new{walker}x{n}@example.org");
                    let body = json!({ "email": address, "choices": { "newsletter": "yes" } });
                    if until_answered(&visitor, &path, &body).await == 202 {
                        acknowledged.lock().await.insert(address);
                    }
                    n += 1;
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
            }));
        }
        // Some of the asked answer, and some of these stop again; acknowledged answers are written down too.
        let answers = Arc::new(Mutex::new(BTreeMap::new()));
        let answering = {
            let (app, answers) = (app.clone(), Arc::clone(&answers));
            let mails = Arc::clone(&world.catcher);
            tokio::spawn(async move {
                let (mut n, started) = (0, Instant::now());
                while n < 40 && started.elapsed() < Duration::from_secs(45) {
                    let address = format!("asked{n}@example.org");
                    if let Some(mail) = mails.messages_to(&address).into_iter().next() {
                        let link = World::link_in(&mail, "/r/");
                        if pages::try_answer(&app, &link, &[("choice.newsletter", "yes")]).await {
                            answers.lock().await.insert(address.clone(), true);
                            if n % 4 == 0 && app.nobody().try_form(&World::link_in(&mail, "/u/"), &[("stop", "this")]).await == Some(200) {
                                answers.lock().await.insert(address, false);
                            }
                            n += 1;
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        };

        let kills = 5;
        for _ in 0..kills {
            tokio::time::sleep(Duration::from_millis(700)).await;
            house.kill();
            house.start();
            app.until_up().await;
        }
        stop.store(true, Ordering::SeqCst);
        for walker in crowd {
            walker.await.expect("no walker fails");
        }
        answering.await.expect("answering does not fail");

        // Let it finish: no mail and no sync is left to do.
        let started = Instant::now();
        loop {
            let counts = app.services.store.read(|tx: &mut ReadTx<'_>| tx.outbox_counts()).await.expect("it counts");
            let open = counts.iter().filter(|c| [TaskKind::Mail.code(), TaskKind::Sync.code(), TaskKind::Launch.code()].contains(&c.kind));
            if open.map(|c| c.rows).sum::<i64>() == 0 {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "work is left over: {counts:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        house.kill();

        let acknowledged = acknowledged.lock().await;
        assert!(acknowledged.len() > 50, "there was a load: {} sign-ups", acknowledged.len());
        for address in acknowledged.iter() {
            let events = app.events_of(address).await;
            assert!(events.iter().any(|kind| kind == "consent.requested"), "{address} was acknowledged and is not on record");
        }
        let (mut doubled, mut all) = (0, acknowledged.iter().cloned().collect::<Vec<_>>());
        all.extend((0..120).map(|n| format!("asked{n}@example.org")));
        for address in &all {
            let mails = world.catcher.messages_to(address);
            assert!(!mails.is_empty(), "{address} was skipped");
            assert!(mails.iter().all(|mail| mail.raw == mails[0].raw), "{address} got two different mails");
            doubled += mails.len() - 1;
        }
        // At most one more copy per crash for each mail in its hand-over; there are ten in hand.
        assert!(doubled <= kills * 10, "{doubled} copies too many");
        let answers = answers.lock().await;
        assert!(answers.len() > 5, "some answered: {}", answers.len());
        for (address, yes) in answers.iter() {
            // A mail may be settled after its answer has come in; the last word of the person is what counts.
            let last = app.events_of(address).await.into_iter().rfind(|kind| kind.starts_with("consent."));
            let expected = if *yes { "consent.given" } else { "consent.withdrawn" };
            assert_eq!(last.as_deref(), Some(expected), "{address}");
            let there = world.emulator.subscriber(LIST, address);
            let active = there.is_some_and(|there| there.state == State::Active);
            assert_eq!(active, *yes, "{address}: the destination agrees");
        }
    }
}
