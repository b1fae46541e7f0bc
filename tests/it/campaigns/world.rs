//! A controller with what a round needs, and people who stand in every way there is, put on record as a list or their own
//! act would have done it.

use std::time::Duration;

use reconsent::domain::basis::{Basis, BasisKind};
use reconsent::domain::consent::{Act, Command};
use reconsent::domain::email::EmailAddress;
use reconsent::domain::event::Method;
use reconsent::domain::ids::{
    ControllerScope, ImportId, NoticeId, PolicyId, PolicyVersionId, PurposeId, SenderId, SubjectId,
};
use reconsent::domain::notice::{NoticeWording, PurposeLabel};
use reconsent::domain::policy::PolicyFormat;
use reconsent::domain::purpose::{Channel, Purpose};
use reconsent::domain::suppression::SuppressionReason;
use reconsent::domain::time::Timestamp;
use reconsent::store::imports::{Import, ImportRow};
use reconsent::store::policies::{NewPolicyVersion, Notice, Policy};
use reconsent::store::rows::{ImportKind, ImportStatus, RowOutcome};
use reconsent::store::sites::Sender;
use reconsent::store::suppressions::Suppression;
use reconsent::store::{ReadTx, WriteTx};
use reconsent::usecases::Error;
use reconsent::usecases::record::{Occasion, Person, apply};
use serde_json::{Value, json};

use crate::support::{TestApp, find_or_add};

/// How somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after the reasons of the gate")]
pub enum Stands {
    /// Came with a list that proves a consent, for so many days to come.
    Proven {
        days: u64,
    },
    /// As `Proven`, and said no to being measured.
    ProvenNotTracked,
    Unproven,
    Unheard,
    Withdrew,
    Ended,
    Unconfirmed,
    ConfirmedLately,
    Corporate,
    Legal,
    NoMailbox,
    Restricted,
    Erased,
    PurposeEnded,
    AskedLately,
}

/// What a round needs.
pub struct World {
    pub app: TestApp,
    pub news: Purpose,
    pub tracking: Purpose,
    pub notice: NoticeId,
    pub sender: SenderId,
}

impl World {
    pub async fn new(app: TestApp) -> Self {
        let purpose = |slug: &str, kind: &str| json!({"slug": slug, "label": slug, "description": "d", "kind": kind});
        let news = app.api().post("/v1/purposes", purpose("news", "marketing")).await.expect(201);
        let tracking = app.api().post("/v1/purposes", purpose("measuring", "tracking")).await.expect(201);
        let ids: Vec<PurposeId> = [news.text("id"), tracking.text("id")].iter().map(|id| id.parse().unwrap()).collect();
        let scope = app.scope;
        let wanted = ids.clone();
        let read = move |tx: &mut ReadTx<'_>| tx.purposes_in_order(scope, &wanted);
        let mut purposes = app.services.store.read(read).await.unwrap();
        let (notice, sender) = publish(&app, ids).await;
        let tracking = purposes.pop().unwrap();
        let news = purposes.pop().unwrap();
        Self { app, news, tracking, notice, sender }
    }

