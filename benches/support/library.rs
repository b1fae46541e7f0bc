//! The service's own library on the same database, to prepare what would take long through the door: links, above all.

use std::sync::Arc;
use std::time::Duration;

use reconsent::crypto::RootKeys;
use reconsent::crypto::secret::fill_random;
use reconsent::domain::clock::{Clock, Ids};
use reconsent::domain::ids::{ControllerScope, FormId, LinkId, NoticeId, PurposeId, SubjectId};
use reconsent::domain::link::LinkAction;
use reconsent::domain::time::Timestamp;
use reconsent::links::Claims;
use reconsent::store::links::Link;
use reconsent::store::{DatabaseUrl, Store, StoreError, StoreSettings, WriteTx};
use reconsent::usecases::{Rules, Services, nonce};
use tokio::runtime::Handle;

use super::Outcome;
use super::bytes::{Random, millis};
use super::house::Engine;
use super::shop::Shop;

struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(millis() * 1000).unwrap_or(i64::MAX))
    }
}

struct Fresh;

impl Ids for Fresh {
    fn row(&self) -> uuid::Uuid {
        uuid::Uuid::from_bytes(Random::new().id(millis()))
    }

    fn random(&self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        fill_random(&mut bytes);
        uuid::Uuid::from_bytes(bytes)
    }
}

/// Opens a database that the service has set up.
pub async fn open(database: &str, root: &str, base: &str) -> Outcome<Services> {
    let (url, runtime) = (DatabaseUrl::parse(database)?, Handle::current());
    let settings = StoreSettings {
        url,
        readers: 1,
        writers: 1,
        write_queue: 1000,
        batch: 64,
        read_wait: Duration::from_secs(60),
        write_attempts: 5,
        busy_timeout: Duration::from_secs(10),
    };
    let store = tokio::task::spawn_blocking(move || Store::open(&settings, runtime)).await??;
    let root = RootKeys::parse(root, None)?;
    Ok(Services::new(store, root, Arc::new(Now), Arc::new(Fresh), Rules::default(), base))
}

/// Everybody on record but the decoys, whose opening is an alarm.
pub async fn people(engine: Engine, database: &str, services: &Services, shop: &Shop) -> Outcome<Vec<SubjectId>> {
    let keys = services.keys.of(ControllerScope::granted(shop.controller.parse()?)).await?;
    let decoys: Vec<uuid::Uuid> = keys.decoys().collect();
    let ids: Vec<uuid::Uuid> = match engine {
        Engine::Sqlite => {
            let conn = super::rows_sqlite::open(database)?;
            let mut statement = conn.prepare("SELECT id FROM subjects")?;
            let ids = statement.query_map([], |row| row.get::<_, [u8; 16]>(0))?;
            ids.map(|id| id.map(uuid::Uuid::from_bytes)).collect::<Result<_, _>>()?
        }
        Engine::Postgres => {
            let client = super::cluster::connect(database).await?;
            let rows = client.query("SELECT id::text FROM subjects", &[]).await?;
            rows.iter().map(|row| row.get::<_, &str>(0).parse()).collect::<Result<_, _>>()?
        }
    };
    Ok(ids.into_iter().filter(|id| !decoys.contains(id)).map(SubjectId::from_uuid).collect())
}

/// A link's token and the seal of its page.
pub struct Ready {
    /// The token.
    pub token: String,
    /// The seal, as if the page had just been opened.
    pub seal: String,
}

/// Gives each of them a link of this kind, as a mail would have done.
pub async fn links(services: &Services, shop: &Shop, people: &[SubjectId], action: LinkAction) -> Outcome<Vec<Ready>> {
    let scope = ControllerScope::granted(shop.controller.parse()?);
    let (purpose, notice, form): (PurposeId, NoticeId, FormId) =
        (shop.purpose.parse()?, shop.notice.parse()?, shop.form.parse()?);
    let now = services.clock.now();
    let end = now.plus(Duration::from_secs(7 * 86_400));
    let purposes = serde_json::to_string(&[purpose])?;
    let mut all = Vec::with_capacity(people.len());
    for subject in people {
        all.push(Link {
            controller_id: scope.controller(),
            id: LinkId::from_uuid(services.ids.random()),
            action,
            subject_id: *subject,
            purposes: purposes.clone(),
            notice_id: Some(notice),
            campaign_id: None,
            form_id: Some(form),
            on_site: false,
            created_at: now,
            expires_at: action.ends().then_some(end),
            superseded_at: None,
            used_at: None,
            answer: None,
        });
    }
    let signer = services.keys.signer(scope).await?;
    let ready = all.iter().map(|link| Ready {
        token: signer.sign(&Claims::until(action, link.id, end)),
        seal: nonce::issue(services, &link.id.to_string()),
    });
    let ready = ready.collect();
    for piece in all.chunks(500) {
        let piece = piece.to_vec();
        let write = move |tx: &mut WriteTx<'_>| tx.insert_links(&piece);
        services.store.write::<(), StoreError, _>(scope.controller().uuid(), write).await?;
    }
    Ok(ready)
}
