//! When a version writes.

use reconsent::crypto::RootKeys;
use reconsent::usecases::Services;

use super::*;
use crate::support::ROOT_KEY;

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
        let here = app.services.keys.of(app.scope).await.unwrap();
        assert_eq!((here.writes(KeyUse::Data), mark(&here).0), (1, 1), "the neighbour does not know the new version");
        assert!(before.suppression_candidates("email", "ana@example.org").contains(&mark(&here).1));

        app.clock.advance(SETTLING);
        let (here, there) = (app.services.keys.of(app.scope).await.unwrap(), neighbour.keys.of(app.scope).await.unwrap());
        assert_eq!((here.writes(KeyUse::Data), mark(&here).0), (2, 2));
        assert!(there.suppression_candidates("email", "ana@example.org").contains(&mark(&here).1));
    }
}
