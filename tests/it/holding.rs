//! What holds when something is slow, busy or broken: a worker that outlives its lease, a store without room at the
//! moment when the relay has answered, a disk that fails.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reconsent::domain::ids::{ControllerScope, SubjectId};
use reconsent::domain::mailing::MailState;
use reconsent::domain::task::TaskKind;
use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, State};
use reconsent::store::destinations::DestinationState;
use reconsent::store::mails::Mail;
use reconsent::store::outbox::Reference;
use reconsent::store::outbox::Task;
use reconsent::store::{ReadTx, StoreError, WriteTx};
use reconsent::usecases::sync::{Provider, ProviderSettings};
use reconsent::worker::{Worker, WorkerSettings};
use serde_json::json;
use tokio::sync::watch;

use crate::support::world::{LIST, Shop, World, eventually, launched_round, quick};
use crate::support::{Engine, TestApp, run};

/// So long an answer of the provider takes; the lease is over long before.
const LATE: Duration = Duration::from_secs(4);
const LEASE: Duration = Duration::from_millis(300);

/// A worker whose claims hold for a moment.
fn with_short_leases(app: &TestApp) -> (watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let provider = Arc::new(Provider::new(ProviderSettings { lease: LEASE, ..ProviderSettings::default() }));
    let settings = WorkerSettings { lease: LEASE, ..quick() };
    let worker = Worker::new(app.services.clone(), settings, None, provider);
    let (stop, stopped) = watch::channel(false);
    (stop, tokio::spawn(worker.run(stopped)))
}

fn strike(world: &World, method: &str, path: &str, kind: FaultKind) {
    let fault = Fault { method: Some(method.to_owned()), path: path.to_owned(), times: 1, kind };
    assert!(world.emulator.faults().push(fault));
}

async fn newsletter(app: &TestApp) -> String {
    let all = app.api().get("/v1/purposes").await.expect(200).json;
    let found = all["items"].as_array().unwrap().iter().find(|purpose| purpose["slug"] == "newsletter").cloned();
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

/// What is on record about the list, once the work about the person is done.
async fn settled(app: &TestApp, subject: SubjectId) -> DestinationState {
    let scope = app.scope;
    eventually("the work is done", async || {
        let (task, states) = app
            .services
            .store
            .read(move |tx: &mut ReadTx<'_>| {
                Ok::<_, StoreError>((
                    tx.task(scope, TaskKind::Sync, subject.uuid())?,
                    tx.destination_states(scope, subject)?,
                ))
            })
            .await
            .unwrap();
        if task.is_some() { None } else { states.into_iter().find(|state| state.list_id == LIST) }
    })
    .await
}

async fn only_mail(app: &TestApp, scope: ControllerScope, subject: SubjectId) -> Mail {
    let mails = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.mails_of(scope, subject, 10)).await.unwrap();
    assert_eq!(mails.len(), 1);
    mails.into_iter().next().unwrap()
}