    /// A list that was read to its end, with these people in it, and addresses that belong to nobody on record.
    pub async fn list(&self, people: &[Stands], outsiders: i32) -> (ImportId, Vec<SubjectId>) {
        let services = self.app.services.clone();
        let id = ImportId::from_uuid(services.ids.row());
        let (scope, now) = (self.app.scope, services.clock.now());
        let keys = services.keys.of(scope).await.unwrap();
        let (people, news, tracking) = (people.to_vec(), self.news.clone(), self.tracking.id);
        let subjects = self.app.services.store.write(scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
            tx.insert_import(&import(id, scope, now))?;
            let mut subjects = Vec::new();
            let mut rows = Vec::new();
            let mut row_no = 1;
            let mut row = |subject, outcome| {
                row_no += 1;
                ImportRow {
                    controller_id: scope.controller(),
                    import_id: id,
                    row_no,
                    subject_id: subject,
                    outcome,
                    detail: None,
                }
            };
            for (number, stands) in people.iter().enumerate() {
                let email = EmailAddress::parse(&format!("p{number}-{id}@example.org")).unwrap();
                let mut new = Person::newcomer(scope, &keys, &*services.ids, &email, None, None, now).row;
                new.restricted = *stands == Stands::Restricted;
                let person = Person::open(scope, &keys, find_or_add(tx, &new)?)?;
                for command in commands(*stands, &news, now) {
                    let occasion = Occasion::plain(now, Method::Import, None);
                    apply(tx, &*services.ids, &keys, &person, news.id, command, &occasion)?;
                }
                if *stands == Stands::ProvenNotTracked {
                    let occasion = Occasion::plain(now, Method::Form, None);
                    apply(tx, &*services.ids, &keys, &person, tracking, Command::Refuse, &occasion)?;
                }
                special(tx, &keys, *stands, &person, news.id, now)?;
                rows.push(row(Some(person.row.id), RowOutcome::Added));
                if number == 0 {
                    rows.push(row(Some(person.row.id), RowOutcome::Duplicate));
                }
                subjects.push(person.row.id);
            }
            rows.push(row(None, RowOutcome::InvalidAddress));
            rows.extend((0..outsiders).map(|_| row(None, RowOutcome::Suppressed)));
            for piece in rows.chunks(500) {
                tx.insert_import_rows(piece)?;
            }
            Ok::<_, Error>(subjects)
        });
        (id, subjects.await.unwrap())
    }

    /// The body that prepares a round for these lists.
    pub fn round(&self, imports: &[ImportId]) -> Value {
        json!({
            "name": "Autumn", "purposes": ["news", self.tracking.id.to_string()],
            "import_ids": imports.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "notice_id": self.notice.to_string(), "sender_id": self.sender.to_string(),
            "deadline": "2027-01-31T00:00:00Z",
        })
    }

    /// Prepares a round for a list and says its path.
    pub async fn prepare(&self, import: ImportId) -> String {
        let made = self.app.api().post("/v1/campaigns", self.round(&[import])).await.expect(201);
        format!("/v1/campaigns/{}", made.text("id"))
    }
}

/// The commands that lead there.
fn commands(stands: Stands, news: &Purpose, now: Timestamp) -> Vec<Command> {
    let day = |days: u64| Duration::from_secs(days * 86_400);
    let basis = |kind, evidenced, valid_until| {
        Command::RecordBasis(Basis { kind, evidenced, collected_at: Some(now.minus(day(300))), valid_until })
    };
    let proven = basis(BasisKind::Consent, true, Some(now.plus(day(90))));
    let confirmed = [
        Command::Request { until: now.plus(day(7)) },
        Command::Give { act: Act::ConfirmedByLink, terms: news.terms(now) },
    ];
    match stands {
        Stands::Proven { days } => vec![basis(BasisKind::Consent, true, Some(now.plus(day(days))))],
        Stands::Unproven => vec![basis(BasisKind::SoftOptIn, false, None)],
        Stands::Unheard => vec![],
        Stands::Withdrew => vec![proven, Command::Withdraw { reason: SuppressionReason::Withdrawn }],
        Stands::Ended => vec![basis(BasisKind::Consent, true, Some(now.minus(day(1))))],
        Stands::Unconfirmed => vec![confirmed[0]],
        Stands::ConfirmedLately => confirmed.to_vec(),
        Stands::Corporate => vec![basis(BasisKind::Corporate, true, None)],
        Stands::PurposeEnded => [confirmed.as_slice(), &[Command::Terminate]].concat(),
        Stands::ProvenNotTracked
        | Stands::Legal
        | Stands::NoMailbox
        | Stands::Restricted
        | Stands::Erased
        | Stands::AskedLately => vec![proven],
    }
}

