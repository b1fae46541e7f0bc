//! Makes a database as the service would have it after two years: people who signed up, most confirmed, some stopped;
//! their events, mails and links; a list that was uploaded; and a round over half of them that is closed. Everything is
//! decided by the service's rules and written by its bulk statements, a thousand people a commit, so the sealed columns
//! open with the controller's keys. The times lie in the past, and ids begin with them as they would have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{CONTROLLER, Failure, IdsAt, address_of, open};
use reconsent::domain::campaign::{Answer, CampaignStatus, MemberStatus};
use reconsent::domain::clock::Ids;
use reconsent::domain::consent::{Act, Command};
use reconsent::domain::event::Method;
use reconsent::domain::gate::{MailKind, Reason};
use reconsent::domain::ids::{CampaignId, ControllerScope, ImportId, LinkId, MailId, NoticeId, PurposeId, SenderId};
use reconsent::domain::link::LinkAction;
use reconsent::domain::mailing::MailState;
use reconsent::domain::purpose::Purpose;
use reconsent::domain::slug::Slug;
use reconsent::domain::suppression::SuppressionReason;
use reconsent::domain::task::TaskKind;
use reconsent::domain::time::Timestamp;
use reconsent::store::WriteTx;
use reconsent::store::campaigns::{Campaign, Member};
use reconsent::store::imports::{Import, ImportRow};
use reconsent::store::links::Link;
use reconsent::store::mails::Mail;
use reconsent::store::outbox::Reference;
use reconsent::store::policies::{NewPolicyVersion, Notice, Policy};
use reconsent::store::rows::{ImportKind, ImportStatus, RowOutcome};
use reconsent::store::sites::Sender;
use reconsent::usecases::docket::Docket;
use reconsent::usecases::record::{Occasion, Person};
use reconsent::usecases::setup::{NewController, create_controller};
use reconsent::usecases::{Error, Services};
use serde_json::json;

/// People in one commit.
const PIECE: u64 = 1000;

/// Rows of the uploaded list, at most: a round over it can be prepared.
const LISTED: u64 = 1_000_000;

const DAY: Duration = Duration::from_secs(86_400);

/// What everybody has in common.
#[derive(Clone)]
struct House {
    services: Services,
    scope: ControllerScope,
    purpose: Purpose,
    notice: NoticeId,
    policy_version: reconsent::domain::ids::PolicyVersionId,
    sender: SenderId,
    import: ImportId,
    round: CampaignId,
    begun: Timestamp,
    now: Timestamp,
    subjects: u64,
}