both_engines! {
    async fn what_a_worker_learns_after_its_claim_has_run_out_is_not_written(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let purpose = newsletter(&app).await;
        strike(&world, "POST", "/import", FaultKind::LateAnswer(LATE));
        let ana = app.consenting("ana@example.org", &purpose, &shop.notice, &shop.policy_version).await;
        let (stop, slow) = with_short_leases(&app);
        eventually("the slow one's call has arrived", async || {
            world.emulator.subscriber(LIST, "ana@example.org").filter(|s| s.state == State::Active)
        }).await;
        // It takes nothing new; what it has in hand it is still waiting for.
        stop.send(true).unwrap();
        app.withdraw_directly("ana@example.org").await;
        let (stop, other) = with_short_leases(&app);
        let before = settled(&app, ana).await;
        assert!(!before.active && before.last_error.is_none(), "{before:?}");
        assert!(!slow.is_finished(), "the slow one is still waiting for its answer");
        slow.await.unwrap();
        let after = settled(&app, ana).await;
        assert!(!after.active && after.last_error.is_none(), "its answer is of yesterday: {after:?}");
        assert_eq!(world.emulator.subscriber(LIST, "ana@example.org").unwrap().state, State::Unsubscribed);
        stop.send(true).unwrap();
        other.await.unwrap();
    }

    async fn a_worker_that_has_lost_its_claim_starts_nobody_again(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let purpose = newsletter(&app).await;
        // A stop at the provider half an hour before the yes here: only the newer yes may start her again.
        world.emulator.freeze_clock(Some("2026-11-24T09:00:00Z".parse().unwrap()));
        assert!(world.emulator.subscribe_as_person(LIST, "ana@example.org"));
        assert!(world.emulator.unsubscribe_as_person(LIST, "ana@example.org"));
        strike(&world, "GET", "/subscribers/", FaultKind::Delay(LATE));
        let ana = app.consenting("ana@example.org", &purpose, &shop.notice, &shop.policy_version).await;
        let (stop, slow) = with_short_leases(&app);
        eventually("the slow one is looking", async || (world.emulator.faults().waiting() == 0).then_some(())).await;
        stop.send(true).unwrap();
        let (stop, other) = with_short_leases(&app);
        let state = settled(&app, ana).await;
        assert!(state.active && state.last_error.is_none(), "{state:?}");
        assert!(!slow.is_finished(), "the slow one is still looking");
        slow.await.unwrap();
        let restarts = world.emulator.requests().iter().filter(|request| request.body["Resubscribe"] == true).count();
        assert_eq!(restarts, 1, "the one who took over, and nobody else");
        let state = settled(&app, ana).await;
        assert!(state.active && state.last_error.is_none(), "{state:?}");
        let events = app.events_of("ana@example.org").await;
        assert_eq!(events, ["consent.given"], "the refusal of yesterday is no stop of today");
        stop.send(true).unwrap();
        other.await.unwrap();
    }

    async fn a_claim_does_not_hold_for_the_same_work_asked_for_anew(app: TestApp) {
        let (scope, id) = (app.scope, uuid::Uuid::from_u128(7));
        let claim = async || {
            let now = app.services.clock.now();
            let task = Task::new(scope, TaskKind::Remap, id, 1, now, now);
            let claimed = app.services.store.write(id, move |tx: &mut WriteTx<'_>| {
                tx.enqueue(std::slice::from_ref(&task))?;
                tx.claim(TaskKind::Remap, 1, now, LATE)
            });
            claimed.await.unwrap().remove(0)
        };
        let first = claim().await;
        let now = app.services.clock.now();
        // Somebody else has taken it over, and done it.
        app.services.store.write(id, move |tx: &mut WriteTx<'_>| tx.drop_tasks(TaskKind::Remap, &[(scope.controller(), Reference::from_uuid(id))])).await.unwrap();
        app.clock.advance(Duration::from_millis(1));
        let second = claim().await;
        let (extended, finished, ours) = app.services.store.write(id, move |tx: &mut WriteTx<'_>| {
            Ok::<_, StoreError>((tx.extend_lease(&first, LATE)?, tx.finish(&first, now)?, tx.extend_lease(&second, LATE)?))
        }).await.unwrap();
        assert!(!extended && !finished, "the first claim is over");
        assert!(ours, "and the second is not touched");
    }

    async fn what_the_relay_has_said_is_written_down_however_busy_the_store_is_meanwhile(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let (campaign, dry) = launched_round(&app, &shop, "email,collected_at\nana@example.org,2026-03-01\n").await;
        assert_eq!(dry["eligible"], 1, "{dry} in {campaign}");
        world.catcher.delay(Duration::from_millis(250));
        let (scope, ana) = (app.scope, app.subject_of("ana@example.org").await);
        eventually("the mail is being handed over", async || {
            let mails = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.mails_of(scope, ana, 10)).await.unwrap();
            mails.into_iter().find(|mail| mail.state == MailState::HandingOver)
        }).await;

        // Every writer is held up, and more wait for each than there is room.
        let writers = match app.engine {
            Engine::Sqlite => 1,
            Engine::Postgres => 2,
        };
        let (store, held) = (app.services.store.clone(), Arc::new(AtomicUsize::new(0)));
        let hold: Vec<_> = (0..writers).map(|writer| {
            let (store, held) = (store.clone(), Arc::clone(&held));
            tokio::spawn(async move {
                store.write(uuid::Uuid::from_u128(writer), move |_: &mut WriteTx<'_>| {
                    held.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_secs(4));
                    Ok::<_, StoreError>(())
                }).await
            })
        }).collect();
        let all = usize::try_from(writers).expect("one or two");
        eventually("the writers are held up", async || (held.load(Ordering::SeqCst) == all).then_some(())).await;
        let crowd: Vec<_> = (0..1200 * writers).map(|n| {
            let (store, route) = (store.clone(), uuid::Uuid::from_u128(n % writers));
            tokio::spawn(async move { store.write(route, |_: &mut WriteTx<'_>| Ok::<_, StoreError>(())).await })
        }).collect();
        eventually("the relay has the mail", async || world.catcher.messages_to("ana@example.org").into_iter().next()).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(only_mail(&app, scope, ana).await.state, MailState::HandingOver, "there is no room yet to say more");
        for one in hold {
            one.await.unwrap().unwrap();
        }
        let mut busy = 0;
        for call in crowd {
            busy += usize::from(matches!(call.await.unwrap(), Err(StoreError::Busy(_))));
        }
        assert!(busy > 0, "the queue was full");

        let settled = eventually("the mail is settled", async || {
            let mail = only_mail(&app, scope, ana).await;
            (mail.state == MailState::Accepted).then_some(mail)
        }).await;
        assert_eq!(settled.lost, 0, "no answer was lost");
        worker.stop().await;
        assert_eq!(world.catcher.messages_to("ana@example.org").len(), 1, "and it was sent once");
    }
}

/// A process that does not outlive the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// a file that may not grow makes SQLite report an I/O error; nobody is told anything after that.
#[test]
fn the_process_ends_when_the_disk_under_an_embedded_database_fails() {
    run(Engine::Sqlite, |mut app: TestApp| async move {
        app.clock.follow_the_machine();
        let file = app.database_url().strip_prefix("sqlite:").unwrap().to_owned();
        let size = |path: &str| std::fs::metadata(path).map_or(0, |data| data.len());
        let blocks = size(&file).max(size(&format!("{file}-wal"))) / 512 + 400;
        // The signal for a file that is too large is ignored, so that the write itself fails.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" serve --no-worker");
        let child = Command::new("/bin/sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_reconsent")])
            .env_clear()
            .env("DATABASE_URL", app.database_url())
            .env("RECONSENT_DATA_DIR", app.folder())
            .env("RECONSENT_ROOT_KEY", crate::support::ROOT_KEY)
            .env("RECONSENT_BASE_URL", "http://127.0.0.1:1")
            .env("RECONSENT_LISTEN", "127.0.0.1:0")
            .env("RECONSENT_OPS_LISTEN", "127.0.0.1:0")
            .env("RECONSENT_LOG_FORMAT", "json")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut serving = Serving(child.unwrap());
        let mut log = BufReader::new(serving.0.stderr.take().unwrap()).lines();
        let listen = log.by_ref().map_while(Result::ok).find_map(|line| {
            let said: serde_json::Value = serde_json::from_str(&line).ok()?;
            said["listen"].as_str().map(str::to_owned)
        });
        // Read on, so that the process is never held up by a full pipe.
        let log = std::thread::spawn(move || log.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
        let house = app.base.clone();
        app.base = format!("http://{}", listen.expect("it says where it listens"));
        app.until_up().await;

        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (mut acknowledged, started) = (Vec::new(), Instant::now());
        let ended = loop {
            let slug = format!("p{}", acknowledged.len());
            let body = json!({ "slug": slug, "label": "Letters", "description": "x".repeat(900) });
            let asked =
                client.post(format!("{}/v1/purposes", app.base)).bearer_auth(app.token()).json(&body).send().await;
            match asked.ok().map(|answer| answer.status().as_u16()) {
                Some(201) => acknowledged.push(slug),
                // Answered on the way down, or not at all: no success.
                Some(500..) | None => {}
                Some(other) => panic!("answered {other} after {}", acknowledged.len()),
            }
            if let Some(status) = serving.0.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "it goes on after {}", acknowledged.len());
        };
        let log = log.join().unwrap();
        const ABORTED: i32 = 6;
        assert_eq!(ended.signal(), Some(ABORTED), "{ended}: {log}");
        assert!(log.contains("the disk under the database fails"), "{log}");
        assert!(!acknowledged.is_empty(), "it worked before");
        app.base = house;
        let there = app.api().get("/v1/purposes?limit=500").await.expect(200).json.to_string();
        for slug in &acknowledged {
            assert!(there.contains(&format!("\"{slug}\"")), "{slug} was acknowledged and is gone");
        }
    });
}
