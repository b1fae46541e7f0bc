//! Three processes on one database, each with its doors and its worker; one is killed (SIGKILL) again and again while
//! people sign up, confirm, are asked, answer and stop. At the end every acknowledged event is there, everybody was
//! asked once, or within twice with the same bytes, and the destination holds exactly our confirmed.
//!
//! Only on PostgreSQL: the embedded database belongs to one process by design. `RECONSENT_TEST_LONG=1 tests/run
//! three_instances --nocapture` runs the long form, a round of 20,000 over several minutes, and prints its figures.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reconsent::sandbox::campaign_monitor::State;
use serde_json::json;
use tokio::sync::Mutex;

use crate::support::reckoning::{self, LastWord};
use crate::support::world::{LIST, Shop, World, drafted_round};
use crate::support::{Engine, Process, TestApp, pages};

/// How much is done, and for how long at most.
struct Scale {
    asked: usize,
    answering: usize,
    signing_up: usize,
    kills: usize,
    between_kills: Duration,
    relay_takes: Duration,
    patience: Duration,
}

fn scale() -> Scale {
    let long = std::env::var("RECONSENT_TEST_LONG").is_ok_and(|wish| wish == "1");
    Scale {
        asked: if long { 20_000 } else { 240 },
        answering: if long { 2_000 } else { 60 },
        signing_up: if long { 2_000 } else { 60 },
        kills: if long { 40 } else { 6 },
        between_kills: Duration::from_millis(if long { 2_000 } else { 500 }),
        // A relay at its ease, so that a kill finds mails in their hand-over.
        relay_takes: Duration::from_millis(30),
        patience: Duration::from_secs(if long { 1_800 } else { 180 }),
    }
}

/// What the crowd knows and has been told.
struct Crowd {
    doors: Vec<TestApp>,
    world: World,
    form: String,
    turn: AtomicUsize,
    over: AtomicBool,
    requested: Mutex<BTreeSet<String>>,
    told: Mutex<BTreeMap<String, LastWord>>,
}

impl Crowd {
    /// The doors take turns, whether the process behind one is alive or not.
    fn door(&self) -> &TestApp {
        &self.doors[self.turn.fetch_add(1, Ordering::Relaxed) % self.doors.len()]
    }

