//! Throttles: rates that are set hold in every hour, over restarts and over instances together; whoever waits is
//! given a place and waits once; a person who has just signed up does not wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use reconsent::domain::ids::MailId;
use reconsent::domain::task::{TaskKind, TaskState};
use reconsent::domain::throttle::{BucketKind, GRACE};
use reconsent::domain::time::Timestamp;
use reconsent::mail::Outcome;
use reconsent::store::{DatabaseUrl, ReadTx, Store, StoreError, StoreSettings, WriteTx};
use reconsent::usecases::deliver::{Attempted, GiveUp, HandOver, Pace, Told, draft_all, hand_over, settle};
use reconsent::usecases::sync::{Provider, ProviderSettings};
use reconsent::usecases::{Rules, Services, Throttles};
use reconsent::worker::Worker;
use serde_json::json;
use tokio::sync::watch;

use crate::support::TestApp;
use crate::support::world::{Shop, World, eventually, launched_round, quick};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// The house under these throttles.
fn under(app: &TestApp, throttles: Throttles) -> TestApp {
    let mut house = app.clone();
    house.services.rules = Arc::new(Rules { throttles, ..Rules::default() });
    house
}

/// A round over these addresses, frozen, with nothing sent.
async fn waiting_round(app: &TestApp, shop: &Shop, addresses: impl IntoIterator<Item = String>) -> i64 {
    let provider = Arc::new(Provider::new(ProviderSettings::default()));
    let worker = Worker::new(app.services.clone(), quick(), None, provider);
    let (stop, stopped) = watch::channel(false);
    let worker = tokio::spawn(worker.run(stopped));
    let lines = addresses.into_iter().map(|address| format!("{address},2026-03-01\n")).collect::<String>();
    let (campaign, dry) = launched_round(app, shop, &format!("email,collected_at\n{lines}")).await;
    eventually("the round is frozen", async || {
        let shown = app.api().get(&format!("/v1/campaigns/{campaign}")).await.expect(200);
        (shown.json["status"] == "running").then_some(())
    })
    .await;
    stop.send(true).unwrap();
    worker.await.unwrap();
    dry["eligible"].as_i64().unwrap()
}

/// Another instance on the same database, as after a start.
async fn instance(app: &TestApp) -> Services {
    let (url, runtime) = (DatabaseUrl::parse(app.database_url()).unwrap(), tokio::runtime::Handle::current());
    let settings = StoreSettings {
        url,
        readers: 1,
        writers: 2,
        write_queue: 1000,
        batch: 64,
        read_wait: Duration::from_secs(10),
        write_attempts: 5,
        busy_timeout: Duration::from_secs(10),
    };
    let store = tokio::task::spawn_blocking(move || Store::open(&settings, runtime)).await.unwrap().unwrap();
    let root = reconsent::crypto::RootKeys::parse(crate::support::ROOT_KEY, None).unwrap();
    let house = &app.services;
    let rules = Rules::clone(&house.rules);
    Services::new(store, root, Arc::clone(&house.clock), Arc::clone(&house.ids), rules, &app.base)
}

/// What became of the mails so far.
#[derive(Default)]
struct Log {
    /// When each went, and to which domain.
    sent: Vec<(Timestamp, String)>,
    /// How often each had to wait, and for which buckets.
    waited: HashMap<MailId, Vec<Option<BucketKind>>>,
}

impl Log {
    /// The most mails in any hour, of those to a domain or of all.
    fn most_in_an_hour(&self, domain: Option<&str>) -> usize {
        let chosen = |to: &str| domain.is_none_or(|domain| domain == to);
        let times: Vec<Timestamp> = self.sent.iter().filter(|(_, to)| chosen(to)).map(|(at, _)| *at).collect();
        times
            .iter()
            .map(|start| times.iter().filter(|t| *t >= start && t.since(*start) < HOUR).count())
            .max()
            .unwrap_or(0)
    }

    fn sent_within(&self, start: Timestamp, span: Duration) -> usize {
        self.sent.iter().filter(|(at, _)| *at >= start && at.since(start) < span).count()
    }

    fn most_waits(&self) -> usize {
        self.waited.values().map(Vec::len).max().unwrap_or(0)
    }
}

