//! A person answers: confirms a sign-up, says yes or no to a re-permission, or says "this was not me". Strict where it
//! makes a consent (LK-03 to LK-06): an open page of ours, a choice, not too fast, once.

mod given;
mod stop;

pub use stop::StopShown;
pub(super) use stop::{About, Wanted, stop};

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::consent::{Act, Command};
use crate::domain::event::Method;
use crate::domain::ids::{ControllerScope, LinkId};
use crate::domain::link::LinkAction;
use crate::domain::name::DisplayName;
use crate::domain::purpose::Purpose;
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::links::Claims;
use crate::store::links::Link;

use super::linked::{LinkStanding, Question, standing, verify};
use super::nonce::{self, PageSeal};
use super::record::Occasion;
use super::scene::Scene;
use super::sign_up::Choice;
use super::{Error, Services};
use given::{Given, Told};

/// Under which name a used link's answer keeps the link that stops it; no purpose has an underscore in its name.
const STOP_LINK: &str = "_stop";

/// What came back from a page.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The page's seal.
    pub seal: String,
    /// Choices by the purpose's short name.
    pub choices: Vec<(String, Choice)>,
    /// A corrected name.
    pub name: Option<DisplayName>,
    /// Client and signals (LK-05).
    pub evidence: Value,
}

impl Reply {
    fn says_yes(&self) -> bool {
        self.choices.iter().any(|(_, choice)| *choice == Choice::Yes)
    }
}

/// Why the page is shown once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Nothing was chosen (LK-03).
    NoChoice,
    /// It came faster than a person reads (LK-05).
    TooFast,
    /// The page was open too long, or was not ours (LK-04).
    Reload,
}

/// How an answer went.
#[derive(Debug, Clone)]
pub enum Answered {
    /// Recorded: per purpose what stands now; and after a yes, where to stop it.
    Recorded(Arc<Scene>, Vec<(Purpose, Recorded)>, Option<String>),
    /// The page is to be shown once more.
    Again(Box<Question>, Again),
    /// The link cannot be answered.
    Not(LinkStanding),
}

/// What became of one choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// A consent.
    Yes,
    /// A refusal.
    No,
    /// A yes that did not count, as the person had stopped it since; only a new sign-up starts it again.
    Stopped,
    /// The purpose has ended.
    Ended,
    /// The time to confirm had passed.
    TooLate,
}

impl Recorded {
    /// The name under which it is kept with the link.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Stopped => "stopped",
            Self::Ended => "ended",
            Self::TooLate => "too_late",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Yes, Self::No, Self::Stopped, Self::Ended, Self::TooLate]
            .into_iter()
            .find(|recorded| recorded.name() == name)
    }
}

