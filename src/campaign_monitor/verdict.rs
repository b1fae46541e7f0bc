//! From a code or a status to what must happen next.
//!
//! The code decides, not the HTTP status: 401 also means "this id is not yours" and 400 also
//! means "not on the list". A code we do not know is judged by its status.

use std::time::Duration;

/// What must happen after a call, or for one row of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The goal is reached, whoever reached it.
    Done,
    /// Try again, not before `after` if given; the worker's own back-off applies on top.
    Retry {
        /// The least time to wait.
        after: Option<Duration>,
    },
    /// Repeating cannot help.
    NeedsPerson(Reason),
    /// The provider holds a state that stops mail to this person: mirror it, or act only on
    /// consent that is newer.
    TheyStopped {
        /// 204 suppressed, 205 deleted, 206 unsubscribed, 207 bounced, 208 unconfirmed.
        code: u32,
    },
}

/// What a person has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The credential is wrong or revoked.
    Credential,
    /// The OAuth token has run out and can be refreshed.
    CredentialExpired,
    /// The credential is good but may not do this.
    Permission,
    /// The client or list is unknown or belongs to somebody else.
    ForeignId,
    /// The address (or number) itself is refused.
    AddressRefused,
    /// The new address of a change already exists on the list.
    AddressTaken,
    /// The address is not on the list.
    NotOnList,
    /// A custom field or its options do not fit.
    FieldSettings,
    /// The settings of the list do not fit.
    ListSettings,
    /// The webhook's settings are refused, or its receiver failed the test.
    WebhookSettings,
    /// What we asked for does not exist or no longer exists.
    NotFound,
    /// The plan or the sending domain does not allow it.
    Plan,
    /// We sent something the contract forbids: a fault of ours.
    RequestRefused,
    /// The answer sends us elsewhere: the base address is wrong.
    Misdirected,
    /// The answer is larger than we read.
    AnswerTooLarge,
}

impl Reason {
    /// Whether all work for this credential or list must rest until a person has acted.
    /// The queue is kept.
    pub fn stops_account(self) -> bool {
        matches!(
            self,
            Self::Credential | Self::CredentialExpired | Self::Permission | Self::ForeignId | Self::Misdirected
        )
    }
}

/// Least rest after a bare 429: it is mostly one address written too often, and integrators saw it
/// persist for tens of seconds.
const BARE_RATE_LIMIT: Duration = Duration::from_secs(30);
/// Clients can be created five times in thirty minutes.
const CLIENT_CREATION: Duration = Duration::from_secs(30 * 60);
/// Segments recalculate for up to an hour; asking every ten minutes is often enough.
const SEGMENT_BUSY: Duration = Duration::from_secs(10 * 60);

pub(super) fn of_code(code: u32, status: u16, wait: Option<Duration>) -> Verdict {
    let at_least = |least: Duration| Verdict::Retry { after: Some(wait.unwrap_or(least).max(least)) };
    let reason = match code {
        176 | 255 => return Verdict::Done,
        204..=208 => return Verdict::TheyStopped { code },
        429 => return rate_limited(wait),
        // Code 210 is read by the import; here its result is missing, and an upsert may repeat.
        210 | 500 => return Verdict::Retry { after: wait },
        172 => return at_least(CLIENT_CREATION),
        278 => return at_least(SEGMENT_BUSY),
        50 | 100 | 120 | 122 => Reason::Credential,
        121 => Reason::CredentialExpired,
        60 | 403 => Reason::Permission,
        101 | 102 => Reason::ForeignId,
        1 | 150 | 211 | 220 | 221 => Reason::AddressRefused,
        201 => Reason::AddressTaken,
        203 => Reason::NotOnList,
        250..=252 | 261 => Reason::ListSettings,
        253 | 254 | 256 | 257 | 259 => Reason::FieldSettings,
        601..=603 | 610 => Reason::WebhookSettings,
        404 | 410 => Reason::NotFound,
        980 | 993 | 994 => Reason::Plan,
        5
        | 110
        | 152
        | 209
        | 212
        | 214
        | 215
        | 271..=277
        | 283..=287
        | 302
        | 800..=803
        | 850
        | 904
        | 905
        | 920..=927
        | 932
        | 935
        | 952..=960
        | 970..=974
        | 981
        | 982
        | 984
        | 996 => Reason::RequestRefused,
        _ => return of_status(status, wait),
    };
    Verdict::NeedsPerson(reason)
}

pub(super) fn of_status(status: u16, wait: Option<Duration>) -> Verdict {
    let reason = match status {
        429 => return rate_limited(wait),
        408 | 425 | 500.. => return Verdict::Retry { after: wait },
        300..=399 | 407 => Reason::Misdirected,
        401 => Reason::Credential,
        403 => Reason::Permission,
        404 | 410 => Reason::NotFound,
        _ => Reason::RequestRefused,
    };
    Verdict::NeedsPerson(reason)
}

