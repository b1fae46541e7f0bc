//! What is recorded: append-only facts, each with a canonical form that can be committed to (TE-05) and later
//! proved. The canonical form holds no personal data in the clear beyond opaque ids.

use serde_json::{Map, Value};

use super::basis::BasisKind;
use super::coded::coded;
use super::ids::{ControllerId, EventId, NoticeId, PolicyVersionId, PurposeId, SubjectId};
use super::time::Timestamp;

/// The version of the canonical record that new events are written in.
pub const RECORD_VERSION: i16 = 1;

coded! {
    /// The kinds of fact.
    EventKind {
        /// A form or a site asked for consent in the person's name.
        Requested = 1 "consent.requested",
        /// The person said yes.
        Given = 2 "consent.given",
        /// The person said yes again.
        Renewed = 3 "consent.renewed",
        /// A confirmed person signed up once more; nothing changed.
        Reaffirmed = 4 "consent.reaffirmed",
        /// The person said no.
        Refused = 5 "consent.refused",
        /// The person stopped it.
        Withdrawn = 6 "consent.withdrawn",
        /// The person objected to all direct marketing.
        Objected = 7 "consent.objected",
        /// A request was never confirmed.
        Lapsed = 8 "consent.lapsed",
        /// The consent reached its end.
        Expired = 9 "consent.expired",
        /// The consent fell out of use.
        Dormant = 10 "consent.dormant",
        /// The controller ended the purpose.
        Terminated = 11 "consent.terminated",
        /// The consent was found defective.
        Invalidated = 12 "consent.invalidated",
        /// The wording or policy changed materially.
        NeedsRefresh = 13 "consent.needs_refresh",
        /// A list stated why the person may be mailed.
        BasisRecorded = 14 "basis.recorded",
        /// A re-permission mail was handed over.
        Asked = 15 "permission.asked",
        /// The mailbox does not exist.
        Bounced = 16 "mail.bounced",
    }
}

coded! {
    /// By which way a fact came to us (PF-02 "how", WD-03 "method").
    Method {
        /// A site's form, posted by a browser.
        Form = 1 "form",
        /// A site's server, with the evidence it holds.
        SiteServer = 2 "site-server",
        /// The link of a confirmation mail, and a POST from its page.
        ConfirmLink = 3 "confirm-link",
        /// The link of a re-permission mail, and a POST from its page.
        AnswerLink = 4 "answer-link",
        /// A consent link shown on the site (RP-08).
        OnSiteLink = 5 "on-site-link",
        /// The page of a withdrawal link.
        WithdrawPage = 6 "withdraw-page",
        /// One-click unsubscribe (RFC 8058).
        OneClick = 7 "one-click",
        /// Staff, after a phone call or a letter.
        Staff = 8 "staff",
        /// A list of contacts.
        Import = 9 "import",
        /// A do-not-mail list.
        DoNotMailList = 10 "do-not-mail-list",
        /// The destination told us.
        Destination = 11 "destination",
        /// The clock.
        Clock = 12 "clock",
        /// The mail relay told us.
        Relay = 13 "relay",
        /// A published policy or notice.
        Publication = 14 "publication",
        /// "This was not me", from a confirmation mail.
        NotMeLink = 15 "not-me-link",
        /// The controller ended or corrected it.
        Controller = 16 "controller",
    }
}

/// A fact about one person and one purpose, as it is committed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentEvent {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub controller: ControllerId,
    /// Whom it is about.
    pub subject: SubjectId,
    /// Which purpose it is about.
    pub purpose: PurposeId,
    /// What happened.
    pub kind: EventKind,
    /// When, by our clock (PF-08).
    pub at: Timestamp,
    /// How it came to us.
    pub method: Method,
    /// Form, campaign, import or token it came through, as `kind:id`.
    pub source: Option<String>,
    /// The wording that was shown.
    pub notice: Option<NoticeId>,
    /// The policy version that was shown.
    pub policy_version: Option<PolicyVersionId>,
    /// The basis it rests on.
    pub basis: Option<BasisKind>,
    /// Until when it holds, fixed at this moment (EX-02).
    pub valid_until: Option<Timestamp>,
    /// SHA-256 of the evidence that lies sealed beside the event; ties the two together.
    pub evidence_sha256: Option<[u8; 32]>,
}

impl ConsentEvent {
    /// The canonical bytes (RFC 8785: sorted members, no blanks, integers and ASCII-keyed strings only), record
    /// version 1. Times are RFC 3339 in UTC.
    pub fn canonical(&self) -> Vec<u8> {
        let mut record = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                record.insert(key.to_owned(), value);
            }
        };
        let text = |value: String| Some(Value::String(value));
        // In the order of their names, so that the bytes are canonical whichever map the JSON library uses.
        put("basis", self.basis.map(|b| Value::from(b.name())));
        put("controller", text(self.controller.to_string()));
        put("event", Some(Value::from(self.kind.name())));
        put("evidence_sha256", self.evidence_sha256.map(|d| Value::from(data_encoding::HEXLOWER.encode(&d))));
        put("id", text(self.id.to_string()));
        put("method", Some(Value::from(self.method.name())));
        put("notice", self.notice.map(|n| Value::from(n.to_string())));
        put("policy_version", self.policy_version.map(|p| Value::from(p.to_string())));
        put("purpose", text(self.purpose.to_string()));
        put("source", self.source.clone().map(Value::String));
        put("subject", text(self.subject.to_string()));
        put("time", text(self.at.to_string()));
        put("v", Some(Value::from(RECORD_VERSION)));
        put("valid_until", self.valid_until.map(|t| Value::from(t.to_string())));
        Value::Object(record).to_string().into_bytes()
    }
}
