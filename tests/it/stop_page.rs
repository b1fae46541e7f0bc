//! The page behind the link that stops: before, after, and after a second thought.

use std::time::Duration;

use crate::support::world::{Shop, World, eventually, launched_round};
use crate::support::{TestApp, pages};

fn title(html: &str) -> &str {
    let from = html.find("<title>").expect("a title") + "<title>".len();
    html[from..].split("</title>").next().expect("the title ends")
}

both_engines! {
    async fn the_stop_page_opened_again_says_since_when_it_is_stopped_and_changes_nothing(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        launched_round(&app, &shop, "email,collected_at\nana@example.org,2026-03-01\n").await;
        let mail = world.mail_to("ana@example.org").await;
        let (ask, stop) = (World::link_in(&mail, "/r/"), World::link_in(&mail, "/u/"));
        let page = app.nobody().get(&ask).await.expect(200).body();
        assert_eq!(title(&page), "Stay in touch with acme Ltd", "the notice's title names the controller already");
        pages::answer(&app, &app.nobody(), &ask, &[("choice.newsletter", "yes"), ("choice.tracking", "no")]).await.expect(200);

        let page = app.nobody().get(&stop).await.expect(200).body();
        assert!(page.contains("will stop the following") && page.contains("value=\"this\""), "{page}");
        assert_eq!(title(&page), "Stop these mails – acme Ltd");
        let first = app.nobody().form(&stop, &[("stop", "this")]).await.expect(200).body();
        assert!(first.contains("has stopped this, since <time datetime=\"2026-11-24T09:30:0"), "{first}");
        let events = app.events_of("ana@example.org").await;

        app.clock.advance(Duration::from_secs(86_400));
        for _ in 0..2 {
            let page = app.nobody().get(&stop).await.expect(200).body();
            assert!(page.contains("has stopped this, since <time datetime=\"2026-11-24T09:30:0"), "{page}");
            assert!(!page.contains("will stop") && !page.contains("value=\"this\"") && page.contains("value=\"all\""), "{page}");
            assert_eq!(title(&page), "Stopped – acme Ltd");
        }
        let again = app.nobody().form(&stop, &[("stop", "this")]).await.expect(200).body();
        assert!(again.contains("since <time datetime=\"2026-11-24T09:30:0"), "a repeated press shows the first: {again}");
        assert_eq!(app.events_of("ana@example.org").await, events, "neither looking nor pressing again is an event");

        let all = app.nobody().form(&stop, &[("stop", "all")]).await.expect(200).body();
        assert!(all.contains("no advertising of any kind any more, since <time datetime=\"2026-11-25"), "{all}");
        let page = app.nobody().get(&stop).await.expect(200).body();
        assert!(page.contains("no advertising of any kind any more, since <time datetime=\"2026-11-25"), "{page}");
        assert!(!page.contains("<button"), "nothing is left to press: {page}");

        // Who signs up again may stop again.
        let form = format!("/f/{}", shop.form_key);
        let shown = app.nobody().get(&form).await.expect(200).body();
        app.clock.advance(Duration::from_secs(3));
        let seal = pages::seal(&shown);
        app.nobody().form(&form, &[("nonce", &seal), ("email", "ana@example.org"), ("choice.newsletter", "yes")]).await.expect(200);
        let confirm = eventually("the confirmation mail", async || {
            world.catcher.messages_to("ana@example.org").into_iter().find(|mail| mail.text().contains("/c/"))
        }).await;
        let confirm = World::link_in(&confirm, "/c/");
        pages::answer(&app, &app.nobody(), &confirm, &[("choice.newsletter", "yes")]).await.expect(200);
        let page = app.nobody().get(&stop).await.expect(200).body();
        assert!(page.contains("will stop the following"), "{page}");
        worker.stop().await;
    }
}
