//! What time does by itself: a consent that reaches its end leaves the destination; a sign-up that nobody confirmed is
//! closed and then forgotten, and the address may come back as somebody new.

use std::sync::Arc;
use std::time::Duration;

use reconsent::domain::consent::ConsentState;
use reconsent::sandbox::campaign_monitor::State;
use reconsent::store::{ReadTx, StoreError};
use reconsent::usecases::{Pieces, Rules};
use serde_json::json;

use crate::remap::purpose_id;
use crate::support::world::{CLIENT, LIST, Shop, World, eventually};
use crate::support::{TestApp, pages};

const DAY: Duration = Duration::from_secs(86_400);

both_engines! {
    async fn a_consent_that_reaches_its_end_leaves_the_destination(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let (path, wish) = (format!("/v1/destinations/{}", shop.destination), json!({ "on_expiry": "unsubscribe" }));
        assert_eq!(app.api().get(&path).await.expect(200).text("on_expiry"), "remove", "unless said otherwise");
        app.api().patch(&path, json!({ "on_expiry": "forget" })).await.expect_faults(&["on_expiry"]);
        let worker = world.worker();
        let visitor = app.nobody();
        visitor.post(&format!("/f/{}", shop.form_key), json!({ "email": "ana@example.org", "choices": { "newsletter": "yes" } }))
            .await.expect(202);
        let link = World::link_in(&*world.mail_to("ana@example.org").await, "/c/");
        pages::answer(&app, &visitor, &link, &[("choice.newsletter", "yes")]).await.expect(200);
        eventually("the subscriber is active", async || {
            world.emulator.subscriber(LIST, "ana@example.org").filter(|s| s.state == State::Active)
        }).await;
        // EX-02: two years, fixed at the time of consent.
        app.clock.advance(DAY * 729);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let there = world.emulator.subscriber(LIST, "ana@example.org").expect("known there");
        assert_eq!(there.state, State::Active, "not a day too soon");
        app.clock.advance(DAY * 2);
        eventually("the subscriber has left", async || {
            world.emulator.subscriber(LIST, "ana@example.org").filter(|s| s.state == State::Deleted)
        }).await;
        assert_eq!(app.events_of("ana@example.org").await.last().map(String::as_str), Some("consent.expired"));
        assert!(!world.emulator.is_suppressed(CLIENT, "ana@example.org"), "an expiry is no word of hers");

        // A later yes starts her again; and the next end is an unsubscribe, if the controller would rather have that.
        assert_eq!(app.api().patch(&path, wish).await.expect(200).text("on_expiry"), "unsubscribe");
        let newsletter = purpose_id(&app, "newsletter").await;
        app.confirming("ana@example.org", &newsletter, &shop.notice, &shop.policy_version).await;
        eventually("the subscriber is active again", async || {
            world.emulator.subscriber(LIST, "ana@example.org").filter(|s| s.state == State::Active)
        }).await;
        app.clock.advance(DAY * 731);
        eventually("the subscriber has left", async || {
            world.emulator.subscriber(LIST, "ana@example.org").filter(|s| s.state == State::Unsubscribed)
        }).await;
        worker.stop().await;
        assert_eq!(app.events_of("ana@example.org").await.last().map(String::as_str), Some("consent.expired"));
    }

    async fn a_sign_up_that_nobody_confirms_lapses_and_is_forgotten(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let visitor = app.nobody();
        let form = format!("/f/{}", shop.form_key);
        visitor.post(&form, json!({ "email": "ben@example.org", "choices": { "newsletter": "yes" } })).await.expect(202);
        let link = World::link_in(&*world.mail_to("ben@example.org").await, "/c/");
        let (subject, scope) = (app.subject_of("ben@example.org").await, app.scope);

        app.clock.advance(DAY * 8);
        visitor.get(&link).await.expect(410);
        eventually("the request has lapsed", async || {
            let consents = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.consents_of(scope, subject)).await.expect("consents");
            (consents[0].state == ConsentState::Unknown).then_some(())
        }).await;
        app.clock.advance(DAY * 8);
        eventually("the person is forgotten (DO-03)", async || {
            let row = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.subject(scope, subject)).await.expect("a row");
            (row.erased_at.is_some() && row.email.is_empty() && row.wrapped_key.is_empty()).then_some(())
        }).await;
        visitor.get(&link).await.expect(404);

        // Somebody may sign up with the address again; it is somebody new.
        visitor.post(&form, json!({ "email": "ben@example.org", "choices": { "newsletter": "yes" } })).await.expect(202);
        assert_ne!(app.subject_of("ben@example.org").await, subject);
        worker.stop().await;
    }

    async fn who_has_more_on_record_stays_and_does_not_keep_others_from_being_forgotten(app: TestApp) {
        let mut app = app;
        // One a look: whoever comes first and stays must not come first again.
        app.services.rules = Arc::new(Rules { pieces: Pieces { clock: 1, ..Pieces::default() }, ..Rules::default() });
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        app.consenting("ana@example.org", &newsletter, &shop.notice, &shop.policy_version).await;
        let (form, visitor) = (format!("/f/{}", shop.form_key), app.nobody());
        visitor.post(&form, json!({ "email": "ana@example.org", "choices": { "tracking": "yes" } })).await.expect(202);
        app.clock.advance(DAY);
        visitor.post(&form, json!({ "email": "ben@example.org", "choices": { "newsletter": "yes" } })).await.expect(202);
        let (ana, ben) = (app.subject_of("ana@example.org").await, app.subject_of("ben@example.org").await);
        let worker = world.worker();
        let scope = app.scope;
        app.clock.advance(DAY * 8);
        eventually("both requests have lapsed", async || {
            let standing = move |tx: &mut ReadTx<'_>| Ok::<_, StoreError>([tx.consents_of(scope, ana)?, tx.consents_of(scope, ben)?].concat());
            let consents = app.services.store.read(standing).await.expect("consents");
            (consents.iter().filter(|consent| consent.state == ConsentState::Unknown).count() == 2).then_some(())
        }).await;
        app.clock.advance(DAY * 8);
        let erased = async |who| {
            app.services.store.read(move |tx: &mut ReadTx<'_>| tx.subject(scope, who)).await.expect("a row").erased_at.is_some()
        };
        eventually("who came after is forgotten", async || erased(ben).await.then_some(())).await;
        assert!(!erased(ana).await, "who said yes to something stays");
        worker.stop().await;
    }
}
