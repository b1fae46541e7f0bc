//! The throttles at the hand-over: a mail takes its tokens in the transaction that hands it over, or is given its
//! place in line and waits. One reading and one writing for the whole batch.
//!
//! Confirmations are never held back, by no bucket: a person waits for them, and DO-06 caps them already. They take their
//! tokens like others, so that a round makes room for them. Each attempt at a mail takes anew, as each is a mail to
//! whoever receives it.
//!
//! Time is the service's clock, as it is for due times. Instances whose clocks differ disagree about which minutes are
//! over, and about nothing else: what is taken is kept in the database.

use std::collections::{BTreeMap, HashMap};

use crate::crypto::secret::{Key, keyed_hash};
use crate::domain::ids::{CampaignId, ControllerId, MailId};
use crate::domain::throttle::{BucketKind, Calendar, GRACE, HORIZON, Place, Rate, place, take_ahead};
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::buckets::Bucket;
use crate::store::campaigns::Campaign;
use crate::store::mails::Mail;

use super::super::super::{Error, Services};
use super::{Handing, is_capped};

/// A bucket's key: whose, and of what.
type BucketKey = (ControllerId, Vec<u8>);

/// What a batch asks of a bucket.
struct Asked {
    kind: BucketKind,
    rate: Rate,
}

/// A mail that waits.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    /// Until then.
    pub until: Timestamp,
    /// Whether its tokens are taken; if not it looks again then.
    pub placed: bool,
    /// The bucket that it waits for; none for a mail that came before its time.
    pub bucket: Option<BucketKind>,
}

/// The mails of a batch that have to wait.
pub(super) struct Throttled(HashMap<(ControllerId, MailId), Waits>);

impl Throttled {
    /// Takes the tokens of these mails, which the gate has let through, in their order.
    pub(super) fn of(
        tx: &mut WriteTx<'_>,
        passed: &[(&Handing, &Mail)],
        rounds: &HashMap<(ControllerId, CampaignId), Campaign>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let mut throttled = Self(HashMap::new());
        let Some((first, _)) = passed.first() else { return Ok(throttled) };
        let marks = Marks::of(&first.services);
        let (mut asking, mut wanted) = (Vec::new(), BTreeMap::new());
        for (handing, mail) in passed {
            match mail.place_at {
                // Somebody made it due before its time; its place is still its own.
                Some(at) if at > now => {
                    let waits = Waits { until: at, placed: true, bucket: None };
                    throttled.0.insert((mail.controller_id, mail.id), waits);
                }
                Some(at) if now.since(at) <= GRACE => {}
                Some(_) | None => {
                    let buckets = marks.buckets(handing, mail);
                    let keys: Vec<BucketKey> = buckets.iter().map(|(key, _)| key.clone()).collect();
                    wanted.extend(buckets);
                    asking.push((*mail, keys));
                }
            }
        }
        // An install without throttles reads and writes nothing here.
        if wanted.is_empty() {
            return Ok(throttled);
        }
        let keys: Vec<_> = wanted.iter().map(|((of, key), asked)| (*of, key.clone(), asked.kind)).collect();
        let mut calendars: BTreeMap<BucketKey, Calendar> = BTreeMap::new();
        for bucket in tx.lock_buckets(&keys, now)? {
            let calendar = Calendar::read(bucket.from_minute, &bucket.taken, now);
            calendars.insert((bucket.controller_id, bucket.bucket_key), calendar);
        }
        let mut searched: HashMap<Vec<BucketKey>, i64> = HashMap::new();
        for (mail, keys) in asking {
            if is_capped(mail.kind) {
                for (key, calendar) in calendars.iter_mut().filter(|(key, _)| keys.contains(key)) {
                    take_ahead(calendar, wanted[key].rate, now);
                }
                continue;
            }
            // No place is taken behind the end of the round.
            let round = mail.campaign_id.and_then(|id| rounds.get(&(mail.controller_id, id)));
            let last = round.map(|round| round.deadline);
            let (mut kinds, mut own) = (Vec::new(), Vec::new());
            for (key, calendar) in calendars.iter_mut().filter(|(key, _)| keys.contains(key)) {
                kinds.push(wanted[key].kind);
                own.push((calendar, wanted[key].rate));
            }
            let from = searched.entry(keys).or_insert(i64::MIN);
            let waits = match place(&mut own, now, last, from) {
                Place::At(at, _) if at <= now => continue,
                Place::At(at, n) => Waits { until: at, placed: true, bucket: kinds.get(n).copied() },
                Place::Full(n) => {
                    let until = last.map_or(now.plus(HORIZON), |last| last.min(now.plus(HORIZON)));
                    Waits { until, placed: false, bucket: kinds.get(n).copied() }
                }
            };
            throttled.0.insert((mail.controller_id, mail.id), waits);
        }
        let buckets = calendars.into_iter().map(|((controller_id, bucket_key), calendar)| Bucket {
            controller_id,
            kind: wanted[&(controller_id, bucket_key.clone())].kind,
            bucket_key,
            from_minute: calendar.from(),
            taken: calendar.bytes(),
            idle_from: calendar.idle_from(),
        });
        tx.save_buckets(&buckets.collect::<Vec<_>>())?;
        Ok(throttled)
    }

    /// Until when the mail waits, if it does.
    pub(super) fn of_mail(&self, mail: &Mail) -> Option<Waits> {
        self.0.get(&(mail.controller_id, mail.id)).copied()
    }
}

/// How buckets are named.
struct Marks<'a> {
    services: &'a Services,
    key: Key,
}

impl<'a> Marks<'a> {
    fn of(services: &'a Services) -> Self {
        Self { services, key: services.keys.root().derived("send-buckets") }
    }

    /// The buckets that a mail takes from: those that have a rate.
    fn buckets(&self, handing: &Handing, mail: &Mail) -> Vec<(BucketKey, Asked)> {
        let throttles = &self.services.rules.throttles;
        let controller = mail.controller_id;
        let mut buckets = Vec::with_capacity(3);
        let mut add = |kind, rate: Option<u32>, key: &dyn Fn() -> Vec<u8>| {
            if let Some(rate) = rate {
                buckets.push(((controller, key()), Asked { kind, rate: Rate::per_hour(rate) }));
            }
        };
        let of_controller = || controller.uuid().as_bytes().to_vec();
        add(BucketKind::Controller, throttles.controller_per_hour, &of_controller);
        // The operator's word caps the controller's.
        let of_sender = [throttles.sender_per_hour, handing.draft.sender_per_hour].into_iter().flatten().min();
        add(BucketKind::Sender, of_sender, &|| mail.sender_id.uuid().as_bytes().to_vec());
        add(BucketKind::RecipientDomain, throttles.recipient_domain_per_hour, &|| {
            let domain = handing.draft.to.domain();
            keyed_hash(&self.key, &[b"domain:v1", controller.to_string().as_bytes(), domain.as_bytes()]).to_vec()
        });
        buckets
    }
}
