//! Transactional mail (reference section 11): smart mails, sends, the log of messages, and their rate limit.
//!
//! Promises: paths without extension, 202 with one entry per recipient, the documented checks, and the
//! only rate limit that the provider documents, told on every answer. No mail leaves: a send is a message
//! in the log. Leaves out: attachments, statistics, groups, and adding recipients to a list.

use super::api::Scope;
use super::body::{Fields, is_email};
use super::call::{Call, Reply};
use super::desk::Desk;
use super::error::ApiError;
use super::model::World;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Newest messages that the log keeps.
const KEPT: usize = 1_000;
const RECIPIENTS: usize = 25;
const ADDRESS_LENGTH: usize = 250;
const DATA_BYTES: usize = 100 * 1024;
/// Most smart mails the emulator holds.
const SMART_MAILS: usize = 1_000;

type Answer = Result<Reply, ApiError>;

struct SmartMail {
    id: String,
    client_id: String,
    name: String,
    at: Timestamp,
}

struct Message {
    id: String,
    client_id: String,
    smart_id: Option<String>,
    recipient: String,
    subject: String,
    group: String,
    at: Timestamp,
}

/// Smart mails, messages, and how many calls of the limit are used.
pub(super) struct Mails {
    smart: Vec<SmartMail>,
    messages: VecDeque<Message>,
    calls: u32,
    within: Duration,
    used: u32,
    since: Instant,
}

impl Default for Mails {
    fn default() -> Self {
        Self {
            smart: Vec::new(),
            messages: VecDeque::new(),
            // The provider publishes no numbers; these are of the size of its one example.
            calls: 60,
            within: Duration::from_secs(360),
            used: 0,
            since: Instant::now(),
        }
    }
}

impl Mails {
    pub(super) fn limit(&mut self, calls: u32, within: Duration) {
        (self.calls, self.within, self.used, self.since) = (calls, within, 0, Instant::now());
    }

    pub(super) fn add_smart(&mut self, client_id: &str, name: &str, at: Timestamp) -> Option<String> {
        let id = new_guid();
        let fits = self.smart.len() < SMART_MAILS;
        fits.then(|| {
            let (client_id, name) = (client_id.to_owned(), name.to_owned());
            self.smart.push(SmartMail { id: id.clone(), client_id, name, at });
            id
        })
    }

    /// The three headers: limit, calls left, seconds until all are back.
    pub(super) fn told(&self) -> Vec<(&'static str, String)> {
        let reset = self.within.saturating_sub(self.since.elapsed()).as_millis().div_ceil(1_000);
        let left = self.calls.saturating_sub(self.used);
        super::answer::rate_limit(self.calls.into(), left.into(), u64::try_from(reset).unwrap_or(u64::MAX))
    }

    fn take_turn(&mut self) -> Result<(), ApiError> {
        if self.since.elapsed() >= self.within {
            (self.used, self.since) = (0, Instant::now());
        }
        if self.used >= self.calls {
            return Err(ApiError::new(429, 429, "Rate limit exceeded"));
        }
        self.used += 1;
        Ok(())
    }

    fn smart(&self, client_id: &str, id: &str) -> Result<&SmartMail, ApiError> {
        let known = self.smart.iter().find(|mail| mail.client_id == client_id && mail.id == id);
        known.ok_or_else(ApiError::not_found)
    }

