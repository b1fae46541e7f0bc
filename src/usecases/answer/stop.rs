//! Stops by link on their way to the writer. A busy house refuses them last; a link that was used before stops all the
//! same (WD-06).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::crypto::ControllerKeys;
use crate::domain::campaign::Answer;
use crate::domain::consent::Command;
use crate::domain::event::Method;
use crate::domain::ids::{ControllerScope, PurposeId};
use crate::domain::link::LinkAction;
use crate::domain::purpose::Purpose;
use crate::domain::time::Timestamp;
use crate::store::links::{Link, Used};
use crate::store::{Outcomes, ReadTx, StoreError, WriteTx};

use super::super::docket::Docket;
use super::super::linked::{Genuine, Present};
use super::super::preferences::{Preferences, never_mail, scene_around};
use super::super::record::Occasion;
use super::super::scene::{Scene, scene_of};
use super::super::{Error, Services};
use super::given::{Locked, RoundAnswers};
use super::source_of;

/// What a used link says it was used for.
const STOPPED: &str = "{\"stopped\":\"yes\"}";

/// What a stop is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum About {
    /// What the link is about.
    Link,
    /// One purpose of those that the link's page shows, by its short name.
    Named(String),
    /// Every purpose of the controller.
    Everything,
}

/// A stop that somebody asks for.
pub(in super::super) struct Wanted {
    /// What the link has to be for.
    pub action: LinkAction,
    pub about: About,
    pub command: Command,
    pub method: Method,
    pub evidence: Value,
}

/// What the page says of a stop.
#[derive(Debug, Clone)]
pub struct StopShown {
    /// What the link's page shows to everybody.
    pub scene: Arc<Scene>,
    /// How the person stood before, towards what the link is about.
    pub before: Vec<Present>,
    /// Whether there was something to apply it to: a name that is none of the page's changes nothing.
    pub applied: bool,
    /// How the person stands now, for the page of a preference link.
    pub preferences: Option<Preferences>,
}

struct Stop {
    services: Services,
    keys: Arc<ControllerKeys>,
    genuine: Genuine,
    wanted: Wanted,
    now: Timestamp,
}

/// Applies a stop to the person behind a link, and marks the link; nothing when nobody is on record behind it any more.
/// No connection for reading is needed for it.
pub(in super::super) async fn stop(
    services: &Services,
    genuine: Genuine,
    wanted: Wanted,
) -> Result<Option<StopShown>, Error> {
    let keys = services.keys.of(genuine.scope).await?;
    let now = services.clock.now();
    services.store.submit(Stop { services: services.clone(), keys, genuine, wanted, now }).await
}

impl crate::store::Command for Stop {
    type Answer = Option<StopShown>;
    type Error = Error;

    const URGENT: bool = true;

    fn route(&self) -> Uuid {
        self.genuine.link.uuid()
    }

    fn carry_out(all: &[&Self], tx: &mut WriteTx<'_>) -> Result<Outcomes<Self>, Error> {
        let locked = Locked::all(tx, all.iter().map(|stop| (stop.genuine, &*stop.keys)))?;
        let mut docket = Docket::read(tx, locked.people())?;
        let (mut used, mut marked, mut rounds) = (Vec::new(), HashSet::new(), RoundAnswers::default());
        let mut everything = Everything::default();
        let mut outcomes = Vec::with_capacity(all.len());
        for stop in all {
            let (person, link) = match locked.find(stop.genuine, stop.wanted.action) {
                Ok(Some(found)) => found,
                // Nobody is on record behind the link any more: the goal is reached.
                Ok(None) => {
                    outcomes.push(Ok(None));
                    continue;
                }
                Err(error) => {
                    outcomes.push(Err(error));
                    continue;
                }
            };
            let manages = link.action == LinkAction::Manage;
            let scene = match manages {
                true => scene_around(&stop.services, tx, person, link, docket.consents_of(person))?,
                false => scene_of(&stop.services, tx, person.scope, link)?,
            };
            let about = link.purposes()?;
            let before = docket.present(person, &about, stop.now);
            let occasion = stop.occasion(link, &scene);
            let named: Option<PurposeId>;
            let purposes = match &stop.wanted.about {
                About::Link => &about[..],
                About::Everything => everything.of(tx, person.scope)?,
                About::Named(slug) => {
                    let is_meant = |purpose: &&Purpose| purpose.slug.as_str() == slug;
                    let shown = scene.purposes.iter().find(is_meant).map(|purpose| purpose.id);
                    // The scene may be a moment old, and the page come from another process.
                    let made_since = match shown {
                        Some(_) => None,
                        None => tx.purposes(person.scope)?.iter().find(is_meant).map(|purpose| purpose.id),
                    };
                    named = shown.or(made_since);
                    named.as_slice()
                }
            };
            for purpose in purposes {
                let ids = &*stop.services.ids;
                docket.apply(ids, &stop.keys, person, *purpose, stop.wanted.command, &occasion)?;
            }
            let applied = !purposes.is_empty();
            // A preference link is there to be used again.
            if !manages && link.used_at.is_none() && marked.insert(link.id) {
                let answer = STOPPED.to_owned();
                used.push(Used { controller_id: link.controller_id, id: link.id, at: stop.now, answer });
            }
            rounds.note(person, link, Answer::No);
            let preferences = match manages {
                true => {
                    let never = never_mail(tx, &stop.keys, person)?;
                    let of = |purpose| docket.consent(person, purpose);
                    Some(Preferences::of(scene.clone(), person, of, &never, stop.now))
                }
                false => None,
            };
            outcomes.push(Ok(Some(StopShown { scene, before, applied, preferences })));
        }
        docket.write(tx)?;
        tx.use_links(&used)?;
        if let Some(now) = all.iter().map(|stop| stop.now).max() {
            rounds.write(tx, now)?;
        }
        Ok(outcomes)
    }
}

impl Stop {
    /// A one-click stop was shown nothing; "this was not me" is pressed on the page of a wording.
    fn occasion(&self, link: &Link, scene: &Scene) -> Occasion {
        let evidence = Some(self.wanted.evidence.clone());
        match self.wanted.action {
            // What stands was shown there, and no wording.
            LinkAction::Withdraw | LinkAction::Manage => {
                Occasion { evidence, ..Occasion::plain(self.now, self.wanted.method, source_of(link)) }
            }
            action @ (LinkAction::NotMe | LinkAction::Confirm | LinkAction::Answer | LinkAction::Move) => {
                super::occasion_of(self.now, action, link, scene, evidence)
            }
        }
    }
}

/// All purposes of the controllers that a batch objects to, read once.
#[derive(Default)]
struct Everything(HashMap<ControllerScope, Vec<PurposeId>>);

impl Everything {
    fn of(&mut self, tx: &mut ReadTx<'_>, scope: ControllerScope) -> Result<&[PurposeId], StoreError> {
        match self.0.entry(scope) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                Ok(unknown.insert(tx.purposes(scope)?.into_iter().map(|purpose| purpose.id).collect()))
            }
        }
    }
}
