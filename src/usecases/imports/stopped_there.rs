//! A page of people who have stopped at the provider. They come along as entries of the "never mail" list and as nothing
//! else (SU-05): nobody is created, and whoever is on record is stopped here too, so that queued mail is cancelled and the
//! destinations follow. A stop yields to a yes that was given here later, and what we did there ourselves is no stop.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::json;

use crate::crypto::ControllerKeys;
use crate::domain::consent::Command;
use crate::domain::event::Method;
use crate::domain::ids::{PurposeId, SubjectId};
use crate::domain::list::Claimed;
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::destinations::DestinationState;
use crate::store::imports::ImportRow;
use crate::store::rows::RowOutcome;
use crate::store::suppressions::{EVERY_PURPOSE, Suppression};
use crate::usecases::record::{Occasion, Person, entry};
use crate::usecases::record_many::{Change, apply_batch};
use crate::usecases::{Error, Services};

use super::batch::{Job, NeverMail, Row};
use super::stops::{People, reason_to_write, told};

/// How much earlier than what we note they may note the same call: it takes its time, and clocks differ.
const EARLIER: Duration = Duration::from_secs(240);
/// How much later: clocks differ.
const LATER: Duration = Duration::from_secs(60);

/// What the provider says of a stop.
#[derive(Clone, Copy)]
pub(super) struct Word {
    pub reason: SuppressionReason,
    /// All mail, and not only that of the list.
    pub everything: bool,
    /// The earliest and the latest moment at which it can have happened there, if it says.
    pub window: Option<(Timestamp, Timestamp)>,
}

/// A page of stops.
pub(super) struct Stops {
    pub rows: Vec<Row>,
    /// By the row's number.
    pub words: HashMap<i32, Word>,
    pub now: Timestamp,
    pub list_id: String,
}

/// What is on record here about the people of a page.
struct OnRecord {
    people: People,
    /// The purposes that somebody has a standing for, each with the last yes.
    stood: HashMap<SubjectId, Vec<(PurposeId, Option<Timestamp>)>>,
    states: HashMap<SubjectId, Vec<DestinationState>>,
}

impl OnRecord {
    fn read(tx: &mut WriteTx<'_>, keys: &ControllerKeys, job: &Job, stops: &Stops) -> Result<Self, Error> {
        let scope = job.scope;
        let fingerprints: Vec<Vec<u8>> =
            stops.rows.iter().filter_map(Row::found).map(|found| found.email_key.clone()).collect();
        let people = told(tx, keys, scope, &fingerprints)?;
        let ids: Vec<SubjectId> = people.values().flatten().map(|person| person.row.id).collect();
        // After the locks, so that what came in meanwhile is seen.
        let consents = tx.consents_among(scope, &ids, &job.every_purpose)?;
        let named: HashSet<PurposeId> = consents.iter().map(|consent| consent.purpose_id).collect();
        let mut yes: HashMap<(SubjectId, PurposeId), Timestamp> = HashMap::new();
        for purpose in named {
            yes.extend(tx.given_at(scope, &ids, purpose)?.into_iter().map(|(id, at)| ((id, purpose), at)));
        }
        let mut stood: HashMap<SubjectId, Vec<(PurposeId, Option<Timestamp>)>> = HashMap::new();
        for consent in consents {
            let given = yes.get(&(consent.subject_id, consent.purpose_id)).copied();
            stood.entry(consent.subject_id).or_default().push((consent.purpose_id, given));
        }
        let mut states: HashMap<SubjectId, Vec<DestinationState>> = HashMap::new();
        for state in tx.destination_states_among(scope, &ids)? {
            states.entry(state.subject_id).or_default().push(state);
        }
        Ok(Self { people, stood, states })
    }

    /// Purposes for which the person said yes after the stop.
    fn freed(&self, person: &Person, word: Word) -> Vec<PurposeId> {
        let Some((_, latest)) = word.window else { return Vec::new() };
        let stood = self.stood.get(&person.row.id).into_iter().flatten();
        stood.filter(|(_, yes)| yes.is_some_and(|yes| yes > latest)).map(|(purpose, _)| *purpose).collect()
    }

    /// Whether it was we who took the person off in that moment, as when a consent had ended; on a list whose unsubscribes
    /// reach all others, that puts them on the client's list as well.
    fn is_ours(&self, person: &Person, word: Word, list_id: &str) -> bool {
        let Some((earliest, latest)) = word.window else { return false };
        // Whoever was set aside was moved to *deleted* there: an unsubscribe of theirs is their own.
        let taken_off = |state: &&DestinationState| !state.active && !state.set_aside && state.last_error.is_none();
        let then = |state: &DestinationState| {
            (word.everything || state.list_id == list_id)
                && earliest <= state.synced_at.plus(LATER)
                && latest >= state.synced_at.minus(EARLIER)
        };
        let mut states = self.states.get(&person.row.id).into_iter().flatten().filter(taken_off);
        word.reason == SuppressionReason::Withdrawn && states.any(then)
    }
}