/// Fills an empty database with so many people.
pub async fn generate(url: &str, subjects: u64) -> Result<(), Failure> {
    let services = open(url).await?;
    let started = Instant::now();
    let house = Arc::new(furnish(services, subjects).await?);
    // Two at a time: while one piece is written the next is made.
    let mut running = tokio::task::JoinSet::new();
    let mut told = 0;
    for first in (0..subjects).step_by(usize::try_from(PIECE)?) {
        while running.len() >= 2 {
            running.join_next().await.ok_or("a piece is lost")???;
        }
        let house = Arc::clone(&house);
        running.spawn(async move { piece(&house, first, (first + PIECE).min(subjects)).await });
        if first * 20 / subjects > told {
            told = first * 20 / subjects;
            eprintln!("{:>3} %, {:.0} s", told * 5, started.elapsed().as_secs_f64());
        }
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    let took = started.elapsed().as_secs_f64();
    println!("{subjects} people in {took:.1} s, {:.0} a second", subjects as f64 / took);
    Ok(())
}

/// A controller with a purpose, a notice, a sender, a list and a round.
async fn furnish(services: Services, subjects: u64) -> Result<House, Failure> {
    let slug = Slug::parse(CONTROLLER)?;
    let new = NewController { slug: slug.clone(), name: "Growth Ltd".into(), hold_uncertain: false };
    let scope = ControllerScope::granted(create_controller(&services, new).await?.id);
    let now = services.clock.now();
    let begun = now.minus(DAY * 700);
    let ids = IdsAt(begun);
    let purpose = Purpose {
        id: PurposeId::from_uuid(ids.row()),
        slug: Slug::parse("newsletter")?,
        label: "Newsletter".into(),
        description: "News once a month".into(),
        channel: reconsent::domain::purpose::Channel::Email,
        kind: reconsent::domain::purpose::PurposeKind::Marketing,
        validity: reconsent::domain::time::Period::parse("P2Y")?,
        refresh_window: reconsent::domain::time::Period::parse("P90D")?,
        double_opt_in: true,
        mail_corporate: false,
    };
    let house = House {
        scope,
        purpose,
        notice: NoticeId::from_uuid(ids.row()),
        policy_version: reconsent::domain::ids::PolicyVersionId::from_uuid(ids.row()),
        sender: SenderId::from_uuid(ids.row()),
        import: ImportId::from_uuid(ids.row()),
        round: CampaignId::from_uuid(ids.row()),
        begun,
        now,
        subjects,
        services,
    };
    let set = house.clone();
    let write = move |tx: &mut WriteTx<'_>| house_rows(tx, &set);
    house.services.store.write(scope.controller().uuid(), write).await?;
    Ok(house)
}

fn house_rows(tx: &mut WriteTx<'_>, house: &House) -> Result<(), Error> {
    let (controller_id, begun, ids) = (house.scope.controller(), house.begun, IdsAt(house.begun));
    tx.insert_purpose(house.scope, &house.purpose, begun)?;
    let policy = reconsent::domain::ids::PolicyId::from_uuid(ids.row());
    tx.insert_policy(&Policy {
        controller_id,
        id: policy,
        slug: "privacy".into(),
        name: "Privacy".into(),
        created_at: begun,
    })?;
    let body = b"We keep little.".to_vec();
    tx.insert_policy_version(&NewPolicyVersion {
        controller_id,
        id: house.policy_version,
        policy_id: policy,
        label: "1".into(),
        language: "en".into(),
        format: reconsent::domain::policy::PolicyFormat::Text,
        sha256: reconsent::crypto::secret::sha256(&body).to_vec(),
        body,
        public_url: None,
        in_force_from: begun,
        material: false,
        created_at: begun,
    })?;
    let wording = reconsent::domain::notice::NoticeWording {
        language: "en".into(),
        title: "Growth Ltd".into(),
        introduction: "Growth Ltd would send you its newsletter by e-mail.".into(),
        labels: vec![reconsent::domain::notice::PurposeLabel {
            purpose: "newsletter".into(),
            label: "The newsletter".into(),
        }],
        yes: "Yes".into(),
        no: "No".into(),
        send: "Send".into(),
        controller_name: "Growth Ltd".into(),
        third_parties: vec![],
        withdrawal: "You can stop at any time.".into(),
    };
    let bytes = wording.bytes();
    let notice = Notice {
        id: house.notice,
        slug: "sign-up".into(),
        version: 1,
        wording,
        sha256: reconsent::crypto::secret::sha256(&bytes).to_vec(),
        purposes: vec![house.purpose.id],
        policy_version: house.policy_version,
        material: false,
        published_at: begun,
    };
    tx.insert_notice(house.scope, &notice, &bytes)?;
    tx.insert_sender(&Sender {
        controller_id,
        id: house.sender,
        name: "Growth Ltd".into(),
        address: "news@growth.example".into(),
        reply_to: None,
        postal: "1 Rose Lane, York".into(),
        max_per_hour: None,
        created_at: begun,
    })?;
    tx.insert_import(&Import {
        controller_id,
        id: house.import,
        kind: ImportKind::Contacts,
        status: ImportStatus::Done,
        name: "Everybody".into(),
        purposes: serde_json::to_string(&[house.purpose.id])?,
        declaration: Vec::new(),
        key_version: 1,
        document_sha256: None,
        chunks: 0,
        size_bytes: 0,
        next_row: 0,
        accepted: i32::try_from(house.subjects.min(LISTED)).unwrap_or(i32::MAX),
        refused: 0,
        failure: None,
        created_at: begun,
        finished_at: Some(begun),
    })?;
    tx.insert_campaign(&Campaign {
        controller_id,
        id: house.round,
        name: "Spring".into(),
        status: CampaignStatus::Closed,
        purposes: serde_json::to_string(&[house.purpose.id])?,
        imports: serde_json::to_string(&[house.import])?,
        notice_id: house.notice,
        sender_id: house.sender,
        subject_line: "May we still write to you?".into(),
        preheader: String::new(),
        delivery: reconsent::domain::campaign::Delivery::Mail,
        body: "We would like to.".into(),
        scheduled_at: None,
        deadline: house.now.minus(DAY),
        launched_at: Some(house.now.minus(DAY * 15)),
        frozen_at: Some(house.now.minus(DAY * 15)),
        freeze_cursor: None,
        audience_sha256: None,
        outsiders: 0,
        closed_at: Some(house.now.minus(DAY)),
        created_at: house.now.minus(DAY * 20),
    })?;
    Ok(())
}

/// Makes and writes some people.
async fn piece(house: &Arc<House>, first: u64, end: u64) -> Result<(), Error> {
    let keys = house.services.keys.of(house.scope).await?;
    let span = u64::try_from(house.now.micros() - house.begun.micros()).unwrap_or_default() * 9 / 10;
    let people: Vec<(u64, Timestamp, Person)> = (first..end)
        .map(|n| {
            let at = house.begun.plus(Duration::from_micros(span / house.subjects.max(1) * n));
            (n, at, Person::newcomer(house.scope, &keys, &IdsAt(at), &address_of(n), None, None, at))
        })
        .collect();
    let (house, people) = (Arc::clone(house), Arc::new(people));
    let route = people.first().map_or(uuid::Uuid::nil(), |(_, _, person)| person.row.id.uuid());
    let store = house.services.store.clone();
    let write = move |tx: &mut WriteTx<'_>| {
        let mut docket = Docket::read(tx, [])?;
        let (mut members, mut listed) = (Vec::new(), Vec::new());
        for (n, at, person) in people.iter() {
            docket.welcome(person);
            live(&house, &keys, &mut docket, person, *n, *at)?;
            if n % 2 == 0 {
                members.push(member(&house, &mut docket, person, *n));
            }
            if *n < LISTED {
                listed.push(ImportRow {
                    controller_id: house.scope.controller(),
                    import_id: house.import,
                    row_no: i32::try_from(n + 2).unwrap_or(i32::MAX),
                    subject_id: Some(person.row.id),
                    outcome: RowOutcome::Added,
                    detail: None,
                });
            }
        }
        docket.write(tx)?;
        for some in members.chunks(500) {
            tx.insert_members(some)?;
        }
        for some in listed.chunks(500) {
            tx.insert_import_rows(some)?;
        }
        // At rest: everybody is in step.
        let tasks =
            people.iter().map(|(_, _, person)| (house.scope.controller(), Reference::from_uuid(person.row.id.uuid())));
        tx.drop_tasks(TaskKind::Sync, &tasks.collect::<Vec<_>>())?;
        Ok::<_, Error>(())
    };
    store.write(route, write).await
}

