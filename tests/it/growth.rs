//! What must not grow with the data: the results of a round come from kept counters that agree with its members, a long
//! queue costs no more to measure or to claim from than a short one, and mails go when their retention time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use reconsent::domain::campaign::{Answer, CampaignStatus, MemberStatus};
use reconsent::domain::gate::Reason;
use reconsent::domain::ids::{CampaignId, NoticeId, SenderId, SubjectId};
use reconsent::domain::mailing::MailState;
use reconsent::domain::task::{TaskKind, TaskState};
use reconsent::store::campaigns::{Campaign, Member};
use reconsent::store::outbox::{COUNTED, Task};
use reconsent::store::{ReadTx, StoreError, WriteTx};
use reconsent::usecases::clockwork::forget_mails;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Engine, TestApp};

/// Numbers that look random and come out the same in every run (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % n
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Runs statements as an operator would, beside the service.
async fn by_hand(app: &TestApp, statements: &str) {
    match app.engine {
        Engine::Sqlite => {
            let path = app.database_url().strip_prefix("sqlite:").expect("a file").to_owned();
            let statements = format!("PRAGMA busy_timeout = 10000; {statements}");
            let work = move || {
                let mut conn = SqliteConnection::establish(&path).expect("the file opens");
                conn.batch_execute(&statements).expect("the statements run");
            };
            tokio::task::spawn_blocking(work).await.expect("it does not panic");
        }
        Engine::Postgres => client(app).await.batch_execute(statements).await.expect("the statements run"),
    }
}

async fn client(app: &TestApp) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(app.database_url(), tokio_postgres::NoTls).await.expect("it connects");
    tokio::spawn(connection);
    client
}

/// A running round without people.
async fn round(app: &TestApp) -> CampaignId {
    app.form_for("newsletter").await;
    let list = app.api().get("/v1/notices").await.expect(200).json;
    let notice: Uuid = list["items"][0]["id"].as_str().expect("a notice").parse().expect("an id");
    let list = app.api().get("/v1/senders").await.expect(200).json;
    let sender: Uuid = list["items"][0]["id"].as_str().expect("a sender").parse().expect("an id");
    let now = app.services.clock.now();
    let id = CampaignId::from_uuid(app.services.ids.row());
    let campaign = Campaign {
        controller_id: app.scope.controller(),
        id,
        name: "Autumn".into(),
        status: CampaignStatus::Running,
        purposes: "[]".into(),
        imports: "[]".into(),
        notice_id: NoticeId::from_uuid(notice),
        sender_id: SenderId::from_uuid(sender),
        subject_line: String::new(),
        preheader: String::new(),
        delivery: reconsent::domain::campaign::Delivery::Mail,
        body: String::new(),
        scheduled_at: None,
        deadline: now.plus(Duration::from_secs(86_400)),
        launched_at: Some(now),
        frozen_at: Some(now),
        freeze_cursor: None,
        audience_sha256: None,
        outsiders: 0,
        closed_at: None,
        created_at: now,
    };
    let write = move |tx: &mut WriteTx<'_>| tx.insert_campaign(&campaign);
    app.services.store.write(id.uuid(), write).await.expect("a round is written");
    id
}

fn member(app: &TestApp, campaign_id: CampaignId, dice: &mut Dice) -> Member {
    let reason = (dice.below(3) == 0).then(|| dice.of(Reason::ALL));
    Member {
        controller_id: app.scope.controller(),
        campaign_id,
        subject_id: SubjectId::from_uuid(app.services.ids.row()),
        status: if reason.is_some() { MemberStatus::Excluded } else { MemberStatus::Queued },
        reason,
        mail_id: None,
        answer: Answer::Silent,
        answered_at: None,
    }
}

type Standing = BTreeMap<(i16, Option<i16>, i16), i64>;

/// How the members stand by the counters, and by counting every one of them.
async fn both(app: &TestApp, id: CampaignId) -> (Standing, Standing) {
    let scope = app.scope;
    let read = move |tx: &mut ReadTx<'_>| {
        Ok::<_, StoreError>((tx.member_counts(scope, id)?, tx.members(scope, id, None, None, 100_000)?))
    };
    let (kept, members) = app.services.store.read(read).await.expect("it reads");
    let kept =
        kept.iter().map(|c| ((c.status.code(), c.reason.map(Reason::code), c.answer.code()), c.members)).collect();
    let mut counted = Standing::new();
    for one in members {
        *counted.entry((one.status.code(), one.reason.map(Reason::code), one.answer.code())).or_default() += 1;
    }
    (kept, counted)
}