fn rate_limited(wait: Option<Duration>) -> Verdict {
    Verdict::Retry { after: Some(wait.unwrap_or(BARE_RATE_LIMIT)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Verdict = Verdict::Retry { after: None };

    fn later(seconds: u64) -> Verdict {
        Verdict::Retry { after: Some(Duration::from_secs(seconds)) }
    }

    fn person(reason: Reason) -> Verdict {
        Verdict::NeedsPerson(reason)
    }

    /// Every code of the provider's table with its usual status.
    #[test]
    fn every_code_has_its_verdict() {
        use Reason::*;
        let mut table = vec![
            (1, 400, person(AddressRefused)),
            (5, 400, person(RequestRefused)),
            (50, 401, person(Credential)),
            (60, 401, person(Permission)),
            (100, 401, person(Credential)),
            (101, 401, person(ForeignId)),
            (101, 400, person(ForeignId)),
            (102, 401, person(ForeignId)),
            (110, 400, person(RequestRefused)),
            (120, 401, person(Credential)),
            (121, 401, person(CredentialExpired)),
            (122, 401, person(Credential)),
            (150, 400, person(AddressRefused)),
            (152, 400, person(RequestRefused)),
            (172, 400, later(1800)),
            (176, 400, Verdict::Done),
            (201, 400, person(AddressTaken)),
            (203, 400, person(NotOnList)),
            (209, 400, person(RequestRefused)),
            (210, 400, NOW),
            (211, 400, person(AddressRefused)),
            (212, 400, person(RequestRefused)),
            (214, 400, person(RequestRefused)),
            (215, 400, person(RequestRefused)),
            (220, 400, person(AddressRefused)),
            (221, 400, person(AddressRefused)),
            (250, 400, person(ListSettings)),
            (251, 400, person(ListSettings)),
            (252, 400, person(ListSettings)),
            (253, 400, person(FieldSettings)),
            (254, 400, person(FieldSettings)),
            (255, 400, Verdict::Done),
            (256, 400, person(FieldSettings)),
            (257, 400, person(FieldSettings)),
            (259, 400, person(FieldSettings)),
            (261, 400, person(ListSettings)),
            (278, 400, later(600)),
            (302, 400, person(RequestRefused)),
            (403, 403, person(Permission)),
            (404, 404, person(NotFound)),
            (410, 410, person(NotFound)),
            (429, 429, later(30)),
            (500, 500, NOW),
            (601, 400, person(WebhookSettings)),
            (602, 400, person(WebhookSettings)),
            (603, 400, person(WebhookSettings)),
            (610, 400, person(WebhookSettings)),
            (980, 400, person(Plan)),
            (993, 400, person(Plan)),
            (994, 400, person(Plan)),
        ];
        for code in 204..=208 {
            table.push((code, 400, Verdict::TheyStopped { code }));
        }
        let ours = [271, 272, 273, 275, 277, 283, 284, 285, 286, 287, 800, 801, 802, 803, 850, 904]
            .into_iter()
            .chain([905, 932, 935, 981, 982, 984, 996])
            .chain(920..=927)
            .chain(952..=960)
            .chain(970..=974);
        table.extend(ours.map(|code| (code, 400, person(RequestRefused))));
        for (code, status, expected) in table {
            assert_eq!(of_code(code, status, None), expected, "code {code}");
        }
    }

    #[test]
    fn unknown_codes_follow_their_status() {
        use Reason::*;
        for (status, expected) in [
            (301, person(Misdirected)),
            (400, person(RequestRefused)),
            (401, person(Credential)),
            (403, person(Permission)),
            (404, person(NotFound)),
            (408, NOW),
            (411, person(RequestRefused)),
            (429, later(30)),
            (500, NOW),
            (502, NOW),
            (503, NOW),
            (504, NOW),
        ] {
            for code in [0, 200, 202, 213, 216, 219, 258, 260, 262, 99_999] {
                assert_eq!(of_code(code, status, None), expected, "code {code}, status {status}");
            }
            assert_eq!(of_status(status, None), expected, "status {status}");
        }
    }

    #[test]
    fn a_waiting_time_is_kept() {
        let told = Some(Duration::from_secs(348));
        assert_eq!(of_code(429, 429, told), later(348));
        assert_eq!(of_status(503, told), later(348));
        assert_eq!(of_code(172, 400, told), later(1800));
    }

    #[test]
    fn what_stops_an_account() {
        for code in [50, 60, 100, 101, 102, 120, 121, 122] {
            let Verdict::NeedsPerson(reason) = of_code(code, 401, None) else {
                panic!("code {code} must need a person")
            };
            assert!(reason.stops_account(), "code {code}");
        }
        assert!(!Reason::AddressRefused.stops_account());
    }
}
