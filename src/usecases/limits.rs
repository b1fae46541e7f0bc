//! How many of a thing there may be, how large it may be, and how much is done in one commit: all of it set by an
//! operator, or a test, with these defaults.

use crate::domain::list::ListLimits;

/// How many of a thing a controller may have, and how large what it sends may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Forms that a process keeps as it read them: 10,000.
    pub forms_kept: usize,
    /// Lists given up that are remembered for one controller: 1,000.
    pub former_lists: i64,
    /// Differences that one comparison holds; what is beyond is found by the next: 200,000.
    pub findings: i64,
    /// Purposes of one controller: 100.
    pub purposes: usize,
    /// Policies of one controller: 100.
    pub policies: usize,
    /// Versions of one policy: 1,000.
    pub policy_versions: usize,
    /// Bytes of a Markdown policy that is shown as a page; a larger one is shown as it is: 128 KiB.
    pub policy_page_bytes: usize,
    /// Forms of one controller: 500.
    pub forms: usize,
    /// Origins of one form, and addresses that it may lead back to: 20.
    pub form_addresses: usize,
    /// Senders of one controller: 100.
    pub senders: usize,
    /// Destinations of one controller: 100.
    pub destinations: usize,
    /// Tokens of one controller that are in force: 200.
    pub tokens: usize,
    /// Uploads that make one audience: 50.
    pub campaign_imports: usize,
    /// Purposes in one round: 6, as many as fit on one page (law section 8.2).
    pub campaign_purposes: usize,
    /// Link keys published at once, the newest first: 10,000.
    pub published_keys: i64,
    /// Fields of one form post: 100.
    pub form_fields: usize,
    /// Bytes of the value of one such field: 4 KiB.
    pub form_value_bytes: usize,
    /// Custom fields that a sign-up may bring: 20.
    pub custom_fields: usize,
    /// Characters of one such field: 500.
    pub custom_field_characters: usize,
    /// Custom fields of a person; a list does not grow it beyond: 100.
    pub subject_fields: usize,
    /// Bytes of the evidence that a site holds and hands over, as JSON: 8 KiB.
    pub evidence_bytes: usize,
    /// Columns of an uploaded list: 100.
    pub import_columns: usize,
    /// Bytes of one cell of a list: 4 KiB.
    pub import_cell_bytes: usize,
    /// Bytes of one record of a list, and what its reader holds in memory: 64 KiB.
    pub import_record_bytes: usize,
    /// Bytes of an attached document: 10 MiB.
    pub import_document_bytes: usize,
    /// Parts of an upload's form: 32.
    pub import_form_parts: usize,
    /// Bytes of one text part of such a form: 8 KiB.
    pub import_text_bytes: usize,
    /// Characters of the statement that is attested: 2,000.
    pub import_statement_characters: usize,
    /// Bytes of a list to preview: 1 MiB. The top of a longer list is enough.
    pub preview_bytes: usize,
    /// Rows in a preview: 20.
    pub preview_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let list = ListLimits::default();
        Self {
            forms_kept: 10_000,
            former_lists: 1000,
            findings: 200_000,
            purposes: 100,
            policies: 100,
            policy_versions: 1000,
            policy_page_bytes: 128 * 1024,
            forms: 500,
            form_addresses: 20,
            senders: 100,
            destinations: 100,
            tokens: 200,
            campaign_imports: 50,
            campaign_purposes: 6,
            published_keys: 10_000,
            form_fields: 100,
            form_value_bytes: 4096,
            custom_fields: 20,
            custom_field_characters: 500,
            subject_fields: 100,
            evidence_bytes: 8 * 1024,
            import_columns: list.columns,
            import_cell_bytes: list.cell_bytes,
            import_record_bytes: list.record_bytes,
            import_document_bytes: 10 * 1024 * 1024,
            import_form_parts: 32,
            import_text_bytes: 8 * 1024,
            import_statement_characters: 2000,
            preview_bytes: 1024 * 1024,
            preview_rows: 20,
        }
    }
}

/// How many mails may go out in an hour, from 60 to 1,000,000; as many as go where nothing is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Throttles {
    /// Of one controller.
    pub controller_per_hour: Option<u32>,
    /// In the name of one sender, also where the sender itself allows more.
    pub sender_per_hour: Option<u32>,
    /// Of one controller to one recipient domain.
    pub recipient_domain_per_hour: Option<u32>,
}

/// How much is done in one commit, or at one look of the timetable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// Rows of a list in one commit: 500.
    pub import_rows: usize,
    /// Bytes of an upload in one sealed piece: 256 KiB.
    pub upload_bytes: usize,
    /// Broken uploads forgotten at one look: 20.
    pub uploads_forgotten: i64,
    /// People of a round judged or frozen in one commit: 500.
    pub audience: usize,
    /// Rounds closed at one look: 100.
    pub rounds_closed: i64,
    /// Consents that one look ends, lapses or forgets: 200.
    pub clock: i64,
    /// Mails past their retention time that one look forgets: 1,000.
    pub mails_forgotten: i64,
    /// Consents in one commit after a material change: 200.
    pub refresh: i64,
    /// People read at once for a download: 1,000.
    pub confirmed: i64,
    /// Stops of one delivery of the provider's webhook in one commit: 100.
    pub webhook_stops: usize,
    /// People brought in step in one commit after a purpose's list has changed: 500, as many as go there in one call.
    pub remap: i64,
    /// Such people that may wait at once for one controller: 2,000.
    pub remap_ahead: i64,
    /// Rows sealed anew in one commit: 200.
    pub reseal: i64,
    /// Pieces of uploads sealed anew in one commit: 4.
    pub reseal_uploads: i64,
    /// Entries asked for at once in a comparison with a destination: 1,000.
    pub reconcile: u16,
    /// Differences put right in one commit: 200.
    pub reconcile_apply: i64,
    /// People written in one call to a list made for a round: 500, of 1,000 at most (campaign-monitor 5.3).
    pub round_rows: i64,
    /// Pages of the provider's suppression list looked through for one person: 10.
    pub suppression_pages: u32,
}

impl Default for Pieces {
    fn default() -> Self {
        Self {
            import_rows: 500,
            upload_bytes: 256 * 1024,
            uploads_forgotten: 20,
            audience: 500,
            rounds_closed: 100,
            clock: 200,
            mails_forgotten: 1000,
            refresh: 200,
            confirmed: 1000,
            webhook_stops: 100,
            remap: 500,
            remap_ahead: 2000,
            reseal: 200,
            reseal_uploads: 4,
            reconcile: 1000,
            reconcile_apply: 200,
            round_rows: 500,
            suppression_pages: 10,
        }
    }
}
