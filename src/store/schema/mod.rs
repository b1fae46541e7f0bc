//! The tables, in the common subset of both engines. Written by hand after the twin migrations; every column is selected
//! once after each migration.

mod addresses;
mod house;
mod people;

pub use addresses::*;
pub use house::*;
pub use people::*;

diesel::allow_tables_to_appear_in_same_query!(
    install,
    controllers,
    controller_keys,
    key_canaries,
    link_keys,
    api_tokens,
    purposes,
    policies,
    policy_versions,
    notices,
    senders,
    forms,
    subjects,
    address_changes,
    former_addresses,
    consents,
    consent_events,
    suppressions,
    links,
    imports,
    import_chunks,
    import_sources,
    round_lists,
    round_entries,
    import_rows,
    import_counts,
    campaigns,
    campaign_members,
    campaign_counts,
    mails,
    outbox,
    destinations,
    provider_connections,
    destination_lists,
    former_lists,
    destination_states,
    destination_upkeep,
    former_webhooks,
    reconciles,
    reconcile_findings,
    destination_sightings,
    idempotency_keys,
    mailbox_caps,
    send_buckets
);
