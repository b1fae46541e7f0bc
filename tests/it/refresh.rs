//! A material change asks for the refresh of what came before it, and of nothing else (EX-04).

use reconsent::domain::event::EventKind;
use reconsent::domain::task::TaskKind;
use reconsent::store::ReadTx;
use reconsent::usecases::refresh::refresh_chunk;
use serde_json::json;
use uuid::Uuid;

use crate::support::{TestApp, wording};

/// Whether there is work about this publication.
async fn is_asked_for(app: &TestApp, published: &str) -> bool {
    let (scope, id): (_, Uuid) = (app.scope, published.parse().unwrap());
    let task = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.task(scope, TaskKind::Refresh, id)).await;
    task.unwrap().is_some()
}

/// Does the work to its end and says how many pieces it took.
async fn refresh(app: &TestApp, published: &str) -> usize {
    let id: Uuid = published.parse().unwrap();
    let mut pieces = 1;
    while refresh_chunk(&app.services, app.scope, id).await.unwrap() {
        pieces += 1;
        assert!(pieces < 100, "it never ends");
    }
    pieces
}

const YES: &[EventKind] = &[EventKind::Given];
const MARKED: &[EventKind] = &[EventKind::Given, EventKind::NeedsRefresh];

both_engines! {
    async fn a_material_policy_version_concerns_consents_under_earlier_ones(app: TestApp) {
        let news = app.purpose("news").await;
        let (policy, other) = (app.policy("privacy").await, app.policy("cookies").await);
        let (first, unrelated) = (app.policy_version(&policy, "1", false).await, app.policy_version(&other, "1", false).await);
        let notice = app.notice("sign-up", &["news"], &first, false).await;
        let before = app.consenting("before@example.org", &news, &notice, &first).await;
        let elsewhere = app.consenting("elsewhere@example.org", &news, &notice, &unrelated).await;

        let editorial = app.policy_version(&policy, "2", false).await;
        assert!(!is_asked_for(&app, &editorial).await);
        let material = app.policy_version(&policy, "3", true).await;
        assert!(is_asked_for(&app, &material).await);
        let after = app.consenting("after@example.org", &news, &notice, &material).await;
        assert_eq!(app.events(before).await, YES, "nothing happens within the request");

        refresh(&app, &material).await;
        assert_eq!(app.events(before).await, MARKED);
        assert_eq!(app.events(after).await, YES);
        assert_eq!(app.events(elsewhere).await, YES);
        refresh(&app, &material).await;
        assert_eq!(app.events(before).await, MARKED, "once is enough");
    }

    async fn a_translation_of_the_same_version_concerns_nobody_under_it(app: TestApp) {
        let news = app.purpose("news").await;
        let policy = app.policy("privacy").await;
        let old = app.policy_version(&policy, "1", false).await;
        let notice = app.notice("sign-up", &["news"], &old, false).await;
        let english = app.policy_version(&policy, "2", true).await;
        let ana = app.consenting("ana@example.org", &news, &notice, &english).await;
        let path = format!("/v1/policies/{policy}/versions?label=2&language=fr&material=true");
        let french = app.api().upload(&path, "text/plain", "Politique").await.expect(201).text("id");
        refresh(&app, &french).await;
        assert_eq!(app.events(ana).await, YES);
    }

    async fn a_material_notice_concerns_consents_under_earlier_wordings(app: TestApp) {
        let news = app.purpose("news").await;
        let policy = app.policy("privacy").await;
        let version = app.policy_version(&policy, "1", false).await;
        let first = app.notice("sign-up", &["news"], &version, false).await;
        let other = app.notice("checkout", &["news"], &version, false).await;
        let before = app.consenting("before@example.org", &news, &first, &version).await;
        let elsewhere = app.consenting("elsewhere@example.org", &news, &other, &version).await;
        let second = app.notice("sign-up", &["news"], &version, true).await;
        assert!(is_asked_for(&app, &second).await);
        let after = app.consenting("after@example.org", &news, &second, &version).await;
        refresh(&app, &second).await;
        assert_eq!(app.events(before).await, MARKED);
        assert_eq!(app.events(after).await, YES);
        assert_eq!(app.events(elsewhere).await, YES);

        // Its translation is the first in its language: nobody has to be asked because of that.
        let mut words = wording(&["news"]);
        words["language"] = json!("fr");
        let body = json!({"slug": "sign-up", "wording": words, "purposes": ["news"], "policy_version_id": version, "material": true});
        let french = app.api().post("/v1/notices", body).await.expect(201);
        assert_eq!(french.json["version"], 1);
        refresh(&app, &french.text("id")).await;
        assert_eq!(app.events(after).await, YES);
    }

    async fn many_are_done_in_pieces(app: TestApp) {
        let news = app.purpose("news").await;
        let policy = app.policy("privacy").await;
        let first = app.policy_version(&policy, "1", false).await;
        let notice = app.notice("sign-up", &["news"], &first, false).await;
        let mut people = Vec::new();
        for n in 0..201 {
            people.push(app.consenting(&format!("p{n}@example.org"), &news, &notice, &first).await);
        }
        let second = app.policy_version(&policy, "2", true).await;
        assert_eq!(refresh(&app, &second).await, 2);
        for person in people {
            assert_eq!(app.events(person).await, MARKED);
        }
    }

    async fn what_was_never_published_here_concerns_nobody(app: TestApp) {
        assert!(!refresh_chunk(&app.services, app.scope, Uuid::nil()).await.unwrap());
    }
}
