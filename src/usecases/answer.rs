//! A person answers: confirms a sign-up, says yes or no to a re-permission, or says "this was not me". Strict where it
//! makes a consent (LK-03 to LK-06): an open page of ours, a choice, not too fast, once.

mod given;
mod stop;

pub(super) use stop::stop;

use serde_json::{Value, json};

use crate::domain::consent::{Act, Command};
use crate::domain::event::Method;
use crate::domain::ids::{LinkId, PurposeId};
use crate::domain::link::LinkAction;
use crate::domain::name::DisplayName;
use crate::domain::purpose::Purpose;
use crate::domain::suppression::SuppressionReason;
use crate::links::Claims;
use crate::store::links::Link;

use super::linked::{LinkStanding, Question, standing, verify};
use super::nonce::{self, PageSeal};
use super::record::Occasion;
use super::sign_up::Choice;
use super::{Error, Services};
use given::Given;

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
    Recorded(Box<Question>, Vec<(Purpose, Recorded)>, Option<String>),
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

/// Answers a confirmation (`Confirm`) or re-permission (`Answer`) link.
pub async fn answer(services: &Services, token: &str, action: LinkAction, reply: Reply) -> Result<Answered, Error> {
    let genuine = verify(services, token, action).await?;
    let question = match standing(services, genuine, action).await? {
        LinkStanding::Open(question) => question,
        other => return Ok(Answered::Not(other)),
    };
    let age = match nonce::check(services, &question.link.id.to_string(), &reply.seal) {
        PageSeal::Fresh(age) => age,
        PageSeal::Stale | PageSeal::Broken => return Ok(Answered::Again(question, Again::Reload)),
    };
    let chosen: Vec<(Purpose, Choice)> = question
        .purposes
        .iter()
        .filter_map(|purpose| {
            let choice = reply.choices.iter().find(|(slug, _)| slug == purpose.slug.as_str());
            choice.map(|(_, choice)| (purpose.clone(), *choice))
        })
        .collect();
    if chosen.is_empty() {
        return Ok(Answered::Again(question, Again::NoChoice));
    }
    let says_yes = chosen.iter().any(|(_, choice)| *choice == Choice::Yes);
    // A no is never hindered; only a yes may be asked for again.
    if says_yes && age < services.rules.minimum_dwell {
        return Ok(Answered::Again(question, Again::TooFast));
    }
    let mut evidence = reply.evidence.clone();
    if let Some(object) = evidence.as_object_mut() {
        object.insert("page_open_ms".to_owned(), json!(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
    }
    let stop = LinkId::from_uuid(services.ids.random());
    let occasion = occasion_of(services, &question, action, evidence);
    let given = Given {
        services: services.clone(),
        keys: services.keys.of(genuine.scope).await?,
        genuine,
        action,
        subject: question.link.subject_id,
        route: question.route,
        chosen,
        name: reply.name,
        stop,
        occasion,
    };
    let written = services.store.submit(given).await;
    match written {
        Ok(Some(recorded)) => {
            let said_yes = recorded.iter().any(|(_, what)| *what == Recorded::Yes);
            let signer = services.keys.signer(genuine.scope).await?;
            let stop = said_yes.then(|| format!("/u/{}", signer.sign(&Claims::withdrawal(stop))));
            Ok(Answered::Recorded(question, recorded, stop))
        }
        // Another tab was faster: show what it decided (scenario 11).
        Ok(None) => Ok(Answered::Not(standing(services, genuine, action).await?)),
        Err(error) => Err(error),
    }
}

fn act_of(action: LinkAction) -> Act {
    match action {
        LinkAction::Confirm => Act::ConfirmedByLink,
        LinkAction::Answer | LinkAction::Withdraw | LinkAction::NotMe => Act::AnsweredByLink,
    }
}

fn occasion_of(services: &Services, question: &Question, action: LinkAction, evidence: Value) -> Occasion {
    let link = &question.link;
    let method = match action {
        LinkAction::Confirm => Method::ConfirmLink,
        LinkAction::Answer if link.on_site => Method::OnSiteLink,
        LinkAction::Answer => Method::AnswerLink,
        LinkAction::Withdraw => Method::WithdrawPage,
        LinkAction::NotMe => Method::NotMeLink,
    };
    Occasion {
        now: services.clock.now(),
        method,
        source: source_of(link),
        notice: link.notice_id,
        policy_version: question.notice.as_ref().map(|notice| notice.policy_version),
        evidence: Some(evidence),
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
    let signer = services.keys.signer(question.scope).await?;
    Ok(Some(format!("/u/{}", signer.sign(&Claims::withdrawal(stop)))))
}

/// "This was not me": nothing more is sent, and no further confirmation mails (R-22, DO-04). Forgiving: one press.
pub async fn not_me(services: &Services, token: &str, evidence: Value) -> Result<LinkStanding, Error> {
    let genuine = verify(services, token, LinkAction::NotMe).await?;
    let shown = standing(services, genuine, LinkAction::NotMe).await?;
    let question = match &shown {
        LinkStanding::Open(question)
        | LinkStanding::Expired(question)
        | LinkStanding::Superseded(question)
        | LinkStanding::Used(question, _, _) => question.clone(),
        LinkStanding::Gone => return Ok(shown),
    };
    let occasion = occasion_of(services, &question, LinkAction::NotMe, evidence);
    let purposes: Vec<PurposeId> = question.purposes.iter().map(|purpose| purpose.id).collect();
    let command = Command::Withdraw { reason: SuppressionReason::NotMe };
    stop(services, genuine, &question, purposes, command, occasion).await?;
    Ok(shown)
}
