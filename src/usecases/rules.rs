//! Lifetimes and limits that an operator, or a test, may set.

use std::time::Duration;

use super::limits::{Limits, Pieces, Throttles};
use super::oauth::OauthRules;

/// Every time constant and limit of the use cases, with its default.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long a confirmation link works (LK-06): 7 days.
    pub confirm_link_ttl: Duration,
    /// How long after that an unconfirmed person's details are kept (DO-03): 7 days.
    pub unconfirmed_purge_after: Duration,
    /// How long the link works that asks a new mailbox about a change of address (DR-05): 7 days.
    pub address_link_ttl: Duration,
    /// How long an answer link works at most; the round's deadline may end it earlier: 60 days.
    pub answer_link_max_ttl: Duration,
    /// How short a life a site may ask for such a link: 60 seconds.
    pub answer_link_min_ttl: Duration,
    /// How long an opened page may be sent (LK-04): 30 minutes.
    pub page_nonce_ttl: Duration,
    /// A yes that comes sooner after its page is asked for again (LK-05): 2 seconds.
    pub minimum_dwell: Duration,
    /// One confirmation mail per form and address in this time (DO-06): 24 hours.
    pub confirmation_gap: Duration,
    /// Confirmation mails to one address per controller and day (DO-06): 3.
    pub confirmations_per_controller_day: u32,
    /// Confirmation mails to one address over all controllers and day: 6.
    pub confirmations_per_mailbox_day: u32,
    /// Confirmation mails that one network (/24 or /48) may cause per day (DO-06): 1,000.
    pub confirmations_per_network_day: u32,
    /// Confirmation mails that one form may cause per day (DO-06): 100,000.
    pub confirmations_per_form_day: u32,
    /// One re-permission mail per person and purpose in this time (RP-07): 60 days.
    pub ask_cooldown: Duration,
    /// How often the gate is asked anew about everybody on a round's list at the provider, as a basis ends by itself: 6
    /// hours. What a person does is seen to at once.
    pub round_recheck: Duration,
    /// When an upload that broke off is forgotten; longer than an upload may take: one hour.
    pub unfinished_upload_after: Duration,
    /// How long the answer to an `Idempotency-Key` is kept (AP-02): 24 hours.
    pub idempotency_retention: Duration,
    /// How long a mail that is over stays on record, for the person's history: 400 days.
    pub mail_retention: Duration,
    /// How long opened keys are used before they are read again, so that a rotation elsewhere is seen: 30 seconds.
    pub key_refresh: Duration,
    /// After this time a delivery of the provider's webhook is given back rather than begun anew: the provider waits ten
    /// seconds and tells it again: 8 seconds.
    pub webhook_time: Duration,
    /// How often a destination's webhooks are looked at: every hour.
    pub webhook_watch: Duration,
    /// How long a secret that was replaced is still heard, as deliveries are told again for a while: one day.
    pub webhook_heard: Duration,
    /// How long the differences found in a comparison are kept after it is over: 90 days.
    pub findings_kept: Duration,
    /// How long a list given up is remembered at least, as late news from there still counts: 90 days.
    pub former_list_kept: Duration,
    /// How long after a version of a key is out of use everywhere it may be retired; longer than anybody works with keys
    /// that they have asked for: 5 minutes.
    pub key_retire_margin: Duration,
    /// How long a form is used as it was read, so that what changes about it shows soon: 1 second.
    pub form_refresh: Duration,
    /// Rows of one uploaded list: 1,000,000.
    pub import_rows: u32,
    /// Bytes of one uploaded list: 200 MB.
    pub import_bytes: u64,
    /// Bytes of one policy document: 10 MiB.
    pub policy_bytes: usize,
    /// Items on a page, unless asked for otherwise: 50.
    pub page_size: u32,
    /// Items on a page, at most: 500.
    pub page_size_max: u32,
    /// Where the mailing provider is, for a destination that does not say: the provider's own address.
    pub provider_base_url: String,
    /// Keep a client's whole network address as evidence rather than its network (PF-04): no.
    pub evidence_full_address: bool,
    /// How accounts at the provider are connected by OAuth.
    pub oauth: OauthRules,
    /// How many, and how large.
    pub limits: Limits,
    /// How many mails in an hour.
    pub throttles: Throttles,
    /// How much at once.
    pub pieces: Pieces,
}

impl Default for Rules {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            confirm_link_ttl: days(7),
            address_link_ttl: days(7),
            unconfirmed_purge_after: days(7),
            answer_link_max_ttl: days(60),
            answer_link_min_ttl: Duration::from_secs(60),
            page_nonce_ttl: Duration::from_secs(30 * 60),
            minimum_dwell: Duration::from_secs(2),
            confirmation_gap: days(1),
            confirmations_per_controller_day: 3,
            confirmations_per_mailbox_day: 6,
            confirmations_per_network_day: 1000,
            confirmations_per_form_day: 100_000,
            ask_cooldown: days(60),
            round_recheck: Duration::from_secs(6 * 3600),
            unfinished_upload_after: Duration::from_secs(3600),
            idempotency_retention: days(1),
            mail_retention: days(400),
            key_refresh: Duration::from_secs(30),
            webhook_time: Duration::from_secs(8),
            webhook_watch: Duration::from_secs(3600),
            webhook_heard: days(1),
            findings_kept: days(90),
            former_list_kept: days(90),
            key_retire_margin: Duration::from_secs(300),
            form_refresh: Duration::from_secs(1),
            import_rows: 1_000_000,
            import_bytes: 200_000_000,
            policy_bytes: crate::domain::policy::MAX_POLICY_BYTES,
            page_size: 50,
            page_size_max: 500,
            provider_base_url: "https://api.createsend.com".to_owned(),
            evidence_full_address: false,
            oauth: OauthRules::default(),
            limits: Limits::default(),
            throttles: Throttles::default(),
            pieces: Pieces::default(),
        }
    }
}
