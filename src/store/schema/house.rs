//! Controllers and what they set up.

use super::super::types::Id;

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    install (id) {
        id -> SmallInt,
        canary -> Binary,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    controllers (id) {
        id -> Id,
        slug -> Text,
        name -> Text,
        hold_uncertain -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    controller_keys (controller_id, key_use, version) {
        controller_id -> Id,
        key_use -> Text,
        version -> Integer,
        sealed -> Binary,
        created_at -> BigInt,
        retired_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    key_canaries (controller_id, key_use, version) {
        controller_id -> Id,
        key_use -> Text,
        version -> Integer,
        sealed -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    link_keys (kid) {
        kid -> Text,
        controller_id -> Id,
        public_key -> Binary,
        sealed -> Binary,
        standing -> SmallInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    api_tokens (hash) {
        hash -> Binary,
        id -> Id,
        controller_id -> Nullable<Id>,
        name -> Text,
        scopes -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    purposes (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        slug -> Text,
        label -> Text,
        description -> Text,
        channel -> SmallInt,
        kind -> SmallInt,
        validity -> Text,
        refresh_window -> Text,
        double_opt_in -> Bool,
        mail_corporate -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    policies (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        slug -> Text,
        name -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    policy_versions (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        policy_id -> Id,
        label -> Text,
        language -> Text,
        format -> SmallInt,
        body -> Binary,
        sha256 -> Binary,
        public_url -> Nullable<Text>,
        in_force_from -> BigInt,
        material -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    notices (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        slug -> Text,
        version -> Integer,
        language -> Text,
        wording -> Binary,
        sha256 -> Binary,
        purposes -> Text,
        policy_version_id -> Id,
        material -> Bool,
        published_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    senders (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        name -> Text,
        address -> Text,
        reply_to -> Nullable<Text>,
        postal -> Text,
        max_per_hour -> Nullable<Integer>,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    forms (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        form_key -> Text,
        name -> Text,
        notice_id -> Id,
        sender_id -> Id,
        origins -> Text,
        return_urls -> Text,
        disabled -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    provider_connections (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        base_url -> Text,
        for_destination -> Nullable<Id>,
        state_hash -> Nullable<Binary>,
        state_until -> BigInt,
        rev -> BigInt,
        key_version -> Integer,
        tokens -> Nullable<Binary>,
        connected_at -> Nullable<BigInt>,
        refused_at -> Nullable<BigInt>,
        claimed_until -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    destinations (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        base_url -> Text,
        client_id -> Text,
        time_zone -> Text,
        fields -> Text,
        on_expiry -> SmallInt,
        key_version -> Integer,
        credentials -> Nullable<Binary>,
        connection_id -> Nullable<Id>,
        keyed_at -> BigInt,
        webhook_hash -> Binary,
        webhook_secret -> Binary,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    destination_lists (controller_id, purpose_id, list_id) {
        controller_id -> Id,
        purpose_id -> Id,
        destination_id -> Id,
        list_id -> Text,
        walked -> Nullable<Id>,
        fields_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    former_lists (controller_id, list_id, purpose_id) {
        controller_id -> Id,
        list_id -> Text,
        purpose_id -> Id,
        destination_id -> Id,
        given_up_at -> BigInt,
        walked -> Nullable<Id>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    idempotency_keys (controller_id, token_id, key_hash) {
        controller_id -> Id,
        token_id -> Id,
        key_hash -> Binary,
        fingerprint -> Binary,
        answer -> Binary,
        key_version -> Integer,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    mailbox_caps (fingerprint) {
        fingerprint -> Binary,
        day -> BigInt,
        mails -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    send_buckets (controller_id, bucket_key) {
        controller_id -> Id,
        bucket_key -> Binary,
        kind -> SmallInt,
        from_minute -> BigInt,
        taken -> Binary,
        idle_from -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    destination_upkeep (controller_id, destination_id) {
        controller_id -> Id,
        destination_id -> Id,
        watched_at -> Nullable<BigInt>,
        reconciled_at -> Nullable<BigInt>,
        reconcile_every -> SmallInt,
        stops_missed -> Bool,
        automatic -> SmallInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    former_webhooks (controller_id, webhook_hash) {
        controller_id -> Id,
        webhook_hash -> Binary,
        destination_id -> Id,
        replaced_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    reconciles (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        destination_id -> Id,
        cause -> SmallInt,
        status -> SmallInt,
        place -> Text,
        rows_read -> BigInt,
        allowed -> SmallInt,
        remark -> Nullable<Text>,
        counts -> Nullable<Text>,
        created_at -> BigInt,
        planned_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
    }
}