    /// A link of a mail, at one of the doors.
    fn at_a_door(&self, link: &str) -> String {
        link.replace(&self.doors[0].base, &self.door().base)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    async fn sign_up(&self, walker: usize, most: usize) {
        let path = format!("/f/{}", self.form);
        for n in 0..most {
            let address = format!("new{walker}x{n}@example.org");
            let body = json!({ "email": address, "choices": { "newsletter": "yes" } });
            while !self.is_over() {
                if self.door().nobody().try_post(&path, body.clone()).await == Some(202) {
                    self.requested.lock().await.insert(address);
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    /// Opens the mail's link of this kind, where there is a mail, and says yes; asks for the page at one process and
    /// sends the answer to another.
    async fn says_yes(&self, address: &str, link: &str) -> bool {
        let Some(mail) = self.world.catcher.messages_to(address).into_iter().next() else { return false };
        let link = World::link_in(&mail, link);
        let (shown_at, sent_to) = (self.at_a_door(&link), self.at_a_door(&link));
        let done = pages::try_answer_between(self.door(), &shown_at, &sent_to, &[("choice.newsletter", "yes")]).await;
        if done {
            self.told.lock().await.insert(address.to_owned(), LastWord::Yes);
        }
        done
    }

    /// Stops by the mail's link, at any of the processes.
    async fn stops(&self, address: &str) {
        let Some(mail) = self.world.catcher.messages_to(address).into_iter().next() else { return };
        let link = World::link_in(&mail, "/u/");
        // Until the answer is there, nobody can say whether the stop is.
        self.told.lock().await.insert(address.to_owned(), LastWord::PerhapsStop);
        while !self.is_over() {
            let link = self.at_a_door(&link);
            if self.door().nobody().try_form(&link, &[("List-Unsubscribe", "One-Click")]).await == Some(200) {
                self.told.lock().await.insert(address.to_owned(), LastWord::Stop);
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Those who signed up confirm, as their mails come in. A mail may be held, and then never comes.
    async fn confirm(&self) {
        while !self.is_over() {
            let told = self.told.lock().await.keys().cloned().collect::<BTreeSet<_>>();
            let open: Vec<String> = self.requested.lock().await.difference(&told).cloned().collect();
            for address in open {
                if self.is_over() {
                    return;
                }
                self.says_yes(&address, "/c/").await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Those who are asked answer, as their mails come in; every fourth stops again.
    async fn answer(&self, most: usize) {
        let mut waiting: VecDeque<usize> = (0..most).collect();
        while let Some(n) = waiting.pop_front().filter(|_| !self.is_over()) {
            let address = format!("asked{n}@example.org");
            if self.says_yes(&address, "/r/").await {
                if n % 4 == 0 {
                    self.stops(&address).await;
                }
            } else {
                waiting.push_back(n);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether there was enough of everything for the kills to mean something.
    async fn has_been_busy(&self, scale: &Scale) -> bool {
        let told = self.told.lock().await;
        let stopped = told.values().filter(|word| **word == LastWord::Stop).count();
        let confirmed = told.keys().filter(|address| address.starts_with("new")).count();
        let requested = self.requested.lock().await.len();
        // The rest of the mails goes out while nobody is killed any more.
        stopped > 2 && confirmed > 5 && requested > 50 && self.world.catcher.message_count() * 10 > scale.asked * 9
    }
}

#[test]
fn three_instances_of_which_one_is_killed_again_and_again_agree_in_the_end() {
    crate::support::run(Engine::Postgres, body);
}

async fn body(app: TestApp) {
    let scale = scale();
    let world = World::around(&app);
    let relay = format!("smtp://{}", world.catcher.smtp_addr());
    // All write links of one address, as behind one proxy. The relay's delay must not be longer than a lease.
    let mut settings = vec![
        ("RECONSENT_SMTP_URL", relay.as_str()),
        ("RECONSENT_SMTP_CONNECTIONS", "4"),
        ("RECONSENT_STORE_READERS", "2"),
        ("RECONSENT_OUTBOX_LEASE", "2s"),
        ("RECONSENT_OUTBOX_HANDOVER_LEASE", "5s"),
    ];
    let mut house = vec![Process::new(&app, &settings)];
    let base = house[0].door().base;
    settings.push(("RECONSENT_BASE_URL", &base));
    house.extend((0..2).map(|_| Process::new(&app, &settings)));
    let doors: Vec<TestApp> = house.iter().map(Process::door).collect();
    app.clock.follow_the_machine();
    house.iter_mut().for_each(Process::start);
    for door in &doors {
        door.until_up().await;
    }
    let shop = Shop::open(&doors[1], &world).await;
    let mut list = "email,name,collected_at\n".to_owned();
    for n in 0..scale.asked {
        list.push_str(&format!("asked{n}@example.org,Asked {n},2026-03-01\n"));
    }
    let (campaign, dry) = drafted_round(&doors[2], &shop, &list).await;
    assert_eq!(dry["eligible"], scale.asked, "{dry}");
    world.catcher.delay(scale.relay_takes);
    doors[0].api().post(&format!("/v1/campaigns/{campaign}/launch"), json!({})).await.expect(200);

    let crowd = Arc::new(Crowd {
        doors,
        world,
        form: shop.form_key,
        turn: AtomicUsize::default(),
        over: AtomicBool::default(),
        requested: Mutex::default(),
        told: Mutex::default(),
    });
    let mut tasks = tokio::task::JoinSet::new();
    for walker in 0..3 {
        let (crowd, most) = (Arc::clone(&crowd), scale.signing_up);
        tasks.spawn(async move { crowd.sign_up(walker, most).await });
    }
    let (confirming, answering, most) = (Arc::clone(&crowd), Arc::clone(&crowd), scale.answering);
    tasks.spawn(async move { confirming.confirm().await });
    tasks.spawn(async move { answering.answer(most).await });

    let (begun, mut kills) = (Instant::now(), 0);
    while kills < scale.kills || !crowd.has_been_busy(&scale).await {
        tokio::time::sleep(scale.between_kills).await;
        let one = kills % house.len();
        house[one].kill();
        // Long enough for the others to find what it left behind, now and then.
        tokio::time::sleep(scale.between_kills / 2).await;
        house[one].start();
        crowd.doors[one].until_up().await;
        kills += 1;
        assert!(
            begun.elapsed() < scale.patience,
            "the crowd is not served: {} mails",
            crowd.world.catcher.message_count()
        );
    }
    crowd.over.store(true, Ordering::SeqCst);
    while let Some(task) = tasks.join_next().await {
        task.expect("nobody in the crowd fails");
    }
    crowd.world.catcher.delay(Duration::ZERO);
    reckoning::until_done(&app, scale.patience).await;
    let took = begun.elapsed();
    house.iter_mut().for_each(Process::kill);

    let (requested, told, world) = (crowd.requested.lock().await, crowd.told.lock().await, &crowd.world);
    for address in requested.iter() {
        let events = app.events_of(address).await;
        assert!(
            events.iter().any(|kind| kind == "consent.requested"),
            "{address} was acknowledged and is not on record"
        );
    }
    let mut all: Vec<String> = requested.iter().cloned().collect();
    all.extend((0..scale.asked).map(|n| format!("asked{n}@example.org")));
    let mailed = reckoning::mailed(&app, world, &all).await;
    // At most one more copy per crash for each mail in its hand-over, and there are ten in hand; two for a held one.
    assert!(mailed.doubled + mailed.held <= kills * 10, "too many: {mailed:?} after {kills} kills");
    reckoning::believed(&app, world, told.iter()).await;

    app.clock.follow_the_machine();
    let ours = app.api().get("/v1/confirmed?purpose=newsletter").await.expect(200).body();
    let ours: BTreeSet<&str> = ours.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    let strangers: Vec<&&str> = ours
        .iter()
        .filter(|address| world.emulator.subscriber(LIST, address).is_none_or(|there| there.state != State::Active))
        .collect();
    assert!(strangers.is_empty(), "confirmed here and not active there: {strangers:?}");
    assert_eq!(
        world.emulator.count(LIST, State::Active),
        ours.len(),
        "somebody is active there and not confirmed here"
    );
    let stopped = told.values().filter(|word| **word == LastWord::Stop).count();
    println!(
        "{} asked, {} signed up, {} told yes, {stopped} told stopped, {} confirmed on both sides, {kills} kills, \
         {} mails, {} identical copies, {} held, {:.1} s",
        scale.asked,
        requested.len(),
        told.len() - stopped,
        ours.len(),
        world.catcher.message_count(),
        mailed.doubled,
        mailed.held,
        took.as_secs_f64()
    );
}