/// What no command leads to.
fn special(
    tx: &mut WriteTx<'_>,
    keys: &reconsent::crypto::ControllerKeys,
    stands: Stands,
    person: &Person,
    news: PurposeId,
    now: Timestamp,
) -> Result<(), Error> {
    let (scope, id) = (person.scope, person.row.id);
    match stands {
        Stands::Legal => {
            let (key_version, mark) = keys.suppression_fingerprint(Channel::Email.name(), &person.address.match_key());
            tx.suppress(&[Suppression {
                controller_id: scope.controller(),
                fingerprint: mark.to_vec(),
                purpose_id: news,
                key_version,
                channel: Channel::Email,
                reason: SuppressionReason::Legal,
                source: None,
                created_at: now,
                lifted_at: None,
            }])?;
        }
        Stands::NoMailbox => tx.set_undeliverable(scope, id, true)?,
        Stands::Erased => tx.erase_subject(scope, id, id.uuid().as_bytes(), now)?,
        Stands::AskedLately => {
            tx.note_asked(scope, id, &[news], now.minus(Duration::from_secs(59 * 86_400)))?;
        }
        _ => {}
    }
    Ok(())
}

fn import(id: ImportId, scope: ControllerScope, now: Timestamp) -> Import {
    Import {
        controller_id: scope.controller(),
        id,
        kind: ImportKind::Contacts,
        status: ImportStatus::Done,
        name: "people".into(),
        purposes: "[]".into(),
        declaration: Vec::new(),
        key_version: 1,
        document_sha256: None,
        chunks: 0,
        size_bytes: 0,
        next_row: 0,
        accepted: 0,
        refused: 0,
        failure: None,
        created_at: now,
        finished_at: Some(now),
    }
}

async fn publish(app: &TestApp, purposes: Vec<PurposeId>) -> (NoticeId, SenderId) {
    let (ids, scope, now) = (app.services.ids.clone(), app.scope, app.services.clock.now());
    let write = move |tx: &mut WriteTx<'_>| {
        let (policy, version) = (PolicyId::from_uuid(ids.row()), PolicyVersionId::from_uuid(ids.row()));
        let (notice, sender) = (NoticeId::from_uuid(ids.row()), SenderId::from_uuid(ids.row()));
        let controller_id = scope.controller();
        tx.insert_policy(&Policy {
            controller_id,
            id: policy,
            slug: "privacy".into(),
            name: "Privacy".into(),
            created_at: now,
        })?;
        tx.insert_policy_version(&NewPolicyVersion {
            controller_id,
            id: version,
            policy_id: policy,
            label: "2026-11".into(),
            language: "en".into(),
            format: PolicyFormat::Text,
            body: b"We keep your address.".to_vec(),
            sha256: vec![0; 32],
            public_url: None,
            in_force_from: now,
            material: false,
            created_at: now,
        })?;
        let label = |slug: &str| PurposeLabel { purpose: slug.into(), label: slug.into() };
        let wording = NoticeWording {
            language: "en".into(),
            title: "acme Ltd".into(),
            introduction: "acme Ltd would send you news by e-mail.".into(),
            labels: vec![label("news"), label("measuring")],
            yes: "Yes".into(),
            no: "No".into(),
            send: "Send".into(),
            controller_name: "acme Ltd".into(),
            third_parties: vec![],
            withdrawal: "You can stop at any time.".into(),
        };
        let bytes = wording.bytes();
        let published = Notice {
            id: notice,
            slug: "stay".into(),
            version: 1,
            wording,
            sha256: vec![0; 32],
            purposes: purposes.clone(),
            policy_version: version,
            material: false,
            published_at: now,
        };
        tx.insert_notice(scope, &published, &bytes)?;
        tx.insert_sender(&Sender {
            controller_id,
            id: sender,
            name: "acme".into(),
            address: "news@acme.example".into(),
            reply_to: None,
            postal: "acme Ltd, 1 Green Lane, Leeds".into(),
            max_per_hour: None,
            created_at: now,
        })?;
        Ok::<_, Error>((notice, sender))
    };
    app.services.store.write(scope.controller().uuid(), write).await.unwrap()
}
