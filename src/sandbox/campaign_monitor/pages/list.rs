//! One list: who is on it in which state, newest change first.

use super::super::clock;
use super::super::model::{List, State, Subscriber, World};
use super::super::orders::{OrderBy, Window};
use super::{counts, grouped};
use crate::sandbox::web::Markup;
use actix_web::HttpResponse;

/// Most people shown per state.
const SHOWN: usize = 100;

pub(in super::super) fn list(world: &mut World, id: &str) -> HttpResponse {
    let newest = Window { by: OrderBy::Date, descending: true, start: 0, length: SHOWN };
    let Some(people) = world.lists.get_mut(id).map(|list| &mut list.subscribers) else {
        return HttpResponse::NotFound().body("No such list.");
    };
    let states = State::ALL.map(|state| (state, people.page(state, None, newest)));
    let world = &*world;
    let list = &world.lists[id];
    let zone = world.zone_of_list(id);
    let mut page = Markup::default();
    page.raw("<header><p><a href=\"/\">All lists</a></p><h1>").text(&list.title).raw("</h1>");
    counts(&mut page, list);
    page.raw("<p class=\"soft\">")
        .text(if list.honours_suppression() {
            "An unsubscribe counts for every list of this client."
        } else {
            "An unsubscribe counts for this list only."
        })
        .text(if list.confirmed_opt_in { " New people are asked to confirm." } else { "" })
        .raw(" Times: ")
        .text(zone)
        .raw(".</p></header><main>");
    if list.subscribers.is_empty() {
        page.raw("<p>Nobody is on this list yet.</p>");
    }
    for (state, (keys, total)) in states {
        if total == 0 {
            continue;
        }
        page.raw("<h2>").text(state.name()).raw("</h2><ul class=\"cards\">");
        for subscriber in keys.iter().filter_map(|key| list.subscribers.get(key)) {
            person(&mut page, world, list, subscriber, zone);
        }
        page.raw("</ul>");
        if total > SHOWN {
            page.raw("<p class=\"soft\">").text(&format!("{} more are not shown.", grouped(total - SHOWN))).raw("</p>");
        }
    }
    page.raw("</main>");
    page.into_page(&list.title)
}

fn person(page: &mut Markup, world: &World, list: &List, subscriber: &Subscriber, zone: &str) {
    let suppressed = world
        .clients
        .get(&list.client_id)
        .is_some_and(|client| client.suppressed.contains(&subscriber.email.to_lowercase()));
    let tone = if subscriber.state == State::Active { "good" } else { "bad" };
    page.raw("<li><div class=\"row\"><strong>")
        .text(&subscriber.email)
        .raw("</strong><span class=\"state ")
        .raw(tone)
        .raw("\">")
        .text(subscriber.state.name())
        .text(if suppressed { ", suppressed" } else { "" })
        .raw("</span></div><dl>");
    let mut entry = |name: &str, value: &str| {
        if !value.is_empty() {
            page.raw("<dt>").text(name).raw("</dt><dd>").text(value).raw("</dd>");
        }
    };
    entry("Name", &subscriber.name);
    entry("Joined", &clock::seconds(subscriber.joined_at, zone));
    entry("Changed", &clock::seconds(subscriber.changed_at, zone));
    let tracking = world.tracking_text(list, subscriber);
    entry("Tracking", if tracking.is_empty() { "unknown" } else { tracking });
    for (key, value) in &subscriber.fields {
        let name = list.custom_fields.iter().find(|field| field.key() == key);
        entry(name.map_or(&**key, |field| field.name()), value);
    }
    page.raw("</dl>");
    if subscriber.state == State::Active {
        page.raw("<form method=\"post\" action=\"/lists/")
            .text(&list.id)
            .raw("/unsubscribe\"><input type=\"hidden\" name=\"email\" value=\"")
            .text(&subscriber.email)
            .raw("\"><button type=\"submit\" aria-label=\"Unsubscribe ")
            .text(&subscriber.email)
            .raw(" here\">Unsubscribe here</button></form>");
    }
    page.raw("</li>");
}
