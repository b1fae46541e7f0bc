//! A whole re-permission round, end to end: list, dry run, launch, real mail, a page in a real browser, yes, the
//! subscriber at the destination with the proof, one click, gone from there.

use std::time::Duration;

use reconsent::sandbox::campaign_monitor::State;
use serde_json::json;

use crate::support::TestApp;
use crate::support::browser::Browser;
use crate::support::world::{LIST, Shop, World, eventually, launched_round};

both_engines! {
    async fn a_round_asks_by_mail_and_the_answer_reaches_the_list_until_one_click_ends_it(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let list = "email,name,collected_at\nAna.Lima@example.org,Ana Lima,2026-03-01\nben@example.org,Ben,2019-01-01\n\
                    not an address,,2026-01-01\n";
        let (campaign, dry) = launched_round(&app, &shop, list).await;
        assert_eq!(dry["eligible"], 1, "{dry}");
        assert_eq!(dry["total"], 2, "{dry}");

        let mail = world.mail_to("Ana.Lima@example.org").await;
        assert_eq!(mail.header("list-unsubscribe-post").as_deref(), Some("List-Unsubscribe=One-Click"), "ML-01");
        assert!(world.emulator.subscriber(LIST, "ana.lima@example.org").is_none(), "nobody is there before answering");
        assert_eq!(world.catcher.rcpts_for("ben@example.org"), 0, "PE-07: not even an SMTP transaction");

        let browser = Browser::open(1280, false).await;
        browser.go(&World::link_in(&mail, "/r/")).await;
        assert_eq!(browser.count("input[type=radio]:checked").await, 0, "CV-01: nothing is chosen beforehand");
        app.clock.advance(Duration::from_secs(5));
        browser.press("input[name='choice.newsletter'][value=yes]").await;
        browser.press("input[name='choice.tracking'][value=yes]").await;
        browser.press("form[method=post] button[type=submit]").await;
        eventually("the result is told (WC-01)", async || (browser.count("[role=status]").await == 1).then_some(())).await;
        browser.close().await;

        let there = eventually("the subscriber is active", async || {
            world.emulator.subscriber(LIST, "ana.lima@example.org").filter(|s| s.state == State::Active)
        }).await;
        assert_eq!(there.tracking, Some(true), "TR-01: from the tracking purpose");
        assert_eq!(there.name, "Ana Lima");
        for (key, value) in [("PolicyVersion", "2026-09-01"), ("Purposes", "newsletter"), ("Basis", "consent")] {
            assert!(there.fields.iter().any(|(k, v)| k == key && v == value), "{key}: {:?}", there.fields);
        }
        let results = app.api().get(&format!("/v1/campaigns/{campaign}/results")).await.expect(200).json;
        assert_eq!((&results["delivered"], &results["yes"], &results["no"]), (&json!(1), &json!(1), &json!(0)), "{results}");

        let stop = mail.header("list-unsubscribe").expect("one-click");
        let stop = stop.trim_start_matches('<').split('>').next().expect("an address").to_owned();
        let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
        let clicked = app.nobody().upload(&stop, "multipart/form-data; boundary=x", multipart).await.expect(200);
        assert!(clicked.header("location").is_empty(), "ML-03: no redirect");
        eventually("the subscriber is unsubscribed", async || {
            world.emulator.subscriber(LIST, "ana.lima@example.org").filter(|s| s.state == State::Unsubscribed)
        }).await;
        worker.stop().await;
        assert!(!world.emulator.requests().iter().any(|r| r.body.to_string().contains("\"Resubscribe\":true")), "PR-08");
        assert_eq!(world.catcher.messages_to("Ana.Lima@example.org").len(), 1, "asked exactly once");
    }
}
