//! When a version writes, what is sealed anew, and when one may go.

use reconsent::crypto::RootKeys;
use reconsent::domain::task::TaskKind;
use reconsent::store::ReadTx;
use reconsent::usecases::Services;
use reconsent::usecases::clockwork::forget_old;
use serde_json::json;

use super::*;
use crate::support::ROOT_KEY;

/// Whether the worker is asked to seal rows anew, and from when on.
async fn asked_from(app: &TestApp) -> Option<reconsent::domain::time::Timestamp> {
    let scope = app.scope;
    let task = move |tx: &mut ReadTx<'_>| tx.task(scope, TaskKind::Reseal, scope.controller().uuid());
    app.services.store.read(task).await.unwrap().map(|task| task.due_at)
}

/// Another process on the same database, with keys of its own.
fn neighbour(app: &TestApp) -> Services {
    let house = &app.services;
    let root = RootKeys::parse(ROOT_KEY, None).unwrap();
    let rules = (*house.rules).clone();
    Services::new(house.store.clone(), root, Arc::clone(&house.clock), Arc::clone(&house.ids), rules, &app.base)
}

both_engines! {
    async fn a_new_version_writes_when_every_process_has_read_it(app: TestApp) {
        let neighbour = neighbour(&app);
        let mark = |keys: &reconsent::crypto::ControllerKeys| keys.suppression_fingerprint("email", "ana@example.org");
        let before = neighbour.keys.of(app.scope).await.unwrap();
        rotate(&app, KeyUse::Data).await;
        rotate(&app, KeyUse::Suppression).await;
        assert_eq!(standing(&app, KeyUse::Data, 1).await, VersionStanding::Current);
        assert_eq!(standing(&app, KeyUse::Data, 2).await, VersionStanding::Coming);
        let here = app.services.keys.of(app.scope).await.unwrap();
        assert_eq!((here.writes(KeyUse::Data), mark(&here).0), (1, 1), "the neighbour does not know the new version");
        assert!(before.suppression_candidates("email", "ana@example.org").contains(&mark(&here).1));
        assert!(Resealing::begin(&app.services, app.scope).await.unwrap().is_err(), "it is too soon to seal anew");

        app.clock.advance(SETTLING);
        let (here, there) = (app.services.keys.of(app.scope).await.unwrap(), neighbour.keys.of(app.scope).await.unwrap());
        assert_eq!((here.writes(KeyUse::Data), mark(&here).0), (2, 2));
        assert!(there.suppression_candidates("email", "ana@example.org").contains(&mark(&here).1));
        assert_eq!(standing(&app, KeyUse::Data, 1).await, VersionStanding::Old);
        assert_eq!(standing(&app, KeyUse::Data, 2).await, VersionStanding::Current);
    }

    async fn sealing_anew_goes_on_where_it_broke_off_and_two_at_once_do_no_harm(app: TestApp) {
        let everybody = people(&app, 450).await;
        let (erased, late) = (everybody[5], everybody[440]);
        let unerased = rows(&app, KeyUse::Data, 1, KeyedRows::People).await;
        rotate(&app, KeyUse::Data).await;
        let all = rows(&app, KeyUse::Data, 1, KeyedRows::People).await;
        assert_eq!(all, unerased + 1, "a decoy came with the rotation");
        assert_eq!(asked_from(&app).await, Some(app.services.clock.now().plus(app.services.keys.settled())));
        app.clock.advance(SETTLED);
        erase(&app, erased).await;

        let first = resealing(&app).await;
        assert!(first.step().await.unwrap());
        drop(first);
        let left = rows(&app, KeyUse::Data, 1, KeyedRows::People).await;
        assert!(left > 0 && left < all, "{left} of {all}: it broke off half-way");
        erase(&app, late).await;
        let (second, third) = (resealing(&app).await, resealing(&app).await);
        tokio::join!(finish(&second), finish(&third));
        assert_eq!(rows(&app, KeyUse::Data, 1, KeyedRows::People).await, 0);
        assert_eq!(rows(&app, KeyUse::Data, 2, KeyedRows::People).await, all - 2);

        app.clock.advance(FREE);
        assert_eq!(retire(&app, KeyUse::Data, 1).await, Ok(()));
        for (n, id) in everybody.iter().enumerate().step_by(7).filter(|(_, id)| **id != erased && **id != late) {
            assert_eq!(shown(&app, *id).await, format!("person{n}@example.org"));
        }
        for id in [erased, late] {
            let row = app.services.store.read({ let scope = app.scope; move |tx: &mut ReadTx<'_>| tx.subject(scope, id) }).await;
            assert!(row.unwrap().wrapped_key.is_empty(), "who was erased stays erased");
        }
    }

    async fn a_version_stays_while_it_writes_while_somebody_may_hold_it_and_while_rows_rest_on_it(app: TestApp) {
        let everybody = people(&app, 3).await;
        let sender = json!({"name": "Acme", "address": "news@acme.example", "postal": "1 Rose Lane, York"});
        app.api().once("kept").post("/v1/senders", sender).await.expect(201);
        assert_eq!(retire(&app, KeyUse::Data, 1).await, Err(StillNeeded::InUse(VersionStanding::Current)));
        assert_eq!(retire(&app, KeyUse::Data, 7).await, Err(StillNeeded::Unknown));
        assert_eq!(retire(&app, KeyUse::Index, 1).await, Err(StillNeeded::InUse(VersionStanding::Current)));
        rotate(&app, KeyUse::Data).await;
        assert_eq!(retire(&app, KeyUse::Data, 2).await, Err(StillNeeded::InUse(VersionStanding::Coming)));
        let made = app.services.clock.now();
        app.clock.advance(SETTLED);
        assert!(matches!(retire(&app, KeyUse::Data, 1).await, Err(StillNeeded::TooSoon(at)) if at > made.plus(SETTLED)));
        app.clock.advance(FREE - SETTLED);
        let Err(StillNeeded::Rows(needed)) = retire(&app, KeyUse::Data, 1).await else { panic!("it was not refused") };
        assert!(needed.contains(&(KeyedRows::People, 5)) && needed.contains(&(KeyedRows::KeptAnswers, 1)), "{needed:?}");
        assert!(asked_from(&app).await.is_some_and(|due| due <= app.services.clock.now()), "the work is asked for again");

        finish(&resealing(&app).await).await;
        let kept = vec![(KeyedRows::People, 0), (KeyedRows::Destinations, 0), (KeyedRows::Connections, 0), (KeyedRows::Imports, 0),
            (KeyedRows::ImportPieces, 0), (KeyedRows::KeptAnswers, 1), (KeyedRows::Findings, 0)];
        assert_eq!(retire(&app, KeyUse::Data, 1).await, Err(StillNeeded::Rows(kept)));
        app.clock.advance_days(2);
        forget_old(&app.services).await.unwrap();
        assert_eq!(retire(&app, KeyUse::Data, 1).await, Ok(()));
        assert_eq!(retire(&app, KeyUse::Data, 1).await, Err(StillNeeded::InUse(VersionStanding::Retired)));
        let scope = app.scope;
        let keys = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.controller_keys(scope)).await.unwrap();
        let destroyed = keys.iter().find(|key| key.key_use == "data" && key.version == 1).unwrap();
        assert!(destroyed.sealed.is_empty() && destroyed.retired_at.is_some());
        assert_eq!(shown(&app, everybody[0]).await, "person0@example.org");
        rotate(&app, KeyUse::Data).await;
        assert_eq!(standing(&app, KeyUse::Data, 3).await, VersionStanding::Coming, "no number is given twice");
    }

    async fn marks_of_the_never_mail_list_keep_their_key_and_are_found_under_it(app: TestApp) {
        rotate(&app, KeyUse::Suppression).await;
        app.clock.advance(FREE);
        assert_eq!(retire(&app, KeyUse::Suppression, 1).await, Ok(()), "nothing rested on it");
        let stop = json!({"email": "ana@example.org", "reason": "manual"});
        app.api().post("/v1/suppressions", stop).await.expect(200);
        rotate(&app, KeyUse::Suppression).await;
        app.clock.advance(FREE);
        let needed = vec![(KeyedRows::Suppressions, 1)];
        assert_eq!(retire(&app, KeyUse::Suppression, 2).await, Err(StillNeeded::Rows(needed)));
        assert_eq!(asked_from(&app).await, None, "they cannot be made anew");
        assert_eq!(standing(&app, KeyUse::Suppression, 2).await, VersionStanding::Old);
    }
}

async fn erase(app: &TestApp, id: SubjectId) {
    let (scope, now) = (app.scope, app.services.clock.now());
    let erased = move |tx: &mut WriteTx<'_>| tx.erase_subject(scope, id, id.uuid().as_bytes(), now);
    app.services.store.write(id.uuid(), erased).await.unwrap();
}
