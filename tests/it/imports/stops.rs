//! Who stopped it stays stopped, whatever a list says; and lists of people who must not be mailed.

use super::*;

both_engines! {
    async fn a_suppressed_address_stays_suppressed_and_is_reported(app: TestApp) {
        let newsletter = purpose(&app, "newsletter").await;
        purpose(&app, "offers").await;
        let query = format!("kind=contacts&purposes=newsletter&{DECLARED}");
        import(&app, &query, "email\nana@example.org\nben@example.org\n").await;
        act(&app, "ana@example.org", newsletter, Command::Withdraw { reason: SuppressionReason::Withdrawn }).await;
        act(&app, "ben@example.org", newsletter, give(&app)).await;
        let done = import(&app, &query, "email,name\nana@example.org,Ana\nben@example.org,Ben\ncleo@example.org,Cleo\n").await;
        let rows = report(&app, &done).await;
        let seen: Vec<&str> = rows.iter().map(|(_, outcome, _)| outcome.as_str()).collect();
        assert_eq!(seen, ["suppressed", "already_confirmed", "added"]);
        assert_eq!(consent(&app, "ana@example.org").await.state, ConsentState::Withdrawn);
        assert!(subject(&app, "ana@example.org").await.unwrap().name.is_none(), "nothing is taken in about somebody who stopped");
        // Another purpose is not stopped by that, and says so.
        let both = import(&app, &format!("kind=contacts&purposes=newsletter,offers&{DECLARED}"), "email\nana@example.org\n").await;
        let rows = report(&app, &both).await;
        assert_eq!((rows[0].1.as_str(), rows[0].2.as_str()), ("updated", "newsletter: on the never-mail list, and stays there (RP-04)"));
    }

    async fn an_erased_address_is_blocked_and_nobody_is_created_for_it(app: TestApp) {
        purpose(&app, "newsletter").await;
        let query = format!("kind=contacts&purposes=newsletter&{DECLARED}");
        import(&app, &query, "email\nana@example.org\n").await;
        import(&app, "kind=do-not-mail", "email\nana@example.org\n").await;
        let (scope, ana) = (app.scope, subject(&app, "ana@example.org").await.unwrap().id);
        let now = app.services.clock.now();
        let erased = app.services.store.write(ana.uuid(), move |tx: &mut WriteTx<'_>| {
            tx.erase_subject(scope, ana, ana.uuid().as_bytes(), now).map_err(Error::from)
        });
        erased.await.unwrap();
        app.clock.advance_days(1);
        let done = import(&app, &query, "email\nana@example.org\n").await;
        let page = app.api().get(&format!("/v1/imports/{}/rows", done["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(page.json["items"][0]["outcome"], "suppressed");
        assert_eq!(page.json["items"][0].get("subject_id"), None);
        assert!(subject(&app, "ana@example.org").await.is_none());
    }

    async fn a_do_not_mail_list_suppresses_and_stops(app: TestApp) {
        let newsletter = purpose(&app, "newsletter").await;
        let offers = purpose(&app, "offers").await;
        let contacts = format!("kind=contacts&purposes=newsletter,offers&{DECLARED}");
        import(&app, &contacts, "email\nana@example.org\nben@example.org\n").await;
        act(&app, "ana@example.org", newsletter, give(&app)).await;
        act(&app, "ana@example.org", offers, give(&app)).await;
        act(&app, "ben@example.org", newsletter, give(&app)).await;
        act(&app, "ben@example.org", offers, give(&app)).await;

        let done = import(&app, "kind=do-not-mail", "email,name\nANA@example.org,\"broken\" name\nunknown@example.org,x\nana@example.org,x\nnobody,x\n").await;
        let seen = outcomes(&done);
        assert_eq!(seen, BTreeMap::from([("opt_out_recorded".to_owned(), 2), ("duplicate".to_owned(), 1), ("invalid_address".to_owned(), 1)]));
        let ana = subject(&app, "ana@example.org").await.unwrap();
        assert!(consents(&app, ana.id).await.iter().all(|row| row.state == ConsentState::Withdrawn));
        assert!(sync_is_asked_for(&app, ana.id).await, "the destinations follow");
        assert!(subject(&app, "unknown@example.org").await.is_none(), "nobody is created");
        let blocked = import(&app, &contacts, "email\nunknown@example.org\n").await;
        assert_eq!(outcomes(&blocked), BTreeMap::from([("suppressed".to_owned(), 1)]));

        // With purposes named, only these stop.
        import(&app, "kind=do-not-mail&purposes=offers", "email\nben@example.org\n").await;
        let ben = subject(&app, "ben@example.org").await.unwrap();
        let states: BTreeMap<PurposeId, ConsentState> = consents(&app, ben.id).await.iter().map(|row| (row.purpose_id, row.state)).collect();
        assert_eq!(states, BTreeMap::from([(newsletter, ConsentState::Confirmed), (offers, ConsentState::Withdrawn)]));
        let again = import(&app, "kind=do-not-mail&purposes=offers", "email\nben@example.org\n").await;
        assert_eq!(report(&app, &again).await[0].2, "was on the never-mail list already");
    }
}
