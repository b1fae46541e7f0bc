//! Sections of settings that bound what is kept and how much is done at once. All other sections stand in
//! [`sections`](super::sections).

use std::time::Duration;

use super::kinds::Maybe;
use super::ranges::{Size, Whole, Within};
use super::section::section;

section! {
    /// How many of a thing a controller may have, and how large what it sends may be.
    LimitsSettings, "limits";
    /// Forms that a process keeps as it read them.
    forms_kept: usize as Whole<usize, 1, 1_000_000> = "RECONSENT_LIMITS_FORMS_KEPT" or Fixed("10000");
    /// Lists at the provider that were given up and are remembered, for one controller.
    former_lists: i64 as Whole<i64, 1, 100_000> = "RECONSENT_LIMITS_FORMER_LISTS" or Fixed("1000");
    /// Differences that one comparison with a destination holds.
    findings: i64 as Whole<i64, 1, 10_000_000> = "RECONSENT_LIMITS_FINDINGS" or Fixed("200000");
    /// Purposes of one controller.
    purposes: usize as Whole<usize, 1, 10_000> = "RECONSENT_LIMITS_PURPOSES" or Fixed("100");
    /// Policies of one controller.
    policies: usize as Whole<usize, 1, 10_000> = "RECONSENT_LIMITS_POLICIES" or Fixed("100");
    /// Versions of one policy.
    policy_versions: usize as Whole<usize, 1, 10_000> = "RECONSENT_LIMITS_POLICY_VERSIONS" or Fixed("1000");
    /// A policy in Markdown that is shown as a page; a larger one is shown as it is.
    policy_page_bytes: usize as Size<1, 204_800> = "RECONSENT_LIMITS_POLICY_PAGE_BYTES" or Fixed("128KiB");
    /// Forms of one controller.
    forms: usize as Whole<usize, 1, 10_000> = "RECONSENT_LIMITS_FORMS" or Fixed("500");
    /// Origins of one form, and addresses that it may lead back to.
    form_addresses: usize as Whole<usize, 1, 1_000> = "RECONSENT_LIMITS_FORM_ADDRESSES" or Fixed("20");
    /// Senders of one controller.
    senders: usize as Whole<usize, 1, 10_000> = "RECONSENT_LIMITS_SENDERS" or Fixed("100");
    /// Destinations of one controller.
    destinations: usize as Whole<usize, 1, 10_000> = "RECONSENT_LIMITS_DESTINATIONS" or Fixed("100");
    /// API tokens of one controller that are in force.
    tokens: usize as Whole<usize, 1, 10_000> = "RECONSENT_LIMITS_TOKENS" or Fixed("200");
    /// Uploads that make the audience of one round.
    campaign_imports: usize as Whole<usize, 1, 1_000> = "RECONSENT_LIMITS_CAMPAIGN_IMPORTS" or Fixed("50");
    /// Purposes that one round asks for; all of them stand on one page and in one mail.
    campaign_purposes: usize as Whole<usize, 1, 20> = "RECONSENT_LIMITS_CAMPAIGN_PURPOSES" or Fixed("6");
    /// Link keys of all controllers that are published at once, the newest first.
    published_keys: i64 as Whole<i64, 1, 1_000_000> = "RECONSENT_LIMITS_PUBLISHED_KEYS" or Fixed("10000");
    /// Fields of one form post.
    form_fields: usize as Whole<usize, 20, 1_000> = "RECONSENT_LIMITS_FORM_FIELDS" or Fixed("100");
    /// The value of one field of a form post.
    form_value_bytes: usize as Size<320, 1_048_576> = "RECONSENT_LIMITS_FORM_VALUE_BYTES" or Fixed("4KiB");
    /// Custom fields that a sign-up may bring.
    custom_fields: usize as Whole<usize, 1, 90> = "RECONSENT_LIMITS_CUSTOM_FIELDS" or Fixed("20");
    /// Characters of one such field.
    custom_field_characters: usize as Whole<usize, 1, 4_000> = "RECONSENT_LIMITS_CUSTOM_FIELD_CHARACTERS" or Fixed("500");
    /// Custom fields kept about one person; what a list brings beyond them is not taken in.
    subject_fields: usize as Whole<usize, 1, 1_000> = "RECONSENT_LIMITS_SUBJECT_FIELDS" or Fixed("100");
    /// JSON that a site may hand over as its own evidence of one choice.
    evidence_bytes: usize as Size<64, 1_048_576> = "RECONSENT_LIMITS_EVIDENCE_BYTES" or Fixed("8KiB");
    /// Columns of an uploaded list.
    import_columns: usize as Whole<usize, 1, 1_000> = "RECONSENT_LIMITS_IMPORT_COLUMNS" or Fixed("100");
    /// One cell of an uploaded list.
    import_cell_bytes: usize as Size<64, 1_048_576> = "RECONSENT_LIMITS_IMPORT_CELL_BYTES" or Fixed("4KiB");
    /// One record of an uploaded list.
    import_record_bytes: usize as Size<64, 16_777_216> = "RECONSENT_LIMITS_IMPORT_RECORD_BYTES" or Fixed("64KiB");
    /// The document that proves an upload.
    import_document_bytes: usize as Size<1, 104_857_600> = "RECONSENT_LIMITS_IMPORT_DOCUMENT_BYTES" or Fixed("10MiB");
    /// Parts of an upload that comes as a form, its file among them.
    import_form_parts: usize as Whole<usize, 1, 1_000> = "RECONSENT_LIMITS_IMPORT_FORM_PARTS" or Fixed("32");
    /// One text part of such a form.
    import_text_bytes: usize as Size<64, 1_048_576> = "RECONSENT_LIMITS_IMPORT_TEXT_BYTES" or Fixed("8KiB");
    /// Characters of the statement that an uploader attests.
    import_statement_characters: usize as Whole<usize, 1, 100_000> = "RECONSENT_LIMITS_IMPORT_STATEMENT_CHARACTERS" or Fixed("2000");
    /// The top of a list that is sent to be looked at.
    preview_bytes: usize as Size<1_024, 104_857_600> = "RECONSENT_LIMITS_PREVIEW_BYTES" or Fixed("1MiB");
    /// Rows that such a look shows.
    preview_rows: usize as Whole<usize, 1, 1_000> = "RECONSENT_LIMITS_PREVIEW_ROWS" or Fixed("20");
}

