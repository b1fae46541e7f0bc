//! The settings themselves, section by section. A name in the environment is `RECONSENT_`, the section (none for the
//! service itself) and the field; in the settings file it is the same without `RECONSENT_`, in lower case.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::bounds::{LimitsSettings, OpsSettings, PiecesSettings, ThrottleSettings};
use super::check::check;
use super::cidr::Cidr;
use super::error::ConfigError;
use super::kinds::{
    AppId, AppSecret, BaseUrl, Bytes, Cidrs, Count, Database, FilePath, Filter, Format, Listen, Maybe, Relay, RootKey,
    Span, SpanOrZero,
};
use super::layers::{Gathered, gather};
use super::ranges::{Size, Whole, Within};
use super::section::section;
use crate::crypto::SecretText;
use crate::telemetry::{LogFilter, LogFormat};

section! {
    /// The service as a whole: where its data, its doors and its keys are.
    ServiceSettings, "";
    /// Folder of the embedded database and of what `init` writes.
    data_dir: PathBuf as FilePath = "RECONSENT_DATA_DIR" or Fixed("./reconsent-data");
    /// Where the database is: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE.
    database_url: SecretText as Database = "DATABASE_URL" or Found("sqlite:DATA_DIR/reconsent.db");
    /// The address under which people reach the service; every link in a mail begins with it.
    base_url: String as BaseUrl = "RECONSENT_BASE_URL" or Fixed("http://127.0.0.1:8080");
    /// Where the service listens for people, sites and the API.
    listen: SocketAddr as Listen = "RECONSENT_LISTEN" or Fixed("127.0.0.1:8080");
    /// Where health, readiness and metrics are served; not for the public.
    ops_listen: SocketAddr as Listen = "RECONSENT_OPS_LISTEN" or Fixed("127.0.0.1:9090");
    /// The key above all keys: 32 bytes in base64. Without it the database cannot be read; keep it out of its backups.
    root_key: Option<SecretText> as Maybe<RootKey> = "RECONSENT_ROOT_KEY" or Absent;
    /// The root key before the present one, while a rotation is under way.
    root_key_previous: Option<SecretText> as Maybe<RootKey> = "RECONSENT_ROOT_KEY_PREVIOUS" or Absent;
    /// Proxies whose word on the sender's address is taken; without any, it is the address of the connection.
    trusted_proxies: Vec<Cidr> as Cidrs = "RECONSENT_TRUSTED_PROXIES" or Absent;
}

section! {
    /// The log on standard error.
    LogSettings, "log";
    /// What is logged: a level, then targets with their own. Libraries never log below info, for they may print data; security events (target audit) are always logged.
    level: LogFilter as Filter = "RECONSENT_LOG_LEVEL" or Fixed("info");
    /// How it is logged: text or json.
    format: LogFormat as Format = "RECONSENT_LOG_FORMAT" or Fixed("text");
}

section! {
    /// Connections to the database and the queue before them.
    StoreSettings, "store";
    /// Connections for reading.
    readers: usize as Count<usize> = "RECONSENT_STORE_READERS" or Fixed("4");
    /// Connections for writing on PostgreSQL; SQLite always has one.
    writers: usize as Count<usize> = "RECONSENT_STORE_WRITERS" or Fixed("2");
    /// Calls that may wait for a writer; one more is turned away as busy.
    write_queue: usize as Count<usize> = "RECONSENT_STORE_WRITE_QUEUE" or Fixed("8192");
    /// Calls in one commit, at most.
    batch: usize as Count<usize> = "RECONSENT_STORE_BATCH" or Fixed("512");
    /// How long a read may wait for a connection before it is turned away as busy.
    read_wait: Duration as Span = "RECONSENT_STORE_READ_WAIT" or Fixed("2s");
    /// How often work is tried that another transaction was in the way of.
    write_attempts: u32 as Whole<u32, 1, 100> = "RECONSENT_STORE_WRITE_ATTEMPTS" or Fixed("5");
    /// How long SQLite waits for another process that holds the database.
    busy_timeout: Duration as Within<600> = "RECONSENT_STORE_BUSY_TIMEOUT" or Fixed("10s");
}

