//! Answers on their way to the writer: the link is used once, each choice is asked of the rules, the round counts
//! the answer, and a yes leaves a link that stops it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::crypto::ControllerKeys;
use crate::domain::campaign::Answer;
use crate::domain::consent::{Act, Command, Decision, Refusal};
use crate::domain::ids::{CampaignId, ControllerId, ControllerScope, LinkId, PurposeId, SubjectId};
use crate::domain::link::LinkAction;
use crate::domain::name::DisplayName;
use crate::domain::purpose::Purpose;
use crate::store::links::{Link, Used};
use crate::store::{Outcomes, WriteTx};

use super::super::docket::Docket;
use super::super::linked::Genuine;
use super::super::record::{Occasion, Person};
use super::super::sign_up::Choice;
use super::super::{Error, Services};
use super::{Recorded, STOP_LINK, act_of};

/// An answer by link.
pub(super) struct Given {
    pub services: Services,
    pub keys: Arc<ControllerKeys>,
    pub genuine: Genuine,
    pub action: LinkAction,
    pub subject: SubjectId,
    pub route: Uuid,
    pub chosen: Vec<(Purpose, Choice)>,
    pub name: Option<DisplayName>,
    /// The id of the link that stops it, should there be a yes.
    pub stop: LinkId,
    pub occasion: Occasion,
}

/// People and links that a batch is about, locked.
pub(super) struct Locked {
    people: HashMap<(ControllerId, SubjectId), Person>,
    links: HashMap<(ControllerId, LinkId), Link>,
}

impl Locked {
    /// The people first, as everywhere, so that transactions lock in one order. Somebody erased is nobody.
    pub(super) fn all<'a>(
        tx: &mut WriteTx<'_>,
        wanted: impl Iterator<Item = (Genuine, SubjectId, &'a ControllerKeys)> + Clone,
    ) -> Result<Self, Error> {
        let keys: HashMap<(ControllerId, SubjectId), (ControllerScope, &ControllerKeys)> = wanted
            .clone()
            .map(|(genuine, subject, keys)| ((genuine.scope.controller(), subject), (genuine.scope, keys)))
            .collect();
        let ids: Vec<_> = keys.keys().copied().collect();
        let mut people = HashMap::with_capacity(ids.len());
        for row in tx.lock_people(&ids)? {
            let id = (row.controller_id, row.id);
            if let (Some((scope, keys)), None) = (keys.get(&id), row.erased_at) {
                people.insert(id, Person::open(*scope, keys, row)?);
            }
        }
        let mut ids: Vec<_> = wanted.map(|(genuine, _, _)| (genuine.scope.controller(), genuine.link)).collect();
        ids.sort_unstable();
        ids.dedup();
        let links = tx.lock_links(&ids)?.into_iter().map(|link| ((link.controller_id, link.id), link)).collect();
        Ok(Self { people, links })
    }

    pub(super) fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    /// The person and the link, if both are still there.
    pub(super) fn find(&self, genuine: Genuine, subject: SubjectId) -> Option<(&Person, &Link)> {
        let controller = genuine.scope.controller();
        self.people.get(&(controller, subject)).zip(self.links.get(&(controller, genuine.link)))
    }
}

/// Answers to rounds, to be noted together.
#[derive(Default)]
pub(super) struct RoundAnswers(Vec<(ControllerScope, CampaignId, Answer, SubjectId)>);

impl RoundAnswers {
    pub(super) fn note(&mut self, person: &Person, link: &Link, said: Answer) {
        if let Some(campaign) = link.campaign_id {
            self.0.push((person.scope, campaign, said, person.row.id));
        }
    }

    /// The first answer of each person stands, also within the batch.
    pub(super) fn write(self, tx: &mut WriteTx<'_>, now: crate::domain::time::Timestamp) -> Result<(), Error> {
        let mut seen = HashSet::new();
        let mut alike: HashMap<(ControllerScope, CampaignId, Answer), Vec<SubjectId>> = HashMap::new();
        for (scope, campaign, said, subject) in self.0 {
            if seen.insert((campaign, subject)) {
                alike.entry((scope, campaign, said)).or_default().push(subject);
            }
        }
        let mut alike: Vec<_> = alike.into_iter().collect();
        alike.sort_unstable_by_key(|(key, _)| *key);
        for ((scope, campaign, said), people) in alike {
            tx.set_member_answers(scope, campaign, &people, said, now)?;
        }
        Ok(())
    }
}

impl crate::store::Command for Given {
    /// What became of each choice; nothing where the link was decided before.
    type Answer = Option<Vec<(Purpose, Recorded)>>;
    type Error = Error;

