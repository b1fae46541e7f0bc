//! Addresses beside the one in force.

use super::super::types::Id;

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    address_changes (controller_id, id) {
        controller_id -> Id,
        id -> Id,
        subject_id -> Id,
        mail_id -> Id,
        email -> Binary,
        created_at -> BigInt,
        expires_at -> BigInt,
        settled_at -> Nullable<BigInt>,
        outcome -> Nullable<SmallInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    former_addresses (controller_id, email_key, subject_id) {
        controller_id -> Id,
        email_key -> Binary,
        subject_id -> Id,
        email -> Binary,
        left_at -> BigInt,
    }
}
