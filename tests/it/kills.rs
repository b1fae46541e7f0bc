//! The service is killed (SIGKILL) again and again while people sign up, are asked, answer and stop. Afterwards nothing
//! that was acknowledged is missing, nobody was skipped, and whoever was mailed twice got the same bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::Mutex;

use crate::support::reckoning::{self, LastWord};
use crate::support::world::{Shop, World, drafted_round};
use crate::support::{Api, Process, TestApp, pages};

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
        let relay = format!("smtp://{}", world.catcher.smtp_addr());
        let mut house = Process::new(&app, &[("RECONSENT_SMTP_URL", &relay)]);
        house.start();
        // What staff see is read through the first door afterwards, when the process is gone.
        let (record, app) = (app, house.door());
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

        // People sign up all the while; what is answered with 202 is written down here. There is an end to them, as
        // their mails go before those of the round.
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeSet::new())));
        let mut crowd = Vec::new();
        for walker in 0..4 {
            let (visitor, path) = (app.nobody(), format!("/f/{}", shop.form_key));
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            crowd.push(tokio::spawn(async move {
                for n in 0..75 {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let address = format!("new{walker}x{n}@example.org");
                    let body = json!({ "email": address, "choices": { "newsletter": "yes" } });
                    if until_answered(&visitor, &path, &body).await == 202 {
                        acknowledged.lock().await.insert(address);
                    }
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
            }));
        }
        // Some of the asked answer, and some of these stop again; acknowledged answers are written down too. Whoever has
        // no mail yet is looked at again after the others: a mail may be held, and then never comes.
        let answers = Arc::new(Mutex::new(BTreeMap::new()));
        let answering = {
            let (app, answers, stop) = (app.clone(), Arc::clone(&answers), Arc::clone(&stop));
            let mails = Arc::clone(&world.catcher);
            tokio::spawn(async move {
                let mut waiting: VecDeque<usize> = (0..40).collect();
                while let Some(n) = waiting.pop_front().filter(|_| !stop.load(Ordering::SeqCst)) {
                    let address = format!("asked{n}@example.org");
                    let mut answered = false;
                    if let Some(mail) = mails.messages_to(&address).into_iter().next() {
                        let link = World::link_in(&mail, "/r/");
                        answered = pages::try_answer(&app, &link, &[("choice.newsletter", "yes")]).await;
                        if answered {
                            answers.lock().await.insert(address.clone(), LastWord::Yes);
                        }
                        if answered && n % 4 == 0 {
                            // Until the answer is there, nobody can say whether the stop is.
                            answers.lock().await.insert(address.clone(), LastWord::PerhapsStop);
                            let stopped = app.nobody().try_form(&World::link_in(&mail, "/u/"), &[("stop", "this")]).await;
                            if stopped == Some(200) {
                                answers.lock().await.insert(address, LastWord::Stop);
                            }
                        }
                    }
                    if !answered {
                        waiting.push_back(n);
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        };

        // Before the last kill there has been a load, however slow the machine is.
        let (kills, begun) = (5, Instant::now());
        for kill in 1..=kills {
            tokio::time::sleep(Duration::from_millis(700)).await;
            while kill == kills && !(acknowledged.lock().await.len() > 50 && answers.lock().await.len() > 5) {
                assert!(begun.elapsed() < Duration::from_secs(180), "sign-ups and answers do not come in");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            house.kill();
            house.start();
            app.until_up().await;
        }
        stop.store(true, Ordering::SeqCst);
        for walker in crowd {
            walker.await.expect("no walker fails");
        }
        answering.await.expect("answering does not fail");
        reckoning::until_done(&app, Duration::from_secs(120)).await;
        house.kill();

        let acknowledged = acknowledged.lock().await;
        for address in acknowledged.iter() {
            let events = record.events_of(address).await;
            assert!(events.iter().any(|kind| kind == "consent.requested"), "{address} was acknowledged and is not on record");
        }
        let mut all = acknowledged.iter().cloned().collect::<Vec<_>>();
        all.extend((0..120).map(|n| format!("asked{n}@example.org")));
        let mailed = reckoning::mailed(&record, &world, &all).await;
        // At most one more copy per crash for each mail in its hand-over, and there are ten in hand; two for a held one.
        assert!(mailed.doubled + mailed.held <= kills * 10, "too many: {mailed:?}");
        reckoning::believed(&record, &world, answers.lock().await.iter()).await;
    }
}