impl Stops {
    /// Writes the page and says what became of each row. Rows name nobody on record: whoever stopped is not part of the
    /// audience that the import makes.
    pub fn write(
        &self,
        tx: &mut WriteTx<'_>,
        services: &Services,
        keys: &ControllerKeys,
        job: &Job,
    ) -> Result<Vec<ImportRow>, Error> {
        let mut report = job.refused(&self.rows);
        let on_record = OnRecord::read(tx, keys, job, self)?;
        let never = NeverMail::of(tx, job.scope, &self.rows)?;
        let plain = Occasion::plain(self.now, Method::Destination, Some(job.source.clone()));
        let mut entries: Vec<Suppression> = Vec::new();
        let mut changes: Vec<Change<'_>> = Vec::new();
        for row in &self.rows {
            let (Some(found), Some(word)) = (row.found(), self.words.get(&row.line).copied()) else { continue };
            let mut say = |outcome, detail: Option<&str>| {
                report.push(job.report(row.line, None, outcome, detail.map(str::to_owned)));
            };
            let people = on_record.people.get(&found.email_key).map(Vec::as_slice).unwrap_or_default();
            let person = people.first();
            if person.is_some_and(|person| on_record.is_ours(person, word, &self.list_id)) {
                say(RowOutcome::EndedHere, Some("taken off there by this service; no stop of the person"));
                continue;
            }
            let freed = person.map(|person| on_record.freed(person, word)).unwrap_or_default();
            let targets = targets(job, word, &freed);
            if targets.is_empty() {
                say(RowOutcome::AlreadyConfirmed, Some("said yes here after the stop there"));
                continue;
            }
            let on_list = never.entries(found);
            let before = entries.len();
            for purpose in &targets {
                if let Some(reason) = reason_to_write(&on_list, *purpose, word.reason) {
                    entries.push(entry(keys, job.scope, &found.row.email, *purpose, reason, &plain));
                }
            }
            for person in people {
                // A mailbox that somebody has left says nothing of theirs.
                if word.reason == SuppressionReason::HardBounce && person.row.email_key != found.email_key {
                    continue;
                }
                let freed = on_record.freed(person, word);
                self.stop(tx, job, &on_record, person, word, &freed, row.line, &mut changes)?;
            }
            say(RowOutcome::StoppedThere, (entries.len() == before).then_some("was on the never-mail list already"));
        }
        for piece in entries.chunks(1000) {
            tx.suppress(piece)?;
        }
        apply_batch(tx, &*services.ids, keys, &changes)?;
        Ok(report)
    }

    /// Stops what is on record about somebody, but for what they said yes to since.
    #[allow(clippy::too_many_arguments, reason = "one row with all that is known of it")]
    fn stop<'a>(
        &self,
        tx: &mut WriteTx<'_>,
        job: &Job,
        on_record: &'a OnRecord,
        person: &'a Person,
        word: Word,
        freed: &[PurposeId],
        line: i32,
        changes: &mut Vec<Change<'a>>,
    ) -> Result<(), Error> {
        if word.reason == SuppressionReason::HardBounce {
            // The mailbox says nothing about the person's wish.
            return Ok(tx.set_undeliverable(job.scope, person.row.id, true)?);
        }
        // A reason that stops everything must not reach what was said yes to since.
        let reason = if word.everything && freed.is_empty() { word.reason } else { SuppressionReason::Withdrawn };
        let told = json!({ "list": self.list_id, "reason": word.reason.name(),
            "not_after": word.window.map(|(_, latest)| latest.to_string()) });
        let mut evidence = job.evidence.of_row(line, &Claimed::default(), &[]);
        if let Some(object) = evidence.as_object_mut() {
            object.remove("declared");
            object.insert("told".to_owned(), told);
        }
        let stood = on_record.stood.get(&person.row.id).into_iter().flatten();
        for (purpose, _) in stood.filter(|(purpose, _)| !freed.contains(purpose)) {
            if word.everything || job.purposes.iter().any(|wanted| wanted.id == *purpose) {
                let occasion = Occasion {
                    evidence: Some(evidence.clone()),
                    ..Occasion::plain(self.now, Method::Destination, Some(job.source.clone()))
                };
                changes.push(Change { person, purpose: *purpose, command: Command::Withdraw { reason }, occasion });
            }
        }
        Ok(())
    }
}

/// What a stop is about: the purposes of the import, or all there are and will be; named one by one where the person
/// has said yes to some since.
fn targets(job: &Job, word: Word, freed: &[PurposeId]) -> Vec<PurposeId> {
    if word.everything && freed.is_empty() {
        return vec![EVERY_PURPOSE];
    }
    let of_import = || job.purposes.iter().map(|purpose| purpose.id).collect();
    let all: Vec<PurposeId> = if word.everything { job.every_purpose.clone() } else { of_import() };
    // A mailbox that works again works for all.
    if word.reason == SuppressionReason::HardBounce && !freed.is_empty() {
        return Vec::new();
    }
    all.into_iter().filter(|purpose| !freed.contains(purpose)).collect()
}
