//! The check of a connection: each thing that sync needs, and whether it is there. Only what the provider says counts, not
//! what we once set up.

use crate::campaign_monitor::{
    CallError, CustomField, FieldType, ListDetails, Reason, UnsubscribeSetting, Verdict, Webhook, label_zone,
    normalise_key,
};
use crate::domain::ids::{ControllerScope, DestinationId};

use super::super::destination_fields::wanted_fields;
use super::super::destinations::webhook_url;
use super::super::sync::{PREFERENCES, preference_address};
use super::super::{Error, Services};
use super::{Line, read, same_clock};

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// The key.
    Credential,
    /// The client.
    Client,
    /// The client's zone.
    TimeZone,
    /// A purpose kept somewhere.
    Lists,
    /// A list.
    List,
    /// That a list confirms nobody by itself.
    Confirmation,
    /// How far an unsubscribe on a list reaches.
    Unsubscribe,
    /// A custom field that carries proof, or what else is to be written there.
    Field,
    /// The webhook by which stops come here.
    Webhook,
}

impl Matter {
    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Client => "client",
            Self::TimeZone => "time_zone",
            Self::Lists => "lists",
            Self::List => "list",
            Self::Confirmation => "confirmation",
            Self::Unsubscribe => "unsubscribe",
            Self::Field => "field",
            Self::Webhook => "webhook",
        }
    }
}

/// How a matter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As it should be.
    Good,
    /// Sync works, and somebody should know.
    Note,
    /// Preparing the list brings it about.
    Missing,
    /// A person has to put it right.
    Wrong,
    /// The provider could not be asked just now.
    Unknown,
}

impl Standing {
    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Missing => "missing",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }

    /// Whether sync can do without.
    pub const fn is_fine(self) -> bool {
        matches!(self, Self::Good | Self::Note)
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What.
    pub matter: Matter,
    /// On which list, if on one.
    pub list_id: Option<String>,
    /// How it stands.
    pub standing: Standing,
    /// In words.
    pub text: String,
}

/// Looks at everything that keeping a destination in step needs. What cannot be looked at is a finding too, and ends what
/// hangs on it.
pub async fn check(services: &Services, scope: ControllerScope, id: DestinationId) -> Result<Vec<Finding>, Error> {
    let (destination, lists) = read(services, scope, id).await?;
    let (by_oauth, link) = (destination.connection_id.is_some(), preference_address(services));
    let mut found = Findings { by_oauth, link, ..Findings::default() };
    let line = match Line::of(services, &destination).await {
        Ok(line) => line,
        Err(Error::Provider(error)) => {
            found.failed(Matter::Credential, &error);
            return Ok(found.all);
        }
        Err(error) => return Err(error),
    };
    let account = line.account();
    let keys = services.keys.of(scope).await?;
    let hook = webhook_url(services, &keys, &destination)?;
    let wanted = wanted_fields(&destination)?;
    match account.system_date().await {
        Ok(clock) => {
            let what = if found.by_oauth { "connection" } else { "key" };
            found.add(Matter::Credential, Standing::Good, format!("the {what} is taken; their clock says {clock}"))
        }
        Err(error) => {
            found.failed(Matter::Credential, &error);
            return Ok(found.all);
        }
    }
    match account.client_details(&destination.client_id).await {
        Ok(details) => {
            found.add(Matter::Client, Standing::Good, format!("the client is {}", named(&details.company_name)));
            found.zone(&details.time_zone, &destination.time_zone, services);
        }
        Err(error) => {
            found.failed(Matter::Client, &error);
            return Ok(found.all);
        }
    }
    if lists.is_empty() {
        found.add(Matter::Lists, Standing::Wrong, "no purpose is kept here; choose a list or have one made".to_owned());
    }
    let mut ids: Vec<String> = lists.into_iter().map(|list| list.list_id).collect();
    ids.sort_unstable();
    ids.dedup();
    for list in ids {
        found.list = Some(list.clone());
        match account.list_details(&list).await {
            Ok(details) => found.settings(&details),
            Err(error) => {
                found.failed(Matter::List, &error);
                continue;
            }
        }
        match account.custom_fields(&list).await {
            Ok(fields) => found.fields(&fields, &wanted),
            Err(error) => found.failed(Matter::Field, &error),
        }
        match account.webhooks(&list).await {
            Ok(hooks) => found.webhook(&hooks, &hook),
            Err(error) => found.failed(Matter::Webhook, &error),
        }
    }
    Ok(found.all)
}

#[derive(Default)]
struct Findings {
    all: Vec<Finding>,
    /// The list that is looked at.
    list: Option<String>,
    /// Whether tokens are used and no API key.
    by_oauth: bool,
    /// What a design has to hold for a reader to come to their preferences.
    link: String,
}

impl Findings {
    fn add(&mut self, matter: Matter, standing: Standing, text: String) {
        self.all.push(Finding { matter, list_id: self.list.clone(), standing, text });
    }

