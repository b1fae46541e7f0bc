//! From settings to a house. Each section of the settings is taken apart without `..`: a setting that is added and
//! not passed on does not compile.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::campaign_monitor::{OauthApp, Secret};
use crate::config::{
    CampaignMonitorSettings, HttpSettings as HttpSection, LogSettings, RulesSettings, ServiceSettings, Settings,
    SmtpSettings, StoreSettings as StoreSection,
};
use crate::crypto::{RootKeys, SecretText};
use crate::http::HttpSettings;
use crate::mail::{PoolLimits, Relay, RelayPool, RelaySettings};
use crate::store::{DatabaseUrl, SchemaStanding, Store, StoreError, StoreSettings};
use crate::usecases::oauth::OauthRules;
use crate::usecases::setup::check_or_set_canary;
use crate::usecases::sync::ProviderSettings;
use crate::usecases::{Rules, Services};
use crate::worker::WorkerSettings;

use super::bounds::House;
use super::clock::{SystemClock, SystemIds};
use super::exit::{Exit, Failure};

/// The settings in the words of those they are for.
pub struct Parts {
    /// Where people, sites and the API are served.
    pub listen: SocketAddr,
    /// Where health and metrics are served.
    pub ops_listen: SocketAddr,
    /// Under which address people reach the service.
    pub base_url: String,
    /// The root keys, if there is one.
    pub root: Option<RootKeys>,
    /// The log.
    pub log: LogSettings,
    /// The database.
    pub store: StoreSettings,
    /// The doors.
    pub http: HttpSettings,
    /// Lifetimes and limits.
    pub rules: Rules,
    /// How the process runs and ends.
    pub house: House,
    /// The worker.
    pub worker: WorkerSettings,
    /// The mail relay, if there is one.
    pub relay: Option<RelayPool>,
    /// The provider.
    pub provider: ProviderSettings,
}

/// What to do with a schema that is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// Bring it up to date.
    Migrate,
    /// Leave it and refuse.
    Refuse,
}

impl Parts {
    /// Passes every setting on.
    pub fn from_settings(settings: Settings) -> Result<Self, Failure> {
        // The settings file has been read and is not looked at again.
        let Settings {
            config_file: _,
            service,
            log,
            store,
            http,
            rules,
            limits,
            throttle,
            pieces,
            ops,
            outbox,
            smtp,
            campaign_monitor,
        } = settings;
        let ServiceSettings {
            // Has served its purpose: the database's address and the settings file were found by it.
            data_dir: _,
            database_url,
            base_url,
            listen,
            ops_listen,
            root_key,
            root_key_previous,
            trusted_proxies,
        } = service;
        let url = DatabaseUrl::parse(database_url.expose()).map_err(|e| Failure::new(Exit::Configuration, e))?;
        let trusted_proxies = trusted_proxies.iter().map(|block| (block.network(), block.prefix())).collect();
        let (http, door_limits) = doors(http, trusted_proxies)?;
        let (provider, provider_base_url, oauth) = provider(campaign_monitor, outbox.lease);
        let house = super::bounds::house(ops);
        Ok(Self {
            listen,
            ops_listen,
            base_url,
            root: root_keys(root_key, root_key_previous)?,
            log,
            store: database(store, url),
            http,
            rules: Rules {
                limits: super::bounds::limits(limits),
                throttles: super::bounds::throttles(throttle),
                pieces: super::bounds::pieces(pieces),
                oauth,
                ..rules_of(rules, door_limits, provider_base_url)
            },
            worker: super::bounds::worker(outbox, house.stop_timeout),
            house,
            relay: relay(smtp)?,
            provider,
        })
    }

    /// Opens the house: root key, schema, and whether the two belong together.
    pub async fn open(&self, behind: Behind) -> Result<Services, Failure> {
        let root = self.root.clone().ok_or_else(|| {
            Failure::new(
                Exit::RootKey,
                "there is no root key: set RECONSENT_ROOT_KEY or RECONSENT_ROOT_KEY_FILE, or run `reconsent init`, \
                 which makes one",
            )
        })?;
        bring_up_to_date(&self.store.url, behind).await?;
        let (settings, runtime) = (self.store.clone(), Handle::current());
        let store = blocking(&self.store.url, move || Store::open(&settings, runtime)).await?;
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let services = Services::new(store, root, clock, ids, self.rules.clone(), &self.base_url);
        check_or_set_canary(&services).await?.map_err(|error| {
            let name = services.keys.root().fingerprint();
            Failure::new(
                Exit::RootKey,
                format!(
                    "{error}: the key given (fingerprint {name}) cannot open {}, which was set up with another",
                    self.store.url.redacted()
                ),
            )
        })?;
        Ok(services)
    }
}

