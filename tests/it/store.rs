//! The store's promises, on both engines: group commit, back-pressure, migrations there and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::prelude::*;
use reconsent::domain::campaign::CampaignAct;
use reconsent::domain::ids::{ControllerId, TokenId};
use reconsent::store::controllers::ApiToken;
use reconsent::store::{Command, DatabaseUrl, Outcomes, ReadTx, SchemaStanding, Store, StoreError, WriteTx};
use reconsent::usecases::Error;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::support::{Engine, TestApp};

fn token(app: &TestApp, n: usize) -> ApiToken {
    ApiToken {
        hash: format!("hash {n}").into_bytes(),
        id: TokenId::from_uuid(app.services.ids.row()),
        controller_id: Some(app.scope.controller()),
        name: format!("token {n}"),
        scopes: "settings".to_owned(),
        created_at: app.services.clock.now(),
        expires_at: None,
        revoked_at: None,
    }
}

/// A command of the tests' own: a token for each, written together; some cannot be written.
struct NewToken {
    row: ApiToken,
    refuse: bool,
    runs: Arc<AtomicUsize>,
}

impl Command for NewToken {
    type Answer = ();
    type Error = StoreError;

    fn route(&self) -> Uuid {
        self.row.id.uuid()
    }

    fn carry_out(all: &[&Self], tx: &mut WriteTx<'_>) -> Result<Outcomes<Self>, StoreError> {
        for one in all {
            one.runs.fetch_add(1, Ordering::SeqCst);
            if !one.refuse {
                tx.insert_token(&one.row)?;
            }
        }
        Ok(all.iter().map(|one| if one.refuse { Err(StoreError::NotFound) } else { Ok(()) }).collect())
    }
}

/// A command that a busy house turns away last.
struct Last;

impl Command for Last {
    type Answer = ();
    type Error = StoreError;
    const URGENT: bool = true;

    fn route(&self) -> Uuid {
        Uuid::nil()
    }

    fn carry_out(all: &[&Self], _: &mut WriteTx<'_>) -> Result<Outcomes<Self>, StoreError> {
        Ok(all.iter().map(|_| Ok(())).collect())
    }
}

