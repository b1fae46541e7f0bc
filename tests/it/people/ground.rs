//! What these tests stand on, put straight into the store: purposes, a policy version, a notice, a sender, a form; and
//! people who have said yes.

use reconsent::domain::basis::{Basis, BasisKind};
use reconsent::domain::consent::{Act, Command};
use reconsent::domain::email::EmailAddress;
use reconsent::domain::event::Method;
use reconsent::domain::ids::{
    ControllerScope, FormId, NoticeId, PolicyId, PolicyVersionId, PurposeId, SenderId, SubjectId,
};
use reconsent::domain::name::DisplayName;
use reconsent::domain::notice::{NoticeWording, PurposeLabel};
use reconsent::domain::policy::PolicyFormat;
use reconsent::domain::suppression::SuppressionReason;
use reconsent::store::WriteTx;
use reconsent::store::policies::{NewPolicyVersion, Notice, Policy};
use reconsent::store::sites::{Form, Sender};
use reconsent::usecases::Error;
use reconsent::usecases::record::{Occasion, Person, apply};
use serde_json::{Value, json};

use crate::support::{Api, TestApp, find_or_add};

/// A controller's ground.
#[derive(Clone)]
pub struct Ground {
    pub scope: ControllerScope,
    pub newsletter: PurposeId,
    pub offers: PurposeId,
    pub notice: NoticeId,
    pub policy_version: PolicyVersionId,
    pub sender: SenderId,
    pub form: FormId,
}

impl Ground {
    /// For the first controller: `newsletter` with double opt-in, `offers` without.
    pub async fn of(app: &TestApp) -> Self {
        Self::for_controller(app, app.scope, &app.api()).await
    }

    pub async fn for_controller(app: &TestApp, scope: ControllerScope, api: &Api) -> Self {
        let purpose = async |slug: &str, double: bool| -> PurposeId {
            let body = json!({"slug": slug, "label": slug, "description": "What is sent", "double_opt_in": double});
            api.post("/v1/purposes", body).await.expect(201).text("id").parse().unwrap()
        };
        let (newsletter, offers) = (purpose("newsletter", true).await, purpose("offers", false).await);
        let (ids, now) = (app.services.ids.clone(), app.services.clock.now());
        let ground = Self {
            scope,
            newsletter,
            offers,
            notice: NoticeId::from_uuid(ids.row()),
            policy_version: PolicyVersionId::from_uuid(ids.row()),
            sender: SenderId::from_uuid(ids.row()),
            form: FormId::from_uuid(ids.row()),
        };
        let (mine, policy, key) = (ground.clone(), PolicyId::from_uuid(ids.row()), ids.random().simple().to_string());
        let label = |purpose: &str| PurposeLabel { purpose: purpose.into(), label: format!("The {purpose}") };
        let wording = NoticeWording {
            language: "en-GB".into(),
            title: "Stay in touch with acme Ltd".into(),
            introduction: "acme Ltd would like to send you newsletter and offers by e-mail.".into(),
            labels: vec![label("newsletter"), label("offers")],
            yes: "Yes".into(),
            no: "No".into(),
            send: "Send my answer".into(),
            controller_name: "acme Ltd".into(),
            third_parties: vec![],
            withdrawal: "You can stop at any time by the link in each mail.".into(),
        };
        let write = app.services.store.write(scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
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
                id: mine.policy_version,
                policy_id: policy,
                label: "=2026-09".into(),
                language: "en-GB".into(),
                format: PolicyFormat::Text,
                body: b"We keep little.".to_vec(),
                sha256: vec![7; 32],
                public_url: None,
                in_force_from: now,
                material: false,
                created_at: now,
            })?;
            let notice = Notice {
                id: mine.notice,
                slug: "sign-up".into(),
                version: 1,
                wording: wording.clone(),
                sha256: vec![9; 32],
                purposes: vec![mine.newsletter, mine.offers],
                policy_version: mine.policy_version,
                material: false,
                published_at: now,
            };
            tx.insert_notice(scope, &notice, &wording.bytes())?;
            tx.insert_sender(&Sender {
                controller_id,
                id: mine.sender,
                name: "acme Ltd".into(),
                address: "news@acme.example".into(),
                reply_to: None,
                postal: "1 Rose Lane, York".into(),
                max_per_hour: None,
                created_at: now,
            })?;
            tx.insert_form(
                scope,
                &Form {
                    id: mine.form,
                    form_key: key.clone(),
                    name: "footer".into(),
                    notice: mine.notice,
                    sender: mine.sender,
                    origins: vec![],
                    return_urls: vec![],
                    disabled: false,
                    created_at: now,
                },
            )?;
            Ok::<_, Error>(())
        });
        write.await.expect("the ground is laid");
        ground
    }

    /// Somebody who said yes to the newsletter by the notice.
    pub async fn confirmed(&self, app: &TestApp, address: &str, name: &str) -> SubjectId {
        self.person(app, address, name, self.newsletter, |terms| Command::Give { act: Act::SingleOptIn, terms }).await
    }

    /// Somebody whom a list stated a good basis for.
    pub async fn imported(&self, app: &TestApp, address: &str) -> SubjectId {
        let now = app.services.clock.now();
        let basis = Basis { kind: BasisKind::Consent, evidenced: true, collected_at: Some(now), valid_until: None };
        self.person(app, address, "", self.newsletter, move |_| Command::RecordBasis(basis)).await
    }

    /// Somebody who stopped the newsletter.
    pub async fn stopped(&self, app: &TestApp, address: &str) -> SubjectId {
        let stop = Command::Withdraw { reason: SuppressionReason::Withdrawn };
        self.person(app, address, "", self.newsletter, move |_| stop).await
    }

    async fn person(
        &self,
        app: &TestApp,
        address: &str,
        name: &str,
        purpose: PurposeId,
        command: impl Fn(reconsent::domain::purpose::Terms) -> Command + Send + 'static,
    ) -> SubjectId {
        let address = EmailAddress::parse(address).unwrap();
        let name = DisplayName::parse(name).unwrap();
        let (house, scope, now) = (app.services.clone(), self.scope, app.services.clock.now());
        let keys = house.keys.of(scope).await.unwrap();
        let occasion = Occasion {
            notice: Some(self.notice),
            policy_version: Some(self.policy_version),
            evidence: Some(json!({"said": "so"})),
            ..Occasion::plain(now, Method::Form, None)
        };
        let new = Person::newcomer(scope, &keys, &*house.ids, &address, name.as_ref(), None, now).row;
        let written = app.services.store.write(new.id.uuid(), move |tx: &mut WriteTx<'_>| {
            let row = find_or_add(tx, &new)?;
            let person = Person::open(scope, &keys, row)?;
            let command = command(tx.purpose(scope, purpose)?.terms(now));
            apply(tx, &*house.ids, &keys, &person, purpose, command, &occasion)?;
            Ok::<_, Error>(person.row.id)
        });
        written.await.expect("the person is recorded")
    }

    /// A body for `POST /v1/consents` that may be taken.
    pub fn consent(&self, email: &str) -> Value {
        json!({"email": email, "name": "Ana", "choices": {"newsletter": "yes"}, "form_id": self.form.to_string()})
    }
}

/// The person's stance towards a purpose, as `GET /v1/subjects/{id}` tells it.
pub async fn stance(app: &TestApp, subject: &str, purpose: &str) -> Value {
    let shown = app.api().get(&format!("/v1/subjects/{subject}")).await.expect(200);
    let all = shown.json["purposes"].as_array().unwrap().clone();
    all.into_iter().find(|stance| stance["purpose"] == purpose).unwrap_or(Value::Null)
}
