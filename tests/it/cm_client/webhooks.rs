//! Managing webhooks.

use reconsent::campaign_monitor::{CallError, WebhookTest};
use serde_json::json;

use super::server::{Provider, Reply};

#[actix_web::test]
async fn the_life_of_a_webhook() {
    let provider = Provider::with([
        Reply::json(201, r#""0123456789abcdef""#),
        Reply::json(
            200,
            r#"[{"WebhookID":"0123456789abcdef","Events":["Deactivate"],"Url":"https://sync.example.com/secret",
                 "Status":"Active","PayloadFormat":"Json"},{"WebhookID":"1","Status":"Inactive"}]"#,
        ),
        Reply::empty(),
        Reply::empty(),
    ])
    .await;
    let account = provider.account();
    let url = "https://sync.example.com/hooks/cm/secret";
    let id = account.create_webhook("l1", url).await.unwrap();
    assert_eq!(id, "0123456789abcdef");
    let hooks = account.webhooks("l1").await.unwrap();
    assert_eq!(hooks.iter().map(|hook| hook.is_active()).collect::<Vec<_>>(), [true, false]);
    assert!(!format!("{hooks:?}").contains("secret"));
    assert_eq!(account.activate_webhook("l1", &id).await, Ok(()));
    assert_eq!(account.delete_webhook("l1", &id).await, Ok(()));
    let seen = provider.seen();
    assert_eq!(
        seen[0].json(),
        json!({ "Events": ["Subscribe", "Update", "Deactivate"], "Url": url, "PayloadFormat": "json" })
    );
    assert_eq!(seen[2].line, format!("PUT /api/v3.3/lists/l1/webhooks/{id}/activate.json"));
    assert_eq!(seen[2].header("content-length"), ["0"]);
    assert_eq!(seen[3].line, format!("DELETE /api/v3.3/lists/l1/webhooks/{id}.json"));
}

#[actix_web::test]
async fn a_test_tells_how_our_receiver_did() {
    let failed = r#"{"Code":610,"Message":"x","ResultData":{"FailureStatus":"ProtocolError",
        "FailureResponseMessage":"m","FailureResponseCode":404,"FailureResponse":"<html>"}}"#;
    let provider =
        Provider::with([Reply::empty(), Reply::json(400, failed), Reply::code(400, 610), Reply::code(404, 404)]).await;
    let account = provider.account();
    assert_eq!(account.test_webhook("l1", "w1").await, Ok(WebhookTest::Passed));
    let told = |status: &str, response: &str| {
        Ok(WebhookTest::Failed { status: status.to_owned(), response: response.to_owned() })
    };
    assert_eq!(account.test_webhook("l1", "w1").await, told("ProtocolError", "404"));
    assert_eq!(account.test_webhook("l1", "w1").await, told("", ""));
    let gone = CallError::Refused { status: 404, code: 404, wait: None };
    assert_eq!(account.test_webhook("l1", "w1").await, Err(gone));
}
