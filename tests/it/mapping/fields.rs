//! What is written about a person at a destination: the proof of the consent, and what else the controller wants there.

use reconsent::sandbox::campaign_monitor::State;
use serde_json::{Value, json};

use super::{field, yes};
use crate::remap::{purpose_id, until, until_in_step};
use crate::support::world::{LIST, OTHER_LIST, Shop, World, eventually};
use crate::support::{TestApp, pages};

const ANA: &str = "ana@example.org";

fn map(source: &str, name: &str, kind: &str) -> Value {
    json!({ "source": source, "name": name, "type": kind })
}

/// Waits until a field of Ana there says so, or is empty.
async fn until_says(world: &World, key: &str, value: Option<&str>) {
    eventually(&format!("{key} there is {value:?}"), async || {
        let there = field(world, LIST, ANA, key).filter(|text| !text.is_empty());
        (there.as_deref() == value).then_some(())
    })
    .await;
}

both_engines! {
    async fn what_is_held_about_a_person_is_written_there_and_follows_each_change(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let path = format!("/v1/destinations/{}", shop.destination);
        let set = async |fields: Value| app.api().put(&format!("{path}/fields"), json!({ "fields": fields })).await;
        set(json!([map("fields.city", "City", "text"), map("fields.visits", "Visits", "number"), map("language", "Language", "text")]))
            .await.expect(200);
        let missing = app.api().get(&format!("{path}/check")).await.expect(200).json;
        let told = |name: &str| {
            let all = missing["findings"].as_array().unwrap().iter();
            all.clone().any(|one| one["standing"] == "missing" && one["text"].as_str().unwrap().contains(name))
        };
        assert!(["City", "Visits", "Language"].into_iter().all(told), "{missing}");
        let ready = app.api().post(&format!("{path}/lists"), json!({ "purpose": "newsletter", "list_id": LIST })).await.expect(200);
        assert_eq!(ready.json["fields_made"], json!(["City", "Visits", "Language"]));

        let worker = world.worker();
        let visitor = app.nobody();
        let long = "\u{1f980}".repeat(130);
        visitor.post(&format!("/f/{}", shop.form_key), json!({ "email": ANA, "choices": { "newsletter": "yes" },
            "fields": { "city": long, "secret": "not wanted there" } })).await.expect(202);
        let link = World::link_in(&*world.mail_to(ANA).await, "/c/");
        pages::answer(&app, &visitor, &link, &[("choice.newsletter", "yes")]).await.expect(200);
        until(&world, LIST, &[ANA], State::Active).await;
        let says = |key: &str| field(&world, LIST, ANA, key);
        // 250 characters as the provider counts are 125 of these.
        assert_eq!(says("City"), Some("\u{1f980}".repeat(125)));
        assert_eq!((says("Language").as_deref(), says("Source").as_deref()), (Some("en-GB"), Some("form: footer")));
        assert_eq!(says("Visits").unwrap_or_default(), "", "nothing is held about that");
        assert_eq!(world.emulator.subscriber(LIST, ANA).unwrap().fields.iter().filter(|(key, _)| key == "secret").count(), 0);
        until_in_step(&app).await;

        // A list for something else brings what was not known.
        app.purpose("offers").await;
        let list = "email,name,visits\nana@example.org,Ana Example,7\n";
        let claim = "kind=contacts&basis=consent&how=shop%20till&statement=Collected%20by%20us&attester=A.%20Clerk";
        app.api().upload(&format!("/v1/imports?purposes=offers&name=list&{claim}"), "text/csv", list).await.expect(202);
        until_says(&world, "Visits", Some("7")).await;
        assert_eq!(world.emulator.subscriber(LIST, ANA).unwrap().name, "Ana Example");

        // What is wanted there no more is emptied there.
        let view = set(json!([map("fields.visits", "Visits", "number")])).await.expect(200).json;
        assert_eq!(view["fields"], json!([map("fields.visits", "Visits", "number")]));
        assert_eq!(view["emptied_fields"], json!(["City", "Language"]));
        until_says(&world, "City", None).await;
        until_says(&world, "Language", None).await;
        until_says(&world, "Visits", Some("7")).await;
        until_in_step(&app).await;
        worker.stop().await;
    }

    async fn a_field_that_cannot_be_is_refused_and_one_of_another_type_is_named_by_the_check(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let path = format!("/v1/destinations/{}", shop.destination);
        let set = async |fields: Value| app.api().put(&format!("{path}/fields"), json!({ "fields": fields })).await;
        for (fields, faults) in [
            (json!([map("email", "Email", "text")]), &["fields[0].source"][..]),
            (json!([map("language", "[consent date]", "text")]), &["fields[0].name"]),
            (json!([map("language", "Consent Date", "text")]), &["fields[0].name"]),
            (json!([map("language", "reconsent preferences", "text")]), &["fields[0].name"]),
            (json!([map("language", "Lang", "text"), map("fields.a", "lang", "text")]), &["fields[1].name"]),
            (json!([map("fields.", "\u{e4}", "text")]), &["fields[0].source", "fields[0].name"]),
        ] {
            set(fields).await.expect_faults(faults);
        }
        let many: Vec<Value> = (0..51).map(|n| map("language", &format!("Field {n}"), "text")).collect();
        set(json!(many)).await.expect_faults(&["fields"]);
        set(json!([map("fields.city", "City", "text")])).await.expect(200);
        app.api().post(&format!("{path}/lists"), json!({ "purpose": "newsletter", "list_id": LIST })).await.expect(200);
        set(json!([map("fields.city", "City", "number")])).await.expect(200);
        let found = app.api().get(&format!("{path}/check")).await.expect(200).json;
        let wrong = found["findings"].as_array().unwrap().iter().find(|one| one["standing"] == "wrong").cloned().unwrap();
        assert!(wrong["text"].as_str().unwrap().contains("City") && wrong["text"].as_str().unwrap().contains("Text"), "{wrong}");
        assert_eq!(found["ready"], false);
    }

    async fn a_renewed_consent_and_a_newer_policy_are_written_there(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let (newsletter, tracking) = (purpose_id(&app, "newsletter").await, purpose_id(&app, "tracking").await);
        let pairs = json!({ "lists": [{ "purpose": "newsletter", "list_id": LIST }, { "purpose": "tracking", "list_id": OTHER_LIST }] });
        app.api().put(&format!("/v1/destinations/{}/lists", shop.destination), pairs).await.expect(200);
        let worker = world.worker();
        yes(&app, &shop, &newsletter, ANA).await;
        yes(&app, &shop, &tracking, ANA).await;
        until_says(&world, "PolicyVersion", Some("2026-09-01")).await;
        until(&world, OTHER_LIST, &[ANA], State::Active).await;

        let policies = app.api().get("/v1/policies").await.expect(200).json;
        let policy = policies["items"][0]["id"].as_str().unwrap();
        let newer = app.policy_version(policy, "2027-01-01", true).await;
        let notice = app.notice("again", &["newsletter"], &newer, false).await;
        until_in_step(&app).await;
        until_says(&world, "PolicyVersion", Some("2026-09-01")).await;
        app.renewing(ANA, &newsletter, &notice, &newer).await;
        until_says(&world, "PolicyVersion", Some("2027-01-01")).await;
        until_in_step(&app).await;
        worker.stop().await;
        assert_eq!(field(&world, OTHER_LIST, ANA, "PolicyVersion").as_deref(), Some("2026-09-01"), "what was said to there");
    }
}