    /// A call that failed says what it says about the matter.
    fn failed(&mut self, matter: Matter, error: &CallError) {
        let (standing, text) = match error.verdict() {
            Verdict::NeedsPerson(Reason::Credential | Reason::CredentialExpired) if self.by_oauth => {
                (Standing::Wrong, "the provider takes the connection no more: connect again".to_owned())
            }
            Verdict::NeedsPerson(Reason::Permission) if self.by_oauth => {
                (Standing::Wrong, format!("the connection may not do this: connect again and allow all of it: {error}"))
            }
            Verdict::NeedsPerson(Reason::Credential | Reason::CredentialExpired) => {
                (Standing::Wrong, format!("the key is not taken: {error}"))
            }
            Verdict::NeedsPerson(Reason::ForeignId | Reason::NotFound) => {
                (Standing::Wrong, format!("there is none with this id, or it is somebody else's: {error}"))
            }
            Verdict::NeedsPerson(Reason::Permission) => {
                (Standing::Wrong, format!("the key may not ask for it: {error}"))
            }
            Verdict::Retry { .. } | Verdict::Done => (Standing::Unknown, format!("ask again later: {error}")),
            Verdict::NeedsPerson(_) | Verdict::TheyStopped { .. } => (Standing::Wrong, error.to_string()),
        };
        self.add(matter, standing, text);
    }

    fn zone(&mut self, label: &str, ours: &str, services: &Services) {
        let (standing, text) = match label_zone(label) {
            Some(theirs) if same_clock(theirs, ours, services.clock.now()) => {
                (Standing::Good, format!("{ours} keeps the clock of {}", named(label)))
            }
            Some(theirs) => (
                Standing::Wrong,
                format!("their label is {}, which is most likely {theirs}; here it is {ours}", named(label)),
            ),
            None => (
                Standing::Note,
                format!("their label {} is not known here; make sure that it means {ours}", named(label)),
            ),
        };
        self.add(Matter::TimeZone, standing, text);
    }

    fn settings(&mut self, list: &ListDetails) {
        self.add(Matter::List, Standing::Good, format!("the list is {}", named(&list.title)));
        if list.confirmed_opt_in {
            let text = "the list sends a confirmation mail of its own to everybody who is confirmed here; switch that off there";
            self.add(Matter::Confirmation, Standing::Wrong, text.to_owned());
        } else {
            self.add(Matter::Confirmation, Standing::Good, "the list confirms nobody by itself".to_owned());
        }
        let (standing, text) = match list.unsubscribe_setting {
            UnsubscribeSetting::AllClientLists => {
                (Standing::Note, "who unsubscribes leaves all lists of the client, and is on its suppression list")
            }
            UnsubscribeSetting::OnlyThisList => (
                Standing::Note,
                "who unsubscribes leaves this list alone; the client's suppression list does not protect it",
            ),
            UnsubscribeSetting::Other => (Standing::Note, "how far an unsubscribe reaches there is not known here"),
        };
        self.add(Matter::Unsubscribe, standing, text.to_owned());
    }

    fn fields(&mut self, there: &[CustomField], wanted: &[(String, FieldType)]) {
        for (name, kind) in wanted {
            let field = there.iter().find(|field| normalise_key(&field.key) == normalise_key(name));
            let (standing, text) = match field {
                None => (Standing::Missing, format!("the field {name} is missing; what is sent for it is dropped")),
                Some(field) if !is_of(field, *kind) => {
                    (Standing::Wrong, format!("the field {name} is of the type {}", named(&field.data_type)))
                }
                Some(field) if field.visible_in_preference_center => {
                    (Standing::Note, format!("people may change the field {name} in the preference centre"))
                }
                Some(_) if name == PREFERENCES => {
                    (Standing::Good, format!("the field {name} is there, for a link to {} in a design", self.link))
                }
                Some(_) => (Standing::Good, format!("the field {name} is there")),
            };
            self.add(Matter::Field, standing, text);
        }
    }

    fn webhook(&mut self, there: &[Webhook], ours: &str) {
        let own: Vec<&Webhook> = there.iter().filter(|hook| hook.url == ours).collect();
        let on = || own.iter().filter(|hook| hook.is_active());
        let (standing, text) = if on().any(|hook| hook.tells_all()) {
            (Standing::Good, "stops there are told here")
        } else if on().next().is_some() {
            (Standing::Missing, "the webhook does not tell of all kinds of events")
        } else if own.is_empty() {
            (Standing::Missing, "there is no webhook of ours; stops there are seen late")
        } else {
            (Standing::Missing, "our webhook was switched off there; stops were missed since")
        };
        self.add(Matter::Webhook, standing, text.to_owned());
    }
}

fn is_of(field: &CustomField, kind: FieldType) -> bool {
    field.data_type.eq_ignore_ascii_case(kind.word())
}

/// A name of theirs, in quotes and not longer than it may be shown.
fn named(name: &str) -> String {
    format!("\u{201c}{}\u{201d}", name.chars().filter(|c| !c.is_control()).take(100).collect::<String>())
}