/// Compares the schema with this program, and migrates if that is wanted. Says what was run.
pub async fn bring_up_to_date(url: &DatabaseUrl, behind: Behind) -> Result<Vec<String>, Failure> {
    let address = url.clone();
    let standing = blocking(url, move || Store::schema_standing(&address)).await?;
    let told = url.redacted();
    match standing {
        SchemaStanding::Current => Ok(Vec::new()),
        SchemaStanding::Newer(version) => Err(Failure::new(
            Exit::Database,
            format!("the schema of {told} is newer than this program (it has {version}): use the newer program"),
        )),
        SchemaStanding::Behind(steps) if behind == Behind::Refuse => Err(Failure::new(
            Exit::Database,
            format!("the schema of {told} is {steps} step(s) behind this program: run `reconsent migrate`"),
        )),
        SchemaStanding::Behind(_) => {
            let address = url.clone();
            blocking(url, move || Store::migrate(&address)).await
        }
    }
}

/// Runs what blocks elsewhere; what fails there is the database's failure.
async fn blocking<T: Send + 'static>(
    url: &DatabaseUrl,
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Failure> {
    if let DatabaseUrl::Sqlite(path) = url
        && let Some(folder) = path.parent().filter(|folder| *folder != Path::new(""))
        && !folder.is_dir()
    {
        let folder = folder.display();
        let message = format!("there is no folder {folder} for the database: run `reconsent init`, or make it");
        return Err(Failure::new(Exit::Database, message));
    }
    let done = tokio::task::spawn_blocking(call).await.map_err(Failure::failed)?;
    done.map_err(|error| Failure::new(Exit::Database, format!("{}: {error}", url.redacted())))
}

fn root_keys(current: Option<SecretText>, previous: Option<SecretText>) -> Result<Option<RootKeys>, Failure> {
    let Some(current) = current else { return Ok(None) };
    let keys = RootKeys::parse(current.expose(), previous.as_ref().map(SecretText::expose));
    Ok(Some(keys.map_err(|error| Failure::new(Exit::RootKey, error))?))
}

fn database(section: StoreSection, url: DatabaseUrl) -> StoreSettings {
    let StoreSection { readers, writers, write_queue, batch, read_wait, write_attempts, busy_timeout } = section;
    StoreSettings { url, readers, writers, write_queue, batch, read_wait, write_attempts, busy_timeout }
}

/// Limits that the use cases keep, though they are set with the doors.
struct Limits {
    import_rows: u32,
    import_bytes: u64,
    policy_bytes: usize,
    idempotency_retention: std::time::Duration,
    page_size: u32,
    page_size_max: u32,
}

fn doors(
    section: HttpSection,
    trusted_proxies: Vec<(std::net::IpAddr, u8)>,
) -> Result<(HttpSettings, Limits), Failure> {
    let HttpSection {
        body_limit_public,
        body_limit_api,
        body_limit_import,
        body_limit_hook,
        import_rows,
        policy_bytes,
        request_deadline,
        import_deadline,
        head_timeout,
        disconnect_timeout,
        drain_timeout,
        keep_alive,
        max_connections,
        workers,
        idempotency_retention,
        page_size_default,
        page_size_max,
    } = section;
    let small = |name: &str, number: usize| {
        u32::try_from(number).map_err(|_| {
            Failure::new(Exit::Configuration, format!("RECONSENT_HTTP_{name}: expected at most {}", u32::MAX))
        })
    };
    let limits = Limits {
        import_rows: small("IMPORT_ROWS", import_rows)?,
        import_bytes: u64::try_from(body_limit_import).unwrap_or(u64::MAX),
        policy_bytes,
        idempotency_retention,
        page_size: small("PAGE_SIZE_DEFAULT", page_size_default)?,
        page_size_max: small("PAGE_SIZE_MAX", page_size_max)?,
    };
    let http = HttpSettings {
        api_body_limit: body_limit_api,
        public_body_limit: body_limit_public,
        hook_body_limit: body_limit_hook,
        deadline: request_deadline,
        upload_deadline: import_deadline,
        head_timeout,
        disconnect_timeout,
        drain_timeout,
        keep_alive,
        max_connections,
        workers,
        trusted_proxies,
    };
    Ok((http, limits))
}