section! {
    /// The doors: sizes, deadlines and connections.
    HttpSettings, "http";
    /// Largest body on the public pages and forms.
    body_limit_public: usize as Bytes = "RECONSENT_HTTP_BODY_LIMIT_PUBLIC" or Fixed("64KiB");
    /// Largest body of an API call.
    body_limit_api: usize as Bytes = "RECONSENT_HTTP_BODY_LIMIT_API" or Fixed("1MiB");
    /// Largest file of an import.
    body_limit_import: usize as Bytes = "RECONSENT_HTTP_BODY_LIMIT_IMPORT" or Fixed("200MB");
    /// Largest body of a callback of the provider.
    body_limit_hook: usize as Size<1_024, 104_857_600> = "RECONSENT_HTTP_BODY_LIMIT_HOOK" or Fixed("10MiB");
    /// Rows of an import, at most.
    import_rows: usize as Count<usize> = "RECONSENT_HTTP_IMPORT_ROWS" or Fixed("1000000");
    /// Largest policy document.
    policy_bytes: usize as Bytes = "RECONSENT_HTTP_POLICY_BYTES" or Fixed("10MiB");
    /// How long a request may take, event streams and imports apart.
    request_deadline: Duration as Span = "RECONSENT_HTTP_REQUEST_DEADLINE" or Fixed("10s");
    /// How long the upload of an import may take.
    import_deadline: Duration as Span = "RECONSENT_HTTP_IMPORT_DEADLINE" or Fixed("15min");
    /// How long the head of a request may take to come in.
    head_timeout: Duration as Within<600> = "RECONSENT_HTTP_HEAD_TIMEOUT" or Fixed("10s");
    /// How long a client may take to close its end of a connection.
    disconnect_timeout: Duration as Within<600> = "RECONSENT_HTTP_DISCONNECT_TIMEOUT" or Fixed("2s");
    /// How long requests in hand may take to end when the service stops; whole seconds, others are rounded up.
    drain_timeout: Duration as Within<3_600> = "RECONSENT_HTTP_DRAIN_TIMEOUT" or Fixed("8s");
    /// How long an idle connection is kept.
    keep_alive: Duration as Span = "RECONSENT_HTTP_KEEP_ALIVE" or Fixed("15s");
    /// Connections at once, at most.
    max_connections: usize as Count<usize> = "RECONSENT_HTTP_MAX_CONNECTIONS" or Fixed("10000");
    /// Threads that serve requests.
    workers: usize as Count<usize> = "RECONSENT_HTTP_WORKERS" or Found("the number of processor cores");
    /// How long the answer to a call with an idempotency key is kept.
    idempotency_retention: Duration as Span = "RECONSENT_HTTP_IDEMPOTENCY_RETENTION" or Fixed("24h");
    /// Rows on a page of a list, when the caller does not say.
    page_size_default: usize as Count<usize> = "RECONSENT_HTTP_PAGE_SIZE_DEFAULT" or Fixed("50");
    /// Rows on a page of a list, at most.
    page_size_max: usize as Count<usize> = "RECONSENT_HTTP_PAGE_SIZE_MAX" or Fixed("500");
}