both_engines! {
    async fn a_command_that_cannot_be_carried_out_fails_alone_and_its_neighbours_are_kept(app: TestApp) {
        let runs = Arc::new(AtomicUsize::new(0));
        let taken = token(&app, 1000);
        let row = taken.clone();
        app.services.store.write(Uuid::nil(), move |tx: &mut WriteTx<'_>| tx.insert_token(&row)).await.expect("a token");
        let mut all = Vec::new();
        for n in 0..200 {
            let (store, mut row) = (app.services.store.clone(), token(&app, n));
            if n % 50 == 7 {
                row.hash = taken.hash.clone();
            }
            let command = NewToken { row, refuse: n % 50 == 8, runs: Arc::clone(&runs) };
            all.push(tokio::spawn(async move { store.submit(command).await }));
        }
        let (mut done, mut conflicts, mut refused) = (0, 0, 0);
        for one in all {
            match one.await.expect("no command panics") {
                Ok(()) => done += 1,
                Err(StoreError::Conflict) => conflicts += 1,
                Err(StoreError::NotFound) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!((done, conflicts, refused), (192, 4, 4));
        let scope = app.scope;
        let kept = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.tokens(Some(scope))).await.expect("tokens are read");
        assert_eq!(kept.iter().filter(|t| t.name.starts_with("token ")).count(), 193, "each that was answered, once");
        assert!(runs.load(Ordering::SeqCst) < 200 * 12, "halves are run again, not each by itself: {runs:?}");
    }

    async fn commands_submitted_together_have_an_outcome_each_in_their_order(app: TestApp) {
        let runs = Arc::new(AtomicUsize::new(0));
        let taken = token(&app, 1000);
        let row = taken.clone();
        app.services.store.write(Uuid::nil(), move |tx: &mut WriteTx<'_>| tx.insert_token(&row)).await.expect("a token");
        let commands = (0..60).map(|n| {
            let mut row = token(&app, n);
            if n == 31 {
                row.hash = taken.hash.clone();
            }
            NewToken { row, refuse: n == 5, runs: Arc::clone(&runs) }
        });
        let outcomes = app.services.store.submit_all(commands.collect()).await;
        assert_eq!(outcomes.len(), 60);
        for (n, outcome) in outcomes.into_iter().enumerate() {
            match (n, outcome) {
                (5, Err(StoreError::NotFound)) | (31, Err(StoreError::Conflict)) => {}
                (_, outcome) => outcome.unwrap_or_else(|error| panic!("{n}: {error}")),
            }
        }
        assert!(runs.load(Ordering::SeqCst) < 60 * 8, "{runs:?}");
        assert!(app.services.store.submit_all(Vec::<NewToken>::new()).await.is_empty());
    }

    async fn what_must_not_be_refused_still_finds_a_place_in_a_full_queue(app: TestApp) {
        let mut calls = Vec::new();
        for _ in 0..3000 {
            let store = app.services.store.clone();
            calls.push(tokio::spawn(async move {
                store.write(Uuid::nil(), |_: &mut WriteTx<'_>| {
                    std::thread::sleep(std::time::Duration::from_micros(300));
                    Ok::<_, StoreError>(())
                }).await
            }));
        }
        while app.services.store.write_queue_depth() < 900 {
            tokio::task::yield_now().await;
        }
        let (mut urgent, mut turned_away) = (Vec::new(), 0);
        for _ in 0..50 {
            let store = app.services.store.clone();
            urgent.push(tokio::spawn(async move { store.submit(Last).await }));
        }
        for one in urgent {
            one.await.expect("no command panics").expect("there is a place for it");
        }
        for call in calls {
            turned_away += usize::from(call.await.expect("no call panics").is_err());
        }
        assert!(turned_away > 0, "the queue was full for others");
    }

    async fn a_call_that_fails_is_rolled_back_alone_and_its_neighbours_are_kept(app: TestApp) {
        let runs = Arc::new(AtomicUsize::new(0));
        let mut calls = Vec::new();
        for n in 0..120 {
            let (store, row, runs) = (app.services.store.clone(), token(&app, n), Arc::clone(&runs));
            calls.push(tokio::spawn(async move {
                store.write(Uuid::nil(), move |tx: &mut WriteTx<'_>| {
                    runs.fetch_add(1, Ordering::SeqCst);
                    tx.insert_token(&row)?;
                    match n % 40 {
                        // Refused after it wrote: must leave nothing behind.
                        7 => Err(Error::Campaign(reconsent::domain::campaign::CampaignRefusal {
                            status: reconsent::domain::campaign::CampaignStatus::Draft, act: CampaignAct::Close,
                        })),
                        // Breaks a unique key: spoils the transaction on PostgreSQL.
                        11 => tx.insert_token(&row).map_err(Error::from),
                        _ => Ok(()),
                    }
                }).await
            }));
        }
        let mut failed = 0;
        for call in calls {
            failed += usize::from(call.await.expect("no call panics").is_err());
        }
        assert_eq!(failed, 6);
        let scope = app.scope;
        let kept = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.tokens(Some(scope))).await.expect("tokens are read");
        let kept = kept.iter().filter(|t| t.name.starts_with("token ")).count();
        assert_eq!(kept, 114, "every call but the six is kept, and none twice");
    }

    async fn a_panic_in_a_call_is_that_calls_failure_alone(app: TestApp) {
        let store = &app.services.store;
        let boom = store.write(Uuid::nil(), |_: &mut WriteTx<'_>| -> Result<(), StoreError> { panic!("boom") });
        let fine = store.write(Uuid::nil(), |tx: &mut WriteTx<'_>| tx.forget_answers(reconsent::domain::time::Timestamp::from_micros(0)));
        let (boom, fine) = tokio::join!(boom, fine);
        assert!(matches!(boom, Err(StoreError::Failed(_))));
        assert!(fine.is_ok());
    }

    async fn a_full_queue_answers_busy_at_once(app: TestApp) {
        let mut calls = Vec::new();
        for _ in 0..3000 {
            let store = app.services.store.clone();
            calls.push(tokio::spawn(async move {
                store.write(Uuid::nil(), |_: &mut WriteTx<'_>| {
                    std::thread::sleep(std::time::Duration::from_micros(300));
                    Ok::<_, StoreError>(())
                }).await
            }));
        }
        let (mut done, mut busy) = (0, 0);
        for call in calls {
            match call.await.expect("no call panics") {
                Ok(()) => done += 1,
                Err(StoreError::Busy(_)) => busy += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(done >= 1000 && busy > 0, "{done} done, {busy} busy: the queue holds 1,000");
    }

    async fn migrations_go_down_and_up_again_and_a_newer_schema_is_refused(app: TestApp) {
        let (url, runtime) = (DatabaseUrl::parse(app.database_url()).expect("an address"), Handle::current());
        let (address, engine) = (app.database_url().to_owned(), app.engine);
        tokio::task::spawn_blocking(move || {
            assert_eq!(Store::schema_standing(&url).expect("it compares"), SchemaStanding::Current);
            Store::revert_last(&url).expect("it goes down");
            assert_eq!(Store::schema_standing(&url).expect("it compares"), SchemaStanding::Behind(1));
            assert_eq!(Store::migrate(&url).expect("it goes up").len(), 1);
            let statement = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000001')";
            match engine {
                Engine::Sqlite => {
                    let path = address.strip_prefix("sqlite:").expect("a file");
                    let mut conn = SqliteConnection::establish(path).expect("the file opens");
                    diesel::sql_query(statement).execute(&mut conn).expect("a version is written");
                }
                Engine::Postgres => {
                    runtime.block_on(async {
                        let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.expect("it connects");
                        tokio::spawn(connection);
                        client.batch_execute(statement).await.expect("a version is written");
                    });
                }
            }
            assert_eq!(Store::schema_standing(&url).expect("it compares"), SchemaStanding::Newer("99991231000001".into()));
            assert!(Store::migrate(&url).is_err());
        }).await.expect("the check does not panic");
    }

    async fn a_controller_sees_nothing_of_another(app: TestApp) {
        let nobody = reconsent::domain::ids::ControllerScope::granted(ControllerId::from_uuid(Uuid::from_u128(9)));
        let tokens = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.tokens(Some(nobody))).await.expect("it reads");
        assert!(tokens.is_empty());
    }
}
