//! Limits and pieces that an operator sets are the ones that hold; a house with small ones shows it fastest.

use std::net::TcpListener;
use std::sync::Arc;

use reconsent::http::HttpSettings;
use reconsent::usecases::{Limits, Pieces, Rules};
use serde_json::{Value, json};

use crate::support::world::{Shop, World, drafted_round, eventually};
use crate::support::{RunningServer, TestApp, settings};

/// A second door to the house, under these rules.
fn under(app: &TestApp, rules: Rules, door: HttpSettings) -> (TestApp, RunningServer) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut house = app.clone();
    house.base = format!("http://{}", listener.local_addr().unwrap());
    house.services.rules = Arc::new(rules);
    let server = RunningServer::start(house.services.clone(), door, listener);
    (house, server)
}

const CSV: &str = "email\na@example.org\nb@example.org\nc@example.org\n";

both_engines! {
    async fn a_controller_may_have_as_many_of_each_as_is_set(app: TestApp) {
        let limits = Limits {
            purposes: 1, policies: 1, policy_versions: 1, forms: 1, form_addresses: 1, senders: 1, tokens: 2,
            destinations: 1, published_keys: 1, ..Limits::default()
        };
        let (app, _server) = under(&app, Rules { limits, ..Rules::default() }, settings());
        let api = app.api();
        let (_, form) = app.form_for("news").await;
        let second = json!({"slug": "offers", "label": "Offers", "description": "What is sent"});
        api.post("/v1/purposes", second).await.expect_faults(&["slug"]);
        api.post("/v1/policies", json!({"slug": "second", "name": "Second"})).await.expect_faults(&["slug"]);
        let policy = api.get("/v1/policies").await.expect(200).json["items"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/policies/{policy}/versions?label=2&language=en-GB");
        api.upload(&path, "text/plain", "x").await.expect_faults(&["label"]);
        api.post("/v1/senders", json!({"name": "Acme", "address": "b@acme.example", "postal": "1 High Street"}))
            .await.expect_faults(&["name"]);
        let form = api.get(&format!("/v1/forms/{form}")).await.expect(200);
        let body = |name: &str| json!({"name": name, "notice_id": form.json["notice_id"], "sender_id": form.json["sender_id"]});
        api.post("/v1/forms", body("Second")).await.expect_faults(&["name"]);
        let many = json!({"origins": ["https://a.example", "https://b.example"]});
        api.patch(&format!("/v1/forms/{}", form.text("id")), many).await.expect_faults(&["origins"]);
        let token = json!({"name": "Site", "scopes": ["consents"]});
        api.post("/v1/tokens", token.clone()).await.expect(201);
        api.post("/v1/tokens", token).await.expect_faults(&["name"]);
        app.other_controller("bolt").await;
        let keys = app.nobody().get("/.well-known/jwks.json").await.expect(200);
        assert_eq!(keys.json["keys"].as_array().unwrap().len(), 1);
    }

    async fn what_is_sent_may_be_as_large_as_is_set(app: TestApp) {
        let (key, id) = app.form_for("news").await;
        let limits = Limits {
            evidence_bytes: 64, custom_fields: 1, custom_field_characters: 5, form_fields: 20, form_value_bytes: 320,
            preview_rows: 2, preview_bytes: 1024, import_columns: 2, import_cell_bytes: 64, import_record_bytes: 128,
            import_statement_characters: 5, ..Limits::default()
        };
        let rules = Rules { limits, ..Rules::default() };
        let (app, _server) = under(&app, rules, settings());
        let api = app.api();
        let consent = |more: Value| {
            let mut body = json!({"email": "a@example.org", "form_id": id, "choices": {"news": "yes"}});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        api.post("/v1/consents", consent(json!({"evidence": {"page": "x".repeat(60)}}))).await.expect_faults(&["evidence"]);
        api.post("/v1/consents", consent(json!({"fields": {"a": "1", "b": "2"}}))).await.expect_faults(&["fields"]);
        api.post("/v1/consents", consent(json!({"fields": {"a": "123456"}}))).await.expect_faults(&["fields.a"]);
        api.post("/v1/consents", consent(json!({"fields": {"a": "12345"}, "evidence": {"p": "x"}}))).await.expect(202);
        let post = |body: String| {
            let (api, path) = (app.nobody(), format!("/f/{key}"));
            async move { api.upload(&path, "application/x-www-form-urlencoded", body).await }
        };
        post(format!("email=a@example.org&name={}", "x".repeat(321))).await.expect(400);
        post((0..21).map(|n| format!("f{n}=1")).collect::<Vec<_>>().join("&")).await.expect(400);

        let preview = "/v1/imports/preview?kind=contacts&purposes=news";
        let seen = api.upload(preview, "text/csv", CSV).await.expect(200);
        assert_eq!(seen.json["rows"].as_array().unwrap().len(), 2);
        api.upload(preview, "text/csv", "email\n".repeat(200)).await.expect_problem(413, "too-large");
        let seen = api.upload(preview, "text/csv", "email,a,b\n").await.expect(200);
        assert!(seen.text("failure").contains('2'), "{}", seen.json);
        let seen = api.upload(preview, "text/csv", format!("email,a\nx@example.org,{}\n", "y".repeat(65))).await.expect(200);
        assert_eq!(seen.json["rows"][0]["outcome"], "invalid_row", "{}", seen.json);
        api.upload(&format!("{preview}&statement=123456"), "text/csv", CSV).await.expect_faults(&["statement"]);
    }

    async fn a_callback_may_be_as_large_as_is_set(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let (narrow, _server) = under(&app, Rules::default(), HttpSettings { hook_body_limit: 1024, ..settings() });
        let body = format!("{{\"ListID\":\"x\",\"Events\":[],\"Padding\":\"{}\"}}", "x".repeat(1024));
        narrow.nobody().upload(&shop.webhook, "application/json", body).await.expect_problem(413, "too-large");
    }

    async fn small_pieces_come_to_the_same_end(app: TestApp) {
        let pieces = Pieces {
            import_rows: 1, upload_bytes: 1024, uploads_forgotten: 1, audience: 1, rounds_closed: 1, clock: 1, refresh: 1,
            confirmed: 1, webhook_stops: 1,
            mails_forgotten: 1,
            remap: 1,
            remap_ahead: 1,
            reseal: 1,
            reseal_uploads: 1,
            reconcile: 10,
            reconcile_apply: 1,
            round_rows: 1,
            suppression_pages: 1,
        };
        let limits = Limits { campaign_purposes: 2, campaign_imports: 1, ..Limits::default() };
        let (app, _server) = under(&app, Rules { pieces, limits, ..Rules::default() }, settings());
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let list = format!("email,collected_at\n{}", (0..5).map(|n| format!("p{n}@example.org,2026-01-10\n")).collect::<String>());
        let (campaign, dry) = drafted_round(&app, &shop, &list).await;
        assert_eq!(dry["eligible"], 5, "{dry}");
        app.api().post(&format!("/v1/campaigns/{campaign}/launch"), json!({})).await.expect(200);
        for n in 0..5 {
            world.mail_to(&format!("p{n}@example.org")).await;
        }
        let deadline = app.services.clock.now().plus(std::time::Duration::from_secs(86_400)).to_string();
        let round = json!({"name": "Second", "purposes": ["newsletter"], "notice_id": shop.notice, "sender_id": shop.sender,
            "deadline": deadline, "import_ids": vec!["00000000-0000-7000-8000-000000000001"; 2]});
        app.api().post("/v1/campaigns", round.clone()).await.expect_faults(&["import_ids"]);
        let mut wide = round;
        wide["purposes"] = json!(["newsletter", "tracking", "third"]);
        app.api().post("/v1/campaigns", wide).await.expect_faults(&["purposes"]);
        eventually("the round is frozen", async || {
            let shown = app.api().get(&format!("/v1/campaigns/{campaign}")).await.expect(200);
            shown.json["audience_sha256"].is_string().then_some(())
        }).await;
        worker.stop().await;
    }
}
