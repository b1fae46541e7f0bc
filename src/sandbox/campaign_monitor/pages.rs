//! The pages for people: clients and lists, and who is on a list in which state.

use super::clock;
use super::fault_text::FAULT_RULES;
use super::model::{List, State, Subscriber, World};
use super::orders::{OrderBy, Window};
use crate::sandbox::web::Markup;
use actix_web::HttpResponse;

/// Most people shown per state.
const SHOWN: usize = 100;

pub(super) fn home(world: &World) -> HttpResponse {
    let mut page = Markup::default();
    page.raw("<header><h1>Emulated Campaign Monitor</h1><p class=\"soft\">")
        .raw("A stand-in on this machine. Nothing here reaches the real service.</p></header><main>");
    if world.clients.is_empty() {
        page.raw("<p>No clients yet.</p>");
    }
    for client in world.clients.values() {
        page.raw("<h2>")
            .text(&client.name)
            .raw("</h2><p class=\"soft\">")
            .text(&clock::label(&client.zone))
            .raw(" &middot; suppressed addresses: ")
            .text(&client.suppressed.len().to_string())
            .raw("</p><ul class=\"cards\">");
        let mut lists = world.lists.values().filter(|list| list.client_id == client.id).peekable();
        if lists.peek().is_none() {
            page.raw("<li class=\"soft\">No lists yet.</li>");
        }
        for list in lists {
            page.raw("<li><a class=\"whole\" href=\"/lists/")
                .text(&list.id)
                .raw("\"><strong>")
                .text(&list.title)
                .raw("</strong>");
            counts(&mut page, list);
            page.raw("</a></li>");
        }
        page.raw("</ul>");
    }
    page.raw("</main>");
    page.into_page("Emulated Campaign Monitor")
}

fn counts(page: &mut Markup, list: &List) {
    page.raw("<ul class=\"counts\">");
    for state in State::ALL {
        page.raw("<li>")
            .text(&format!("{} {}", list.subscribers.count(state), state.name().to_lowercase()))
            .raw("</li>");
    }
    page.raw("</ul>");
}

pub(super) fn list(world: &mut World, id: &str) -> HttpResponse {
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
            page.raw("<p class=\"soft\">").text(&format!("{} more are not shown.", total - SHOWN)).raw("</p>");
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

/// A rule that could not be read, with what was expected and another try.
pub(super) fn refused_rule(rule: &str, why: &str) -> HttpResponse {
    let mut page = Markup::default();
    page.raw("<header><p><a href=\"/\">Back</a></p><h1>This fault rule was not taken</h1></header><main><p>")
        .text(why)
        .raw("</p>");
    rule_form(&mut page, rule);
    page.raw("</main>");
    let mut answer = page.into_page("Fault rule refused");
    *answer.status_mut() = actix_web::http::StatusCode::BAD_REQUEST;
    answer
}

fn rule_form(page: &mut Markup, rule: &str) {
    page.raw("<form method=\"post\" action=\"/faults\"><label for=\"rule\">Add a rule</label> ")
        .raw("<input id=\"rule\" name=\"rule\" maxlength=\"300\" required autocomplete=\"off\" ")
        .raw("placeholder=\"every 7 POST import: 504 after\" value=\"")
        .text(rule)
        .raw("\"> <button type=\"submit\">Add</button></form><details><summary>How rules are written</summary><pre>")
        .text(FAULT_RULES)
        .raw("</pre></details>");
}
