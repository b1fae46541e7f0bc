//! Re-permission rounds: whom the gate lets through, what a launch freezes, and that the numbers add up to the last
//! person.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod handed;
mod interrupted;
mod preparing;
mod world;

use std::time::Duration;

use reconsent::crypto::secret::sha256;
use reconsent::domain::campaign::{Answer, MemberStatus};
use reconsent::domain::gate::Reason;
use reconsent::domain::ids::{CampaignId, PurposeId, SubjectId};
use reconsent::domain::task::TaskKind;
use reconsent::store::campaigns::Member;
use reconsent::store::outbox::Task;
use reconsent::store::rows::ImportStatus;
use reconsent::store::{ReadTx, StoreError, WriteTx};
use reconsent::usecases::campaigns::{close_due, freeze_chunk};
use reconsent::usecases::deliver::{HandOver, Pace, draft_all, hand_over};
use serde_json::{Value, json};

use crate::support::TestApp;
use world::{Stands, World};

fn id_in(path: &str) -> CampaignId {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

/// `reason: people` of a list of counts.
fn counts(list: &Value) -> Vec<(String, u64)> {
    let list = list.as_array().unwrap();
    list.iter().map(|c| (c["reason"].as_str().unwrap().to_owned(), c["people"].as_u64().unwrap())).collect()
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(reason, people)| ((*reason).to_owned(), *people)).collect()
}

fn assert_adds_up(results: &Value) {
    let number = |name: &str| results[name].as_u64().unwrap();
    let excluded: u64 = counts(&results["excluded"]).iter().map(|(_, people)| people).sum();
    let sum = number("queued")
        + number("delivered")
        + number("held")
        + number("handed_to_provider")
        + number("bounced")
        + excluded;
    assert_eq!(sum, number("audience"), "{results}");
    assert_eq!(number("asked"), number("delivered") + number("held") + number("handed_to_provider"), "{results}");
    assert_eq!(number("yes") + number("no") + number("silent"), number("asked"), "{results}");
}

/// Freezes to the end; says in how many steps.
async fn freeze_all(app: &TestApp, path: &str) -> usize {
    let mut steps = 1;
    while freeze_chunk(&app.services, app.scope, id_in(path)).await.unwrap() {
        steps += 1;
    }
    steps
}

async fn members(app: &TestApp, path: &str) -> Vec<Member> {
    let (scope, id) = (app.scope, id_in(path));
    let mut all: Vec<Member> = Vec::new();
    loop {
        let after = all.last().map(|member| member.subject_id);
        let read = move |tx: &mut ReadTx<'_>| tx.members(scope, id, None, after, 1000);
        let page = app.services.store.read(read).await.unwrap();
        let last = page.len() < 1000;
        all.extend(page);
        if last {
            return all;
        }
    }
}

async fn claim_mails(app: &TestApp) -> Vec<Task> {
    let now = app.services.clock.now();
    let claim = move |tx: &mut WriteTx<'_>| tx.claim(TaskKind::Mail, 1000, now, Duration::from_secs(60));
    app.services.store.write(app.scope.controller().uuid(), claim).await.unwrap()
}

/// Everybody there is, with how often.
const MIXED: &[(Stands, usize)] = &[
    (Stands::Proven { days: 90 }, 3),
    (Stands::ProvenNotTracked, 1),
    (Stands::Unproven, 2),
    (Stands::Unheard, 1),
    (Stands::Withdrew, 2),
    (Stands::Ended, 1),
    (Stands::Unconfirmed, 1),
    (Stands::ConfirmedLately, 1),
    (Stands::Corporate, 1),
    (Stands::Legal, 1),
    (Stands::NoMailbox, 2),
    (Stands::Restricted, 1),
    (Stands::Erased, 1),
    (Stands::PurposeEnded, 1),
    (Stands::AskedLately, 1),
];

