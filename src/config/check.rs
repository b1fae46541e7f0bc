//! Settings that depend on one another.

use super::error::ConfigError;
use super::sections::Settings;

/// Refuses settings that are each fine alone and wrong together.
pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    let Settings { service, store, http, rules, limits, ops, outbox, smtp, campaign_monitor: provider, .. } = settings;
    let demand = |holds: bool, first, relation, second, reason| {
        if holds { Ok(()) } else { Err(ConfigError::Inconsistent { first, relation, second, reason }) }
    };
    demand(
        service.root_key.is_some() || service.root_key_previous.is_none(),
        "RECONSENT_ROOT_KEY_PREVIOUS",
        "needs",
        "RECONSENT_ROOT_KEY",
        "a rotation leads from the one to the other",
    )?;
    demand(
        // Port 0 is whatever is free.
        service.listen != service.ops_listen || service.listen.port() == 0,
        "RECONSENT_LISTEN",
        "has to differ from",
        "RECONSENT_OPS_LISTEN",
        "health and metrics are not for the public",
    )?;
    demand(
        store.batch <= store.write_queue,
        "RECONSENT_STORE_BATCH",
        "has to be at most",
        "RECONSENT_STORE_WRITE_QUEUE",
        "a commit holds no more calls than can wait",
    )?;
    demand(
        http.page_size_default <= http.page_size_max,
        "RECONSENT_HTTP_PAGE_SIZE_DEFAULT",
        "has to be at most",
        "RECONSENT_HTTP_PAGE_SIZE_MAX",
        "the default page has to be an allowed one",
    )?;
    demand(
        http.body_limit_api <= http.body_limit_import,
        "RECONSENT_HTTP_BODY_LIMIT_API",
        "has to be at most",
        "RECONSENT_HTTP_BODY_LIMIT_IMPORT",
        "imports are the largest bodies",
    )?;
    demand(
        http.request_deadline <= http.import_deadline,
        "RECONSENT_HTTP_REQUEST_DEADLINE",
        "has to be at most",
        "RECONSENT_HTTP_IMPORT_DEADLINE",
        "imports take the longest",
    )?;
    demand(
        // The whole seconds that the server is given.
        http.drain_timeout.as_secs_f64().ceil() <= ops.stop_timeout.as_secs_f64().ceil(),
        "RECONSENT_HTTP_DRAIN_TIMEOUT",
        "has to be at most",
        "RECONSENT_OPS_STOP_TIMEOUT",
        "ending requests is part of a stop",
    )?;
    demand(
        rules.unfinished_upload_after > http.import_deadline,
        "RECONSENT_RULES_UNFINISHED_UPLOAD_AFTER",
        "has to be longer than",
        "RECONSENT_HTTP_IMPORT_DEADLINE",
        "else an upload is forgotten while it still comes in",
    )?;
    demand(
        rules.mail_retention >= std::time::Duration::from_secs(2 * 86_400).max(rules.confirmation_gap),
        "RECONSENT_RULES_MAIL_RETENTION",
        "has to be at least two days, and at least",
        "RECONSENT_RULES_CONFIRMATION_GAP",
        "mails of late are counted before another is sent",
    )?;
    demand(
        limits.import_cell_bytes <= limits.import_record_bytes,
        "RECONSENT_LIMITS_IMPORT_CELL_BYTES",
        "has to be at most",
        "RECONSENT_LIMITS_IMPORT_RECORD_BYTES",
        "a record holds its cells",
    )?;
    demand(
        rules.answer_link_min_ttl <= rules.answer_link_max_ttl,
        "RECONSENT_RULES_ANSWER_LINK_MIN_TTL",
        "has to be at most",
        "RECONSENT_RULES_ANSWER_LINK_MAX_TTL",
        "else no link could be asked for",
    )?;
    demand(
        rules.unconfirmed_purge_after >= rules.confirm_link_ttl,
        "RECONSENT_RULES_UNCONFIRMED_PURGE_AFTER",
        "has to be at least",
        "RECONSENT_RULES_CONFIRM_LINK_TTL",
        "an address must not be forgotten while its link still holds",
    )?;
    demand(
        rules.minimum_dwell < rules.page_nonce_ttl,
        "RECONSENT_RULES_MINIMUM_DWELL",
        "has to be shorter than",
        "RECONSENT_RULES_PAGE_NONCE_TTL",
        "else no answer could ever count",
    )?;
    demand(
        outbox.retry_first <= outbox.retry_cap,
        "RECONSENT_OUTBOX_RETRY_FIRST",
        "has to be at most",
        "RECONSENT_OUTBOX_RETRY_CAP",
        "the first pause is the shortest",
    )?;
    demand(
        outbox.lease <= outbox.handover_lease,
        "RECONSENT_OUTBOX_LEASE",
        "has to be at most",
        "RECONSENT_OUTBOX_HANDOVER_LEASE",
        "handing over takes longest",
    )?;
    demand(
        outbox.poll_interval < outbox.lease,
        "RECONSENT_OUTBOX_POLL_INTERVAL",
        "has to be shorter than",
        "RECONSENT_OUTBOX_LEASE",
        "work must not lapse between two looks",
    )?;
    demand(
        outbox.lease > smtp.connect_timeout,
        "RECONSENT_OUTBOX_LEASE",
        "has to be longer than",
        "RECONSENT_SMTP_CONNECT_TIMEOUT",
        "else another worker takes the mail while this one still connects",
    )?;
    demand(
        outbox.lease > provider.connect_timeout,
        "RECONSENT_OUTBOX_LEASE",
        "has to be longer than",
        "RECONSENT_CAMPAIGN_MONITOR_CONNECT_TIMEOUT",
        "else another worker takes the change while this one still connects",
    )?;
    demand(
        // The command DATA is answered before the final dot is waited for.
        outbox.handover_lease > smtp.command_timeout.saturating_add(smtp.final_dot_timeout),
        "RECONSENT_OUTBOX_HANDOVER_LEASE",
        "has to be longer than RECONSENT_SMTP_COMMAND_TIMEOUT and",
        "RECONSENT_SMTP_FINAL_DOT_TIMEOUT together",
        "else a mail that the relay is still taking is sent a second time",
    )?;
    demand(
        outbox.handover_lease > provider.call_timeout,
        "RECONSENT_OUTBOX_HANDOVER_LEASE",
        "has to be longer than",
        "RECONSENT_CAMPAIGN_MONITOR_CALL_TIMEOUT",
        "else a change is brought a second time while the first call still runs",
    )?;
    demand(
        provider.connect_timeout <= provider.call_timeout,
        "RECONSENT_CAMPAIGN_MONITOR_CONNECT_TIMEOUT",
        "has to be at most",
        "RECONSENT_CAMPAIGN_MONITOR_CALL_TIMEOUT",
        "connecting is part of a call",
    )?;
    demand(
        provider.oauth_client_id.is_some() == provider.oauth_client_secret.is_some(),
        "RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_ID",
        "is set together with",
        "RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_SECRET",
        "an app has both",
    )?;
    demand(
        provider.breaker_pause <= provider.breaker_pause_cap,
        "RECONSENT_CAMPAIGN_MONITOR_BREAKER_PAUSE",
        "has to be at most",
        "RECONSENT_CAMPAIGN_MONITOR_BREAKER_PAUSE_CAP",
        "the first pause is the shortest",
    )
}
