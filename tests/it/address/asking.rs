//! Asking for it: what is refused, what the one mail says, and that nothing else changes.

use reconsent::domain::ids::SubjectId;
use reconsent::sandbox::mail_catcher::Stage;
use reconsent::store::WriteTx;
use reconsent::usecases::clockwork::erase_in;
use serde_json::json;

use super::*;
use crate::support::world::eventually;

both_engines! {
    async fn what_cannot_be_is_refused_and_says_why(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        let ben = app.consenting("ben@example.org", &newsletter, &ana.shop.notice, &ana.shop.policy_version).await;
        let api = app.api();

        ana.ask(&app, "nonsense").await.expect_faults(&["email"]);
        ana.ask(&app, "Ana.Old@EXAMPLE.org").await.expect_faults(&["email"]);
        ana.ask(&app, "ben@example.org").await.expect_problem(409, "taken");
        api.post("/v1/suppressions", json!({ "email": "never@example.org", "reason": "objected" })).await.expect(200);
        ana.ask(&app, "never@example.org").await.expect_problem(422, "not-permitted-to-mail");
        let path = format!("/v1/subjects/{}/address", ana.id);
        let odd = json!({ "email": NEW, "notice_id": ana.shop.sender, "sender_id": ana.shop.sender });
        api.post(&path, odd).await.expect_faults(&["notice_id"]);
        api.post("/v1/subjects/0198c9d2-91aa-7c0e-b1d3-6a54f0e2c7aa/address", json!({ "email": NEW })).await.expect_problem(404, "not-found");
        let (_, other) = app.other_controller("other").await;
        other.post(&path, json!({ "email": NEW })).await.expect_problem(404, "not-found");
        assert!(ana.change(&app).await.is_null(), "nothing was asked for");

        api.post(&format!("/v1/subjects/{ben}/stop"), json!({})).await.expect(200);
        api.post(&format!("/v1/subjects/{ben}/address"), json!({ "email": NEW })).await.expect_problem(422, "not-permitted-to-mail");
        let (scope, now, gone) = (app.scope, app.services.clock.now(), ben);
        let erasing = move |tx: &mut WriteTx<'_>| { tx.lock_subject(scope, gone)?; erase_in(tx, scope, gone, now) };
        app.services.store.write(gone.uuid(), erasing).await.unwrap();
        api.post(&format!("/v1/subjects/{ben}/address"), json!({ "email": NEW })).await.expect_problem(409, "not-now");
        world.worker().stop().await;
        assert_eq!(world.catcher.message_count(), 0);
    }

    async fn the_new_mailbox_alone_is_asked_and_nothing_has_changed(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let path = format!("/v1/subjects/{}/address", ana.id);
        let asked = app.api().once("move-1").post(&path, json!({ "email": NEW })).await.expect(202);
        let again = app.api().once("move-1").post(&path, json!({ "email": NEW })).await.expect(202);
        assert_eq!(asked.json, again.json, "asked once, however often it is sent");
        assert_eq!(asked.json["email"], "a•••@e•••.net");
        let worker = world.worker();
        let mail = world.mail_to(NEW).await;
        let text = mail.text();
        assert!(text.contains(NEW) && text.contains("a•••@e•••.org") && !text.contains(OLD), "{text}");
        assert!(!text.contains("/u/") && !text.contains("/r/"), "no more than the question: {text}");
        let change = ana.change(&app).await;
        assert_eq!((&change["state"], &change["email"]), (&json!("pending"), &json!("a•••@e•••.net")));

        // Whatever else is sent goes to the address on record: change, then send.
        let sign_up = json!({ "email": OLD, "choices": { "tracking": "yes" } });
        app.nobody().post(&format!("/f/{}", ana.shop.form_key), sign_up).await.expect(202);
        world.mail_to(OLD).await;
        worker.stop().await;
        assert_eq!(world.catcher.messages_to(NEW).len(), 1);
        assert_eq!(found(&app, OLD).await["id"], ana.id);
        assert!(found(&app, NEW).await.is_null(), "not on record before it says yes");
        assert_eq!(ana.newsletter(&app).await, "confirmed");
    }

    async fn a_newer_wish_takes_the_place_of_an_older_one(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        // The first is not even sent.
        ana.ask(&app, "typo@example.net").await.expect(202);
        ana.ask(&app, "second@example.net").await.expect(202);
        let worker = world.worker();
        let second = World::link_in(&*world.mail_to("second@example.net").await, "/a/");
        let third = ana.asked(&app, &world, NEW).await;
        assert!(world.catcher.messages_to("typo@example.net").is_empty());
        let page = app.nobody().get(&second).await.expect(410);
        assert!(page.body().contains("no longer needed"), "{}", page.body());
        app.nobody().form(&second, &[("choice", "yes")]).await.expect(410);
        pages::answer(&app, &app.nobody(), &third, &[("choice", "yes")]).await.expect(200);
        assert_eq!(ana.view(&app).await["email"], NEW);
        worker.stop().await;
    }

    async fn one_mailbox_is_asked_only_so_often_and_a_dead_one_is_told(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        for n in 1..=3 {
            ana.ask(&app, NEW).await.expect(202);
            eventually("it is asked", async || (world.catcher.messages_to(NEW).len() == n).then_some(())).await;
        }
        ana.ask(&app, NEW).await.expect(202);
        eventually("enough is enough (R-21)", async || (ana.change(&app).await["state"] == "not_sent").then_some(())).await;
        assert_eq!(world.catcher.messages_to(NEW).len(), 3);

        app.clock.advance_days(2);
        world.catcher.refuse("gone@example.net", Stage::Rcpt, "550 5.1.1 No such user", None);
        ana.ask(&app, "gone@example.net").await.expect(202);
        eventually("a dead mailbox is told", async || (ana.change(&app).await["state"] == "undeliverable").then_some(())).await;
        let view = ana.view(&app).await;
        assert_eq!((&view["undeliverable"], &view["suppressions"]), (&json!(false), &json!([])), "the old mailbox lives: {view}");
        let subject: SubjectId = ana.id.parse().unwrap();
        assert_eq!(app.events(subject).await.len(), 1, "nothing was said of a purpose");
        ana.ask(&app, "gone@example.net").await.expect_problem(422, "not-permitted-to-mail");
        worker.stop().await;
    }
}