    fn route(&self) -> Uuid {
        self.route
    }

    fn carry_out(all: &[&Self], tx: &mut WriteTx<'_>) -> Result<Outcomes<Self>, Error> {
        let locked = Locked::all(tx, all.iter().map(|given| (given.genuine, given.subject, &*given.keys)))?;
        let mut docket = Docket::read(tx, locked.people())?;
        let mut used: Vec<Used> = Vec::with_capacity(all.len());
        let (mut taken, mut rounds, mut names) = (HashSet::new(), RoundAnswers::default(), Vec::new());
        let mut outcomes = Vec::with_capacity(all.len());
        for given in all {
            let open = locked.find(given.genuine, given.subject).filter(|(_, link)| {
                link.used_at.is_none() && link.superseded_at.is_none() && taken.insert((link.controller_id, link.id))
            });
            let Some((person, link)) = open else {
                outcomes.push(Ok(None));
                continue;
            };
            let recorded = given.decide(&mut docket, person);
            used.push(given.used(link, &recorded));
            docket.sheet().links.extend(given.stop_link(link, &recorded)?);
            rounds.note(person, link, if any_yes(&recorded) { Answer::Yes } else { Answer::No });
            names.extend(given.name.as_ref().map(|name| (person, name)));
            outcomes.push(Ok(Some(recorded)));
        }
        docket.write(tx)?;
        tx.use_links(&used)?;
        if let Some(now) = used.iter().map(|link| link.at).max() {
            rounds.write(tx, now)?;
        }
        for (person, name) in names {
            person.set_name(tx, name)?;
        }
        Ok(outcomes)
    }
}

fn any_yes(recorded: &[(Purpose, Recorded)]) -> bool {
    recorded.iter().any(|(_, what)| *what == Recorded::Yes)
}

impl Given {
    fn decide<'p>(&'p self, docket: &mut Docket<'p>, person: &'p Person) -> Vec<(Purpose, Recorded)> {
        let mut recorded = Vec::with_capacity(self.chosen.len());
        for (purpose, choice) in &self.chosen {
            let command = match choice {
                Choice::Yes => {
                    let act: Act = act_of(self.action);
                    Command::Give { act, terms: purpose.terms(self.occasion.now) }
                }
                Choice::No => Command::Refuse,
            };
            let decided = docket.apply(&*self.services.ids, &self.keys, person, purpose.id, command, &self.occasion);
            recorded.push((purpose.clone(), verdict(decided, *choice)));
        }
        recorded
    }

    /// The link, decided; with what was decided for the page that shows it again (LK-06).
    fn used(&self, link: &Link, recorded: &[(Purpose, Recorded)]) -> Used {
        let mut answer: Map<String, Value> =
            recorded.iter().map(|(purpose, what)| (purpose.slug.to_string(), Value::from(what.name()))).collect();
        if any_yes(recorded) {
            answer.insert(STOP_LINK.to_owned(), json!(self.stop));
        }
        let answer = Value::Object(answer).to_string();
        Used { controller_id: link.controller_id, id: link.id, at: self.occasion.now, answer }
    }

    /// After a yes the page shows where to stop it, as easy as it was to begin (WD-01).
    fn stop_link(&self, answered: &Link, recorded: &[(Purpose, Recorded)]) -> Result<Option<Link>, Error> {
        let agreed = recorded.iter().filter(|(_, what)| *what == Recorded::Yes);
        let agreed: Vec<PurposeId> = agreed.map(|(purpose, _)| purpose.id).collect();
        if agreed.is_empty() {
            return Ok(None);
        }
        Ok(Some(Link {
            id: self.stop,
            action: LinkAction::Withdraw,
            purposes: serde_json::to_string(&agreed)?,
            campaign_id: None,
            created_at: self.occasion.now,
            expires_at: None,
            superseded_at: None,
            used_at: None,
            answer: None,
            ..answered.clone()
        }))
    }
}

fn verdict(decided: Result<Decision, Refusal>, choice: Choice) -> Recorded {
    match (decided, choice) {
        (Ok(_), Choice::Yes) => Recorded::Yes,
        (Ok(_), Choice::No) => Recorded::No,
        (Err(Refusal::PurposeEnded), _) => Recorded::Ended,
        (Err(Refusal::RequestExpired), _) => Recorded::TooLate,
        (
            Err(
                Refusal::NotRequested
                | Refusal::Stopped
                | Refusal::NeedsConfirmation
                | Refusal::NotDue
                | Refusal::NothingToChange
                | Refusal::AlreadyConfirmed
                | Refusal::EndedHere,
            ),
            _,
        ) => Recorded::Stopped,
    }
}
