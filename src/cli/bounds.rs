//! From the sections that bound things to the words of those who keep the bounds. Taken apart without `..`, as in
//! [`boot`](super::boot).

use std::time::Duration;

use crate::config::{LimitsSettings, OpsSettings, OutboxSettings, PiecesSettings, ThrottleSettings};
use crate::http::ops::OpsDoor;
use crate::usecases::{Limits, Pieces, Throttles};
use crate::worker::WorkerSettings;

/// How the process runs and ends.
#[derive(Debug, Clone)]
pub struct House {
    /// The door for those who run the house.
    pub door: OpsDoor,
    /// How often measurements are folded into the histograms.
    pub metrics_fold: Duration,
    /// How long an orderly stop may take.
    pub stop_timeout: Duration,
}

pub(super) fn house(section: OpsSettings) -> House {
    let OpsSettings { connections, head_timeout, ready_timeout, schema_holds, metrics_fold, stop_timeout } = section;
    House { door: OpsDoor { connections, head_timeout, ready_timeout, schema_holds }, metrics_fold, stop_timeout }
}

pub(super) fn limits(section: LimitsSettings) -> Limits {
    let LimitsSettings {
        forms_kept,
        former_lists,
        findings,
        purposes,
        policies,
        policy_versions,
        policy_page_bytes,
        forms,
        form_addresses,
        senders,
        destinations,
        tokens,
        campaign_imports,
        campaign_purposes,
        published_keys,
        form_fields,
        form_value_bytes,
        custom_fields,
        custom_field_characters,
        subject_fields,
        evidence_bytes,
        import_columns,
        import_cell_bytes,
        import_record_bytes,
        import_document_bytes,
        import_form_parts,
        import_text_bytes,
        import_statement_characters,
        preview_bytes,
        preview_rows,
    } = section;
    Limits {
        forms_kept,
        former_lists,
        findings,
        purposes,
        policies,
        policy_versions,
        policy_page_bytes,
        forms,
        form_addresses,
        senders,
        destinations,
        tokens,
        campaign_imports,
        campaign_purposes,
        published_keys,
        form_fields,
        form_value_bytes,
        custom_fields,
        custom_field_characters,
        subject_fields,
        evidence_bytes,
        import_columns,
        import_cell_bytes,
        import_record_bytes,
        import_document_bytes,
        import_form_parts,
        import_text_bytes,
        import_statement_characters,
        preview_bytes,
        preview_rows,
    }
}

pub(super) fn throttles(section: ThrottleSettings) -> Throttles {
    let ThrottleSettings { controller_per_hour, sender_per_hour, recipient_domain_per_hour } = section;
    Throttles { controller_per_hour, sender_per_hour, recipient_domain_per_hour }
}

pub(super) fn pieces(section: PiecesSettings) -> Pieces {
    let PiecesSettings {
        import_rows,
        upload_bytes,
        uploads_forgotten,
        audience,
        rounds_closed,
        clock,
        mails_forgotten,
        refresh,
        confirmed,
        webhook_stops,
        remap,
        remap_ahead,
        reseal,
        reseal_uploads,
        reconcile,
        reconcile_apply,
        round_rows,
        suppression_pages,
    } = section;
    Pieces {
        import_rows,
        upload_bytes,
        uploads_forgotten,
        audience,
        rounds_closed,
        clock,
        mails_forgotten,
        refresh,
        confirmed,
        webhook_stops,
        remap,
        remap_ahead,
        reseal,
        reseal_uploads,
        reconcile,
        reconcile_apply,
        round_rows,
        suppression_pages,
    }
}

pub(super) fn worker(section: OutboxSettings, stop_wait: Duration) -> WorkerSettings {
    let OutboxSettings {
        lease,
        handover_lease,
        mail_attempts,
        paused_look,
        unreachable_look,
        max_age,
        retry_first,
        retry_cap,
        poll_interval,
        claim_batch,
        mails_in_hand,
        sync_workers,
        sync_batch,
        imports_kept,
        imports_kept_for,
        gate_holds,
        import_turn,
        import_workers,
        launch_workers,
        refresh_workers,
        timetable_interval,
    } = section;
    WorkerSettings {
        stop_wait,
        lease,
        handover_lease,
        claim_batch,
        mails_in_hand,
        sync_workers,
        sync_batch,
        imports_kept,
        imports_kept_for,
        gate_holds,
        import_turn,
        import_workers,
        launch_workers,
        refresh_workers,
        mail_attempts,
        max_age,
        retry_first,
        retry_cap,
        poll_interval,
        timetable_interval,
        paused_look,
        unreachable_look,
    }
}
