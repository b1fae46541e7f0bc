//! People, what is on record about them, and the work that follows.

use super::super::types::Id;

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    subjects (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        email_key -> Binary,
        key_version -> Integer,
        wrapped_key -> Binary,
        email -> Binary,
        name -> Nullable<Binary>,
        fields -> Nullable<Binary>,
        restricted -> Bool,
        undeliverable -> Bool,
        erased_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    consents (controller_id, subject_id, purpose_id) {
        controller_id -> Id,
        subject_id -> Id,
        purpose_id -> Id,
        state -> SmallInt,
        fallback -> SmallInt,
        request_until -> Nullable<BigInt>,
        basis_kind -> Nullable<SmallInt>,
        basis_evidenced -> Bool,
        basis_collected_at -> Nullable<BigInt>,
        basis_valid_until -> Nullable<BigInt>,
        valid_until -> Nullable<BigInt>,
        refresh_from -> Nullable<BigInt>,
        needs_refresh -> Bool,
        asked_at -> Nullable<BigInt>,
        notice_id -> Nullable<Id>,
        policy_version_id -> Nullable<Id>,
        event_id -> Id,
        changed_at -> BigInt,
        unconfirmed_since -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    consent_events (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        subject_id -> Id,
        purpose_id -> Id,
        kind -> SmallInt,
        at -> BigInt,
        method -> SmallInt,
        source -> Nullable<Text>,
        notice_id -> Nullable<Id>,
        policy_version_id -> Nullable<Id>,
        basis -> Nullable<SmallInt>,
        valid_until -> Nullable<BigInt>,
        evidence_sha256 -> Nullable<Binary>,
        evidence -> Nullable<Binary>,
        record_version -> SmallInt,
        salt -> Binary,
        commitment -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    suppressions (controller_id, fingerprint, purpose_id) {
        controller_id -> Id,
        fingerprint -> Binary,
        purpose_id -> Id,
        key_version -> Integer,
        channel -> SmallInt,
        reason -> SmallInt,
        source -> Nullable<Text>,
        created_at -> BigInt,
        lifted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    links (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        action -> SmallInt,
        subject_id -> Id,
        purposes -> Text,
        notice_id -> Nullable<Id>,
        campaign_id -> Nullable<Id>,
        form_id -> Nullable<Id>,
        on_site -> Bool,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        superseded_at -> Nullable<BigInt>,
        used_at -> Nullable<BigInt>,
        answer -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    imports (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        kind -> SmallInt,
        status -> SmallInt,
        name -> Text,
        purposes -> Text,
        declaration -> Binary,
        key_version -> Integer,
        document_sha256 -> Nullable<Binary>,
        chunks -> Integer,
        size_bytes -> BigInt,
        next_row -> Integer,
        accepted -> Integer,
        refused -> Integer,
        failure -> Nullable<Text>,
        created_at -> BigInt,
        finished_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    round_lists (controller_id, campaign_id) {
        controller_id -> Id,
        campaign_id -> Id,
        destination_id -> Id,
        list_id -> Nullable<Text>,
        suppressed_page -> Nullable<Integer>,
        heard_at -> Nullable<BigInt>,
        emptied_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    round_entries (controller_id, campaign_id, subject_id) {
        controller_id -> Id,
        campaign_id -> Id,
        subject_id -> Id,
        state -> SmallInt,
        purposes -> Text,
        link_id -> Nullable<Id>,
        expires_at -> Nullable<BigInt>,
        handed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    import_sources (controller_id, import_id) {
        controller_id -> Id,
        import_id -> Id,
        destination_id -> Id,
        list_id -> Text,
        leg -> SmallInt,
        page -> Integer,
        records -> BigInt,
        again -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    import_chunks (controller_id, import_id, chunk) {
        controller_id -> Id,
        import_id -> Id,
        chunk -> Integer,
        key_version -> Integer,
        sealed -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    import_counts (controller_id, import_id, outcome, known) {
        controller_id -> Id,
        import_id -> Id,
        outcome -> SmallInt,
        known -> Bool,
        counted -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    import_rows (controller_id, import_id, row_no) {
        controller_id -> Id,
        import_id -> Id,
        row_no -> Integer,
        subject_id -> Nullable<Id>,
        outcome -> SmallInt,
        detail -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    campaigns (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        name -> Text,
        status -> SmallInt,
        purposes -> Text,
        imports -> Text,
        notice_id -> Id,
        sender_id -> Id,
        subject_line -> Text,
        preheader -> Text,
        body -> Text,
        delivery -> SmallInt,
        scheduled_at -> Nullable<BigInt>,
        deadline -> BigInt,
        launched_at -> Nullable<BigInt>,
        frozen_at -> Nullable<BigInt>,
        freeze_cursor -> Nullable<Id>,
        audience_sha256 -> Nullable<Binary>,
        outsiders -> Integer,
        closed_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    campaign_members (controller_id, campaign_id, subject_id) {
        controller_id -> Id,
        campaign_id -> Id,
        subject_id -> Id,
        status -> SmallInt,
        reason -> Nullable<SmallInt>,
        mail_id -> Nullable<Id>,
        answer -> SmallInt,
        answered_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    campaign_counts (controller_id, campaign_id, shard, status, reason, answer) {
        controller_id -> Id,
        campaign_id -> Id,
        shard -> SmallInt,
        status -> SmallInt,
        reason -> SmallInt,
        answer -> SmallInt,
        members -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    mails (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        kind -> SmallInt,
        subject_id -> Id,
        campaign_id -> Nullable<Id>,
        form_id -> Nullable<Id>,
        sender_id -> Id,
        notice_id -> Id,
        purposes -> Text,
        state -> SmallInt,
        lost -> Integer,
        frozen -> Nullable<Binary>,
        reason -> Nullable<SmallInt>,
        reply -> Nullable<Text>,
        origin_mark -> Nullable<Binary>,
        place_at -> Nullable<BigInt>,
        created_at -> BigInt,
        settled_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    outbox (controller_id, kind, reference) {
        controller_id -> Id,
        kind -> SmallInt,
        reference -> Id,
        lane -> SmallInt,
        state -> SmallInt,
        due_at -> BigInt,
        attempts -> Integer,
        fence -> BigInt,
        lease_until -> BigInt,
        generation -> Integer,
        last_error -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    destination_states (controller_id, subject_id, list_id) {
        controller_id -> Id,
        subject_id -> Id,
        list_id -> Text,
        active -> Bool,
        set_aside -> Bool,
        event_id -> Id,
        synced_at -> BigInt,
        row_mark -> Nullable<Binary>,
        last_error -> Nullable<Text>,
        stands_as -> Nullable<Binary>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    reconcile_findings (controller_id, reconcile_id, kind, list_id, fingerprint) {
        controller_id -> Id,
        reconcile_id -> Id,
        kind -> SmallInt,
        list_id -> Text,
        fingerprint -> Binary,
        id -> Id,
        subject_id -> Nullable<Id>,
        key_version -> Integer,
        address -> Binary,
        there -> SmallInt,
        there_since -> Nullable<BigInt>,
        detail -> Nullable<Text>,
        status -> SmallInt,
        settled_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    destination_sightings (controller_id, list_id, subject_id) {
        controller_id -> Id,
        list_id -> Text,
        subject_id -> Id,
        there -> SmallInt,
        reconcile_id -> Id,
        seen_at -> BigInt,
    }
}