/// Answers a confirmation (`Confirm`) or re-permission (`Answer`) link. An answer that can stand goes straight to the
/// writer, which reads for many at once; what the page has to be shown for once more is looked at first.
pub async fn answer(services: &Services, token: &str, action: LinkAction, reply: Reply) -> Result<Answered, Error> {
    let genuine = verify(services, token, action).await?;
    let seal = nonce::check(services, &genuine.link.to_string(), &reply.seal);
    let hasty = |age: Duration| age < services.rules.minimum_dwell && reply.says_yes();
    let age = match seal {
        PageSeal::Fresh(age) if !genuine.expired && !reply.choices.is_empty() && !hasty(age) => age,
        PageSeal::Fresh(_) | PageSeal::Stale | PageSeal::Broken => {
            let question = match standing(services, genuine, action).await? {
                LinkStanding::Open(question) => question,
                other => return Ok(Answered::Not(other)),
            };
            match (seal, why_again(services, &question, &reply, seal)) {
                (PageSeal::Fresh(age), None) => age,
                (_, why) => return Ok(Answered::Again(question, why.unwrap_or(Again::Reload))),
            }
        }
    };
    let mut evidence = reply.evidence;
    if let Some(object) = evidence.as_object_mut() {
        object.insert("page_open_ms".to_owned(), json!(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
    }
    let stop = LinkId::from_uuid(services.ids.random());
    let given = Given {
        services: services.clone(),
        keys: services.keys.of(genuine.scope).await?,
        genuine,
        action,
        choices: reply.choices,
        name: reply.name,
        stop,
        now: services.clock.now(),
        evidence,
    };
    match services.store.submit(given).await? {
        Told::Recorded(scene, recorded) => {
            let said_yes = recorded.iter().any(|(_, what)| *what == Recorded::Yes);
            let stop = match said_yes {
                true => Some(stop_path(services, genuine.scope, stop).await?),
                false => None,
            };
            Ok(Answered::Recorded(scene, recorded, stop))
        }
        Told::NoChoice => Ok(match standing(services, genuine, action).await? {
            LinkStanding::Open(question) => Answered::Again(question, Again::NoChoice),
            other => Answered::Not(other),
        }),
        // Such as when another tab was faster: show what it decided (scenario 11).
        Told::Closed => Ok(Answered::Not(standing(services, genuine, action).await?)),
    }
}

/// Why the page of an open link has to be shown once more, if it has.
fn why_again(services: &Services, question: &Question, reply: &Reply, seal: PageSeal) -> Option<Again> {
    let age = match seal {
        PageSeal::Fresh(age) => age,
        PageSeal::Stale | PageSeal::Broken => return Some(Again::Reload),
    };
    let mut chosen = chosen(&question.purposes, &reply.choices).peekable();
    if chosen.peek().is_none() {
        return Some(Again::NoChoice);
    }
    // A no is never hindered; only a yes may be asked for again.
    let says_yes = chosen.any(|(_, choice)| choice == Choice::Yes);
    (says_yes && age < services.rules.minimum_dwell).then_some(Again::TooFast)
}

/// The purposes that something was chosen for, in their order.
fn chosen<'a>(purposes: &'a [Purpose], choices: &'a [(String, Choice)]) -> impl Iterator<Item = (&'a Purpose, Choice)> {
    purposes.iter().filter_map(|purpose| {
        let choice = choices.iter().find(|(slug, _)| slug == purpose.slug.as_str());
        choice.map(|(_, choice)| (purpose, *choice))
    })
}

fn act_of(action: LinkAction) -> Act {
    match action {
        LinkAction::Confirm => Act::ConfirmedByLink,
        LinkAction::Answer | LinkAction::Withdraw | LinkAction::NotMe | LinkAction::Manage | LinkAction::Move => {
            Act::AnsweredByLink
        }
    }
}

fn occasion_of(now: Timestamp, action: LinkAction, link: &Link, scene: &Scene, evidence: Option<Value>) -> Occasion {
    let method = match action {
        LinkAction::Confirm => Method::ConfirmLink,
        LinkAction::Answer if link.on_site => Method::OnSiteLink,
        LinkAction::Answer => Method::AnswerLink,
        LinkAction::Withdraw => Method::WithdrawPage,
        LinkAction::NotMe => Method::NotMeLink,
        LinkAction::Manage => Method::PreferencePage,
        LinkAction::Move => Method::AddressLink,
    };
    Occasion {
        now,
        method,
        source: source_of(link),
        notice: link.notice_id,
        policy_version: scene.notice.as_ref().map(|notice| notice.policy_version),
        evidence,
    }
}

/// The round or form that a link came through.
pub(super) fn source_of(link: &Link) -> Option<String> {
    link.campaign_id.map(|id| format!("campaign:{id}")).or_else(|| link.form_id.map(|id| format!("form:{id}")))
}

/// Where a yes that was given by this link can be stopped, for the page of a used link; makes nothing (LK-01).
pub async fn where_to_stop(services: &Services, question: &Question) -> Result<Option<String>, Error> {
    let kept: Value = question.link.answer.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default();
    let Some(stop) = kept.get(STOP_LINK).and_then(Value::as_str).and_then(|id| id.parse::<LinkId>().ok()) else {
        return Ok(None);
    };
    Ok(Some(stop_path(services, question.scope, stop).await?))
}

/// Where the link with this id stops it.
async fn stop_path(services: &Services, scope: ControllerScope, stop: LinkId) -> Result<String, Error> {
    let signer = services.keys.signer(scope).await?;
    Ok(format!("/u/{}", signer.sign(&Claims::withdrawal(stop))))
}

/// "This was not me": nothing more is sent, and no further confirmation mails (R-22, DO-04). Forgiving: one press.
/// Answers as [`withdraw`](super::withdraw::withdraw) does.
pub async fn not_me(services: &Services, token: &str, evidence: Value) -> Result<Option<StopShown>, Error> {
    let genuine = verify(services, token, LinkAction::NotMe).await?;
    let command = Command::Withdraw { reason: SuppressionReason::NotMe };
    let (action, method) = (LinkAction::NotMe, Method::NotMeLink);
    stop(services, genuine, Wanted { action, about: About::Link, command, method, evidence }).await
}
