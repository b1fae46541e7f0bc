//! What is recorded: append-only facts, each with a canonical form that can be committed to (TE-05) and later
//! proved. The canonical form holds no personal data in the clear beyond opaque ids.

use std::fmt::{self, Write};

use serde_json::Value;

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
        /// The person is reached at another address, as that mailbox has confirmed; what they said stands (DR-05).
        AddressChanged = 17 "address.changed",
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
        /// The page of a preference link.
        PreferencePage = 17 "preference-page",
        /// The link of a mail to a new address, and a POST from its page (DR-05).
        AddressLink = 18 "address-link",
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
        let mut record = String::with_capacity(640);
        // In the order of their names, which is what makes the bytes canonical. Names of ours, ids, digests and times
        // hold nothing that JSON escapes; the source may.
        quoted(&mut record, "basis", self.basis.map(|basis| basis.name()));
        quoted(&mut record, "controller", Some(self.controller));
        quoted(&mut record, "event", Some(self.kind.name()));
        quoted(&mut record, "evidence_sha256", self.evidence_sha256.map(|d| data_encoding::HEXLOWER.encode(&d)));
        quoted(&mut record, "id", Some(self.id));
        quoted(&mut record, "method", Some(self.method.name()));
        quoted(&mut record, "notice", self.notice);
        quoted(&mut record, "policy_version", self.policy_version);
        quoted(&mut record, "purpose", Some(self.purpose));
        if let Some(source) = &self.source {
            member(&mut record, "source", Value::from(source.as_str()));
        }
        quoted(&mut record, "subject", Some(self.subject));
        quoted(&mut record, "time", Some(self.at));
        member(&mut record, "v", RECORD_VERSION);
        quoted(&mut record, "valid_until", self.valid_until);
        record.push('}');
        record.into_bytes()
    }
}

/// A text as the next member of a JSON object, if there is one.
fn quoted(object: &mut String, name: &str, value: Option<impl fmt::Display>) {
    if let Some(value) = value {
        member(object, name, format_args!("\"{value}\""));
    }
}

/// The next member of a JSON object.
fn member(object: &mut String, name: &str, value: impl fmt::Display) {
    let before = if object.is_empty() { '{' } else { ',' };
    // Writing into memory does not fail.
    let _ = write!(object, "{before}\"{name}\":{value}");
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn event() -> ConsentEvent {
        ConsentEvent {
            id: EventId::from_uuid(Uuid::from_u128(1)),
            controller: ControllerId::from_uuid(Uuid::from_u128(2)),
            subject: SubjectId::from_uuid(Uuid::from_u128(3)),
            purpose: PurposeId::from_uuid(Uuid::from_u128(4)),
            kind: EventKind::Given,
            at: Timestamp::from_micros(1_500_000),
            method: Method::Form,
            source: None,
            notice: None,
            policy_version: None,
            basis: None,
            valid_until: None,
            evidence_sha256: None,
        }
    }

    #[test]
    fn the_canonical_record_is_fixed_byte_by_byte() {
        let bare = r#"{"controller":"00000000-0000-0000-0000-000000000002","event":"consent.given","id":"00000000-0000-0000-0000-000000000001","method":"form","purpose":"00000000-0000-0000-0000-000000000004","subject":"00000000-0000-0000-0000-000000000003","time":"1970-01-01T00:00:01.5Z","v":1}"#;
        assert_eq!(String::from_utf8(event().canonical()).unwrap(), bare);
        let whole = ConsentEvent {
            source: Some("form:\"a\"\n".to_owned()),
            notice: Some(NoticeId::from_uuid(Uuid::from_u128(5))),
            policy_version: Some(PolicyVersionId::from_uuid(Uuid::from_u128(6))),
            basis: Some(BasisKind::Consent),
            valid_until: Some(Timestamp::from_micros(0)),
            evidence_sha256: Some([0xab; 32]),
            ..event()
        };
        let expected = r#"{"basis":"consent","controller":"00000000-0000-0000-0000-000000000002","event":"consent.given","evidence_sha256":"abababababababababababababababababababababababababababababababab","id":"00000000-0000-0000-0000-000000000001","method":"form","notice":"00000000-0000-0000-0000-000000000005","policy_version":"00000000-0000-0000-0000-000000000006","purpose":"00000000-0000-0000-0000-000000000004","source":"form:\"a\"\n","subject":"00000000-0000-0000-0000-000000000003","time":"1970-01-01T00:00:01.5Z","v":1,"valid_until":"1970-01-01T00:00:00Z"}"#;
        assert_eq!(String::from_utf8(whole.canonical()).unwrap(), expected);
    }
}
