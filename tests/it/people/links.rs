//! `POST /v1/links` (RP-08).

use serde_json::{Value, json};

use super::ground::{Ground, stance};
use crate::support::{TestApp, pages};

fn link(ground: &Ground, email: &str, mailable: bool) -> Value {
    json!({"email": email, "purposes": ["newsletter"], "notice_id": ground.notice.to_string(), "mailable": mailable})
}

both_engines! {
    async fn a_link_for_the_site_opens_the_question(app: TestApp) {
        let ground = Ground::of(&app).await;
        let subject = ground.imported(&app, "ana@example.org").await;
        let mut body = link(&ground, "ana@example.org", false);
        body["expires_in"] = json!("P2D");
        let issued = app.api().post("/v1/links", body).await.expect(201);
        assert_eq!(issued.json["mailable"], false);
        assert_eq!(issued.json["purposes"], json!([ground.newsletter.to_string()]));
        let url = issued.text("url");
        assert!(url.starts_with(&format!("{}/r/", app.base)));
        let page = app.nobody().get(&url).await.expect(200);
        assert!(page.body().contains("The newsletter"));
        assert!(!page.body().contains("ana@example.org"), "LK-08: masked");

        let again = json!({
            "subject_id": subject.to_string(), "purposes": [ground.newsletter.to_string()],
            "notice_id": ground.notice.to_string(), "expires_in": 3600,
        });
        app.api().post("/v1/links", again).await.expect(201);
        app.nobody().get(&url).await.expect(200);
        let subject = subject.to_string();
        assert!(stance(&app, &subject, "newsletter").await["asked_at"].is_null(), "showing is not mailing");
        pages::answer(&app, &app.nobody(), &url, &[("choice.newsletter", "yes")]).await.expect(200);
        assert_eq!(stance(&app, &subject, "newsletter").await["effective_state"], "confirmed");
        let facts = app.api().get(&format!("/v1/subjects/{subject}/events")).await.expect(200);
        let methods: Vec<&Value> = facts.json["items"].as_array().unwrap().iter().map(|fact| &fact["method"]).collect();
        assert!(methods.contains(&&json!("on-site-link")), "{methods:?}");
    }

    async fn a_link_for_mailing_goes_through_the_gate_and_counts_as_asking(app: TestApp) {
        let ground = Ground::of(&app).await;
        ground.imported(&app, "ana@example.org").await;
        ground.confirmed(&app, "fresh@example.org", "Bo").await;
        ground.stopped(&app, "stop@example.org").await;
        let api = app.api();
        let once = app.api().once("k1");
        let first = once.post("/v1/links", link(&ground, "ana@example.org", true)).await.expect(201);
        let same = once.post("/v1/links", link(&ground, "ana@example.org", true)).await.expect(201);
        assert_eq!(first.json, same.json, "a retry gets the same link");
        app.nobody().get(&first.text("url")).await.expect(200);
        for (email, reason) in [
            ("ana@example.org", "asked_recently"),
            ("fresh@example.org", "not_due"),
            ("stop@example.org", "opted_out"),
        ] {
            let refused = api.post("/v1/links", link(&ground, email, true)).await;
            let refused = refused.expect_problem(422, "not-permitted-to-mail");
            assert_eq!(refused.json["reasons"][0]["reason"], reason, "{email}");
        }
    }

    async fn no_link_is_issued_to_press_somebody_or_nobody(app: TestApp) {
        let ground = Ground::of(&app).await;
        ground.stopped(&app, "stop@example.org").await;
        ground.imported(&app, "ana@example.org").await;
        let api = app.api();
        api.post("/v1/links", link(&ground, "stop@example.org", false)).await.expect_problem(409, "refused");
        api.post("/v1/suppressions", json!({"email": "ana@example.org", "reason": "legal"})).await.expect(200);
        api.post("/v1/links", link(&ground, "ana@example.org", false)).await.expect_problem(409, "refused");
        api.post("/v1/links", link(&ground, "who@example.org", false)).await.expect_faults(&["email"]);
        let cases: Vec<(&str, Value, &[&str])> = vec![
            ("purposes", json!([]), &["purposes"]),
            ("purposes", json!(["weather"]), &["purposes[0]"]),
            ("notice_id", json!("x"), &["notice_id"]),
            ("notice_id", json!(ground.form.to_string()), &["notice_id"]),
            ("expires_in", json!("P100D"), &["expires_in"]),
            ("expires_in", json!(5), &["expires_in"]),
            ("expires_in", json!(u64::MAX), &["expires_in"]),
            ("expires_in", json!("soon"), &["expires_in"]),
            ("subject_id", json!(ground.form.to_string()), &["email"]),
        ];
        ground.imported(&app, "bob@example.org").await;
        for (field, value, faults) in cases {
            let mut body = link(&ground, "bob@example.org", false);
            body[field] = value;
            api.post("/v1/links", body).await.expect_faults(faults);
        }
        let (_, other) = app.other_controller("other").await;
        other.post("/v1/links", link(&ground, "bob@example.org", false)).await.expect_faults(&["email"]);
    }
}
