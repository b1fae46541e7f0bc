//! Lists with very many people: pages stay whole and in order while people come and go.

use super::{ALONE, Api, CLIENT, LIST, api};
use jiff::{Span, Timestamp};
use reconsent::sandbox::campaign_monitor::{PersonSeed, State};
use serde_json::Value;
use std::collections::BTreeSet;

const PEOPLE: u32 = 12_345;

fn email(n: u32) -> String {
    // In an order that is neither that of the dates nor that of the names.
    format!("p{:05}@example.com", n * 7_919 % 100_000)
}

fn moment(n: u32) -> Timestamp {
    "2026-03-01T00:00:00Z".parse::<Timestamp>().unwrap() + Span::new().seconds(i64::from(n) * 13)
}

fn crowd() -> Api {
    let api = api();
    let people = (0..PEOPLE).map(|n| {
        let state = if n % 10 == 0 { State::Unsubscribed } else { State::Active };
        let fields = vec![("consent version".to_owned(), n.to_string())];
        let name = format!("N{}", n % 500);
        PersonSeed { name, fields, tracking: Some(n % 2 == 0), ..PersonSeed::new(email(n), state, moment(n)) }
    });
    assert_eq!(api.emulator.seed_people(LIST, people).unwrap(), PEOPLE as usize);
    api
}

async fn everybody(api: &Api, query: &str, mut between: impl FnMut(u64)) -> Vec<Value> {
    let mut seen = Vec::new();
    for page in 1.. {
        let path = format!("lists/{LIST}/active.json?pagesize=1000&page={page}&{query}");
        let answer = api.get(&path).await.1;
        seen.extend(answer["Results"].as_array().unwrap().iter().cloned());
        if page >= answer["NumberOfPages"].as_u64().unwrap() {
            return seen;
        }
        between(page);
    }
    unreachable!()
}

fn text(rows: &[Value], name: &str) -> Vec<String> {
    rows.iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_pages_of_many_people_are_everybody_once_in_the_order_asked_for() {
    let api = crowd();
    let mut expected: Vec<(String, String)> =
        (0..PEOPLE).filter(|n| n % 10 != 0).map(|n| (email(n), format!("N{}", n % 500))).collect();
    let by_date: Vec<String> = expected.iter().map(|(email, _)| email.clone()).collect();
    expected.sort();
    let by_email: Vec<String> = expected.iter().map(|(email, _)| email.clone()).collect();
    expected.sort_by(|(a, m), (b, n)| (m, a).cmp(&(n, b)));
    let by_name: Vec<String> = expected.iter().map(|(email, _)| email.clone()).collect();
    for (field, ascending) in [("date", by_date), ("email", by_email), ("name", by_name)] {
        for direction in ["asc", "desc"] {
            let rows = everybody(&api, &format!("orderfield={field}&orderdirection={direction}"), |_| ()).await;
            let mut wanted = ascending.clone();
            if direction == "desc" {
                wanted.reverse();
            }
            assert_eq!(text(&rows, "EmailAddress"), wanted, "{field} {direction}");
        }
    }
    let stats = api.get(&format!("lists/{LIST}/stats.json")).await.1;
    assert_eq!((&stats["TotalActiveSubscribers"], &stats["TotalUnsubscribes"]), (&11_110.into(), &1_235.into()));
}

#[tokio::test]
async fn people_who_change_while_pages_are_read_are_in_their_new_place_at_once() {
    let api = crowd();
    let query = "orderfield=date&orderdirection=asc";
    api.emulator.freeze_clock(Some(moment(PEOPLE)));
    let left = |page: u64| email(u32::try_from(page).unwrap() * 1000 + 1);
    let rows = everybody(&api, query, |page| {
        assert!(api.emulator.subscribe_as_person(LIST, &format!("new{page:02}@example.com")));
        assert!(api.emulator.unsubscribe_as_person(LIST, &left(page)));
    })
    .await;
    // Eleven came and eleven left; whoever stood behind one who left on a page not read yet is still there once.
    let emails = text(&rows, "EmailAddress");
    assert_eq!(emails.iter().filter(|email| email.starts_with("new")).count(), 11);
    assert_eq!(emails.iter().collect::<BTreeSet<_>>().len(), emails.len());
    let again = everybody(&api, query, |_| ()).await;
    assert_eq!(again.len(), 11_110);
    let dates = text(&again, "Date");
    assert!(dates.is_sorted());
    let gone = api.get(&format!("lists/{LIST}/unsubscribed.json?orderfield=date&orderdirection=desc")).await.1;
    assert_eq!(gone["TotalNumberOfRecords"], 1_235 + 11);
    let newest: BTreeSet<String> =
        text(&gone["Results"].as_array().unwrap()[..11], "EmailAddress").into_iter().collect();
    assert_eq!(newest, (1..=11).map(left).collect());
    let suppressed = api.get(&format!("clients/{CLIENT}/suppressionlist.json?pagesize=10")).await.1;
    assert_eq!((&suppressed["TotalNumberOfRecords"], &suppressed["NumberOfPages"]), (&11.into(), &2.into()));
}

#[tokio::test]
async fn a_date_filter_counts_the_same_people_in_every_order() {
    let api = crowd();
    // Midnight of 2 March in the client's zone is 23:00 UTC of the day before.
    let wanted: BTreeSet<String> = (0..PEOPLE)
        .filter(|n| n % 10 != 0 && moment(*n) >= "2026-03-01T23:00:00Z".parse().unwrap())
        .map(email)
        .collect();
    assert!(wanted.len() > 2_000 && wanted.len() < 10_000);
    for field in ["email", "name", "date"] {
        for direction in ["asc", "desc"] {
            let query = format!("date=2026-03-02&orderfield={field}&orderdirection={direction}");
            let emails = text(&everybody(&api, &query, |_| ()).await, "EmailAddress");
            assert_eq!(emails.len(), wanted.len(), "{query}");
            assert_eq!(emails.into_iter().collect::<BTreeSet<_>>(), wanted, "{query}");
        }
    }
}

#[tokio::test]
async fn a_crowd_is_refused_where_it_cannot_be() {
    let api = api();
    let one = || PersonSeed::new("a@example.com", State::Active, moment(0));
    let refusal = |list: &str, seed: PersonSeed| api.emulator.seed_people(list, [seed]).unwrap_err().to_string();
    assert!(refusal("nowhere", one()).contains("nowhere"));
    assert!(refusal(ALONE, PersonSeed { email: " ".into(), ..one() }).contains("address"));
    let unknown = PersonSeed { fields: vec![("shoe size".into(), "44".into())], ..one() };
    assert!(refusal(ALONE, unknown).contains("shoe size"));
    assert_eq!(api.emulator.seed_people(ALONE, [one(), one()]).unwrap(), 2);
    assert_eq!(api.emulator.count(ALONE, State::Active), 1);
    assert_eq!(api.emulator.request_count(), 0);
}
