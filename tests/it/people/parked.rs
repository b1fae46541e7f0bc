//! Parked work.

use std::time::Duration;

use reconsent::domain::mailing::MailState;
use reconsent::domain::task::{TaskKind, TaskState};
use reconsent::store::{ReadTx, StoreError, WriteTx};
use reconsent::usecases::Error;

use super::ground::Ground;
use crate::support::TestApp;

/// Claims all work of a kind and gives it up; answers what it is about.
async fn park(app: &TestApp, kind: TaskKind) -> Vec<uuid::Uuid> {
    let (scope, now) = (app.scope, app.services.clock.now());
    let parked = app.services.store.write(uuid::Uuid::nil(), move |tx: &mut WriteTx<'_>| {
        let tasks = tx.claim(kind, 100, now, Duration::from_secs(60))?;
        for task in &tasks {
            if kind == TaskKind::Mail {
                let id = reconsent::domain::ids::MailId::from_uuid(task.reference.uuid());
                tx.settle_mail(scope, id, MailState::Parked, 0, Some("421 at greeting"), None)?;
            }
            tx.put_back(task, TaskState::Parked, now, "421 at greeting")?;
        }
        Ok::<_, Error>(tasks.iter().map(|task| task.reference.uuid()).collect())
    });
    parked.await.expect("work is parked")
}

async fn state_of(app: &TestApp, mail: uuid::Uuid) -> (MailState, Option<TaskState>) {
    let scope = app.scope;
    let read = app.services.store.read(move |tx: &mut ReadTx<'_>| {
        let id = reconsent::domain::ids::MailId::from_uuid(mail);
        Ok::<_, StoreError>((tx.mail(scope, id)?.state, tx.task(scope, TaskKind::Mail, mail)?.map(|task| task.state)))
    });
    read.await.expect("the mail is there")
}

both_engines! {
    async fn parked_work_is_seen_counted_tried_again_and_dropped(app: TestApp) {
        let ground = Ground::of(&app).await;
        let api = app.api();
        for name in ["a", "b", "c"] {
            api.post("/v1/consents", ground.consent(&format!("{name}@example.org"))).await.expect(202);
        }
        assert_eq!(api.get("/v1/outbox/parked").await.expect(200).json["total"], 0);
        let mails = park(&app, TaskKind::Mail).await;
        assert_eq!(mails.len(), 3);
        let first = api.get("/v1/outbox/parked?limit=2").await.expect(200);
        assert_eq!(first.json["total"], 3);
        assert_eq!(first.json["items"][0]["kind"], "mail");
        assert_eq!(first.json["items"][0]["last_error"], "421 at greeting");
        let next = first.text("next");
        let second = api.get(&format!("/v1/outbox/parked?limit=2&cursor={next}")).await.expect(200);
        assert_eq!(second.json["items"].as_array().unwrap().len(), 1);
        assert!(second.json["next"].is_null());

        let (_, other) = app.other_controller("other").await;
        let retry = format!("/v1/outbox/mail/{}/retry", mails[0]);
        let drop = format!("/v1/outbox/mail/{}/drop", mails[1]);
        let nothing = serde_json::json!({});
        other.post(&retry, nothing.clone()).await.expect_problem(404, "not-found");
        other.post(&drop, nothing.clone()).await.expect_problem(404, "not-found");
        api.post(&retry, nothing.clone()).await.expect(204);
        assert_eq!(state_of(&app, mails[0]).await, (MailState::Deferred, Some(TaskState::Queued)));
        api.post(&retry, nothing.clone()).await.expect_problem(404, "not-found");
        api.post(&drop, nothing.clone()).await.expect(204);
        assert_eq!(state_of(&app, mails[1]).await, (MailState::Parked, None));
        assert_eq!(api.get("/v1/outbox/parked").await.expect(200).json["total"], 1);
        for path in ["/v1/outbox/fun/x/retry", "/v1/outbox/mail/x/retry"] {
            api.post(path, nothing.clone()).await.expect_problem(404, "not-found");
        }
        api.post(&format!("/v1/outbox/launch/{}/drop", mails[0]), nothing).await.expect_faults(&["kind"]);
    }
}