both_engines! {
    async fn the_counters_of_a_round_agree_with_its_members_whatever_happens_to_them(app: TestApp) {
        let (scope, id) = (app.scope, round(&app).await);
        let mut dice = Dice(0x5eed_cafe);
        let mut people: Vec<SubjectId> = Vec::new();
        for step in 0..120 {
            let now = app.services.clock.now();
            let some: Vec<SubjectId> = (0..if people.is_empty() { 0 } else { dice.below(40) }).map(|_| dice.of(&people)).collect();
            match dice.below(6) {
                0 | 1 => {
                    let new: Vec<Member> = (0..=dice.below(60)).map(|_| member(&app, id, &mut dice)).collect();
                    // Every third time the call fails after it wrote: nothing of it may be counted.
                    let fails = step % 3 == 0;
                    let rows = new.clone();
                    let write = move |tx: &mut WriteTx<'_>| {
                        tx.insert_members(&rows)?;
                        if fails { Err(StoreError::NotFound) } else { Ok(()) }
                    };
                    if app.services.store.write(dice_route(&mut dice), write).await.is_ok() {
                        people.extend(new.iter().map(|row| row.subject_id));
                    }
                }
                2 => {
                    let (status, reason) = (dice.of(MemberStatus::ALL), (dice.below(2) == 0).then(|| dice.of(Reason::ALL)));
                    let write = move |tx: &mut WriteTx<'_>| tx.set_member_statuses(scope, id, &some, status, reason);
                    app.services.store.write(dice_route(&mut dice), write).await.expect("statuses are set");
                }
                3 => {
                    let answer = dice.of(Answer::ALL);
                    let write = move |tx: &mut WriteTx<'_>| tx.set_member_answers(scope, id, &some, answer, now);
                    app.services.store.write(dice_route(&mut dice), write).await.expect("answers are set");
                }
                4 => {
                    let Some(one) = some.first().copied() else { continue };
                    let status = dice.of(MemberStatus::ALL);
                    let write = move |tx: &mut WriteTx<'_>| tx.set_member_status(scope, id, one, status, None);
                    app.services.store.write(dice_route(&mut dice), write).await.expect("a status is set");
                }
                _ => {
                    let Some(one) = some.first().copied() else { continue };
                    let key = match app.engine {
                        Engine::Sqlite => format!("x'{}'", one.uuid().simple()),
                        Engine::Postgres => format!("'{}'", one.uuid()),
                    };
                    by_hand(&app, &format!("DELETE FROM campaign_members WHERE subject_id = {key}")).await;
                    people.retain(|known| *known != one);
                }
            }
            let (kept, counted) = both(&app, id).await;
            assert_eq!(kept, counted, "after step {step}");
        }
        assert!(people.len() > 200, "there was something to count: {}", people.len());
        by_hand(&app, "DELETE FROM campaign_members").await;
        let (kept, counted) = both(&app, id).await;
        assert!(kept.is_empty() && counted.is_empty(), "{kept:?}");
    }

    async fn a_queue_beyond_the_bound_is_measured_no_further(app: TestApp) {
        let (scope, now) = (app.scope, app.services.clock.now());
        let ids = app.services.ids.clone();
        let write = move |tx: &mut WriteTx<'_>| {
            for _ in 0..25 {
                let tasks: Vec<Task> = (0..500).map(|_| Task::new(scope, TaskKind::Sync, ids.row(), 1, now, now)).collect();
                tx.enqueue(&tasks)?;
            }
            tx.enqueue(&[Task::new(scope, TaskKind::Launch, ids.row(), 1, now, now)])
        };
        app.services.store.write(Uuid::nil(), write).await.expect("work is asked for");
        let counts = app.services.store.read(|tx: &mut ReadTx<'_>| tx.outbox_counts()).await.expect("it counts");
        let counts: Vec<_> = counts.iter().map(|c| (c.kind, c.state, c.rows)).collect();
        let queued = TaskState::Queued.code();
        assert_eq!(counts, [(TaskKind::Sync.code(), queued, COUNTED + 1), (TaskKind::Launch.code(), queued, 1)]);
    }

    async fn work_that_is_planned_for_later_stands_in_nobodys_way(app: TestApp) {
        let (scope, now) = (app.scope, app.services.clock.now());
        let later = now.plus(Duration::from_secs(3600));
        let ids = app.services.ids.clone();
        let task = move |lane, due| Task::new(scope, TaskKind::Mail, ids.row(), lane, due, now);
        let planned: Vec<Task> = (0..200).map(|_| task(1, later)).collect();
        let due = [task(5, now), task(3, now), task(1, now), task(5, now)];
        let expected: Vec<_> = [2, 1].map(|n: usize| due[n].reference).to_vec();
        let rest = [due[0].reference, due[3].reference];
        let (all, lease) = ([planned, due.to_vec()].concat(), Duration::from_secs(60));
        let (first, second) = app.services.store.write(Uuid::nil(), move |tx: &mut WriteTx<'_>| {
            tx.enqueue(&all)?;
            Ok::<_, StoreError>((tx.claim(TaskKind::Mail, 2, now, lease)?, tx.claim(TaskKind::Mail, 100, now, lease)?))
        }).await.expect("it claims");
        assert_eq!(first.iter().map(|task| task.reference).collect::<Vec<_>>(), expected, "lower lanes first");
        let second: Vec<_> = second.iter().map(|task| task.reference).collect();
        assert!(second.len() == 2 && rest.iter().all(|task| second.contains(task)), "only what is due: {second:?}");
    }

    async fn a_mail_goes_when_its_retention_time_is_over_and_the_events_stay(app: TestApp) {
        let (form, _) = app.form_for("newsletter").await;
        for name in ["ana", "ben", "cleo"] {
            let body = json!({ "email": format!("{name}@example.org"), "choices": { "newsletter": "yes" } });
            app.nobody().post(&format!("/f/{form}"), body).await.expect(202);
        }
        let (scope, now) = (app.scope, app.services.clock.now());
        let mut people = Vec::new();
        for name in ["ana", "ben", "cleo"] {
            people.push(app.subject_of(&format!("{name}@example.org")).await);
        }
        // Ana's mail is over. Ben's is over, and work on it is left; Cleo's is not over.
        let (ana, ben) = (people[0], people[1]);
        app.services.store.write(Uuid::nil(), move |tx: &mut WriteTx<'_>| {
            for (subject, drop) in [(ana, true), (ben, false)] {
                let mail = tx.mails_of(scope, subject, 10)?.remove(0);
                tx.settle_mail(scope, mail.id, MailState::Accepted, 0, Some("250"), Some(now))?;
                if drop {
                    let task = tx.task(scope, TaskKind::Mail, mail.id.uuid())?.ok_or(StoreError::NotFound)?;
                    tx.drop_tasks(TaskKind::Mail, &[(scope.controller(), task.reference)])?;
                }
            }
            Ok::<_, StoreError>(())
        }).await.expect("two mails are over");
        let events = app.events_of("ana@example.org").await;

        app.clock.advance_days(399);
        assert_eq!(forget_mails(&app.services, scope).await.expect("it looks"), 0, "not a day too soon");
        app.clock.advance_days(2);
        assert_eq!(forget_mails(&app.services, scope).await.expect("it looks"), 1);
        assert_eq!(forget_mails(&app.services, scope).await.expect("it looks"), 0);
        for (subject, mails) in people.iter().zip([0, 1, 1]) {
            let list = app.api().get(&format!("/v1/subjects/{subject}/mails")).await.expect(200).json;
            assert_eq!(list["items"].as_array().map(Vec::len), Some(mails), "{list}");
        }
        assert_eq!(app.events_of("ana@example.org").await, events);
    }
}