section! {
    /// Time constants and caps of consent itself.
    RulesSettings, "rules";
    /// How long the link of a confirmation mail holds.
    confirm_link_ttl: Duration as Span = "RECONSENT_RULES_CONFIRM_LINK_TTL" or Fixed("7d");
    /// When an address that was never confirmed is forgotten.
    unconfirmed_purge_after: Duration as Span = "RECONSENT_RULES_UNCONFIRMED_PURGE_AFTER" or Fixed("7d");
    /// How long the link holds that asks a new mailbox about a change of address.
    address_link_ttl: Duration as Within<5_184_000> = "RECONSENT_RULES_ADDRESS_LINK_TTL" or Fixed("7d");
    /// How long an answer link of a campaign may hold, at most.
    answer_link_max_ttl: Duration as Span = "RECONSENT_RULES_ANSWER_LINK_MAX_TTL" or Fixed("60d");
    /// Shortest life of an answer link that a site may ask for.
    answer_link_min_ttl: Duration as Within<86_400> = "RECONSENT_RULES_ANSWER_LINK_MIN_TTL" or Fixed("60s");
    /// How long a page may stand open before its answer is asked for anew.
    page_nonce_ttl: Duration as Span = "RECONSENT_RULES_PAGE_NONCE_TTL" or Fixed("30min");
    /// An answer given sooner after the page was served is taken for a machine's.
    minimum_dwell: Duration as SpanOrZero = "RECONSENT_RULES_MINIMUM_DWELL" or Fixed("2s");
    /// Least time between two confirmation mails to one address for one form (DO-06).
    confirmation_gap: Duration as SpanOrZero = "RECONSENT_RULES_CONFIRMATION_GAP" or Fixed("24h");
    /// Confirmation mails of one controller to one address in a day, at most.
    confirmations_per_controller_day: u32 as Count<u32> = "RECONSENT_RULES_CONFIRMATIONS_PER_CONTROLLER_DAY" or Fixed("3");
    /// Confirmation mails of all controllers to one address in a day, at most.
    confirmations_per_mailbox_day: u32 as Count<u32> = "RECONSENT_RULES_CONFIRMATIONS_PER_MAILBOX_DAY" or Fixed("6");
    /// Confirmation mails that one network (/24 or /48) may cause in a day, at most.
    confirmations_per_network_day: u32 as Count<u32> = "RECONSENT_RULES_CONFIRMATIONS_PER_NETWORK_DAY" or Fixed("1000");
    /// Confirmation mails that one form may cause in a day, at most.
    confirmations_per_form_day: u32 as Count<u32> = "RECONSENT_RULES_CONFIRMATIONS_PER_FORM_DAY" or Fixed("100000");
    /// Least time between two re-permission mails to one person (RP-07).
    ask_cooldown: Duration as SpanOrZero = "RECONSENT_RULES_ASK_COOLDOWN" or Fixed("60d");
    /// How often the gate is asked anew about everybody on a list that was made for a round at the provider.
    round_recheck: Duration as Span = "RECONSENT_RULES_ROUND_RECHECK" or Fixed("6h");
    /// When an upload that did not come whole is forgotten.
    unfinished_upload_after: Duration as Span = "RECONSENT_RULES_UNFINISHED_UPLOAD_AFTER" or Fixed("1h");
    /// How long a mail that is over stays in the person's history. The events of consent stay.
    mail_retention: Duration as Span = "RECONSENT_RULES_MAIL_RETENTION" or Fixed("400d");
    /// How long opened keys are used before they are read again, so that a rotation elsewhere is seen.
    key_refresh: Duration as Within<86_400> = "RECONSENT_RULES_KEY_REFRESH" or Fixed("30s");
    /// How long a delivery of the provider's webhook is worked on before the rest is given back; the provider waits ten seconds.
    webhook_time: Duration as Within<60> = "RECONSENT_RULES_WEBHOOK_TIME" or Fixed("8s");
    /// How often a destination's webhooks are looked at, and put right.
    webhook_watch: Duration as Span = "RECONSENT_RULES_WEBHOOK_WATCH" or Fixed("1h");
    /// How long a secret of a webhook's address that was replaced is still heard.
    webhook_heard: Duration as Span = "RECONSENT_RULES_WEBHOOK_HEARD" or Fixed("1day");
    /// How long the differences found in a comparison with a destination are kept after it is over.
    findings_kept: Duration as Span = "RECONSENT_RULES_FINDINGS_KEPT" or Fixed("90days");
    /// How long a list at the provider that was given up is remembered at least.
    former_list_kept: Duration as Span = "RECONSENT_RULES_FORMER_LIST_KEPT" or Fixed("90days");
    /// How long after a version of a key is out of use everywhere it may be retired.
    key_retire_margin: Duration as Within<86_400> = "RECONSENT_RULES_KEY_RETIRE_MARGIN" or Fixed("5m");
    /// How long a form is used as it was read before it is read again.
    form_refresh: Duration as Within<3_600> = "RECONSENT_RULES_FORM_REFRESH" or Fixed("1s");
}

