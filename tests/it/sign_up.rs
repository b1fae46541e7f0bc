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

    async fn one_network_cannot_make_a_form_write_to_strangers_without_end(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let most = app.services.rules.confirmations_per_network_day;
        let mark = reconsent::usecases::caps::network_mark(
            &app.services, app.scope, app.services.clock.now().seconds().div_euclid(86_400), "203.0.113.0/24");
        let day = app.services.clock.now().seconds().div_euclid(86_400);
        // The network has had all but one of its mails today.
        app.services.store.write(uuid::Uuid::nil(), move |tx: &mut reconsent::store::WriteTx<'_>| {
            tx.count_mails_under(&[(mark.to_vec(), i32::try_from(most).expect("a small number") - 1)], day).map(|_| ())
        }).await.expect("mails are counted");
        let open = reconsent::usecases::open_form::open_form(&app.services, &shop.form_key).await.expect("the form is open");
        for address in ["first@example.org", "second@example.org"] {
            let submission = reconsent::usecases::sign_up::Submission {
                email: reconsent::domain::email::EmailAddress::parse(address).expect("an address"),
                name: None,
                choices: vec![("newsletter".to_owned(), reconsent::usecases::sign_up::Choice::Yes)],
                fields: None,
                evidence: json!({}),
                network: Some("203.0.113.0/24".to_owned()),
            };
            reconsent::usecases::sign_up::sign_up(&app.services, app.scope, open.entry.clone(), submission).await.expect("taken alike");
            if address.starts_with("first") {
                world.mail_to(address).await;
            }
        }
        eventually("the second mail is cancelled", async || {
            let (scope, subject) = (app.scope, app.subject_of("second@example.org").await);
            let mails = app.services.store.read(move |tx: &mut reconsent::store::ReadTx<'_>| tx.mails_of(scope, subject, 1)).await.expect("mails");
            (mails[0].reason == Some(reconsent::domain::gate::Reason::Capped)).then_some(())
        }).await;
        worker.stop().await;
        assert!(world.catcher.messages_to("second@example.org").is_empty(), "DO-06");
    }
}