fn rules_of(section: RulesSettings, limits: Limits, provider_base_url: String) -> Rules {
    let RulesSettings {
        confirm_link_ttl,
        unconfirmed_purge_after,
        address_link_ttl,
        answer_link_max_ttl,
        answer_link_min_ttl,
        page_nonce_ttl,
        minimum_dwell,
        confirmation_gap,
        confirmations_per_controller_day,
        confirmations_per_mailbox_day,
        confirmations_per_network_day,
        confirmations_per_form_day,
        ask_cooldown,
        round_recheck,
        unfinished_upload_after,
        mail_retention,
        key_refresh,
        webhook_time,
        webhook_watch,
        webhook_heard,
        findings_kept,
        former_list_kept,
        key_retire_margin,
        form_refresh,
    } = section;
    let Limits { import_rows, import_bytes, policy_bytes, idempotency_retention, page_size, page_size_max } = limits;
    // Not a setting: a whole network address is more than the proof needs.
    let Rules { evidence_full_address, oauth, limits, throttles, pieces, .. } = Rules::default();
    Rules {
        confirm_link_ttl,
        unconfirmed_purge_after,
        address_link_ttl,
        answer_link_max_ttl,
        answer_link_min_ttl,
        page_nonce_ttl,
        minimum_dwell,
        confirmation_gap,
        confirmations_per_controller_day,
        confirmations_per_mailbox_day,
        confirmations_per_network_day,
        confirmations_per_form_day,
        ask_cooldown,
        round_recheck,
        unfinished_upload_after,
        idempotency_retention,
        mail_retention,
        key_refresh,
        webhook_time,
        webhook_watch,
        webhook_heard,
        findings_kept,
        former_list_kept,
        key_retire_margin,
        form_refresh,
        import_rows,
        import_bytes,
        policy_bytes,
        page_size,
        page_size_max,
        provider_base_url,
        evidence_full_address,
        oauth,
        limits,
        throttles,
        pieces,
    }
}

fn relay(section: SmtpSettings) -> Result<Option<RelayPool>, Failure> {
    let SmtpSettings {
        url,
        connections,
        connect_timeout,
        command_timeout,
        data_timeout,
        farewell_timeout,
        final_dot_timeout,
        idle_timeout,
        mails_per_connection,
    } = section;
    let Some(url) = url else { return Ok(None) };
    let wrong = |why: &dyn std::fmt::Display| Failure::new(Exit::Configuration, format!("RECONSENT_SMTP_URL: {why}"));
    let mut settings = RelaySettings::parse(url.expose()).map_err(|error| wrong(&error))?;
    // They have settings of their own, which are checked against the leases; one place has to win, so there is one.
    for name in ["connect_timeout", "command_timeout", "data_timeout", "final_timeout"] {
        let given = url::Url::parse(url.expose()).is_ok_and(|url| url.query_pairs().any(|(key, _)| key == name));
        if given {
            return Err(wrong(&format!("{name} is set with RECONSENT_SMTP_CONNECT_TIMEOUT and its neighbours")));
        }
    }
    settings.connect_timeout = connect_timeout;
    settings.command_timeout = command_timeout;
    settings.data_timeout = data_timeout;
    settings.farewell_timeout = farewell_timeout;
    settings.final_timeout = final_dot_timeout;
    let relay = Relay::new(settings).map_err(|error| wrong(&error))?;
    Ok(Some(RelayPool::new(relay, PoolLimits { max: connections, idle_timeout, mails_per_connection })))
}

/// A claim on a person has to outlive the call made under it.
fn provider(section: CampaignMonitorSettings, lease: Duration) -> (ProviderSettings, String, OauthRules) {
    let CampaignMonitorSettings {
        base_url,
        connect_timeout,
        call_timeout,
        breaker_failures,
        breaker_pause,
        breaker_pause_cap,
        oauth_client_id,
        oauth_client_secret,
        oauth_state_ttl,
        oauth_renew_before,
        oauth_unused_kept,
    } = section;
    let app = oauth_client_id.zip(oauth_client_secret);
    let oauth = OauthRules {
        app: app
            .map(|(client_id, secret)| OauthApp { client_id, client_secret: Secret::new(secret.expose().to_owned()) }),
        state_ttl: oauth_state_ttl,
        renew_before: oauth_renew_before,
        unused_kept: oauth_unused_kept,
        ..OauthRules::default()
    };
    let lease = call_timeout + lease;
    let settings =
        ProviderSettings { connect_timeout, call_timeout, lease, breaker_failures, breaker_pause, breaker_pause_cap };
    (settings, base_url, oauth)
}
