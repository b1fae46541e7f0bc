//! `POST /v1/consents`.

use reconsent::domain::scope::Scope;
use serde_json::{Value, json};

use super::ground::{Ground, stance};
use crate::support::TestApp;

async fn events(app: &TestApp, subject: &str) -> Vec<Value> {
    let page = app.api().get(&format!("/v1/subjects/{subject}/events")).await.expect(200);
    page.json["items"].as_array().unwrap().clone()
}

both_engines! {
    async fn a_site_hands_in_choices_and_cannot_confirm_anybody(app: TestApp) {
        let ground = Ground::of(&app).await;
        let site = app.with_scopes(&[Scope::Consents], None).await;
        let mut body = ground.consent("Ana@Example.org");
        body["choices"] = json!({"newsletter": "yes", "offers": "yes"});
        body["fields"] = json!({"city": "York"});
        body["page_url"] = json!("https://www.acme.example/join");
        body["client_address"] = json!("203.0.113.77");
        body["user_agent"] = json!("Browser 1");
        body["occurred_at"] = json!("2020-01-01T00:00:00Z");
        body["evidence"] = json!({"till": 7});
        let taken = site.post("/v1/consents", body).await.expect(202);
        assert_eq!(taken.json["status"], "accepted");
        let subject = taken.text("subject_id");

        assert_eq!(stance(&app, &subject, "newsletter").await["effective_state"], "pending", "double opt-in follows");
        assert_eq!(stance(&app, &subject, "offers").await["effective_state"], "confirmed", "its controller chose so");
        let mails = app.api().get(&format!("/v1/subjects/{subject}/mails")).await.expect(200);
        assert_eq!(mails.json["items"][0]["kind"], "confirmation");
        assert_eq!(mails.json["items"][0]["purposes"], json!(["newsletter"]));

        let facts = events(&app, &subject).await;
        assert_eq!(facts.len(), 2);
        let fact = facts.iter().find(|fact| fact["purpose"] == "newsletter").unwrap();
        assert_eq!(fact["method"], "site-server");
        assert!(fact["source"].as_str().unwrap().starts_with("token:"));
        assert_ne!(fact["at"], "2020-01-01T00:00:00Z", "PF-08: the site's clock counts for nothing");
        let evidence = &fact["evidence"];
        assert_eq!(evidence["occurred_at_by_site"], "2020-01-01T00:00:00Z");
        assert_eq!(evidence["client_address"], "203.0.113.0/24", "PF-04: the network, not the address");
        assert_eq!(evidence["held_by_site"], json!({"till": 7}));
        assert_eq!(evidence["submitted"]["fields"], json!({"city": "York"}));
        assert_eq!(fact["policy_version_label"], "=2026-09");
        assert_eq!(fact["notice_sha256"], "09".repeat(32));
        assert_eq!(fact["commitment"].as_str().unwrap().len(), 64);
    }

    async fn a_retry_with_the_same_key_records_nothing_twice(app: TestApp) {
        let ground = Ground::of(&app).await;
        let site = app.api().once("k1");
        let first = site.post("/v1/consents", ground.consent("ana@example.org")).await.expect(202);
        let again = site.post("/v1/consents", ground.consent("ana@example.org")).await.expect(202);
        assert_eq!(first.json, again.json);
        assert_eq!(events(&app, &first.text("subject_id")).await.len(), 1);
        site.post("/v1/consents", ground.consent("bob@example.org")).await.expect_problem(422, "idempotency-key-reused");
    }

    async fn a_notice_and_a_sender_stand_in_for_a_form(app: TestApp) {
        let ground = Ground::of(&app).await;
        let body = json!({
            "email": "ana@example.org", "choices": {"newsletter": "no"},
            "notice_id": ground.notice.to_string(), "sender_id": ground.sender.to_string(),
        });
        let subject = app.api().post("/v1/consents", body).await.expect(202).text("subject_id");
        assert_eq!(stance(&app, &subject, "newsletter").await["state"], "refused");
    }

    async fn what_does_not_hold_together_is_named(app: TestApp) {
        let ground = Ground::of(&app).await;
        let api = app.api();
        let (other_scope, other_api) = app.other_controller("other").await;
        let foreign = Ground::for_controller(&app, other_scope, &other_api).await;
        let cases: Vec<(&str, Value, &[&str])> = vec![
            ("email", json!("no address"), &["email"]),
            ("name", json!("Eve\r\nBcc: all@example.org"), &["name"]),
            ("choices", json!({}), &["choices"]),
            ("choices", json!({"newsletter": "maybe"}), &["choices.newsletter"]),
            ("choices", json!({"weather": "yes"}), &["choices.weather"]),
            ("fields", json!({"city": "a\u{0}b"}), &["fields.city"]),
            ("form_id", json!(ground.notice.to_string()), &["form_id"]),
            ("form_id", json!(foreign.form.to_string()), &["form_id"]),
            ("form_id", Value::Null, &["form_id"]),
            ("notice_id", json!(ground.notice.to_string()), &["form_id"]),
            ("client_address", json!("here"), &["client_address"]),
            ("occurred_at", json!("yesterday"), &["occurred_at"]),
            ("evidence", json!({"long": "x".repeat(9000)}), &["evidence"]),
        ];
        for (field, value, faults) in cases {
            let mut body = ground.consent("ana@example.org");
            body[field] = value;
            api.post("/v1/consents", body).await.expect_faults(faults);
        }
        let doubled = format!(
            r#"{{"email":"a@example.org","choices":{{"newsletter":"yes","newsletter":"no"}},"form_id":"{}"}}"#,
            ground.form
        );
        api.upload("/v1/consents", "application/json", doubled).await.expect_problem(400, "bad-request");
        let found = api.post("/v1/subjects/search", json!({"email": "ana@example.org"})).await.expect(200);
        assert_eq!(found.json, json!({"subject": null}), "nothing was recorded");
    }
}
