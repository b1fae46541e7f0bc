//! A crash, or a second worker, in the middle of a list: no row is skipped and none is taken twice.

use super::*;

both_engines! {
    async fn a_crash_between_batches_neither_skips_nor_doubles_a_row(app: TestApp) {
        purpose(&app, "newsletter").await;
        let mut csv = "email\n".to_owned();
        for n in 0..1700 {
            // Each address of the second half has occurred before, in another batch.
            csv.push_str(&format!("person{}@example.org\n", n % 850));
        }
        let id = upload(&app, &format!("kind=contacts&purposes=newsletter&{DECLARED}"), csv).await.text("id");
        let import: ImportId = id.parse().unwrap();
        let mut steps = 0;
        // Each step opens the list anew, as another worker does after a kill.
        while read_import_chunk(&app.services, app.scope, import).await.unwrap() == Step::More {
            steps += 1;
            let now = app.api().get(&format!("/v1/imports/{id}")).await.expect(200).json;
            assert_eq!((now["status"].as_str(), now["rows"].as_i64()), (Some("reading"), Some(500 * steps)));
        }
        assert_eq!(steps, 3);
        let done = work(&app, &id).await;
        assert_eq!(outcomes(&done), BTreeMap::from([("added".to_owned(), 850), ("duplicate".to_owned(), 850)]));
        assert_eq!((done["accepted"].as_i64(), done["refused"].as_i64()), (Some(850), Some(850)));
        let scope = app.scope;
        let chunk = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.import_chunk(scope, import, 0)).await;
        assert!(chunk.is_err(), "the uploaded bytes are gone");
    }

    async fn two_workers_on_one_list_take_each_row_once(app: TestApp) {
        purpose(&app, "newsletter").await;
        let mut csv = "email\n".to_owned();
        (0..1200).for_each(|n| csv.push_str(&format!("person{n}@example.org\n")));
        let id = upload(&app, &format!("kind=contacts&purposes=newsletter&{DECLARED}"), csv).await.text("id");
        let import: ImportId = id.parse().unwrap();
        let mut one = ImportReading::open(&app.services, app.scope, import).await.unwrap().unwrap();
        let mut two = ImportReading::open(&app.services, app.scope, import).await.unwrap().unwrap();
        let (mut one_done, mut two_done) = (false, false);
        while !(one_done && two_done) {
            one_done = one_done || one.step().await.unwrap() == Step::Done;
            two_done = two_done || two.step().await.unwrap() == Step::Done;
        }
        let done = work(&app, &id).await;
        assert_eq!(outcomes(&done), BTreeMap::from([("added".to_owned(), 1200)]));
        assert_eq!(done["accepted"], 1200);
    }

    async fn the_worker_reads_what_was_uploaded(app: TestApp) {
        purpose(&app, "newsletter").await;
        let world = World::around(&app);
        let worker = world.worker();
        let mut csv = "email\n".to_owned();
        (0..1200).for_each(|n| csv.push_str(&format!("person{n}@example.org\n")));
        let id = upload(&app, &format!("kind=contacts&purposes=newsletter&{DECLARED}"), csv).await.text("id");
        let done = eventually("the import is done", async || {
            let now = app.api().get(&format!("/v1/imports/{id}")).await.expect(200).json;
            (now["status"] == "done").then_some(now)
        }).await;
        assert_eq!(outcomes(&done), BTreeMap::from([("added".to_owned(), 1200)]));
        let scope = app.scope;
        let import: ImportId = id.parse().unwrap();
        eventually("its work is finished", async || {
            let task = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.task(scope, TaskKind::Import, import.uuid())).await;
            task.unwrap().is_none().then_some(())
        }).await;
        worker.stop().await;
        assert!(world.catcher.messages_to("person1@example.org").is_empty(), "nobody is mailed by an import");
    }
}
