//! A stop under either address counts for both, and a stop told for the address left still reaches the person; nothing
//! that starts anybody follows it.

use reconsent::domain::ids::SubjectId;
use reconsent::store::WriteTx;
use reconsent::usecases::clockwork::erase_in;
use serde_json::json;

use super::*;
use crate::secrecy::{dump, holds};
use crate::support::world::{LIST, import};

async fn entries(app: &TestApp) -> usize {
    let page = app.api().get("/v1/suppressions?limit=500").await.expect(200).json;
    page["items"].as_array().unwrap().len()
}

fn told(kind: &str, address: &str, from: Option<&str>, state: &str) -> Value {
    json!({ "ListID": LIST, "Events": [{ "Type": kind, "EmailAddress": address, "OldEmailAddress": from,
        "Name": "", "State": state, "CustomFields": [] }] })
}

both_engines! {
    async fn what_was_stopped_before_stays_stopped_after(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        let order = json!({ "purposes": ["tracking"], "reason": "withdrawn" });
        app.api().post(&format!("/v1/subjects/{}/stop", ana.id), order).await.expect(200);
        app.api().post("/v1/suppressions", json!({ "email": NEW, "purposes": ["newsletter"], "reason": "withdrawn" })).await.expect(200);
        ana.moves(&app, &world, NEW).await;
        let view = ana.view(&app).await;
        let mut stopped: Vec<&str> = view["suppressions"].as_array().unwrap().iter().map(|one| one["purpose"].as_str().unwrap()).collect();
        stopped.sort_unstable();
        assert_eq!(stopped, ["newsletter", "tracking"], "those of both addresses: {view}");
        worker.stop().await;
    }

    async fn a_webhook_about_the_address_left_reaches_the_person_but_for_our_own_echo(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        ana.moves(&app, &world, NEW).await;
        crate::remap::until_in_step(&app).await;
        worker.stop().await;
        let hook = async |event: Value| app.nobody().post(&ana.shop.webhook, event).await.expect(200).json["stopped"].clone();
        assert_eq!(hook(told("Update", NEW, Some(OLD), "Active")).await, 0, "our own change");
        assert_eq!(hook(told("Deactivate", OLD, None, "Deleted")).await, 0, "the owner's doing, or ours");
        assert_eq!(hook(told("Deactivate", OLD, None, "Bounced")).await, 1, "a mailbox that is theirs no more");
        assert_eq!((ana.newsletter(&app).await, ana.view(&app).await["undeliverable"].clone()), ("confirmed".to_owned(), json!(false)));
        assert_eq!(hook(told("Deactivate", OLD, None, "Unsubscribed")).await, 1);
        assert_eq!(ana.newsletter(&app).await, "withdrawn");
        world.worker().stop().await;
    }

    async fn a_change_there_to_a_strange_address_is_a_stop_of_the_one_left(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        ana.moves(&app, &world, NEW).await;
        worker.stop().await;
        let event = told("Update", "strange@example.com", Some(NEW), "Active");
        assert_eq!(app.nobody().post(&ana.shop.webhook, event).await.expect(200).json["stopped"], 1);
        assert_eq!(ana.newsletter(&app).await, "withdrawn");
        world.worker().stop().await;
    }

    async fn staff_and_lists_that_name_the_address_left_stop_the_person_under_both(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        ana.moves(&app, &world, NEW).await;
        let order = json!({ "email": OLD, "purposes": ["newsletter"], "reason": "withdrawn" });
        let stopped = app.api().post("/v1/suppressions", order).await.expect(200).json;
        assert_eq!(stopped["subject_id"], ana.id);
        assert_eq!(ana.newsletter(&app).await, "withdrawn");
        assert_eq!(entries(&app).await, 2, "under either address");

        let newsletter = purpose_id(&app, "newsletter").await;
        let (notice, version) = (&ana.shop.notice, &ana.shop.policy_version);
        let ben = app.consenting("ben@example.org", &newsletter, notice, version).await;
        app.api().post(&format!("/v1/subjects/{ben}/address"), json!({ "email": "ben@example.net" })).await.expect(202);
        let link = World::link_in(&*world.mail_to("ben@example.net").await, "/a/");
        pages::answer(&app, &app.nobody(), &link, &[("choice", "yes")]).await.expect(200);
        import(&app, "kind=do-not-mail", "email\nben@example.org\n").await;
        let kinds = app.events_of("ben@example.net").await;
        assert_eq!(kinds.last().map(String::as_str), Some("consent.withdrawn"), "{kinds:?}");
        worker.stop().await;
    }

    async fn a_sign_up_with_the_address_left_is_somebody_new_and_once_confirmed_no_news_of_the_other(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        ana.moves(&app, &world, NEW).await;
        let sign_up = json!({ "email": OLD, "choices": { "newsletter": "yes" } });
        app.nobody().post(&format!("/f/{}", ana.shop.form_key), sign_up).await.expect(202);
        let link = World::link_in(&*world.mail_to(OLD).await, "/c/");
        let other = found(&app, OLD).await["id"].clone();
        assert!(other.is_string() && other != json!(ana.id));
        assert_eq!(ana.view(&app).await["former_addresses"][0]["email"], OLD, "until that mailbox has spoken");
        pages::answer(&app, &app.nobody(), &link, &[("choice.newsletter", "yes")]).await.expect(200);
        assert_eq!(ana.view(&app).await["former_addresses"], json!([]));
        app.api().post("/v1/suppressions", json!({ "email": OLD, "reason": "objected" })).await.expect(200);
        assert_eq!(ana.newsletter(&app).await, "confirmed", "another person's stop");
        worker.stop().await;
    }

    async fn whoever_is_erased_leaves_no_address_behind(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        ana.moves(&app, &world, NEW).await;
        ana.ask(&app, "ana.third@example.com").await.expect(202);
        world.mail_to("ana.third@example.com").await;
        crate::remap::until_in_step(&app).await;
        let (scope, now, subject) = (app.scope, app.services.clock.now(), ana.id.parse::<SubjectId>().unwrap());
        let erasing = move |tx: &mut WriteTx<'_>| { tx.lock_subject(scope, subject)?; erase_in(tx, scope, subject, now) };
        app.services.store.write(subject.uuid(), erasing).await.unwrap();
        crate::remap::until_in_step(&app).await;
        worker.stop().await;
        let view = ana.view(&app).await;
        assert!(view["email"].is_null() && view["address_change"].is_null() && view["former_addresses"] == json!([]), "{view}");
        let kept = dump(&app).await;
        for trace in ["ana.old", "ana.new", "ana.third"] {
            assert!(!holds(&kept, trace), "{trace}");
        }
    }
}
