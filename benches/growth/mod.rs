//! What the generator and the benchmarks on its databases share: how a database is opened, who is in it, and what they
//! are called.
#![allow(dead_code, reason = "what is here is for all of them; not every one uses all of it")]

pub mod generator;

use std::sync::Arc;
use std::time::{Duration, Instant};

use reconsent::cli::clock::SystemClock;
use reconsent::crypto::RootKeys;
use reconsent::domain::clock::{Clock, Ids};
use reconsent::domain::email::EmailAddress;
use reconsent::domain::ids::{ControllerScope, DestinationId, TokenId};
use reconsent::domain::task::TaskKind;
use reconsent::domain::time::Timestamp;
use reconsent::sandbox::Emulator;
use reconsent::sandbox::campaign_monitor::{ClientSeed, ListSeed};
use reconsent::store::{DatabaseUrl, ReadTx, Store, StoreError, StoreSettings};
use reconsent::usecases::destinations::{
    ApiKey, ListChoice, NewCredential, NewDestination, create_destination, set_lists,
};
use reconsent::usecases::once::Asker;
use reconsent::usecases::setup::check_or_set_canary;
use reconsent::usecases::sync::{Provider, ProviderSettings};
use reconsent::usecases::{Rules, Services};
use reconsent::worker::{Worker, WorkerSettings};
use tokio::runtime::Handle;
use tokio::sync::watch;
use uuid::Uuid;

/// Anything that ends a benchmark.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The one controller of a generated database.
pub const CONTROLLER: &str = "growth";

/// A root key for generated data alone.
pub const ROOT_KEY: &str = "R1JPV1RIR1JPV1RIR1JPV1RIR1JPV1RIR1JPV1RIR1I=";

/// The address of a person.
pub fn address_of(person: u64) -> EmailAddress {
    EmailAddress::parse(&format!("person{person}@example.org")).expect("letters, digits and a domain make an address")
}

/// Ids as the service would have made them at some moment.
#[derive(Debug, Clone, Copy)]
pub struct IdsAt(pub Timestamp);

impl Ids for IdsAt {
    fn row(&self) -> Uuid {
        let millis = u128::try_from(self.0.micros() / 1000).unwrap_or_default();
        let random = self.random().as_u128() & ((1 << 80) - 1);
        // RFC 9562: 48 bits of milliseconds, version 7, variant 10, the rest random.
        let marked = (random & !(0xf << 76) & !(0x3 << 62)) | 0x7 << 76 | 0x2 << 62;
        Uuid::from_u128(millis << 80 | marked)
    }

    fn random(&self) -> Uuid {
        let mut bytes = [0; 16];
        reconsent::crypto::secret::fill_random(&mut bytes);
        Uuid::from_bytes(bytes)
    }
}

/// Opens a database, migrated, under the generator's root key.
pub async fn open(url: &str) -> Result<Services, Failure> {
    let url = DatabaseUrl::parse(url)?;
    let runtime = Handle::current();
    let store = tokio::task::spawn_blocking(move || {
        Store::migrate(&url)?;
        let settings = StoreSettings {
            url,
            readers: 4,
            writers: 2,
            write_queue: 1000,
            batch: 512,
            read_wait: std::time::Duration::from_secs(10),
            write_attempts: 5,
            busy_timeout: std::time::Duration::from_secs(10),
        };
        Store::open(&settings, runtime)
    })
    .await??;
    let root = RootKeys::parse(ROOT_KEY, None)?;
    let clock = Arc::new(SystemClock);
    let ids = Arc::new(IdsAt(clock.now()));
    let services = Services::new(store, root, clock, ids, Rules::default(), "http://127.0.0.1");
    check_or_set_canary(&services).await?.map_err(|_| "the database was set up with another root key")?;
    Ok(services)
}

/// The generated controller.
pub async fn controller(services: &Services) -> Result<ControllerScope, Failure> {
    let found = services.store.read(|tx: &mut ReadTx<'_>| {
        let all = tx.all_controllers(None, 500)?;
        let controller = all.iter().find(|one| one.slug == CONTROLLER).ok_or(StoreError::NotFound)?;
        Ok::<_, StoreError>(ControllerScope::granted(controller.id))
    });
    Ok(found.await?)
}

/// The client and the list at the emulator.
pub const CLIENT: &str = "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1";
/// See [`CLIENT`].
pub const LIST: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";

/// An emulator whose one list the newsletter is kept on from now on; nobody is there yet.
pub async fn kept_at_an_emulator(
    services: &Services,
    scope: ControllerScope,
) -> Result<(Emulator, DestinationId), Failure> {
    let emulator = Emulator::builder()
        .client(ClientSeed { id: CLIENT.to_owned(), name: "Growth".to_owned(), ..ClientSeed::default() })
        .list(ListSeed {
            id: LIST.to_owned(),
            client_id: CLIENT.to_owned(),
            title: "Newsletter".to_owned(),
            ..ListSeed::default()
        })
        .start()?;
    let asker = Asker::controller(scope, TokenId::from_uuid(Uuid::nil()));
    let destination = NewDestination {
        base_url: Some(emulator.base_url().to_owned()),
        client_id: CLIENT.to_owned(),
        credential: NewCredential::ApiKey(ApiKey::new(emulator.account_key())),
        time_zone: "Europe/Amsterdam".to_owned(),
        on_expiry: None,
    };
    let (made, _) = create_destination(services, asker, None, destination).await?;
    let choice = ListChoice { purpose: "newsletter".to_owned(), list_id: LIST.to_owned() };
    set_lists(services, scope, made.destination.id, vec![choice]).await?;
    Ok((emulator, made.destination.id))
}

/// Brings everybody of a database to where they are to be kept, by a worker in this process.
pub async fn bring_in_step(services: &Services) -> Result<(), Failure> {
    let provider = Arc::new(Provider::new(ProviderSettings::default()));
    let worker = Worker::new(services.clone(), WorkerSettings::default(), None, provider);
    let (stop, stopped) = watch::channel(false);
    let begun = Instant::now();
    let worker = tokio::spawn(worker.run(stopped));
    while !in_step(services).await? {
        if begun.elapsed() > Duration::from_secs(7200) {
            return Err("not in step after two hours".into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stop.send(true)?;
    worker.await?;
    Ok(())
}

/// Whether nothing is left to be brought in step.
async fn in_step(services: &Services) -> Result<bool, Failure> {
    let counts = services.store.read(|tx: &mut ReadTx<'_>| tx.outbox_counts()).await?;
    let open = [TaskKind::Sync.code(), TaskKind::Remap.code()];
    Ok(counts.iter().all(|count| !open.contains(&count.kind)))
}

/// The value behind `--NAME`.
pub fn option(name: &str) -> Option<String> {
    let mut words = std::env::args();
    words.by_ref().find(|word| word == name)?;
    words.next()
}