const MIXED_EXCLUDED: &[(&str, u64)] = &[
    ("opted_out", 5), // two people and three outsiders
    ("suppressed", 1),
    ("no_evidence", 3),
    ("expired", 1),
    ("unconfirmed", 1),
    ("not_due", 1),
    ("asked_recently", 1),
    ("undeliverable", 2),
    ("corporate_not_chosen", 1),
    ("ended", 1),
    ("restricted", 1),
    ("erased", 1),
];

fn mixed() -> Vec<Stands> {
    MIXED.iter().flat_map(|(stands, times)| std::iter::repeat_n(*stands, *times)).collect()
}

both_engines! {
    async fn a_dry_run_counts_everybody_by_reason_and_changes_nothing(app: TestApp) {
        let world = World::new(app.clone()).await;
        let (import, subjects) = world.list(&mixed(), 3).await;
        let path = world.prepare(import).await;
        for _ in 0..2 {
            let counted = app.api().post(&format!("{path}/dry-run"), json!({})).await.expect(200).json;
            assert_eq!(counted["eligible"], 4);
            assert_eq!(counts(&counted["excluded"]), pairs(MIXED_EXCLUDED));
            assert_eq!((&counted["total"], &counted["outsiders"]), (&json!(23), &json!(3)));
            assert!(counted["excluded"][0]["explanation"].as_str().unwrap().contains("RP-01"));
        }
        assert_eq!(app.api().get(&path).await.expect(200).json["status"], "draft");

        let listed = app.api().get(&format!("{path}/exclusions?reason=no_evidence")).await.expect(200).json;
        let unproven: Vec<String> = subjects[4..7].iter().map(SubjectId::to_string).collect();
        let found: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|i| i["subject_id"].as_str().unwrap()).collect();
        assert_eq!(found, unproven);
    }

    async fn a_launch_freezes_what_the_dry_run_said(app: TestApp) {
        let world = World::new(app.clone()).await;
        let (import, subjects) = world.list(&mixed(), 3).await;
        let path = world.prepare(import).await;
        let launched = app.api().once("k1").post(&format!("{path}/launch"), json!({})).await.expect(200).json;
        assert_eq!(launched["status"], "launching");
        let again = app.api().once("k1").post(&format!("{path}/launch"), json!({})).await.expect(200).json;
        assert_eq!(again["launched_at"], launched["launched_at"]);
        app.api().post(&format!("{path}/launch"), json!({})).await.expect_problem(409, "not-now");
        let (scope, id) = (app.scope, id_in(&path));
        let task = move |tx: &mut ReadTx<'_>| tx.task(scope, TaskKind::Launch, id.uuid());
        assert!(app.services.store.read(task).await.unwrap().is_some());

        assert_eq!(freeze_all(&app, &path).await, 1);
        let frozen = app.api().get(&path).await.expect(200).json;
        assert_eq!(frozen["status"], "running");
        let results = app.api().get(&format!("{path}/results")).await.expect(200).json;
        assert_adds_up(&results);
        assert_eq!((results["audience"].as_u64(), results["queued"].as_u64()), (Some(23), Some(4)));
        assert_eq!(counts(&results["excluded"]), pairs(MIXED_EXCLUDED));
        // Who is listed by id, and the outsiders, who have none, make up all who are counted.
        let listed = app.api().get(&format!("{path}/exclusions?limit=100")).await.expect(200).json;
        let listed = listed["items"].as_array().unwrap().len() as u64;
        let excluded: u64 = counts(&results["excluded"]).iter().map(|(_, people)| people).sum();
        assert_eq!((results["outsiders"].as_u64(), listed + 3), (Some(3), excluded), "{results}");

        // The hash is what anybody gets who goes over the members in order.
        let members = members(&app, &path).await;
        assert_eq!(members.len(), 20);
        let hash = members.iter().fold(Vec::new(), |before: Vec<u8>, m| {
            let line = format!("{}|{}|{}", m.subject_id, m.status, m.reason.map_or("", Reason::name));
            sha256(&[before, line.into_bytes()].concat()).to_vec()
        });
        assert_eq!(frozen["audience_sha256"], data_encoding::HEXLOWER.encode(&hash));

        // Tracking is asked along, but not where it was refused (TR-01, RP-04).
        let (news, tracking) = (world.news.id, world.tracking.id);
        for (subject, asked) in [(subjects[0], vec![news, tracking]), (subjects[3], vec![news])] {
            let member = members.iter().find(|m| m.subject_id == subject).unwrap();
            assert_eq!(member.status, MemberStatus::Queued);
            let mail_id = member.mail_id.unwrap();
            let read = move |tx: &mut ReadTx<'_>| tx.mail(scope, mail_id);
            let purposes: Vec<PurposeId> = app.services.store.read(read).await.unwrap().purposes().unwrap();
            assert_eq!(purposes, asked);
        }
        assert_eq!(claim_mails(&app).await.len(), 4);

        let first = app.api().get(&format!("{path}/exclusions?limit=10")).await.expect(200).json;
        let next = first["next"].as_str().unwrap();
        let second = app.api().get(&format!("{path}/exclusions?limit=10&cursor={next}")).await.expect(200).json;
        assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (10, 6));
        assert_eq!(second["next"], Value::Null);
    }

    async fn freezing_goes_on_where_it_stopped_and_doubles_nobody(app: TestApp) {
        let world = World::new(app.clone()).await;
        let (import, subjects) = world.list(&vec![Stands::Proven { days: 90 }; 1200], 1).await;
        let path = world.prepare(import).await;
        app.api().post(&format!("{path}/launch"), json!({})).await.expect(200);
        assert!(freeze_chunk(&app.services, app.scope, id_in(&path)).await.unwrap());
        let half = app.api().get(&format!("{path}/results")).await.expect(200).json;
        assert_eq!(half["queued"], 500);
        assert_eq!(app.api().get(&path).await.expect(200).json["audience_sha256"], Value::Null);
        // Paused and resumed meanwhile, and two workers at once.
        app.api().post(&format!("{path}/pause"), json!({})).await.expect(200);
        let (one, two) = tokio::join!(
            freeze_chunk(&app.services, app.scope, id_in(&path)),
            freeze_chunk(&app.services, app.scope, id_in(&path)),
        );
        assert!(one.unwrap() | two.unwrap());
        app.api().post(&format!("{path}/resume"), json!({})).await.expect(200);
        freeze_all(&app, &path).await;
        assert!(!freeze_chunk(&app.services, app.scope, id_in(&path)).await.unwrap());
        assert_eq!(app.api().get(&path).await.expect(200).json["status"], "running");
        let frozen: Vec<SubjectId> = members(&app, &path).await.iter().map(|m| m.subject_id).collect();
        let mut expected = subjects;
        expected.sort_unstable();
        assert_eq!(frozen, expected);
        let results = app.api().get(&format!("{path}/results")).await.expect(200).json;
        assert_adds_up(&results);
        assert_eq!((results["audience"].as_u64(), results["queued"].as_u64()), (Some(1201), Some(1200)));
        assert_eq!(claim_mails(&app).await.len(), 1000);
        assert_eq!(claim_mails(&app).await.len(), 200);
    }

    async fn nobody_who_opted_out_is_mailed_however_many_there_are(app: TestApp) {
        let world = World::new(app.clone()).await;
        let (import, _) = world.list(&vec![Stands::Withdrew; 900], 100).await;
        let path = world.prepare(import).await;
        let refused = app.api().once("k").post(&format!("{path}/launch"), json!({})).await;
        let refused = refused.expect_problem(422, "not-permitted-to-mail");
        assert_eq!(counts(&refused.json["reasons"]), pairs(&[("opted_out", 1000)]));
        assert_eq!(app.api().get(&path).await.expect(200).json["status"], "draft");
        assert!(claim_mails(&app).await.is_empty());
        assert!(!freeze_chunk(&app.services, app.scope, id_in(&path)).await.unwrap());
        assert!(members(&app, &path).await.is_empty());
    }

    async fn nobody_without_proof_is_mailed(app: TestApp) {
        let world = World::new(app.clone()).await;
        let (import, _) = world.list(&[vec![Stands::Unproven; 7], vec![Stands::Unheard; 5]].concat(), 0).await;
        let path = world.prepare(import).await;
        let refused = app.api().post(&format!("{path}/launch"), json!({})).await;
        let refused = refused.expect_problem(422, "not-permitted-to-mail");
        assert_eq!(counts(&refused.json["reasons"]), pairs(&[("no_evidence", 12)]));
        assert!(claim_mails(&app).await.is_empty());
    }

    async fn whose_consent_ends_while_the_round_is_paused_is_not_mailed_after_it(app: TestApp) {
        let world = World::new(app.clone()).await;
        let people = [vec![Stands::Proven { days: 5 }; 3], vec![Stands::Proven { days: 60 }; 2]].concat();
        let (import, _) = world.list(&people, 0).await;
        let path = world.prepare(import).await;
        app.api().post(&format!("{path}/launch"), json!({})).await.expect(200);
        freeze_all(&app, &path).await;
        app.api().post(&format!("{path}/pause"), json!({})).await.expect(200);
        app.clock.advance_days(6);
        app.api().post(&format!("{path}/resume"), json!({})).await.expect(200);
        let pace = Pace { lease: Duration::from_secs(60), paused_look: Duration::from_secs(60) };
        let (mut sent, mut expired) = (0, 0);
        let drafted = draft_all(&app.services, claim_mails(&app).await, true).await.unwrap();
        let drafted = drafted.into_iter().map(|(task, draft)| (task, draft.unwrap().unwrap())).collect();
        for outcome in hand_over(&app.services, drafted, pace).await {
            match outcome.unwrap() {
                HandOver::Send(_) => sent += 1,
                HandOver::Cancelled(Reason::Expired) => expired += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((sent, expired), (2, 3));
        let results = app.api().get(&format!("{path}/results")).await.expect(200).json;
        assert_adds_up(&results);
        assert_eq!(counts(&results["excluded"]), pairs(&[("expired", 3)]));
    }

    async fn a_round_ends_at_its_deadline_or_when_it_is_cancelled(app: TestApp) {
        let world = World::new(app.clone()).await;
        let (import, _) = world.list(&[Stands::Proven { days: 90 }; 2], 0).await;
        let (ending, stopped, draft) = (world.prepare(import).await, world.prepare(import).await, world.prepare(import).await);
        for path in [&ending, &stopped] {
            app.api().post(&format!("{path}/launch"), json!({})).await.expect(200);
        }
        let cancelled = app.api().post(&format!("{stopped}/cancel"), json!({})).await.expect(200).json;
        assert_eq!(cancelled["status"], "cancelled");
        assert_ne!(cancelled["closed_at"], Value::Null);
        assert!(!freeze_chunk(&app.services, app.scope, id_in(&stopped)).await.unwrap());
        assert!(members(&app, &stopped).await.is_empty());
        app.api().post(&format!("{stopped}/resume"), json!({})).await.expect_problem(409, "not-now");

        assert_eq!(close_due(&app.services, app.scope, app.services.clock.now()).await.unwrap(), 0);
        app.clock.set("2027-01-31T00:00:00Z");
        assert_eq!(close_due(&app.services, app.scope, app.services.clock.now()).await.unwrap(), 1);
        assert_eq!(app.api().get(&ending).await.expect(200).json["status"], "closed");
        assert!(!freeze_chunk(&app.services, app.scope, id_in(&ending)).await.unwrap());
        app.api().post(&format!("{draft}/launch"), json!({})).await.expect_faults(&["deadline"]);
    }

    async fn results_tell_asked_from_bounced_and_yes_from_silence(app: TestApp) {
        let world = World::new(app.clone()).await;
        let (import, subjects) = world.list(&[Stands::Proven { days: 90 }; 7], 2).await;
        let path = world.prepare(import).await;
        app.api().post(&format!("{path}/launch"), json!({})).await.expect(200);
        freeze_all(&app, &path).await;
        let (scope, id, now) = (app.scope, id_in(&path), app.services.clock.now());
        let settle = move |tx: &mut WriteTx<'_>| {
            let ends = [
                (MemberStatus::Delivered, Some(Answer::Yes)),
                (MemberStatus::Delivered, Some(Answer::No)),
                (MemberStatus::Delivered, None),
                (MemberStatus::Held, None),
                (MemberStatus::Held, Some(Answer::Yes)),
                (MemberStatus::Bounced, None),
            ];
            for (subject, (status, answer)) in subjects.iter().zip(ends) {
                tx.set_member_status(scope, id, *subject, status, None)?;
                if let Some(answer) = answer {
                    tx.set_member_answers(scope, id, &[*subject], answer, now)?;
                }
            }
            Ok::<_, StoreError>(())
        };
        app.services.store.write(id.uuid(), settle).await.unwrap();
        let results = app.api().get(&format!("{path}/results")).await.expect(200).json;
        assert_adds_up(&results);
        assert_eq!(results, json!({
            "status": "running", "audience": 9, "asked": 5, "queued": 1, "delivered": 3, "bounced": 1, "held": 2, "handed_to_provider": 0,
            "excluded": [{"reason": "opted_out", "explanation": Reason::OptedOut.explanation(), "people": 2}],
            "outsiders": 2, "yes": 2, "no": 1, "silent": 2,
        }));
    }

    async fn a_scheduled_round_is_frozen_when_its_time_has_come(app: TestApp) {
        let world = World::new(app.clone()).await;
        let (import, _) = world.list(&[Stands::Proven { days: 5 }, Stands::Proven { days: 60 }], 0).await;
        let mut body = world.round(&[import]);
        body["scheduled_at"] = json!("2026-12-01T08:00:00Z");
        let made = app.api().post("/v1/campaigns", body).await.expect(201);
        let path = format!("/v1/campaigns/{}", made.text("id"));
        app.api().post(&format!("{path}/launch"), json!({})).await.expect(200);
        let due = |app: &TestApp| {
            let (now, store, route) = (app.services.clock.now(), app.services.store.clone(), app.scope.controller().uuid());
            let claim = move |tx: &mut WriteTx<'_>| tx.claim(TaskKind::Launch, 10, now, Duration::from_secs(60));
            async move { store.write(route, claim).await.unwrap().len() }
        };
        assert_eq!(due(&app).await, 0);
        app.clock.set("2026-12-01T08:00:00Z");
        assert_eq!(due(&app).await, 1);
        freeze_all(&app, &path).await;
        // One consent has ended between the launch and the day.
        let results = app.api().get(&format!("{path}/results")).await.expect(200).json;
        assert_eq!((results["queued"].as_u64(), counts(&results["excluded"])), (Some(1), pairs(&[("expired", 1)])));
        assert_eq!(claim_mails(&app).await.len(), 1);
    }

    async fn a_round_waits_for_lists_that_are_not_read_yet(app: TestApp) {
        let world = World::new(app.clone()).await;
        let (import, _) = world.list(&[Stands::Proven { days: 60 }], 0).await;
        let path = world.prepare(import).await;
        for (status, expected) in [(ImportStatus::Reading, 422), (ImportStatus::Failed, 422), (ImportStatus::Done, 200)] {
            let scope = app.scope;
            let set = move |tx: &mut WriteTx<'_>| {
                let mut row = tx.lock_import(scope, import)?;
                row.status = status;
                tx.save_import_progress(&row)
            };
            app.services.store.write(scope.controller().uuid(), set).await.unwrap();
            app.api().post(&format!("{path}/launch"), json!({})).await.expect(expected);
        }
    }
}