fn dice_route(dice: &mut Dice) -> Uuid {
    Uuid::from_u128(u128::try_from(dice.below(256)).expect("a small number fits"))
}

/// Two writers count into rows of their own: neither waits for the other's commit.
mod writers_do_not_wait_for_each_others_counters {
    use super::*;

    async fn body(app: TestApp) {
        let id = round(&app).await;
        let mut dice = Dice(7);
        let mut people = [(); 2].map(|()| member(&app, id, &mut dice));
        for one in &mut people {
            (one.status, one.reason) = (MemberStatus::Queued, None);
        }
        let rows = people.clone();
        app.services
            .store
            .write(Uuid::nil(), move |tx: &mut WriteTx<'_>| tx.insert_members(&rows))
            .await
            .expect("two people");
        let (mut one, mut other) = (client(&app).await, client(&app).await);
        let (first, second) =
            (one.transaction().await.expect("it begins"), other.transaction().await.expect("it begins"));
        let delivered =
            |one: &Member| format!("UPDATE campaign_members SET status = 2 WHERE subject_id = '{}'", one.subject_id);
        second.batch_execute("SET LOCAL lock_timeout = '2s'").await.expect("a setting");
        assert_eq!(first.execute(&delivered(&people[0]), &[]).await.expect("the first writes"), 1);
        assert_eq!(second.execute(&delivered(&people[1]), &[]).await.expect("the second does not wait"), 1);
        second.commit().await.expect("the second commits first");
        first.commit().await.expect("then the first");
        let (kept, counted) = both(&app, id).await;
        assert_eq!(kept, counted);
        let shards = client(&app)
            .await
            .query_one("SELECT count(DISTINCT shard) FROM campaign_counts", &[])
            .await
            .expect("it counts");
        assert_eq!(shards.get::<_, i64>(0), 3, "the service's writer and these two");
    }

    #[test]
    fn on_postgres() {
        crate::support::run(Engine::Postgres, body);
    }
}

both_engines! {
    async fn the_planner_learns_how_large_tables_have_grown_and_each_once(app: TestApp) {
        let lines = |n: usize| format!("({n})");
        let filler = (0..5000).map(lines).collect::<Vec<_>>().join(",");
        by_hand(&app, &format!("CREATE TABLE grown (n BIGINT PRIMARY KEY); INSERT INTO grown VALUES {filler};")).await;
        app.services.store.refresh_statistics().await.expect("the first look");
        let again = app.services.store.refresh_statistics().await.expect("the second look");
        assert!(again.is_empty(), "{again:?} were known already");
        if app.engine == Engine::Postgres {
            let known = "SELECT reltuples::bigint FROM pg_class WHERE relname = 'grown' AND relnamespace = current_schema()::regnamespace";
            let rows: i64 = client(&app).await.query_one(known, &[]).await.expect("it is there").get(0);
            assert_eq!(rows, 5000);
        }
    }
}