section! {
    /// How many mails may go out in an hour. Those beyond wait for their turn; confirmations count but never wait.
    ThrottleSettings, "throttle";
    /// Mails of one controller in an hour, at most; without it as many as go.
    controller_per_hour: Option<u32> as Maybe<Whole<u32, 60, 1_000_000>> = "RECONSENT_THROTTLE_CONTROLLER_PER_HOUR" or Absent;
    /// Mails in the name of one sender in an hour, at most, also where the sender itself allows more.
    sender_per_hour: Option<u32> as Maybe<Whole<u32, 60, 1_000_000>> = "RECONSENT_THROTTLE_SENDER_PER_HOUR" or Absent;
    /// Mails of one controller to one recipient domain in an hour, at most.
    recipient_domain_per_hour: Option<u32> as Maybe<Whole<u32, 60, 1_000_000>> = "RECONSENT_THROTTLE_RECIPIENT_DOMAIN_PER_HOUR" or Absent;
}

section! {
    /// How much is done at once: larger pieces do more per commit, smaller ones leave the writer free for people sooner.
    PiecesSettings, "pieces";
    /// Rows of a list in one commit.
    import_rows: usize as Whole<usize, 1, 1_000> = "RECONSENT_PIECES_IMPORT_ROWS" or Fixed("500");
    /// Bytes of an upload that are sealed and written at once.
    upload_bytes: usize as Size<1_024, 16_777_216> = "RECONSENT_PIECES_UPLOAD_BYTES" or Fixed("256KiB");
    /// Broken uploads of one controller that one look of the timetable forgets.
    uploads_forgotten: i64 as Whole<i64, 1, 10_000> = "RECONSENT_PIECES_UPLOADS_FORGOTTEN" or Fixed("20");
    /// People of a round that are judged and frozen in one commit.
    audience: usize as Whole<usize, 1, 1_000> = "RECONSENT_PIECES_AUDIENCE" or Fixed("500");
    /// Rounds of one controller that one look of the timetable closes.
    rounds_closed: i64 as Whole<i64, 1, 10_000> = "RECONSENT_PIECES_ROUNDS_CLOSED" or Fixed("100");
    /// Consents of one controller that one look of the timetable ends, lapses or forgets.
    clock: i64 as Whole<i64, 1, 1_000> = "RECONSENT_PIECES_CLOCK" or Fixed("200");
    /// Mails of one controller, past their retention time, that one look of the timetable forgets.
    mails_forgotten: i64 as Whole<i64, 1, 10_000> = "RECONSENT_PIECES_MAILS_FORGOTTEN" or Fixed("1000");
    /// Consents in one commit after a material change.
    refresh: i64 as Whole<i64, 1, 1_000> = "RECONSENT_PIECES_REFRESH" or Fixed("200");
    /// People read at once for a download of the confirmed.
    confirmed: i64 as Whole<i64, 1, 2_000> = "RECONSENT_PIECES_CONFIRMED" or Fixed("1000");
    /// Stops of one delivery of the provider's webhook in one commit.
    webhook_stops: usize as Whole<usize, 1, 1_000> = "RECONSENT_PIECES_WEBHOOK_STOPS" or Fixed("100");
    /// People in one commit after the list that a purpose is kept on has changed.
    remap: i64 as Whole<i64, 1, 1_000> = "RECONSENT_PIECES_REMAP" or Fixed("500");
    /// Such people of one controller that may wait to be brought in step at once.
    remap_ahead: i64 as Whole<i64, 1, 100_000> = "RECONSENT_PIECES_REMAP_AHEAD" or Fixed("2000");
    /// Rows in one commit when a key is rotated.
    reseal: i64 as Whole<i64, 1, 1_000> = "RECONSENT_PIECES_RESEAL" or Fixed("200");
    /// Pieces of uploads in one such commit.
    reseal_uploads: i64 as Whole<i64, 1, 100> = "RECONSENT_PIECES_RESEAL_UPLOADS" or Fixed("4");
    /// Entries asked for at once in a comparison with a destination.
    reconcile: u16 as Whole<u16, 10, 1_000> = "RECONSENT_PIECES_RECONCILE" or Fixed("1000");
    /// Differences that are put right in one commit.
    reconcile_apply: i64 as Whole<i64, 1, 1_000> = "RECONSENT_PIECES_RECONCILE_APPLY" or Fixed("200");
    /// People written in one call to a list that was made for a round at the provider.
    round_rows: i64 as Whole<i64, 1, 1_000> = "RECONSENT_PIECES_ROUND_ROWS" or Fixed("500");
    /// Pages of the provider's suppression list that are looked through for one person.
    suppression_pages: u32 as Whole<u32, 1, 1_000> = "RECONSENT_PIECES_SUPPRESSION_PAGES" or Fixed("10");
}

section! {
    /// The door for those who run the house, and how it ends.
    OpsSettings, "ops";
    /// Connections to it at once.
    connections: usize as Whole<usize, 1, 10_000> = "RECONSENT_OPS_CONNECTIONS" or Fixed("64");
    /// How long the head of a request to it may take.
    head_timeout: Duration as Within<600> = "RECONSENT_OPS_HEAD_TIMEOUT" or Fixed("5s");
    /// How long a look at the database for readiness may take.
    ready_timeout: Duration as Within<600> = "RECONSENT_OPS_READY_TIMEOUT" or Fixed("2s");
    /// How long a schema that was found current counts as current.
    schema_holds: Duration as Within<86_400> = "RECONSENT_OPS_SCHEMA_HOLDS" or Fixed("10s");
    /// How often measurements are folded into the histograms.
    metrics_fold: Duration as Within<3_600> = "RECONSENT_OPS_METRICS_FOLD" or Fixed("5s");
    /// How long an orderly stop may take; what is in hand then is taken up again when its lease runs out.
    stop_timeout: Duration as Within<3_600> = "RECONSENT_OPS_STOP_TIMEOUT" or Fixed("10s");
}