/// A sign-up by form with its mail and link; nine of ten confirm; of these one in ten stops later.
fn live<'p>(
    house: &House,
    keys: &'p reconsent::crypto::ControllerKeys,
    docket: &mut Docket<'p>,
    person: &'p Person,
    n: u64,
    at: Timestamp,
) -> Result<(), Error> {
    let occasion = |now, method| Occasion {
        notice: Some(house.notice),
        policy_version: Some(house.policy_version),
        evidence: Some(
            json!({ "network": "203.0.113.0/24", "agent": "Mozilla/5.0", "page": "https://www.growth.example/" }),
        ),
        ..Occasion::plain(now, method, Some("form:footer".to_owned()))
    };
    let purpose = house.purpose.id;
    let request = Command::Request { until: at.plus(DAY * 7) };
    docket.apply(&IdsAt(at), keys, person, purpose, request, &occasion(at, Method::Form))?;
    let confirmed = at.plus(Duration::from_secs(600));
    let confirms = n % 10 != 9;
    if confirms {
        let give = Command::Give { act: Act::ConfirmedByLink, terms: house.purpose.terms(confirmed) };
        docket.apply(&IdsAt(confirmed), keys, person, purpose, give, &occasion(confirmed, Method::ConfirmLink))?;
    }
    if n % 100 < 9 {
        let stopped = confirmed.plus(DAY * 30);
        let stop = Command::Withdraw { reason: SuppressionReason::Withdrawn };
        docket.apply(&IdsAt(stopped), keys, person, purpose, stop, &occasion(stopped, Method::OneClick))?;
    }
    let purposes = serde_json::to_string(&[purpose])?;
    let mail = mail(house, person, MailKind::Confirmation, at, &purposes);
    docket.sheet().mails.push(mail);
    docket.sheet().links.push(Link {
        controller_id: house.scope.controller(),
        id: LinkId::from_uuid(IdsAt(at).random()),
        action: LinkAction::Confirm,
        subject_id: person.row.id,
        purposes,
        notice_id: Some(house.notice),
        campaign_id: None,
        form_id: None,
        on_site: false,
        created_at: at,
        expires_at: Some(at.plus(DAY * 7)),
        superseded_at: None,
        used_at: confirms.then_some(confirmed),
        answer: confirms.then(|| format!("{{\"{purpose}\":\"yes\"}}")),
    });
    Ok(())
}

