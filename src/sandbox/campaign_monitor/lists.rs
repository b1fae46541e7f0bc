//! Lists: create, details, update, delete, stats, pages by state (reference section 6).

use super::body::Fields;
use super::call::{Call, Reply};
use super::clock;
use super::desk::Desk;
use super::error::ApiError;
use super::model::{List, State, UnsubscribeSetting, World, new_id};
use super::people::People;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use serde_json::{Map, Value, json};

/// Most lists the emulator holds.
const LIST_LIMIT: usize = 1_000;

type Answer = Result<Reply, ApiError>;

struct Wanted {
    title: String,
    unsubscribe_page: String,
    unsubscribe_setting: UnsubscribeSetting,
    confirmed_opt_in: bool,
    confirmation_success_page: String,
}

impl Wanted {
    fn of(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let title = fields.text("Title")?.unwrap_or_default().trim().to_owned();
        if title.is_empty() {
            return Err(ApiError::input(251));
        }
        let unsubscribe_setting = match fields.text("UnsubscribeSetting")?.as_deref() {
            None | Some("" | "AllClientLists") => UnsubscribeSetting::AllClientLists,
            Some("OnlyThisList") => UnsubscribeSetting::OnlyThisList,
            Some(_) => return Err(ApiError::input(261)),
        };
        Ok(Self {
            title,
            unsubscribe_page: fields.text("UnsubscribePage")?.unwrap_or_default(),
            unsubscribe_setting,
            confirmed_opt_in: fields.flag("ConfirmedOptIn")?,
            confirmation_success_page: fields.text("ConfirmationSuccessPage")?.unwrap_or_default(),
        })
    }
}

fn title_taken(world: &World, client_id: &str, title: &str, except: &str) -> bool {
    world
        .lists
        .values()
        .any(|list| list.client_id == client_id && list.id != except && list.title.eq_ignore_ascii_case(title))
}

pub(super) fn create(desk: &mut Desk, client_id: &str, call: &Call) -> Answer {
    let world = &mut desk.world;
    let body = call.body()?;
    let wanted = Wanted::of(&Fields::of(&body)?)?;
    if title_taken(world, client_id, &wanted.title, "") {
        return Err(ApiError::input(250));
    }
    if world.lists.len() >= LIST_LIMIT {
        return Err(ApiError::new(500, 500, "The sandbox holds no more lists"));
    }
    let id = new_id();
    world.lists.insert(
        id.clone(),
        List {
            id: id.clone(),
            client_id: client_id.to_owned(),
            title: wanted.title,
            unsubscribe_page: wanted.unsubscribe_page,
            unsubscribe_setting: wanted.unsubscribe_setting,
            confirmed_opt_in: wanted.confirmed_opt_in,
            confirmation_success_page: wanted.confirmation_success_page,
            custom_fields: Vec::new(),
            subscribers: People::default(),
            webhooks: Vec::new(),
        },
    );
    desk.note_lag(&id, false);
    Ok(Reply::created(json!(id)))
}

pub(super) fn details(world: &mut World, id: &str) -> Answer {
    let list = world.list(id)?;
    Ok(Reply::read(json!({
        "ListID": list.id,
        "Title": list.title,
        "UnsubscribePage": list.unsubscribe_page,
        "UnsubscribeSetting": list.unsubscribe_setting,
        "ConfirmedOptIn": list.confirmed_opt_in,
        "ConfirmationSuccessPage": list.confirmation_success_page,
    })))
}

pub(super) fn update(world: &mut World, id: &str, call: &Call, now: Timestamp) -> Answer {
    let body = call.body()?;
    let fields = Fields::of(&body)?;
    let wanted = Wanted::of(&fields)?;
    let (adds, scrubs) = (fields.flag("AddUnsubscribesToSuppList")?, fields.flag("ScrubActiveWithSuppList")?);
    let client_id = world.list(id)?.client_id.clone();
    if title_taken(world, &client_id, &wanted.title, id) {
        return Err(ApiError::input(250));
    }
    let list = world.list(id)?;
    list.title = wanted.title;
    list.unsubscribe_page = wanted.unsubscribe_page;
    list.unsubscribe_setting = wanted.unsubscribe_setting;
    list.confirmed_opt_in = wanted.confirmed_opt_in;
    list.confirmation_success_page = wanted.confirmation_success_page;
    if list.honours_suppression() {
        let in_state = |list: &List, state| -> Vec<(String, String)> {
            let people = list.subscribers.iter().filter(|(_, s)| s.state == state);
            people.map(|(key, s)| (key.to_string(), s.email.clone())).collect()
        };
        let (left, active) = (in_state(list, State::Unsubscribed), in_state(list, State::Active));
        if adds {
            for (_, email) in left {
                world.suppress(&client_id, &email, "Unsubscribed", now);
            }
        }
        if scrubs {
            for (key, _) in active {
                if world.client(&client_id)?.suppressed.contains(&key) {
                    world.deactivate(id, &key, State::Unsubscribed, "Unsubscribed", now);
                }
            }
        }
    }
    Ok(Reply::done())
}

pub(super) fn delete(desk: &mut Desk, id: &str) -> Answer {
    desk.note_lag(id, true);
    desk.world.lists.remove(id);
    Ok(Reply::done())
}

pub(super) fn state_page(world: &mut World, id: &str, page: &str, call: &Call) -> Answer {
    let state = State::from_page(page).ok_or_else(ApiError::not_found)?;
    Ok(Reply::read(world.state_page(id, state, call)?))
}

/// 24 numbers; buckets follow the client's calendar and the week starts on Sunday.
pub(super) fn stats(world: &mut World, id: &str, now: Timestamp) -> Answer {
    let zone = world.zone_of_list(id).to_owned();
    let list = world.list(id)?;
    let today = clock::local(now, &zone).date();
    let mut answer = Map::new();
    for (state, total, stem) in [
        (State::Active, "TotalActiveSubscribers", "NewActiveSubscribers"),
        (State::Unsubscribed, "TotalUnsubscribes", "Unsubscribes"),
        (State::Deleted, "TotalDeleted", "Deleted"),
        (State::Bounced, "TotalBounces", "Bounces"),
    ] {
        answer.insert(total.to_owned(), json!(list.subscribers.count(state)));
        for (bucket, first, behind) in buckets(today) {
            let bounds = [first, behind].map(|day| clock::midnight(day, &zone));
            let [since_first, since_behind] = list.subscribers.changed_since(state, bounds);
            answer.insert(format!("{stem}{bucket}"), json!(since_first - since_behind));
        }
    }
    Ok(Reply::read(Value::Object(answer)))
}

/// Each with its first day and the day behind its last.
fn buckets(today: Date) -> [(&'static str, Date, Date); 5] {
    let back = |days: i64| today.checked_sub(Span::new().days(days)).unwrap_or(today);
    let tomorrow = back(-1);
    let into_week = i64::from(today.weekday().to_sunday_zero_offset());
    [
        ("Today", today, tomorrow),
        ("Yesterday", back(1), today),
        ("ThisWeek", back(into_week), tomorrow),
        ("ThisMonth", today.first_of_month(), tomorrow),
        ("ThisYear", today.first_of_year(), tomorrow),
    ]
}
