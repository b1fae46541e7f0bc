//! The preference link: its token stands in a custom field of everybody on a list, and leads to a page that shows how
//! things stand and stops one purpose, or everything.

use std::time::Duration;

use reconsent::domain::ids::{ControllerScope, LinkId, SubjectId};
use reconsent::domain::link::{KeyStanding, LinkAction};
use reconsent::links::{Claims, parse_kid};
use reconsent::sandbox::campaign_monitor::{ListSeed, State};
use reconsent::store::links::Link;
use reconsent::store::{ReadTx, WriteTx};
use reconsent::usecases::clockwork::erase_in;
use reconsent::usecases::setup::rotate_link_key;
use reqwest::Method;
use serde_json::{Value, json};

use crate::reconcile::{compared, kinds, until_settled};
use crate::remap::{confirmed, purpose_id, state, until, until_in_step};
use crate::support::browser::Browser;
use crate::support::world::{self, CLIENT, LIST, OTHER_LIST, Shop, World, eventually};
use crate::support::{Answer, TestApp};

const ANA: &str = "ana@example.org";
const BEN: &str = "ben@example.org";
const FIELD: &str = "ReconsentPreferences";
/// A list that has no custom field at first.
const BARE: &str = "d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4";

/// The token that stands on a list for a person.
fn token_on(world: &World, list: &str, address: &str) -> Option<String> {
    let there = world.emulator.subscriber(list, address)?;
    there.fields.into_iter().find(|(key, _)| key == FIELD).map(|(_, value)| value).filter(|token| !token.is_empty())
}

/// The address that a design makes of what stands there.
fn page_of(app: &TestApp, world: &World, list: &str, address: &str) -> String {
    format!("{}/p/{}", app.base, token_on(world, list, address).expect("a token stands there"))
}

/// Ana and Ben on two lists: one for the newsletter, one for offers; and a worker.
async fn on_two_lists(app: &TestApp, world: &World, shop: &Shop) -> world::RunningWorker {
    app.purpose("offers").await;
    let path = format!("/v1/destinations/{}/lists", shop.destination);
    let lists = json!([{ "purpose": "newsletter", "list_id": LIST }, { "purpose": "offers", "list_id": OTHER_LIST }]);
    app.api().put(&path, json!({ "lists": lists })).await.expect(200);
    let worker = world.worker();
    for slug in ["newsletter", "offers"] {
        confirmed(app, shop, &purpose_id(app, slug).await, &[ANA, BEN]).await;
    }
    for list in [LIST, OTHER_LIST] {
        until(world, list, &[ANA, BEN], State::Active).await;
    }
    until_in_step(app).await;
    worker
}

async fn facts(app: &TestApp, address: &str) -> Vec<Value> {
    let subject = app.subject_of(address).await;
    let facts = app.api().get(&format!("/v1/subjects/{subject}/events")).await.expect(200).json;
    facts["items"].as_array().unwrap().clone()
}

