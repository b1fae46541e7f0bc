//! Scenarios 1, 2, 4, 5, 6 and 9: whom nobody may ask, and that a stop holds against everything that fires afterwards.

use std::time::Duration;

use reconsent::domain::gate::MailKind;
use reconsent::domain::ids::{ControllerScope, MailId};
use reconsent::domain::mailing::lane;
use reconsent::domain::task::TaskKind;
use reconsent::sandbox::campaign_monitor::State;
use reconsent::sandbox::mail_catcher::Stage;
use reconsent::store::outbox::Task;
use reconsent::store::{ReadTx, WriteTx};
use reconsent::usecases::setup::rotate_link_key;
use serde_json::json;

use crate::support::world::{LIST, Shop, World, drafted_round, eventually, import, launched_round, quick};
use crate::support::{TestApp, pages};

/// A list of this many invented people.
fn people(count: usize) -> String {
    let mut list = "email,name,collected_at\n".to_owned();
    for n in 0..count {
        list.push_str(&format!("person{n}@example.org,Person {n},2026-03-01\n"));
    }
    list
}

/// Waits until the outbox has no mail that could still go.
async fn no_mail_waits(app: &TestApp) {
    eventually("the outbox is empty of mail", async || {
        let counts = app.services.store.read(|tx: &mut ReadTx<'_>| tx.outbox_counts()).await.expect("it counts");
        counts.iter().all(|count| count.kind != TaskKind::Mail.code()).then_some(())
    })
    .await;
}

both_engines! {
    /// Scenario 1, Flybe and Morrisons: opted-out people are uploaded as contacts and asked to "check their details".
    async fn opted_out_people_are_not_asked_whatever_the_mail_calls_itself(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let list = people(1000);
        import(&app, "kind=do-not-mail", &list).await;
        let (campaign, dry) = drafted_round(&app, &shop, &list).await;
        assert_eq!(dry["eligible"], 0);
        assert_eq!(dry["total"], 1000, "{dry}");
        assert_eq!(dry["excluded"][0]["reason"], "opted_out", "{dry}");
        let refused = app.api().post(&format!("/v1/campaigns/{campaign}/launch"), json!({})).await;
        let refused = refused.expect_problem(422, "not-permitted-to-mail");
        assert_eq!(refused.json["reasons"][0]["people"], 1000, "PR-02: told to the controller with its reasons");
        worker.stop().await;
        assert_eq!(world.catcher.counts().transactions, 0, "PE-07: not even an SMTP transaction");
    }

    /// Scenario 2, Honda: nobody knows whether these people ever said yes.
    async fn people_without_evidence_are_not_asked(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let import = import(&app, "kind=contacts&basis=none", &people(20)).await;
        let deadline = app.services.clock.now().plus(Duration::from_secs(86_400)).to_string();
        let campaign = app.api().post("/v1/campaigns", json!({ "name": "Would you like to hear from us?",
            "purposes": ["newsletter"], "import_ids": [import], "notice_id": shop.notice, "sender_id": shop.sender,
            "deadline": deadline })).await.expect(201).text("id");
        let dry = app.api().post(&format!("/v1/campaigns/{campaign}/dry-run"), json!({})).await.expect(200).json;
        assert_eq!((&dry["excluded"][0]["reason"], &dry["excluded"][0]["people"]), (&json!("no_evidence"), &json!(20)), "{dry}");
        app.api().post(&format!("/v1/campaigns/{campaign}/launch"), json!({})).await.expect_problem(422, "not-permitted-to-mail");
        worker.stop().await;
        assert_eq!(world.catcher.counts().transactions, 0);
    }

    /// Scenario 4, Royal Mail: the person stops; then the retry queue and a manual replay fire.
    async fn after_a_stop_neither_a_retry_nor_a_replay_sends_anything(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        world.catcher.refuse("person0@example.org", Stage::Rcpt, "451 4.2.1 Try again later", None);
        let worker = world.worker_with(reconsent::worker::WorkerSettings {
            retry_first: Duration::from_secs(3600), retry_cap: Duration::from_secs(3600), ..quick()
        });
        let (campaign, _) = launched_round(&app, &shop, &people(1)).await;
        eventually("the first attempt is put off", async || {
            (world.catcher.rcpts_for("person0@example.org") == 1).then_some(())
        }).await;
        let subject = app.subject_of("person0@example.org").await;
        let scope: ControllerScope = app.scope;
        let mails = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.mails_of(scope, subject, 10)).await.expect("mails");
        let mail: MailId = mails[0].id;
        app.withdraw_directly("person0@example.org").await;
        world.catcher.behave();

        // The retry comes due, and staff put the mail back by hand as well.
        app.clock.advance(Duration::from_secs(7200));
        let now = app.services.clock.now();
        app.services.store.write(mail.uuid(), move |tx: &mut WriteTx<'_>| {
            tx.enqueue(&[Task::new(scope, TaskKind::Mail, mail.uuid(), lane(MailKind::Repermission), now, now)])
        }).await.expect("it is put back");
        no_mail_waits(&app).await;
        worker.stop().await;
        assert_eq!(world.catcher.rcpts_for("person0@example.org"), 1, "nothing after the stop");
        assert!(world.catcher.messages_to("person0@example.org").is_empty());
        let results = app.api().get(&format!("/v1/campaigns/{campaign}/results")).await.expect(200).json;
        assert_eq!(results["delivered"], 0, "{results}");
    }

    /// Scenario 5: the basis ends while the round is paused.
    async fn whose_basis_ends_while_the_round_is_paused_is_not_asked(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker_with(reconsent::worker::WorkerSettings {
            mail_attempts: u32::MAX,
            ..quick()
        });
        let until = app.services.clock.now().plus(Duration::from_secs(3 * 86_400)).to_string();
        let list = format!("email,name,collected_at,valid_until\nlate@example.org,Late,2026-03-01,{until}\n\
                            good@example.org,Good,2026-03-01,\n");
        let (campaign, dry) = drafted_round(&app, &shop, &list).await;
        assert_eq!(dry["eligible"], 2, "{dry}");
        world.catcher.refuse("*", Stage::Rcpt, "451 4.3.0 Not now", None);
        app.api().post(&format!("/v1/campaigns/{campaign}/launch"), json!({})).await.expect(200);
        eventually("both were tried", async || (world.catcher.rcpts_for("*") >= 2).then_some(())).await;
        app.api().post(&format!("/v1/campaigns/{campaign}/pause"), json!({})).await.expect(200);
        // What was in hand when the pause came is refused as before; from the next hand-over on nothing goes out.
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.catcher.behave();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(world.catcher.message_count(), 0, "a paused round sends nothing");
        app.clock.advance(Duration::from_secs(4 * 86_400));
        app.api().post(&format!("/v1/campaigns/{campaign}/resume"), json!({})).await.expect(200);
        world.mail_to("good@example.org").await;
        no_mail_waits(&app).await;
        worker.stop().await;
        assert!(world.catcher.messages_to("late@example.org").is_empty(), "EX-03: expired is not asked");
        let results = app.api().get(&format!("/v1/campaigns/{campaign}/results")).await.expect(200).json;
        assert!(results.to_string().contains("expired"), "{results}");
    }

    /// Scenario 6: stopped at Campaign Monitor only; the list is imported again the next day.
    async fn a_stop_at_the_destination_alone_holds_against_the_next_import(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let (_, _) = launched_round(&app, &shop, &people(1)).await;
        let mail = world.mail_to("person0@example.org").await;
        let link = World::link_in(&mail, "/r/");
        pages::answer(&app, &app.nobody(), &link, &[("choice.newsletter", "yes")]).await.expect(200);
        eventually("the subscriber is active", async || {
            world.emulator.subscriber(LIST, "person0@example.org").filter(|s| s.state == State::Active)
        }).await;

        world.emulator.unsubscribe_as_person(LIST, "person0@example.org");
        let told = json!({ "ListID": LIST, "Events": [{ "Type": "Deactivate", "Date": "2026-11-25 09:00:00",
            "EmailAddress": "Person0@Example.org", "Name": "", "State": "Unsubscribed", "CustomFields": [] }] });
        let receipt = app.nobody().post(&shop.webhook, told.clone()).await.expect(200).json;
        assert_eq!(receipt["stopped"], 1);
        app.nobody().post(&shop.webhook, told).await.expect(200);

        app.clock.advance(Duration::from_secs(86_400));
        let (campaign, dry) = drafted_round(&app, &shop, &people(1)).await;
        assert_eq!((&dry["eligible"], &dry["excluded"][0]["reason"]), (&json!(0), &json!("opted_out")), "{dry}");
        app.api().post(&format!("/v1/campaigns/{campaign}/launch"), json!({})).await.expect_problem(422, "not-permitted-to-mail");
        // A start that is told is not believed (T-43).
        let forged = json!({ "ListID": LIST, "Events": [{ "Type": "Subscribe", "Date": "2026-11-25 10:00:00",
            "EmailAddress": "person0@example.org", "Name": "", "CustomFields": [] }] });
        assert_eq!(app.nobody().post(&shop.webhook, forged).await.expect(200).json["stopped"], 0);
        worker.stop().await;
        let there = world.emulator.subscriber(LIST, "person0@example.org").expect("known there");
        assert_eq!(there.state, State::Unsubscribed);
        assert!(!world.emulator.requests().iter().any(|r| r.body.to_string().contains("\"Resubscribe\":true")), "PR-08");
    }

    /// Scenario 9: a one-click POST as multipart from anywhere, after two rotations of the link key.
    async fn one_click_works_after_two_key_rotations_and_counts_once(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let (_, _) = launched_round(&app, &shop, &people(1)).await;
        let mail = world.mail_to("person0@example.org").await;
        let stop = World::link_in(&mail, "/u/");
        for _ in 0..2 {
            rotate_link_key(&app.services, app.scope).await.expect("the key rotates");
        }
        app.clock.advance(Duration::from_secs(5 * 365 * 86_400));
        for _ in 0..3 {
            let body = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
            app.nobody().upload(&stop, "multipart/form-data; boundary=b", body).await.expect(200);
        }
        worker.stop().await;
        let events = app.events_of("person0@example.org").await;
        let stops = events.iter().filter(|kind| kind.as_str() == "consent.withdrawn").count();
        assert_eq!(stops, 2, "WD-06: three presses, one event for each of the two purposes: {events:?}");
    }
}
