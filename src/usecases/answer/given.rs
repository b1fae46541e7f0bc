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
use crate::domain::time::Timestamp;
use crate::store::links::{Link, Used};
use crate::store::{Outcomes, WriteTx};

use super::super::docket::Docket;
use super::super::linked::Genuine;
use super::super::record::Person;
use super::super::scene::{Scene, scene_of};
use super::super::sign_up::Choice;
use super::super::sync::details_changed;
use super::super::{Error, Services};
use super::{Recorded, STOP_LINK, act_of, chosen, occasion_of};

/// An answer by link.
pub(super) struct Given {
    pub services: Services,
    pub keys: Arc<ControllerKeys>,
    pub genuine: Genuine,
    pub action: LinkAction,
    /// Choices by the purpose's short name; what the link does not ask is passed over.
    pub choices: Vec<(String, Choice)>,
    pub name: Option<DisplayName>,
    /// The id of the link that stops it, should there be a yes.
    pub stop: LinkId,
    pub now: Timestamp,
    pub evidence: Value,
}

/// What the writer says to an answer.
pub(super) enum Told {
    /// What became of each choice.
    Recorded(Arc<Scene>, Vec<(Purpose, Recorded)>),
    /// Nothing was chosen of what the link asks (LK-03).
    NoChoice,
    /// The link cannot be answered, or not any more.
    Closed,
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
        wanted: impl Iterator<Item = (Genuine, &'a ControllerKeys)> + Clone,
    ) -> Result<Self, Error> {
        let keys: HashMap<ControllerId, (ControllerScope, &ControllerKeys)> =
            wanted.clone().map(|(genuine, keys)| (genuine.scope.controller(), (genuine.scope, keys))).collect();
        let mut ids: Vec<_> = wanted.map(|(genuine, _)| (genuine.scope.controller(), genuine.link)).collect();
        ids.sort_unstable();
        ids.dedup();
        let behind = tx.people_behind(&ids)?;
        let mut people = HashMap::with_capacity(behind.len());
        for row in tx.lock_people(&behind)? {
            if let (Some((scope, keys)), None) = (keys.get(&row.controller_id), row.erased_at) {
                people.insert((row.controller_id, row.id), Person::open(*scope, keys, row)?);
            }
        }
        let links = tx.lock_links(&ids)?.into_iter().map(|link| ((link.controller_id, link.id), link)).collect();
        Ok(Self { people, links })
    }

    pub(super) fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    /// The person and the link, if both are still there. A link for another act is not known (LK-07).
    pub(super) fn find(&self, genuine: Genuine, action: LinkAction) -> Result<Option<(&Person, &Link)>, Error> {
        let controller = genuine.scope.controller();
        let Some(link) = self.links.get(&(controller, genuine.link)) else { return Ok(None) };
        if link.action != action {
            return Err(Error::UnknownLink);
        }
        Ok(self.people.get(&(controller, link.subject_id)).map(|person| (person, link)))
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
    pub(super) fn write(self, tx: &mut WriteTx<'_>, now: Timestamp) -> Result<(), Error> {
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
    type Answer = Told;
    type Error = Error;

    fn route(&self) -> Uuid {
        self.genuine.link.uuid()
    }

    fn carry_out(all: &[&Self], tx: &mut WriteTx<'_>) -> Result<Outcomes<Self>, Error> {
        let locked = Locked::all(tx, all.iter().map(|given| (given.genuine, &*given.keys)))?;
        let mut docket = Docket::read(tx, locked.people())?;
        let mut used: Vec<Used> = Vec::with_capacity(all.len());
        let (mut taken, mut rounds, mut names) = (HashSet::new(), RoundAnswers::default(), Vec::new());
        let mut outcomes = Vec::with_capacity(all.len());
        for given in all {
            let (person, link) = match locked.find(given.genuine, given.action) {
                Ok(Some((person, link))) if link.open_at(given.now) && !taken.contains(&link.id) => (person, link),
                Ok(_) => {
                    outcomes.push(Ok(Told::Closed));
                    continue;
                }
                Err(error) => {
                    outcomes.push(Err(error));
                    continue;
                }
            };
            let scene = scene_of(&given.services, tx, person.scope, link)?;
            let recorded = given.decide(&mut docket, person, link, &scene);
            if recorded.is_empty() {
                outcomes.push(Ok(Told::NoChoice));
                continue;
            }
            taken.insert(link.id);
            used.push(given.used(link, &recorded));
            docket.sheet().links.extend(given.stop_link(link, &recorded)?);
            rounds.note(person, link, if any_yes(&recorded) { Answer::Yes } else { Answer::No });
            names.extend(given.name.as_ref().map(|name| (person, name, given.now)));
            outcomes.push(Ok(Told::Recorded(scene, recorded)));
        }
        docket.write(tx)?;
        tx.use_links(&used)?;
        if let Some(now) = used.iter().map(|link| link.at).max() {
            rounds.write(tx, now)?;
        }
        for (person, name, now) in names {
            person.set_name(tx, name)?;
            // The answer may change nothing else.
            details_changed(tx, person.scope, &[person.row.id], now)?;
        }
        Ok(outcomes)
    }
}

fn any_yes(recorded: &[(Purpose, Recorded)]) -> bool {
    recorded.iter().any(|(_, what)| *what == Recorded::Yes)
}

impl Given {
    /// Asks the rules for each choice, in the order of the notice.
    fn decide<'p>(
        &'p self,
        docket: &mut Docket<'p>,
        person: &'p Person,
        link: &Link,
        scene: &Scene,
    ) -> Vec<(Purpose, Recorded)> {
        let evidence = Some(self.evidence.clone());
        let occasion = occasion_of(self.now, self.action, link, scene, evidence);
        let mut recorded = Vec::with_capacity(self.choices.len());
        for (purpose, choice) in chosen(&scene.purposes, &self.choices) {
            let command = match choice {
                Choice::Yes => {
                    let act: Act = act_of(self.action);
                    Command::Give { act, terms: purpose.terms(self.now) }
                }
                Choice::No => Command::Refuse,
            };
            let decided = docket.apply(&*self.services.ids, &self.keys, person, purpose.id, command, &occasion);
            recorded.push((purpose.clone(), verdict(decided, choice)));
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
        Used { controller_id: link.controller_id, id: link.id, at: self.now, answer }
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
            created_at: self.now,
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
