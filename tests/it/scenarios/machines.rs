//! Scenario 8: scanners that fetch, run scripts, press buttons and post at once confirm nobody; a stop by a real click
//! still works.

use std::time::Duration;

use reqwest::Method;

use crate::support::browser::Browser;
use crate::support::world::{Shop, World, eventually, launched_round};
use crate::support::{TestApp, pages};

both_engines! {
    async fn machines_neither_confirm_nor_withdraw_by_looking(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let (_, _) = launched_round(&app, &shop, "email,collected_at\nana@example.org,2026-03-01\n").await;
        let mail = world.mail_to("ana@example.org").await;
        let (answer, stop) = (World::link_in(&mail, "/r/"), World::link_in(&mail, "/u/"));
        let before = eventually("the mail is settled", async || {
            let events = app.events_of("ana@example.org").await;
            (events.last().is_some_and(|kind| kind == "permission.asked")).then_some(events)
        }).await;
        let machine = app.nobody();

        // It fetches every link, again and again, with every safe method (LK-01).
        for _ in 0..30 {
            for link in [&answer, &stop] {
                machine.get(link).await.expect(200);
                machine.send(Method::HEAD, link, None).await.expect(200);
                machine.send(Method::OPTIONS, link, None).await;
            }
        }
        // It runs scripts and waits: nothing posts by itself (LK-02).
        let browser = Browser::open(1280, true).await;
        browser.go(&answer).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        // It presses the lone button without choosing (LK-03).
        app.clock.advance(Duration::from_secs(10));
        browser.press("form[method=post] button[type=submit]").await;
        browser.close().await;
        // It fills the form at once (LK-05), sends it without the page's seal (LK-04), or fills the trap.
        let seal = pages::seal(&machine.get(&answer).await.expect(200).body());
        machine.form(&answer, &[("nonce", &seal), ("choice.newsletter", "yes")]).await.expect(422);
        machine.form(&answer, &[("choice.newsletter", "yes")]).await.expect(422);
        machine.form(&answer, &[("nonce", "1.forged"), ("choice.newsletter", "yes")]).await.expect(422);
        app.clock.advance(Duration::from_secs(10));
        machine.form(&answer, &[("nonce", &seal), ("choice.newsletter", "yes"), ("website", "http://x.example")]).await.expect(422);
        assert_eq!(app.events_of("ana@example.org").await, before, "nothing was recorded");

        // The person herself, ten seconds after the page: counts at once.
        machine.form(&answer, &[("nonce", &seal), ("choice.newsletter", "yes")]).await.expect(200);
        machine.form(&stop, &[("List-Unsubscribe", "One-Click")]).await.expect(200);
        let after = app.events_of("ana@example.org").await;
        assert_eq!(&after[before.len()..], ["consent.given", "consent.withdrawn", "consent.withdrawn"], "one stop for each purpose");
        // An old link never revives it.
        let again = machine.form(&answer, &[("nonce", &seal), ("choice.newsletter", "yes")]).await.expect(200);
        assert!(!again.body().contains("You said yes"), "a used link tells what stands now: {}", again.body());
        assert_eq!(app.events_of("ana@example.org").await, after);
        worker.stop().await;
    }
}