    fn keep(&mut self, message: Message) {
        if self.messages.len() >= KEPT {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
    }
}

/// `path` is what stands behind `/transactional`.
pub(super) fn route(desk: &mut Desk, call: &Call, path: &[&str], scope: &Scope, now: Timestamp) -> Answer {
    desk.mails.take_turn()?;
    // Whoever may see several clients has to name one.
    let client_id = match scope {
        Scope::Client(own) => own.clone(),
        Scope::Account | Scope::Granted(_) => call.query("clientid").unwrap_or_default().to_owned(),
    };
    desk.world.client(&client_id)?;
    let Desk { mails, world, .. } = desk;
    match (call.method.as_str(), path) {
        ("GET", ["smartEmail"]) => smart_mails(mails, world, &client_id, call),
        ("GET", ["smartEmail", id]) => smart_mail(mails.smart(&client_id, id)?, world),
        ("POST", ["smartEmail", id, "send"]) => {
            let (id, subject) = mails.smart(&client_id, id).map(|mail| (mail.id.clone(), mail.name.clone()))?;
            send(mails, &client_id, call, Some(id), Some(subject), now)
        }
        ("POST", ["classicEmail", "send"]) => send(mails, &client_id, call, None, None, now),
        ("GET", ["messages"]) => messages(mails, world, &client_id, call),
        ("GET", ["messages", id]) => message(mails, &client_id, id).map(|known| Reply::read(shown(known, world))),
        ("POST", ["messages", id, "resend"]) => resend(mails, &client_id, id, now),
        _ => Err(ApiError::not_found()),
    }
}

fn smart_mails(mails: &Mails, world: &World, client_id: &str, call: &Call) -> Answer {
    match call.query("status").unwrap_or("all") {
        "all" | "active" => {}
        "draft" => return Ok(Reply::read(json!([]))),
        _ => return Err(ApiError::new(400, 920, "Invalid status")),
    }
    let known: Vec<_> = mails
        .smart
        .iter()
        .filter(|mail| mail.client_id == client_id)
        .map(|mail| {
            let at = iso(world, client_id, mail.at);
            json!({"ID": mail.id, "Name": mail.name, "CreatedAt": at, "Status": "Active"})
        })
        .collect();
    Ok(Reply::read(json!(known)))
}

fn smart_mail(mail: &SmartMail, world: &World) -> Answer {
    Ok(Reply::read(json!({
        "SmartEmailID": mail.id,
        "Name": mail.name,
        "CreatedAt": iso(world, &mail.client_id, mail.at),
        "Status": "Active",
        "Properties": {"Subject": mail.name, "Content": {"EmailVariables": [], "InlineCss": true}},
        "AddRecipientsToList": Value::Null,
    })))
}

/// One entry for each recipient of To, CC and BCC.
fn send(
    mails: &mut Mails,
    client_id: &str,
    call: &Call,
    smart_id: Option<String>,
    subject: Option<String>,
    now: Timestamp,
) -> Answer {
    let body = call.body()?;
    let fields = Fields::of(&body)?;
    let mut recipients = Vec::new();
    for name in ["To", "CC", "BCC"] {
        recipients.extend(fields.texts(name)?);
    }
    if recipients.iter().any(|recipient| address(recipient).chars().count() > ADDRESS_LENGTH) {
        return Err(ApiError::input(953));
    }
    if fields.items("To")?.is_empty() || !recipients.iter().all(|recipient| is_email(address(recipient))) {
        return Err(ApiError::input(952));
    }
    if recipients.len() > RECIPIENTS {
        return Err(ApiError::input(954));
    }
    if body.get("Data").is_some_and(|data| data.to_string().len() > DATA_BYTES) {
        return Err(ApiError::input(996));
    }
    if call.version.knows_tracking() {
        let consent = fields.text("ConsentToTrack")?.unwrap_or_default();
        if !super::writing::is_consent(&consent) {
            return Err(ApiError::input(974));
        }
    }
    let subject = match subject {
        Some(subject) => subject,
        None => fields.text("Subject")?.filter(|subject| !subject.is_empty()).ok_or_else(|| ApiError::input(956))?,
    };
    let group = fields.text("Group")?.unwrap_or_default();
    let taken: Vec<_> = recipients
        .into_iter()
        .map(|recipient| {
            let id = new_guid();
            let answer = json!({"Status": "Accepted", "MessageID": id, "Recipient": recipient});
            let (client_id, smart_id) = (client_id.to_owned(), smart_id.clone());
            let (subject, group) = (subject.clone(), group.clone());
            mails.keep(Message { id, client_id, smart_id, recipient, subject, group, at: now });
            answer
        })
        .collect();
    Ok(Reply::accepted(json!(taken)))
}

fn messages(mails: &Mails, world: &World, client_id: &str, call: &Call) -> Answer {
    let count = match call.query("count") {
        None | Some("") => 50,
        Some(text) => {
            text.parse().ok().filter(|count| (1..=200).contains(count)).ok_or_else(|| ApiError::input(905))?
        }
    };
    let wanted = |message: &&Message| {
        let same = |name, value: Option<&str>| call.query(name).is_none_or(|asked| value == Some(asked));
        message.client_id == client_id
            && same("smartemailid", message.smart_id.as_deref())
            && same("group", Some(message.group.as_str()))
    };
    let newest = mails.messages.iter().rev().filter(wanted).take(count);
    Ok(Reply::read(newest.map(|message| shown(message, world)).collect()))
}

fn message<'a>(mails: &'a Mails, client_id: &str, id: &str) -> Result<&'a Message, ApiError> {
    let known = mails.messages.iter().find(|message| message.client_id == client_id && message.id == id);
    known.ok_or_else(|| ApiError::input(302))
}

fn resend(mails: &mut Mails, client_id: &str, id: &str, now: Timestamp) -> Answer {
    let known = message(mails, client_id, id)?;
    let again = Message {
        id: new_guid(),
        client_id: known.client_id.clone(),
        smart_id: known.smart_id.clone(),
        recipient: known.recipient.clone(),
        subject: known.subject.clone(),
        group: known.group.clone(),
        at: now,
    };
    let answer = json!([{"Status": "Accepted", "MessageID": again.id, "Recipient": again.recipient}]);
    mails.keep(again);
    Ok(Reply::accepted(answer))
}

fn shown(message: &Message, world: &World) -> Value {
    json!({
        "MessageID": message.id,
        "Status": "Delivered",
        "SentAt": iso(world, &message.client_id, message.at),
        "SmartEmailID": message.smart_id,
        "Recipient": message.recipient,
        "Subject": message.subject,
        "Group": message.group,
        "CanBeResent": true,
        "TotalOpens": 0,
        "TotalClicks": 0,
    })
}

/// The only dates of the API that carry their offset.
fn iso(world: &World, client_id: &str, at: Timestamp) -> String {
    let zone = world.clients.get(client_id).map_or("UTC", |client| &client.zone);
    super::clock::with_offset(at, zone)
}

/// The address of `Anna Example <anna@example.com>`, or of a bare one.
fn address(recipient: &str) -> &str {
    let bracketed = recipient.rsplit_once('<').and_then(|(_, rest)| rest.trim_end().strip_suffix('>'));
    bracketed.unwrap_or(recipient).trim()
}

/// Ids here have dashes.
fn new_guid() -> String {
    uuid::Uuid::new_v4().to_string()
}