section! {
    /// The outbox: leases, attempts and the pace of the worker.
    OutboxSettings, "outbox";
    /// How long claimed work belongs to its worker before another may take it.
    lease: Duration as Span = "RECONSENT_OUTBOX_LEASE" or Fixed("60s");
    /// The same from the moment a mail or a call is handed over, when its outcome may be in doubt.
    handover_lease: Duration as Span = "RECONSENT_OUTBOX_HANDOVER_LEASE" or Fixed("660s");
    /// Attempts to hand a mail over, at most.
    mail_attempts: u32 as Count<u32> = "RECONSENT_OUTBOX_MAIL_ATTEMPTS" or Fixed("8");
    /// Pause before a mail of a paused round is looked at again.
    paused_look: Duration as Span = "RECONSENT_OUTBOX_PAUSED_LOOK" or Fixed("60s");
    /// Pause before a mail is looked at again after the relay could not be reached.
    unreachable_look: Duration as Span = "RECONSENT_OUTBOX_UNREACHABLE_LOOK" or Fixed("15s");
    /// Work older than this is given up.
    max_age: Duration as Span = "RECONSENT_OUTBOX_MAX_AGE" or Fixed("72h");
    /// Pause before the second attempt; each further pause is longer.
    retry_first: Duration as Span = "RECONSENT_OUTBOX_RETRY_FIRST" or Fixed("5s");
    /// Longest pause between two attempts.
    retry_cap: Duration as Span = "RECONSENT_OUTBOX_RETRY_CAP" or Fixed("1h");
    /// How often an idle worker looks for work.
    poll_interval: Duration as Span = "RECONSENT_OUTBOX_POLL_INTERVAL" or Fixed("500ms");
    /// Rows claimed at once, at most.
    claim_batch: usize as Count<usize> = "RECONSENT_OUTBOX_CLAIM_BATCH" or Fixed("256");
    /// Mails handed over and not yet written down, at most; a relay that is slow is given fewer. A crash leaves as many in doubt.
    mails_in_hand: usize as Count<usize> = "RECONSENT_OUTBOX_MAILS_IN_HAND" or Fixed("256");
    /// Controllers whose changes are brought to the provider side by side, and calls side by side for one of them.
    sync_workers: usize as Count<usize> = "RECONSENT_OUTBOX_SYNC_WORKERS" or Fixed("4");
    /// People brought to the provider in one call.
    sync_batch: usize as Whole<usize, 1, 1000> = "RECONSENT_OUTBOX_SYNC_BATCH" or Fixed("500");
    /// Lists kept in memory between two turns; one of a million rows holds some forty megabytes.
    imports_kept: usize as Whole<usize, 1, 100> = "RECONSENT_OUTBOX_IMPORTS_KEPT" or Fixed("4");
    /// How long such a list is kept.
    imports_kept_for: Duration as Within<86_400> = "RECONSENT_OUTBOX_IMPORTS_KEPT_FOR" or Fixed("10m");
    /// How long the gate's yes holds until a mail's bytes go out; at most the second of RP-05.
    gate_holds: Duration as Within<1> = "RECONSENT_OUTBOX_GATE_HOLDS" or Fixed("900ms");
    /// How long a list is read before it gives way to others that wait.
    import_turn: Duration as Span = "RECONSENT_OUTBOX_IMPORT_TURN" or Fixed("5s");
    /// Uploaded lists read side by side.
    import_workers: usize as Whole<usize, 1, 64> = "RECONSENT_OUTBOX_IMPORT_WORKERS" or Fixed("2");
    /// Rounds frozen side by side.
    launch_workers: usize as Whole<usize, 1, 64> = "RECONSENT_OUTBOX_LAUNCH_WORKERS" or Fixed("1");
    /// Material changes carried out side by side.
    refresh_workers: usize as Whole<usize, 1, 64> = "RECONSENT_OUTBOX_REFRESH_WORKERS" or Fixed("1");
    /// How often the timetable is looked at: waves, ends of validity, purges.
    timetable_interval: Duration as Span = "RECONSENT_OUTBOX_TIMETABLE_INTERVAL" or Fixed("5s");
}

section! {
    /// The mail relay. Without an address no mail leaves the machine.
    SmtpSettings, "smtp";
    /// The relay: smtps://USER:PASSWORD@HOST, or smtp://HOST:PORT.
    url: Option<SecretText> as Maybe<Relay> = "RECONSENT_SMTP_URL" or Absent;
    /// Connections to the relay, at most.
    connections: usize as Count<usize> = "RECONSENT_SMTP_CONNECTIONS" or Fixed("10");
    /// How long connecting may take.
    connect_timeout: Duration as Span = "RECONSENT_SMTP_CONNECT_TIMEOUT" or Fixed("30s");
    /// How long the relay may take to answer a command.
    command_timeout: Duration as Span = "RECONSENT_SMTP_COMMAND_TIMEOUT" or Fixed("30s");
    /// How long the relay may let a mail's next bytes wait.
    data_timeout: Duration as Within<3_600> = "RECONSENT_SMTP_DATA_TIMEOUT" or Fixed("180s");
    /// How long the relay's last words, and its goodbye, are waited for.
    farewell_timeout: Duration as Within<600> = "RECONSENT_SMTP_FAREWELL_TIMEOUT" or Fixed("2s");
    /// How long the relay may take to accept a mail after its final dot.
    final_dot_timeout: Duration as Span = "RECONSENT_SMTP_FINAL_DOT_TIMEOUT" or Fixed("600s");
    /// How long an idle connection is kept.
    idle_timeout: Duration as Span = "RECONSENT_SMTP_IDLE_TIMEOUT" or Fixed("60s");
    /// Mails over one connection before it is renewed.
    mails_per_connection: u32 as Count<u32> = "RECONSENT_SMTP_MAILS_PER_CONNECTION" or Fixed("1000");
}

