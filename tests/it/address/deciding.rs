//! The page behind the link: two equal answers, an answer that counts once, and what may come between.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::keys::rotate;
use crate::support::world::eventually;
use reconsent::crypto::KeyUse;

both_engines! {
    async fn a_yes_moves_the_person_with_all_they_said(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let before = ana.view(&app).await["purposes"].clone();
        let worker = world.worker();
        let link = ana.asked(&app, &world, NEW).await;
        let who = app.nobody();
        let page = who.get(&link).await.expect(200).body();
        assert!(page.contains("a•••@e•••.org") && page.contains("a•••@e•••.net") && !page.contains("ana."), "{page}");
        assert!(!page.contains("checked"), "nothing is chosen beforehand");
        let seal = pages::seal(&page);
        who.form(&link, &[("nonce", &seal)]).await.expect(422);
        let hasty = who.form(&link, &[("nonce", &seal), ("choice", "yes")]).await.expect(422);
        assert!(hasty.body().contains("name=\"nonce\""));
        who.form(&link, &[("choice", "yes")]).await.expect(422);
        assert_eq!(ana.view(&app).await["email"], OLD, "nothing has changed yet");
        app.clock.advance(Duration::from_secs(3));
        who.form(&link, &[("nonce", &seal), ("choice", "yes")]).await.expect(200);

        let view = ana.view(&app).await;
        assert_eq!(view["email"], NEW);
        assert_eq!(view["former_addresses"][0]["email"], OLD);
        assert_eq!(view["address_change"]["state"], "moved");
        assert_eq!(view["purposes"], before, "what stood stands, to the letter");
        assert_eq!(ana.events(&app).await, ["consent.given", "address.changed"]);
        let facts = app.api().get(&format!("/v1/subjects/{}/events", ana.id)).await.expect(200).json;
        assert_eq!((&facts["items"][1]["evidence"]["from"], &facts["items"][1]["evidence"]["to"]), (&json!(OLD), &json!(NEW)));
        assert!(found(&app, OLD).await.is_null());
        assert_eq!(found(&app, NEW).await["id"], ana.id);
        // The link tells what was decided, and decides nothing more.
        assert!(who.get(&link).await.expect(200).body().contains("Your new address is in place"));
        who.form(&link, &[("nonce", &seal), ("choice", "no")]).await.expect(200);
        assert_eq!(ana.view(&app).await["email"], NEW);
        worker.stop().await;
    }

    async fn a_no_is_never_hindered_and_changes_nothing(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        let link = ana.asked(&app, &world, NEW).await;
        let page = app.nobody().get(&link).await.expect(200).body();
        let seal = pages::seal(&page);
        let said = app.nobody().form(&link, &[("nonce", &seal), ("choice", "no")]).await.expect(200);
        assert!(said.body().contains("Nothing has been changed"), "{}", said.body());
        assert_eq!(ana.change(&app).await["state"], "refused");
        assert_eq!(ana.view(&app).await["email"], OLD);
        assert_eq!(ana.events(&app).await, ["consent.given"]);
        worker.stop().await;
    }

    async fn what_comes_too_late_or_to_somebody_else_changes_nothing(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        let worker = world.worker();
        let late = ana.asked(&app, &world, "late@example.net").await;
        app.clock.advance_days(8);
        assert!(app.nobody().get(&late).await.expect(410).body().contains("expired"));
        app.nobody().form(&late, &[("choice", "yes")]).await.expect(410);
        assert_eq!(ana.change(&app).await["state"], "expired");

        let taken = ana.asked(&app, &world, "taken@example.net").await;
        let ben = app.consenting("taken@example.net", &newsletter, &ana.shop.notice, &ana.shop.policy_version).await;
        let said = pages::answer(&app, &app.nobody(), &taken, &[("choice", "yes")]).await.expect(200);
        assert!(said.body().contains("could not be changed"), "{}", said.body());
        assert_eq!(ana.change(&app).await["state"], "taken");
        assert_eq!(found(&app, "taken@example.net").await["id"], ben.to_string());

        let stopped = ana.asked(&app, &world, "stopped@example.net").await;
        let order = json!({ "email": "stopped@example.net", "reason": "objected" });
        app.api().post("/v1/suppressions", order).await.expect(200);
        pages::answer(&app, &app.nobody(), &stopped, &[("choice", "yes")]).await.expect(200);
        assert_eq!(ana.change(&app).await["state"], "suppressed");
        let view = ana.view(&app).await;
        assert_eq!((&view["email"], &view["former_addresses"]), (&json!(OLD), &json!([])));
        app.nobody().get("/a/rubbish").await.expect(404);
        // A link for another act is none for this one (LK-07).
        app.nobody().get(&taken.replace("/a/", "/c/")).await.expect(404);
        worker.stop().await;
    }

    async fn keys_may_be_rotated_in_between_and_mails_written_for_the_old_mailbox_are_over(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        // A mail that the old mailbox would not take yet, its bytes written.
        world.catcher.refuse(OLD, reconsent::sandbox::mail_catcher::Stage::Rcpt, "451 4.2.1 Not now", None);
        let sign_up = json!({ "email": OLD, "choices": { "tracking": "yes" } });
        app.nobody().post(&format!("/f/{}", ana.shop.form_key), sign_up).await.expect(202);
        let mails = async || app.api().get(&format!("/v1/subjects/{}/mails", ana.id)).await.expect(200).json["items"].clone();
        eventually("it waits", async || (mails().await[0]["state"] == "deferred").then_some(())).await;
        let link = ana.asked(&app, &world, NEW).await;
        rotate(&app, KeyUse::Data).await;
        rotate(&app, KeyUse::Suppression).await;
        pages::answer(&app, &app.nobody(), &link, &[("choice", "yes")]).await.expect(200);
        let all = mails().await;
        let old = all.as_array().unwrap().iter().find(|mail| mail["kind"] == "confirmation").unwrap();
        assert_eq!((&old["state"], &old["reason"]), (&json!("cancelled"), &json!("address_left")), "{all}");
        world.catcher.behave();
        worker.stop().await;
        assert!(world.catcher.messages_to(OLD).is_empty());
        assert_eq!(world.catcher.messages_to(NEW).len(), 1);

        rotate(&app, KeyUse::Data).await;
        let view = ana.view(&app).await;
        assert_eq!((&view["email"], &view["former_addresses"][0]["email"]), (&json!(NEW), &json!(OLD)));
    }
}
