//! What a list claims: recorded with its evidence, row by row, and nobody confirmed by it.

use super::*;

both_engines! {
    async fn an_import_records_basis_evidence_and_validity_and_confirms_nobody(app: TestApp) {
        let newsletter = purpose(&app, "newsletter").await;
        let answer = upload(&app, &format!("kind=contacts&purposes=newsletter&name=Old%20list&{DECLARED}"),
            "email,name,Shoe size\nana@example.org,Ana Maria,38\nBEN@example.org,,\n").await;
        assert_eq!(answer.header("location"), format!("/v1/imports/{}", answer.text("id")));
        assert_eq!(answer.text("status"), "queued");
        let scope = app.scope;
        let id: ImportId = answer.text("id").parse().unwrap();
        let task = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.task(scope, TaskKind::Import, id.uuid())).await;
        assert!(task.unwrap().is_some(), "the work is asked for in the same commit");

        let done = work(&app, &answer.text("id")).await;
        assert_eq!((done["status"].as_str(), done["accepted"].as_i64(), done["refused"].as_i64()), (Some("done"), Some(2), Some(0)));
        assert_eq!(report(&app, &done).await, [(2, "added".to_owned(), String::new()), (3, "added".to_owned(), String::new())]);

        let ana = subject(&app, "ana@example.org").await.unwrap();
        let row = consents(&app, ana.id).await.remove(0);
        assert_eq!((row.purpose_id, row.state), (newsletter, ConsentState::Unknown), "an import never confirms anybody");
        assert_eq!((row.basis_kind, row.basis_evidenced), (Some(BasisKind::Consent), true));
        assert_eq!(row.basis_collected_at, Some(Timestamp::parse("2026-03-01").unwrap()));
        assert_eq!(row.basis_valid_until, Some(Timestamp::parse("2028-03-01").unwrap()), "counted from collection");
        assert!(!sync_is_asked_for(&app, ana.id).await, "an import never writes to a destination");

        let keys = app.services.keys.of(app.scope).await.unwrap();
        let person = Person::open(app.scope, &keys, ana.clone()).unwrap();
        assert_eq!(person.name().unwrap().unwrap().as_str(), "Ana Maria");
        assert_eq!(person.fields().unwrap().unwrap(), json!({ "shoe-size": "38" }));
        let events = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.events_of(scope, ana.id, None, 10)).await.unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].method, events[0].source.clone()), (Method::Import, Some(format!("import:{id}"))));
        let sealed = events[0].evidence.as_ref().unwrap();
        let evidence = person.key.open("consent_events", "evidence", events[0].id.uuid(), sealed).unwrap();
        let evidence: Value = serde_json::from_slice(&evidence).unwrap();
        assert_eq!((evidence["declared"]["attester"].as_str(), evidence["line"].as_i64()), (Some("B. Lee"), Some(2)));
        assert_eq!(evidence["import"]["name"], "Old list");
    }

    async fn what_is_missing_means_no_evidence(app: TestApp) {
        purpose(&app, "newsletter").await;
        let done = import(&app, "kind=contacts&purposes=newsletter&basis=consent", "email\nana@example.org\n").await;
        let rows = report(&app, &done).await;
        assert_eq!(rows[0].1, "added");
        assert!(rows[0].2.starts_with("no evidence, so not to be mailed: the collection time is missing"), "{}", rows[0].2);
        assert!(!consent(&app, "ana@example.org").await.basis_evidenced);
        let none = import(&app, "kind=contacts&purposes=newsletter", "email\nben@example.org\n").await;
        assert_eq!(report(&app, &none).await[0].2, "no evidence, so not to be mailed: no basis is claimed");
    }

    async fn a_row_overrides_what_was_declared_for_the_list(app: TestApp) {
        purpose(&app, "newsletter").await;
        let done = import(&app, &format!("kind=contacts&purposes=newsletter&{DECLARED}&refusal_offered=yes"),
            "email,basis,collected_at,valid_until,sale_ref,similar_products_scope,charitable_interest\n\
             a@example.org,none,,,,,\n\
             b@example.org,soft_opt_in,2026-05-01,2027-01-31,INV-7,garden tools,\n\
             c@example.org,soft_opt_in,2026-05-01,,,,\n\
             d@example.org,charity_soft_opt_in,2026-02-04,,,,gave\n\
             e@example.org,charity_soft_opt_in,2026-02-05,,,,gave\n\
             f@example.org,corporate,,,,,\n").await;
        assert_eq!(outcomes(&done), BTreeMap::from([("added".to_owned(), 6)]));
        let mut found = Vec::new();
        for name in ["a", "b", "c", "d", "e", "f"] {
            let row = consent(&app, &format!("{name}@example.org")).await;
            let until = row.basis_valid_until.map(|at| at.to_string()[..10].to_owned()).unwrap_or_default();
            found.push((row.basis_kind.unwrap(), row.basis_evidenced, until));
        }
        assert_eq!(found, [
            (BasisKind::None, false, String::new()),
            (BasisKind::SoftOptIn, true, "2027-01-31".to_owned()),
            (BasisKind::SoftOptIn, false, "2028-05-01".to_owned()),
            (BasisKind::CharitySoftOptIn, false, "2028-02-04".to_owned()),
            (BasisKind::CharitySoftOptIn, true, "2028-02-05".to_owned()),
            (BasisKind::Corporate, true, String::new()),
        ]);
        let rows = report(&app, &done).await;
        assert!(rows[2].2.contains("PE-02") && rows[3].2.contains("5 February 2026"), "{rows:?}");
    }

    async fn bad_rows_are_named_with_their_reason_and_the_rest_is_imported(app: TestApp) {
        purpose(&app, "newsletter").await;
        let mut csv = b"email,name,note\nana@example.org,Ana,=HYPERLINK(\"x\")\nnobody,Ben,\nANA@example.org,Ana again,\nlatin@example.org,J\xf6rg,\n".to_vec();
        csv.extend_from_slice(b"big@example.org,Big,");
        csv.extend(std::iter::repeat_n(b'x', 10_000_000));
        csv.extend_from_slice(b"\nshort@example.org\n\nzoe@example.org,Zoe,fine\n");
        let done = import(&app, &format!("kind=contacts&purposes=newsletter&{DECLARED}"), csv).await;
        assert_eq!(done["status"], "done");
        let rows = report(&app, &done).await;
        let seen: Vec<(i64, &str)> = rows.iter().map(|(row, outcome, _)| (*row, outcome.as_str())).collect();
        assert_eq!(seen, [(2, "added"), (3, "invalid_address"), (4, "duplicate"), (5, "invalid_row"), (6, "invalid_row"),
            (7, "invalid_row"), (9, "added")]);
        assert!(rows[1].2.starts_with("column email: "), "{}", rows[1].2);
        assert!(rows[3].2.starts_with("column name: is not UTF-8"), "{}", rows[3].2);
        assert!(rows[4].2.contains("at most"), "{}", rows[4].2);
        assert_eq!(rows[5].2, "has fewer cells than the header");
        assert!(rows.iter().all(|(_, _, detail)| !detail.contains('@') || detail.starts_with("column email")), "no value in a report");
        assert_eq!((done["accepted"].as_i64(), done["refused"].as_i64(), done["rows"].as_i64()), (Some(2), Some(5), Some(7)));
        let only = app.api().get(&format!("/v1/imports/{}/rows?outcome=duplicate", done["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(only.json["items"].as_array().unwrap().len(), 1);
    }

    async fn a_file_that_cannot_be_read_fails_with_its_reason(app: TestApp) {
        purpose(&app, "newsletter").await;
        for (csv, why) in [
            (&b"name,phone\nAna,1\n"[..], "no column is called email; found: name, phone"),
            (b"", "the file is empty"),
            (b"ana@example.org\n", "the first line holds an address instead of column names"),
            (b"\xff\xfee\0m\0a\0i\0l\0\n\0", "not UTF-8"),
        ] {
            let done = import(&app, "kind=contacts&purposes=newsletter", csv).await;
            assert_eq!(done["status"], "failed");
            assert!(done["failure"].as_str().unwrap().contains(why), "{done}");
        }
        let list = app.api().get("/v1/imports?limit=3").await.expect(200);
        assert_eq!(list.json["items"].as_array().unwrap().len(), 3);
        let rest = app.api().get(&format!("/v1/imports?limit=3&cursor={}", list.text("next"))).await.expect(200);
        assert_eq!(rest.json["items"].as_array().unwrap().len(), 1);
    }

    async fn details_of_somebody_known_are_only_added_where_there_are_none(app: TestApp) {
        purpose(&app, "newsletter").await;
        let query = format!("kind=contacts&purposes=newsletter&{DECLARED}");
        import(&app, &query, "email,city\nana@example.org,Cork\n").await;
        let done = import(&app, &query, "email,name,city,team\nana@example.org,Ana,Galway,red\n").await;
        assert_eq!(outcomes(&done), BTreeMap::from([("updated".to_owned(), 1)]));
        import(&app, &query, "email,name\nana@example.org,Somebody Else\n").await;
        let keys = app.services.keys.of(app.scope).await.unwrap();
        let person = Person::open(app.scope, &keys, subject(&app, "ana@example.org").await.unwrap()).unwrap();
        assert_eq!(person.name().unwrap().unwrap().as_str(), "Ana");
        assert_eq!(person.fields().unwrap().unwrap(), json!({ "city": "Cork", "team": "red" }));
    }
}