fn mail(house: &House, person: &Person, kind: MailKind, at: Timestamp, purposes: &str) -> Mail {
    Mail {
        controller_id: house.scope.controller(),
        id: MailId::from_uuid(IdsAt(at).row()),
        kind,
        subject_id: person.row.id,
        campaign_id: (kind == MailKind::Repermission).then_some(house.round),
        form_id: None,
        sender_id: house.sender,
        notice_id: house.notice,
        purposes: purposes.to_owned(),
        state: MailState::Accepted,
        lost: 0,
        frozen: None,
        reason: None,
        reply: Some("250".into()),
        origin_mark: None,
        place_at: None,
        created_at: at,
        settled_at: Some(at.plus(Duration::from_secs(5))),
    }
}

/// Somebody's place in the round, with the mail that asked them.
fn member(house: &House, docket: &mut Docket<'_>, person: &Person, n: u64) -> Member {
    let reason = match n % 20 {
        0 => Some(Reason::OptedOut),
        2 => Some(Reason::NotDue),
        _ => None,
    };
    let status = match n % 40 {
        _ if reason.is_some() => MemberStatus::Excluded,
        4 => MemberStatus::Bounced,
        _ => MemberStatus::Delivered,
    };
    let answer = match n % 6 {
        _ if status != MemberStatus::Delivered => Answer::Silent,
        0 => Answer::Yes,
        2 => Answer::No,
        _ => Answer::Silent,
    };
    let asked = reason.is_none().then(|| {
        let purposes = format!("[\"{}\"]", house.purpose.id);
        mail(house, person, MailKind::Repermission, house.now.minus(DAY * 15), &purposes)
    });
    let mail_id = asked.as_ref().map(|mail| mail.id);
    docket.sheet().mails.extend(asked);
    Member {
        controller_id: house.scope.controller(),
        campaign_id: house.round,
        subject_id: person.row.id,
        status,
        reason,
        mail_id,
        answer,
        answered_at: (answer != Answer::Silent).then(|| house.now.minus(DAY * 10)),
    }
}