async fn preference_links(app: &TestApp, people: Vec<SubjectId>) -> Vec<(SubjectId, LinkId)> {
    let scope = app.scope;
    app.services.store.read(move |tx: &mut ReadTx<'_>| tx.preference_links(scope, &people)).await.unwrap()
}

async fn sign(app: &TestApp, scope: ControllerScope, claims: &Claims) -> String {
    app.services.keys.signer(scope).await.unwrap().sign(claims)
}

/// Gives a person a link, as their first row on a list would.
async fn linked(app: &TestApp, address: &str) -> String {
    let (subject, id) = (app.subject_of(address).await, LinkId::from_uuid(app.services.ids.random()));
    let link = Link {
        controller_id: app.scope.controller(),
        id,
        action: LinkAction::Manage,
        subject_id: subject,
        purposes: "[]".to_owned(),
        notice_id: None,
        campaign_id: None,
        form_id: None,
        on_site: false,
        created_at: app.services.clock.now(),
        expires_at: None,
        superseded_at: None,
        used_at: None,
        answer: None,
    };
    let insert = move |tx: &mut WriteTx<'_>| tx.insert_links(std::slice::from_ref(&link));
    app.services.store.write(subject.uuid(), insert).await.unwrap();
    format!("{}/p/{}", app.base, sign(app, app.scope, &Claims::preferences(id)).await)
}

/// The page once more, with a word that nothing has changed.
fn expect_again(answer: Answer) {
    let page = answer.expect(422).body();
    assert!(page.contains("role=\"alert\"") && page.contains("nothing has been changed"), "{page}");
}

async fn imports(world: &World) -> usize {
    world.emulator.requests().iter().filter(|request| request.path.contains("/import")).count()
}

both_engines! {
    async fn the_link_in_each_row_leads_to_a_page_that_stops_one_purpose_or_everything(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = on_two_lists(&app, &world, &shop).await;
        let (page, token) = (page_of(&app, &world, LIST, ANA), token_on(&world, LIST, ANA).unwrap());
        assert!(token.len() <= 250, "{}", token.len());
        assert_eq!(token_on(&world, OTHER_LIST, ANA).as_deref(), Some(&*token), "one link for each person");
        assert_ne!(token_on(&world, LIST, BEN).as_deref(), Some(&*token));
        let people = vec![app.subject_of(ANA).await, app.subject_of(BEN).await];
        assert_eq!(preference_links(&app, people.clone()).await.len(), 2);

        // Looking changes nothing, and tells nothing but how things stand (LK-01, LK-08).
        let (before, visitor) = (facts(&app, ANA).await, app.nobody());
        let shown = visitor.get(&page).await.expect(200);
        for (name, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-robots-tag", "noindex, nofollow, noarchive")] {
            assert_eq!(shown.header(name), value);
        }
        assert!(shown.header("content-security-policy").contains("frame-ancestors 'none'"));
        let html = shown.body();
        assert!(html.contains("<title>Your preferences – acme Ltd</title>") && html.contains("lang=\"en-GB\""), "{html}");
        for words in ["The monthly newsletter", "offers", "Measuring whether I open it", "a•••@e•••.org", "Subscribed since <time", "Not subscribed"] {
            assert!(html.contains(words), "{words}: {html}");
        }
        assert!(!html.contains(ANA) && html.matches("<button").count() == 3, "two purposes, and everything: {html}");
        assert!(html.replace("&#x2f;", "/").contains(&format!("/f/{}", shop.form_key)), "DK-03: {html}");
        for method in [Method::HEAD, Method::OPTIONS, Method::GET] {
            visitor.send(method, &page, None).await;
        }
        // Nor does what does not say which: only the address for mail programs takes their one click.
        for body in ["", "stop=this", "purpose=", "purpose=weather", "purpose=offers&stop=all", "List-Unsubscribe=One-Click"] {
            expect_again(visitor.upload(&page, "application/x-www-form-urlencoded", body).await);
        }
        expect_again(visitor.upload(&page, "application/x-www-form-urlencoded", format!("purpose=offers&x={}", "x".repeat(200_000))).await);
        expect_again(visitor.upload(&page, "text/plain", "stop=all").await);
        let multipart = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        expect_again(visitor.upload(&page, "multipart/form-data; boundary=b", multipart).await);
        assert_eq!(facts(&app, ANA).await, before);

        // One press stops one purpose: she leaves its list and stays on the other.
        let stopped = visitor.form(&page, &[("purpose", "newsletter")]).await.expect(200).body();
        assert!(stopped.contains("acme Ltd has stopped this: The monthly newsletter.") && stopped.contains("role=\"status\""), "{stopped}");
        assert!(stopped.contains("Stopped on <time") && stopped.matches("<button").count() == 2, "{stopped}");
        eventually("she has left the list", async || (state(&world, LIST, ANA) != Some(State::Active)).then_some(())).await;
        until_in_step(&app).await;
        assert_eq!(state(&world, OTHER_LIST, ANA), Some(State::Active));
        let after = facts(&app, ANA).await;
        let new = after.iter().filter(|fact| !before.contains(fact)).cloned().collect::<Vec<_>>();
        assert_eq!(new.len(), 1, "{new:?}");
        assert_eq!((&new[0]["kind"], &new[0]["method"], &new[0]["purpose"]), (&json!("consent.withdrawn"), &json!("preference-page"), &json!("newsletter")));
        assert!(new[0]["evidence"]["client_address_found_by"].is_string(), "{}", new[0]);
        // Again: the same answer, and no event (WD-06).
        visitor.form(&page, &[("purpose", "newsletter")]).await.expect(200);
        assert_eq!(facts(&app, ANA).await, after);

        // Everything: off all lists, and nothing more is ever sent.
        let all = visitor.form(&page, &[("stop", "all")]).await.expect(200).body();
        assert!(all.contains("acme Ltd sends you no advertising of any kind any more.") && !all.contains("<button"), "{all}");
        eventually("she has left the other list", async || (state(&world, OTHER_LIST, ANA) != Some(State::Active)).then_some(())).await;
        until_in_step(&app).await;
        let subject = app.subject_of(ANA).await;
        let view = app.api().get(&format!("/v1/subjects/{subject}")).await.expect(200).json;
        assert!(view["suppressions"].as_array().unwrap().iter().any(|entry| entry["purpose"] == "*" && entry["reason"] == "objected"), "{view}");
        let html = visitor.get(&page).await.expect(200).body();
        assert!(html.contains("Stopped on <time") && !html.contains("<button"), "{html}");
        visitor.form(&page, &[("stop", "all")]).await.expect(200);
        assert_eq!((state(&world, LIST, BEN), state(&world, OTHER_LIST, BEN)), (Some(State::Active), Some(State::Active)));
        assert_eq!(preference_links(&app, people).await.len(), 2);
        worker.stop().await;
    }

    async fn a_rotated_key_brings_nobody_anew_and_an_old_link_stops_whatever_became_of_its_key(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = on_two_lists(&app, &world, &shop).await;
        let (old, before) = (page_of(&app, &world, LIST, ANA), token_on(&world, LIST, ANA).unwrap());
        assert_eq!(compared(&app, &shop).await["differences"], json!([]));
        rotate_link_key(&app.services, app.scope).await.unwrap();
        // Everybody is looked at, and nobody written.
        let written = imports(&world).await;
        app.api().put(&format!("/v1/destinations/{}/fields", shop.destination), json!({ "fields": [] })).await.expect(200);
        until_in_step(&app).await;
        assert_eq!((imports(&world).await, token_on(&world, LIST, ANA).as_deref()), (written, Some(&*before)));
        assert_eq!(compared(&app, &shop).await["differences"], json!([]), "a genuine token of an older key is as good");

        // Whoever is written for another reason gets a token of the new key; both lead to the same page.
        app.renewing(ANA, &purpose_id(&app, "newsletter").await, &shop.notice, &shop.policy_version).await;
        let after = eventually("she is written anew", async || token_on(&world, LIST, ANA).filter(|token| *token != before)).await;
        until_in_step(&app).await;
        assert_ne!(parse_kid(&after), parse_kid(&before));
        assert_eq!(compared(&app, &shop).await["differences"], json!([]));
        let new = page_of(&app, &world, LIST, ANA);
        for page in [&old, &new] {
            assert!(app.nobody().get(page).await.expect(200).body().contains("Subscribed since"));
        }

        // Somebody else may know the old key, or it is past its time: what it signed still stops (LK-12).
        let kid = parse_kid(&before).unwrap();
        for standing in [KeyStanding::Retired, KeyStanding::Compromised] {
            let kid = kid.clone();
            let scope = app.scope;
            let set = move |tx: &mut WriteTx<'_>| tx.set_link_key_standing(scope, &kid, standing);
            app.services.store.write(app.scope.controller().uuid(), set).await.unwrap();
            app.services.keys.forget();
            assert_eq!(compared(&app, &shop).await["differences"], json!([]), "{standing}");
            app.nobody().get(&old).await.expect(200);
        }
        app.clock.advance(Duration::from_secs(5 * 365 * 86_400));
        app.nobody().form(&old, &[("purpose", "newsletter")]).await.expect(200);
        eventually("she has left the list", async || (state(&world, LIST, ANA) != Some(State::Active)).then_some(())).await;
        worker.stop().await;
    }

    async fn a_list_that_lacks_the_field_is_told_and_filled_when_it_is_made_ready(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around_with(&app, |emulator| {
            emulator.list(ListSeed { client_id: CLIENT.to_owned(), id: BARE.to_owned(), title: "Bare".to_owned(), ..ListSeed::default() })
        });
        let shop = Shop::open(&app, &world).await;
        let path = format!("/v1/destinations/{}", shop.destination);
        let lists = json!({ "lists": [{ "purpose": "newsletter", "list_id": BARE }] });
        app.api().put(&format!("{path}/lists"), lists).await.expect(200);
        let worker = world.worker();
        confirmed(&app, &shop, &purpose_id(&app, "newsletter").await, &[ANA]).await;
        until(&world, BARE, &[ANA], State::Active).await;
        until_in_step(&app).await;
        assert_eq!(token_on(&world, BARE, ANA), None, "dropped there");
        assert_eq!(compared(&app, &shop).await["differences"], json!([]), "what a list lacks is not missed");
        let text_of = async || {
            let found = app.api().get(&format!("{path}/check")).await.expect(200).json;
            let all = found["findings"].as_array().unwrap().iter();
            let one = all.clone().find(|one| one["text"].as_str().unwrap().contains(FIELD)).unwrap().clone();
            (one["standing"].as_str().unwrap().to_owned(), one["text"].as_str().unwrap().to_owned())
        };
        assert_eq!(text_of().await.0, "missing");

        let ready = app.api().post(&format!("{path}/lists"), json!({ "purpose": "newsletter", "list_id": BARE })).await.expect(200).json;
        assert!(ready["fields_made"].as_array().unwrap().contains(&json!(FIELD)), "{ready}");
        let address = format!("{}/p/[{FIELD}]", app.base);
        assert_eq!(ready["destination"]["preference_link"], address);
        assert_eq!(app.api().get(&path).await.expect(200).text("preference_link"), address);
        let (standing, text) = text_of().await;
        assert!(standing == "good" && text.contains(&address), "{text}");
        eventually("she is written anew", async || token_on(&world, BARE, ANA)).await;
        until_in_step(&app).await;
        let written = imports(&world).await;
        app.api().put(&format!("{path}/fields"), json!({ "fields": [] })).await.expect(200);
        until_in_step(&app).await;
        assert_eq!(imports(&world).await, written, "and once");
        app.nobody().get(&page_of(&app, &world, BARE, ANA)).await.expect(200);
        worker.stop().await;
    }

    async fn a_token_that_does_not_lead_to_the_persons_own_page_is_found_and_put_right(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = on_two_lists(&app, &world, &shop).await;
        let (ana, ben) = (token_on(&world, LIST, ANA).unwrap(), token_on(&world, LIST, BEN).unwrap());
        let mut broken = ana.clone().into_bytes();
        broken[150] ^= 1;
        let broken = String::from_utf8(broken).unwrap();
        let subject = app.subject_of(ANA).await;
        let (_, link) = preference_links(&app, vec![subject]).await[0];
        let withdrawal = sign(&app, app.scope, &Claims::withdrawal(link)).await;
        rotate_link_key(&app.services, app.scope).await.unwrap();
        let (other, _) = app.other_controller("other").await;
        let foreign = sign(&app, other, &Claims::preferences(link)).await;
        // Somebody else's, broken, for another act, another controller's, no token at all, and nothing.
        for wrong in [ben.as_str(), &broken, &withdrawal, &foreign, "hello", ""] {
            let field = json!({ "Key": FIELD, "Value": wrong, "Clear": wrong.is_empty() });
            let change = json!({ "EmailAddress": ANA, "ConsentToTrack": "Unchanged", "CustomFields": [field] });
            world::api(&world, Method::PUT, &format!("subscribers/{LIST}.json?email=ana%40example.org"), Some(change)).await;
            let wrong = Some(wrong.to_owned()).filter(|wrong| !wrong.is_empty());
            eventually("it is changed there", async || (token_on(&world, LIST, ANA) == wrong).then_some(())).await;
            let plan = compared(&app, &shop).await;
            assert_eq!(kinds(&plan), json!({ "fields_differ": { "open": 1 } }), "{wrong:?}: {plan}");
            let id = plan["id"].as_str().unwrap();
            let found = app.api().get(&format!("/v1/reconciles/{id}/findings")).await.expect(200).json;
            assert_eq!(found["items"][0]["detail"], FIELD, "{found}");
            app.api().post(&format!("/v1/reconciles/{id}/apply"), json!({ "kinds": ["fields_differ"] })).await.expect(202);
            assert_eq!(until_settled(&app, id).await["status"], "done");
            until_in_step(&app).await;
            let page = page_of(&app, &world, LIST, ANA);
            assert!(app.nobody().get(&page).await.expect(200).body().contains("a•••@e•••.org"), "hers again");
        }
        assert_eq!(compared(&app, &shop).await["differences"], json!([]));
        worker.stop().await;
    }

    async fn a_token_opens_its_own_page_alone_and_tells_nothing_once_the_person_is_gone(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = on_two_lists(&app, &world, &shop).await;
        let subject = app.subject_of(ANA).await;
        let (_, link) = preference_links(&app, vec![subject]).await[0];
        let (page, visitor) = (page_of(&app, &world, LIST, ANA), app.nobody());
        let before = facts(&app, ANA).await;
        // No other link opens it, and it opens no other page (LK-07).
        let token = token_on(&world, LIST, ANA).unwrap();
        for path in ["u", "r", "c", "n"] {
            let address = format!("{}/{path}/{token}", app.base);
            visitor.get(&address).await.expect(404);
            visitor.form(&address, &[("stop", "all")]).await.expect(404);
        }
        let end = app.services.clock.now().plus(Duration::from_secs(86_400));
        for action in LinkAction::ALL.iter().copied().filter(|action| *action != LinkAction::Manage) {
            let address = format!("{}/p/{}", app.base, sign(&app, app.scope, &Claims::until(action, link, end)).await);
            visitor.get(&address).await.expect(404);
            visitor.form(&address, &[("stop", "all")]).await.expect(404);
        }
        // A forged one leads to the page of any link that is not ours.
        let mut forged = token.clone().into_bytes();
        forged[120] ^= 1;
        let forged = format!("{}/p/{}", app.base, String::from_utf8(forged).unwrap());
        let unknown = visitor.get(&format!("{}/p/nothing", app.base)).await.expect(404).body();
        assert_eq!(visitor.get(&forged).await.expect(404).body(), unknown);
        assert_eq!(visitor.form(&forged, &[("stop", "all")]).await.expect(404).body(), unknown);
        // Another controller's key names another controller's records: there is none with this id.
        let (other, _) = app.other_controller("other").await;
        let foreign = format!("{}/p/{}", app.base, sign(&app, other, &Claims::preferences(link)).await);
        for answer in [visitor.get(&foreign).await, visitor.form(&foreign, &[("stop", "all")]).await] {
            let html = answer.expect(200).body();
            assert!(html.contains("Nothing is sent to you") && !html.contains("acme") && !html.contains('@'), "{html}");
        }
        assert_eq!(facts(&app, ANA).await, before);

        // Erased: the same neutral words, whatever is pressed.
        let (scope, now) = (app.scope, app.services.clock.now());
        let erasing = move |tx: &mut WriteTx<'_>| {
            tx.lock_subject(scope, subject)?;
            erase_in(tx, scope, subject, now)
        };
        app.services.store.write(subject.uuid(), erasing).await.unwrap();
        for answer in [
            visitor.get(&page).await,
            visitor.form(&page, &[("purpose", "newsletter")]).await,
            visitor.form(&page, &[("stop", "all")]).await,
            visitor.form(&page, &[]).await,
        ] {
            let html = answer.expect(200).body();
            assert!(html.contains("Nothing is sent to you") && !html.contains("acme") && !html.contains('@'), "{html}");
        }
        until_in_step(&app).await;
        worker.stop().await;
    }

    async fn the_page_says_how_each_purpose_stands_in_the_language_of_who_reads_it(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        app.purpose("surveys").await;
        let worker = world.worker();
        let claim = "kind=contacts&basis=consent&how=shop%20till&statement=Collected%20by%20us&attester=A.%20Clerk";
        world::import(&app, claim, "email\nana@example.org\n").await;
        let page = linked(&app, ANA).await;
        // Nobody has shown her any words yet: the page speaks as her browser asks.
        let german = app.nobody().header("accept-language", "de-AT,en;q=0.5");
        let html = german.get(&page).await.expect(200).body();
        assert!(html.contains("lang=\"de\"") && html.contains("Ihre Einstellungen") && html.contains("Nicht angemeldet"), "{html}");
        assert!(html.contains("aria-label=\"Beenden: Newsletter\""), "on a list, she may be asked: {html}");
        let html = app.nobody().get(&page).await.expect(200).body();
        assert!(html.contains("lang=\"en\"") && html.contains("Not subscribed"), "{html}");

        // She signs up and has not confirmed; from then on the notice's language counts.
        let body = json!({ "email": ANA, "choices": { "newsletter": "yes" } });
        app.nobody().post(&format!("/f/{}", shop.form_key), body).await.expect(202);
        let html = german.get(&page).await.expect(200).body();
        assert!(html.contains("lang=\"en-GB\"") && html.contains("Signed up on <time") && html.contains("The monthly newsletter"), "{html}");
        // A yes that has run to its end is over before the clock notes it.
        confirmed(&app, &shop, &purpose_id(&app, "tracking").await, &[ANA]).await;
        assert!(app.nobody().get(&page).await.expect(200).body().contains("Subscribed since <time"));
        worker.stop().await;
        app.clock.advance(Duration::from_secs(20 * 365 * 86_400));
        let html = app.nobody().get(&page).await.expect(200).body();
        assert!(html.contains("Expired on <time"), "{html}");
        // What staff have entered for her address stops it too, also where no consent was changed by it.
        app.api().post("/v1/suppressions", json!({ "email": ANA, "reason": "legal" })).await.expect(200);
        app.clock.advance(Duration::from_secs(60));
        let html = app.nobody().get(&page).await.expect(200).body();
        assert!(html.contains("surveys") && !html.contains("Not subscribed") && html.matches("Stopped on <time").count() == 3, "{html}");
        // A purpose that was made a moment ago, and is not shown yet, can be stopped all the same.
        app.purpose("seeds").await;
        app.nobody().form(&page, &[("purpose", "seeds")]).await.expect(200);
        assert_eq!(app.events_of(ANA).await.last().map(String::as_str), Some("consent.withdrawn"));
    }

    async fn a_stop_is_pressed_with_the_keyboard_on_a_narrow_page_without_scripts(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = on_two_lists(&app, &world, &shop).await;
        let browser = Browser::open(320, false).await;
        browser.go(&page_of(&app, &world, LIST, ANA)).await;
        // In the order of the page: purpose by purpose, then everything.
        let newsletter = "Stop: The monthly newsletter";
        let order = [newsletter, "Stop: offers", "Stop everything from acme Ltd"];
        let mut met = Vec::new();
        for _ in order {
            browser.key('\u{e004}').await;
            met.push(browser.focused().await);
        }
        assert_eq!(met, order);
        browser.go(&page_of(&app, &world, LIST, ANA)).await;
        browser.key('\u{e004}').await;
        assert_eq!(browser.focused().await, newsletter);
        browser.key('\u{e007}').await;
        let words = browser.text("[role=status]").await;
        assert!(words.contains("Stopped") && words.contains("The monthly newsletter"), "{words}");
        assert_eq!(browser.count("button").await, 2);
        browser.close().await;
        eventually("she has left the list", async || (state(&world, LIST, ANA) != Some(State::Active)).then_some(())).await;
        assert_eq!(state(&world, OTHER_LIST, ANA), Some(State::Active));
        worker.stop().await;
    }
}