section! {
    /// Campaign Monitor. It is called only for a controller that gave its own API key, or connected its account.
    CampaignMonitorSettings, "campaign_monitor";
    /// The provider's address.
    base_url: String as BaseUrl = "RECONSENT_CAMPAIGN_MONITOR_BASE_URL" or Fixed("https://api.createsend.com");
    /// How long connecting may take.
    connect_timeout: Duration as Span = "RECONSENT_CAMPAIGN_MONITOR_CONNECT_TIMEOUT" or Fixed("10s");
    /// How long a call may take in all.
    call_timeout: Duration as Span = "RECONSENT_CAMPAIGN_MONITOR_CALL_TIMEOUT" or Fixed("120s");
    /// Failures in a row after which calls pause.
    breaker_failures: u32 as Count<u32> = "RECONSENT_CAMPAIGN_MONITOR_BREAKER_FAILURES" or Fixed("5");
    /// The first such pause; each further one is longer.
    breaker_pause: Duration as Span = "RECONSENT_CAMPAIGN_MONITOR_BREAKER_PAUSE" or Fixed("30s");
    /// Longest such pause.
    breaker_pause_cap: Duration as Span = "RECONSENT_CAMPAIGN_MONITOR_BREAKER_PAUSE_CAP" or Fixed("10min");
    /// The app registered there by which accounts are connected; its address to return to is the base address with /oauth/campaign-monitor/callback behind it.
    oauth_client_id: Option<String> as Maybe<AppId> = "RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_ID" or Absent;
    /// The secret of that app.
    oauth_client_secret: Option<SecretText> as Maybe<AppSecret> = "RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_SECRET" or Absent;
    /// How long somebody may take to allow access there.
    oauth_state_ttl: Duration as Within<3_600> = "RECONSENT_CAMPAIGN_MONITOR_OAUTH_STATE_TTL" or Fixed("10min");
    /// How long before its end access is renewed, or a quarter of its life if that is shorter.
    oauth_renew_before: Duration as Span = "RECONSENT_CAMPAIGN_MONITOR_OAUTH_RENEW_BEFORE" or Fixed("1d");
    /// How long a connection is kept that no destination uses.
    oauth_unused_kept: Duration as Span = "RECONSENT_CAMPAIGN_MONITOR_OAUTH_UNUSED_KEPT" or Fixed("1d");
}

/// All settings. Made only by [`Settings::load`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// The settings file that was read, if there was one.
    pub config_file: Option<PathBuf>,
    /// The service as a whole.
    pub service: ServiceSettings,
    /// The log.
    pub log: LogSettings,
    /// Connections to the database.
    pub store: StoreSettings,
    /// The doors.
    pub http: HttpSettings,
    /// Time constants and caps of consent.
    pub rules: RulesSettings,
    /// How many, and how large.
    pub limits: LimitsSettings,
    /// How many mails in an hour.
    pub throttle: ThrottleSettings,
    /// How much at once.
    pub pieces: PiecesSettings,
    /// The door for those who run the house.
    pub ops: OpsSettings,
    /// The outbox.
    pub outbox: OutboxSettings,
    /// The mail relay.
    pub smtp: SmtpSettings,
    /// The provider.
    pub campaign_monitor: CampaignMonitorSettings,
}

impl Settings {
    /// Gathers, reads and checks the settings. `environment` is the process's (see
    /// [`process_environment`](super::process_environment)) or a test's. `overrides` are names of the settings file, or
    /// `config` for the file itself, with their values: what the command line said, which outranks the environment.
    pub fn load(
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let Gathered { values, file } = gather(environment, overrides)?;
        let settings = Self {
            config_file: file,
            service: ServiceSettings::read(&values)?,
            log: LogSettings::read(&values)?,
            store: StoreSettings::read(&values)?,
            http: HttpSettings::read(&values)?,
            rules: RulesSettings::read(&values)?,
            limits: LimitsSettings::read(&values)?,
            throttle: ThrottleSettings::read(&values)?,
            pieces: PiecesSettings::read(&values)?,
            ops: OpsSettings::read(&values)?,
            outbox: OutboxSettings::read(&values)?,
            smtp: SmtpSettings::read(&values)?,
            campaign_monitor: CampaignMonitorSettings::read(&values)?,
        };
        check(&settings)?;
        Ok(settings)
    }
}
