//! The site form with double opt-in, end to end: form, mail, page, yes, subscriber at the destination, one click, gone.

use std::time::Duration;

use reconsent::sandbox::campaign_monitor::State;
use serde_json::json;

use crate::support::world::{LIST, Shop, World, eventually};
use crate::support::{TestApp, pages};

both_engines! {
    async fn a_sign_up_is_confirmed_by_link_and_reaches_the_list_until_one_click_ends_it(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let visitor = app.nobody();

        visitor.post(&format!("/f/{}", shop.form_key), json!({
            "email": "Ana@Example.org", "name": "Ana", "choices": { "newsletter": "yes", "tracking": "no" },
        })).await.expect(202);
        let mail = world.mail_to("Ana@example.org").await;
        assert!(world.emulator.subscriber(LIST, "ana@example.org").is_none(), "PR-10: nobody is there before confirming");
        assert!(mail.header("list-unsubscribe").is_none(), "ML-08: a confirmation mail has no one-click");

        let link = World::link_in(&mail, "/c/");
        let page = visitor.get(&link).await.expect(200);
        app.clock.advance(Duration::from_secs(3));
        let seal = pages::seal(&page.body());
        visitor.form(&link, &[("nonce", &seal)]).await.expect(422);
        let done = visitor.form(&link, &[("nonce", &seal), ("choice.newsletter", "yes")]).await.expect(200);
        assert!(done.body().contains("role=\"status\""));

        let there = eventually("the subscriber is active", async || {
            world.emulator.subscriber(LIST, "ana@example.org").filter(|s| s.state == State::Active)
        }).await;
        assert_eq!(there.tracking, Some(false), "TR-01: always said");
        assert!(there.fields.iter().any(|(key, value)| key.contains("PolicyVersion") && value == "2026-09-01"));

        let stop = pages::link_on(&done.body(), "/u/");
        let clicked = visitor.form(&stop, &[("List-Unsubscribe", "One-Click")]).await.expect(200);
        assert!(clicked.header("location").is_empty(), "ML-03: no redirect");
        eventually("the subscriber is unsubscribed", async || {
            world.emulator.subscriber(LIST, "ana@example.org").filter(|s| s.state == State::Unsubscribed)
        }).await;
        for _ in 0..3 {
            visitor.form(&stop, &[("stop", "this")]).await.expect(200);
        }
        worker.stop().await;
        assert!(!world.emulator.requests().iter().any(|r| r.body.to_string().contains("\"Resubscribe\":true")), "PR-08");
    }
}