/// Hands over whatever is due, as the worker's lane does, to a relay that takes everything.
async fn turn(services: &Services, log: &mut Log) {
    let now = services.clock.now();
    loop {
        let claim = move |tx: &mut WriteTx<'_>| tx.claim(TaskKind::Mail, 32, now, MINUTE);
        let claimed = services.store.write(uuid::Uuid::nil(), claim).await.unwrap();
        if claimed.is_empty() {
            return;
        }
        let drafted = draft_all(services, claimed, true).await.unwrap();
        let pace = Pace { lease: MINUTE, paused_look: MINUTE };
        let drafted: Vec<_> = drafted.into_iter().map(|(task, draft)| (task, draft.unwrap().unwrap())).collect();
        let tasks: Vec<_> = drafted.iter().map(|(task, _)| task.clone()).collect();
        let (outcomes, mut told) = (hand_over(services, drafted, pace).await, Vec::new());
        for (task, outcome) in tasks.into_iter().zip(outcomes) {
            match outcome.unwrap() {
                HandOver::Send(ready) => {
                    let accepted = Attempted::from_outcome(&Outcome::Accepted { reply: "250 OK".into() });
                    let give_up = GiveUp { retry_after: MINUTE, attempts: 8, age: HOUR };
                    log.sent.push((now, ready.envelope().to().domain().to_owned()));
                    told.push(Told { task, ready, attempted: accepted, give_up });
                }
                HandOver::Throttled(bucket) => {
                    let mail = MailId::from_uuid(task.reference.uuid());
                    log.waited.entry(mail).or_default().push(bucket);
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(settle(services, told).await.into_iter().all(|settled| settled.unwrap().is_some()));
    }
}

/// Forgets the buckets that say nothing any more, few at a time; says how many there were.
async fn forget_idle(services: &Services) -> usize {
    let (now, mut forgotten) = (services.clock.now(), 0);
    loop {
        let forget = move |tx: &mut WriteTx<'_>| tx.forget_idle_buckets(now, 10);
        match services.store.write(uuid::Uuid::nil(), forget).await.unwrap() {
            0 => return forgotten,
            some => forgotten += some,
        }
    }
}

both_engines! {
    async fn every_rate_holds_in_every_hour_and_each_mail_waits_once(app: TestApp) {
        let app = under(&app, Throttles {
            controller_per_hour: Some(120), sender_per_hour: None, recipient_domain_per_hour: Some(60),
        });
        let shop = Shop::open(&app, &World::around(&app)).await;
        let of = |domain: &'static str, most| (0..most).map(move |n| format!("p{n}@{domain}"));
        let many = (0..40).map(|n| format!("p@d{n}.example.com"));
        // The crowded domains come first, so that the others have to find the room between.
        let all = of("one.example.com", 90).chain(of("two.example.com", 50)).chain(many);
        assert_eq!(waiting_round(&app, &shop, all).await, 180);

        let (mut log, start) = (Log::default(), app.services.clock.now());
        turn(&app.services, &mut log).await;
        assert!(log.sent.len() <= 5, "{} go at once", log.sent.len());
        assert!(log.waited.values().flatten().any(|bucket| *bucket == Some(BucketKind::RecipientDomain)));
        assert!(log.waited.values().flatten().any(|bucket| *bucket == Some(BucketKind::Controller)));
        assert_eq!(log.waited.len() + log.sent.len(), 180, "all have their places");
        for _ in 0..300 {
            app.clock.advance(Duration::from_secs(23));
            turn(&app.services, &mut log).await;
        }
        assert_eq!(log.sent.len(), 180, "none is lost, none goes twice");
        assert_eq!(log.most_waits(), 1, "nobody waits twice");
        assert!(log.most_in_an_hour(None) <= 120, "{}", log.most_in_an_hour(None));
        assert!(log.sent_within(start, HOUR) >= 110, "the rate is used: {}", log.sent_within(start, HOUR));
        for domain in ["one.example.com", "two.example.com"] {
            assert!(log.most_in_an_hour(Some(domain)) <= 60, "{domain}: {}", log.most_in_an_hour(Some(domain)));
        }
        app.clock.advance(MINUTE * 3);
        assert_eq!(forget_idle(&app.services).await, 43, "all are idle, and forgotten");
    }

    async fn a_rate_holds_for_two_instances_together_and_over_a_restart(app: TestApp) {
        let app = under(&app, Throttles { controller_per_hour: Some(120), ..Throttles::default() });
        let shop = Shop::open(&app, &World::around(&app)).await;
        let all = (0..200).map(|n| format!("p{n}@d{n}.example.com"));
        assert_eq!(waiting_round(&app, &shop, all).await, 200);

        let (mut one, mut two) = (instance(&app).await, instance(&app).await);
        let (mut log, mut other) = (Log::default(), Log::default());
        for step in 0..260 {
            if step == 40 {
                // All stop, and for half an hour nobody works: what was missed is not caught up with.
                (one, two) = (instance(&app).await, instance(&app).await);
                app.clock.advance(HOUR / 2);
            }
            tokio::join!(turn(&one, &mut log), turn(&two, &mut other));
            app.clock.advance(Duration::from_secs(31));
        }
        assert!(!other.sent.is_empty() && !log.sent.is_empty(), "both work");
        log.sent.extend(other.sent);
        for (mail, waits) in other.waited {
            log.waited.entry(mail).or_default().extend(waits);
        }
        assert_eq!(log.sent.len(), 200, "none is lost, none goes twice");
        assert!(log.most_in_an_hour(None) <= 120, "{}", log.most_in_an_hour(None));
        assert!(log.most_waits() <= 2, "once, and once more over the outage: {}", log.most_waits());
    }

    async fn a_sender_has_a_rate_of_its_own_within_the_operators(app: TestApp) {
        let (app, world) = (under(&app, Throttles { sender_per_hour: Some(600), ..Throttles::default() }), World::around(&app));
        let mut shop = Shop::open(&app, &world).await;
        let sender = |most: i64| json!({ "name": "Slow", "address": "slow@acme.example", "postal": "1 Rose Lane",
            "max_per_hour": most });
        for most in [0, 59, 1_000_001] {
            app.api().post("/v1/senders", sender(most)).await.expect_faults(&["max_per_hour"]);
        }
        let slow = app.api().post("/v1/senders", sender(60)).await.expect(201);
        assert_eq!(slow.json["max_per_hour"], 60);
        // What may be changed later, taken away, and left as it is.
        let path = format!("/v1/senders/{}", slow.text("id"));
        let changed = async |body| app.api().patch(&path, body).await;
        changed(json!({ "max_per_hour": 59 })).await.expect_faults(&["max_per_hour"]);
        changed(json!({ "name": "Another" })).await.expect_problem(400, "bad-request");
        assert_eq!(changed(json!({ "max_per_hour": 300 })).await.expect(200).json["max_per_hour"], 300);
        assert_eq!(changed(json!({})).await.expect(200).json["max_per_hour"], 300);
        assert!(changed(json!({ "max_per_hour": null })).await.expect(200).json.get("max_per_hour").is_none());
        assert_eq!(changed(json!({ "max_per_hour": 60 })).await.expect(200).json["max_per_hour"], 60);
        let shown = app.api().get(&format!("/v1/senders/{}", shop.sender)).await.expect(200);
        assert!(shown.json.get("max_per_hour").is_none(), "{}", shown.json);
        shop.sender = slow.text("id");
        waiting_round(&app, &shop, (0..70).map(|n| format!("p{n}@example.com"))).await;
        let (mut log, start) = (Log::default(), app.services.clock.now());
        for _ in 0..150 {
            turn(&app.services, &mut log).await;
            app.clock.advance(MINUTE / 2);
        }
        assert_eq!((log.sent.len(), log.most_waits()), (70, 1));
        assert!(log.most_in_an_hour(None) <= 60, "{}", log.most_in_an_hour(None));
        assert!(log.sent_within(start, HOUR) >= 55, "{}", log.sent_within(start, HOUR));

        let fast = app.api().post("/v1/senders", sender(1_000_000)).await.expect(201);
        shop.sender = fast.text("id");
        waiting_round(&app, &shop, (0..100).map(|n| format!("q{n}@example.com"))).await;
        let mut log = Log::default();
        turn(&app.services, &mut log).await;
        assert!(log.sent.len() <= 21, "the operator's rate stands above: {}", log.sent.len());
    }

    async fn who_has_just_signed_up_does_not_wait_behind_a_round(app: TestApp) {
        let app = under(&app, Throttles {
            controller_per_hour: Some(60), sender_per_hour: Some(60), recipient_domain_per_hour: Some(60),
        });
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        waiting_round(&app, &shop, (0..40).map(|n| format!("p{n}@example.org"))).await;
        // The house with these rules, as `World` would start it.
        let provider = Arc::new(Provider::new(ProviderSettings::default()));
        let worker = Worker::new(app.services.clone(), quick(), Some(world.relay()), provider);
        let (stop, stopped) = watch::channel(false);
        let worker = tokio::spawn(worker.run(stopped));
        let due = async || {
            let read = |tx: &mut ReadTx<'_>| Ok::<_, StoreError>((tx.next_due(TaskKind::Mail)?, tx.outbox_counts()?));
            let (next, counts) = app.services.store.read(read).await.unwrap();
            // Nor is one of them on its way.
            let in_hand = (TaskKind::Mail.code(), TaskState::Claimed.code());
            let still = counts.iter().all(|count| (count.kind, count.state) != in_hand);
            next.filter(|due| *due > app.services.clock.now() && still)
        };
        eventually("the round has its places", due).await;
        let before = world.catcher.message_count();
        assert!(before <= 3, "{before} mails of the round");

        let form = format!("/f/{}", shop.form_key);
        for n in 0..5 {
            let body = json!({ "email": format!("new{n}@example.org"), "choices": { "newsletter": "yes" } });
            app.nobody().post(&form, body).await.expect(202);
        }
        for n in 0..5 {
            world.mail_to(&format!("new{n}@example.org")).await;
        }
        assert_eq!(world.catcher.message_count(), before + 5, "the round still waits");
        stop.send(true).unwrap();
        worker.await.unwrap();
    }

    async fn who_comes_late_for_a_place_takes_another(app: TestApp) {
        let app = under(&app, Throttles { controller_per_hour: Some(60), ..Throttles::default() });
        let shop = Shop::open(&app, &World::around(&app)).await;
        waiting_round(&app, &shop, (0..30).map(|n| format!("p{n}@d{n}.example.com"))).await;
        let mut log = Log::default();
        turn(&app.services, &mut log).await;
        app.clock.advance(HOUR + GRACE);
        let before = log.sent.len();
        turn(&app.services, &mut log).await;
        assert!(log.sent.len() - before <= 3, "{} go at once after an hour", log.sent.len() - before);
        assert_eq!(log.waited.values().filter(|waits| waits.len() > 2).count(), 0);
    }
}
