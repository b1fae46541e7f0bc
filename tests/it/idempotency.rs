//! `Idempotency-Key` (AP-02): the same request twice is one effect and one answer.

use serde_json::json;

use crate::support::{Answer, TestApp};

fn sender(name: &str) -> serde_json::Value {
    json!({"name": name, "address": "news@acme.example", "postal": "Acme Ltd, 1 High Street, London"})
}

async fn count(app: &TestApp, path: &str) -> usize {
    app.api().get(path).await.expect(200).json["items"].as_array().unwrap().len()
}

both_engines! {
    async fn a_repeated_request_gets_the_first_answer_bare_or_quoted(app: TestApp) {
        let first = app.api().once("k-1").post("/v1/senders", sender("Acme")).await.expect(201);
        let bare = app.api().once("k-1").post("/v1/senders", sender("Acme")).await.expect(201);
        let quoted = app.api().once("\"k-1\"").post("/v1/senders", sender("Acme")).await.expect(201);
        assert_eq!(first.bytes, bare.bytes);
        assert_eq!(first.bytes, quoted.bytes);
        assert_eq!(count(&app, "/v1/senders").await, 1);
        app.api().once("k-2").post("/v1/senders", sender("Acme")).await.expect(201);
        assert_eq!(count(&app, "/v1/senders").await, 2);
    }

    async fn another_request_under_the_same_key_is_refused(app: TestApp) {
        app.api().once("k").post("/v1/senders", sender("Acme")).await.expect(201);
        app.api().once("k").post("/v1/senders", sender("Other")).await.expect_problem(422, "idempotency-key-reused");
        let purpose = json!({"slug": "news", "label": "News", "description": "News"});
        app.api().once("k").post("/v1/purposes", purpose.clone()).await.expect_problem(422, "idempotency-key-reused");
        assert_eq!(count(&app, "/v1/senders").await, 1);
        assert_eq!(count(&app, "/v1/purposes").await, 0);
        // Another controller's key of the same name is another key.
        let (_, other) = app.other_controller("other").await;
        other.once("k").post("/v1/purposes", purpose).await.expect(201);
    }

    async fn a_key_that_does_not_read_is_refused(app: TestApp) {
        for key in ["\"open", "a b", &"k".repeat(256)] {
            app.api().once(key).post("/v1/senders", sender("Acme")).await.expect_problem(400, "bad-request");
        }
        assert_eq!(count(&app, "/v1/senders").await, 0);
    }

    async fn a_failed_request_does_not_use_its_key_up(app: TestApp) {
        let body = json!({"slug": "news", "label": "News", "description": "News"});
        app.api().post("/v1/purposes", body.clone()).await.expect(201);
        app.api().once("k").post("/v1/purposes", body).await.expect_problem(409, "taken");
        let other = json!({"slug": "offers", "label": "Offers", "description": "Offers"});
        app.api().once("k").post("/v1/purposes", other).await.expect(201);
    }

    async fn twenty_at_once_make_one(app: TestApp) {
        let api = app.api().once("same");
        let calls = (0..20).map(|_| {
            let api = api.clone();
            tokio::spawn(async move { api.post("/v1/senders", sender("Acme")).await })
        });
        let calls: Vec<_> = calls.collect();
        let mut answers: Vec<Answer> = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap().expect(201));
        }
        assert_eq!(answers.len(), 20);
        assert!(answers.iter().all(|answer| answer.bytes == answers[0].bytes));
        assert_eq!(count(&app, "/v1/senders").await, 1);
    }

    async fn a_secret_that_is_told_once_is_told_again_to_a_retry(app: TestApp) {
        let body = json!({"name": "Site", "scopes": ["consents"]});
        let first = app.api().once("t").post("/v1/tokens", body.clone()).await.expect(201);
        let again = app.api().once("t").post("/v1/tokens", body).await.expect(201);
        assert_eq!(first.bytes, again.bytes);
        let destination = json!({"client_id": "c1", "api_key": "secret", "time_zone": "Europe/London"});
        let first = app.api().once("d").post("/v1/destinations", destination.clone()).await.expect(201);
        let again = app.api().once("d").post("/v1/destinations", destination).await.expect(201);
        assert_eq!(first.bytes, again.bytes);
        let controller = json!({"slug": "second", "name": "Second"});
        let first = app.operator().once("c").post("/v1/controllers", controller.clone()).await.expect(201);
        let again = app.operator().once("c").post("/v1/controllers", controller).await.expect(201);
        assert_eq!(first.bytes, again.bytes);
    }

    async fn an_upload_is_bound_to_its_query_too(app: TestApp) {
        let policy = app.policy("privacy").await;
        let path = |label: &str| format!("/v1/policies/{policy}/versions?label={label}&language=en");
        let api = app.api().once("u");
        let first = api.upload(&path("1"), "text/plain", "words").await.expect(201);
        let again = api.upload(&path("1"), "text/plain", "words").await.expect(201);
        assert_eq!(first.bytes, again.bytes);
        api.upload(&path("2"), "text/plain", "words").await.expect_problem(422, "idempotency-key-reused");
    }
}
