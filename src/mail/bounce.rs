//! What a relay's refusal means for the person: the table of ML-20 as a pure function.
//!
//! The rule behind the table: a person is suppressed only for what is certainly true of their mailbox. Whatever
//! may be our own fault (authentication, policy, reputation, a malformed message) is [`Class::SenderFault`], so that
//! a DMARC outage cannot wipe a list. Acting on a class (suppress, retry, pause) is left to the caller.

use std::fmt;

use super::outcome::Stage;

/// An enhanced status code of RFC 3463, `class.subject.detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnhancedCode {
    /// 2 success, 4 for now, 5 for good.
    pub class: u8,
    /// What it is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// The detail within the subject.
    pub detail: u16,
}

impl EnhancedCode {
    /// A code from its three numbers.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }

    /// Reads a code from the first word of a reply's or report's text (`5.1.1 No such user`). A comment or
    /// punctuation directly after the code is tolerated, as DSNs carry both.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?;
        let word = word.trim_start_matches(['#', '(']);
        let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let word = word.get(..end)?.trim_end_matches('.');
        let mut parts = word.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || subject.len() > 3 || detail.len() > 3 || class.len() != 1 {
            return None;
        }
        let class = class.parse().ok().filter(|c| matches!(c, 2 | 4 | 5))?;
        Some(Self { class, subject: subject.parse().ok()?, detail: detail.parse().ok()? })
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// What a refusal says about the address, and so what may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The mailbox does not exist or is shut: suppress `hard_bounce` at once.
    Hard,
    /// Passing trouble: retry, suppress only after three failures over at least seven days.
    Soft,
    /// Passing once, final when it repeats: hard after two.
    SoftThenHard,
    /// Our fault or the controller's: never suppress the person; alarm, pause the campaign.
    SenderFault,
    /// The person's system cannot take this form of mail: flag, do not suppress.
    Format,
}

impl Class {
    /// A stable word for storage and metrics labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::SoftThenHard => "soft_then_hard",
            Self::SenderFault => "sender_fault",
            Self::Format => "format",
        }
    }

    /// Whether the same bytes may be tried again later.
    #[must_use]
    pub const fn may_retry(self) -> bool {
        matches!(self, Self::Soft)
    }
}

/// Classifies one refusal at hand-over.
///
/// A reply code of 4yz is never final, whatever the enhanced code says. Refused at MAIL, nobody's mailbox has
/// been named yet, so it cannot be the person's fault.
#[must_use]
pub fn classify(code: u16, enhanced: Option<EnhancedCode>, stage: Stage) -> Class {
    let for_good = (500..600).contains(&code);
    if !for_good {
        // 4.4.7 (delivery time expired) is a given-up attempt even under a 4yz code.
        return match enhanced {
            Some(EnhancedCode { subject: 4, detail: 7, .. }) => Class::SoftThenHard,
            _ => Class::Soft,
        };
    }
    let class = match enhanced {
        Some(known) => by_enhanced(known),
        None => by_code_alone(code, stage),
    };
    if stage == Stage::Mail && matches!(class, Class::Hard | Class::SoftThenHard | Class::Format) {
        return Class::SenderFault;
    }
    class
}

/// Classifies an enhanced code by itself, as it stands in a delivery report.
#[must_use]
pub fn by_enhanced(code: EnhancedCode) -> Class {
    match (code.class, code.subject, code.detail) {
        // Mailbox full fills and empties again: soft under either class digit.
        (_, 2, 2) => Class::Soft,
        (4, 4, 7) => Class::SoftThenHard,
        (4, ..) => Class::Soft,
        (_, 1, 1 | 2 | 3 | 6 | 10) | (_, 2, 1) => Class::Hard,
        // The sender's address is the bad one.
        (_, 1, 7..=9) => Class::SenderFault,
        (_, 2, 3) | (_, 3, 4) => Class::SenderFault,
        (_, 6, _) => Class::Format,
        (_, 5 | 7, _) => Class::SenderFault,
        // Address, mailbox, system and network codes that do not name a dead mailbox: a repeat decides.
        _ => Class::SoftThenHard,
    }
}

/// Without an enhanced code the digits are thin evidence, so nothing is hard at once.
fn by_code_alone(code: u16, stage: Stage) -> Class {
    match (code, stage) {
        (552, Stage::Rcpt) => Class::Soft,
        (550 | 551 | 553 | 556 | 521, Stage::Rcpt) => Class::SoftThenHard,
        _ => Class::SenderFault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_ml_20() {
        let rows: &[(&str, Class)] = &[
            ("5.1.1", Class::Hard),
            ("5.1.2", Class::Hard),
            ("5.1.3", Class::Hard),
            ("5.1.6", Class::Hard),
            ("5.1.10", Class::Hard),
            ("5.2.1", Class::Hard),
            ("5.2.2", Class::Soft),
            ("4.2.2", Class::Soft),
            ("4.2.1", Class::Soft),
            ("4.4.1", Class::Soft),
            ("4.3.2", Class::Soft),
            ("4.7.1", Class::Soft),
            ("4.7.26", Class::Soft),
            ("5.4.4", Class::SoftThenHard),
            ("5.4.1", Class::SoftThenHard),
            ("4.4.7", Class::SoftThenHard),
            ("5.7.1", Class::SenderFault),
            ("5.7.26", Class::SenderFault),
            ("5.7.515", Class::SenderFault),
            ("5.7.0", Class::SenderFault),
            ("5.5.1", Class::SenderFault),
            ("5.3.4", Class::SenderFault),
            ("5.1.8", Class::SenderFault),
            ("5.6.7", Class::Format),
            ("5.6.9", Class::Format),
            ("5.1.0", Class::SoftThenHard),
            ("5.3.0", Class::SoftThenHard),
        ];
        for (text, class) in rows {
            let code = EnhancedCode::parse(text).unwrap();
            assert_eq!(by_enhanced(code), *class, "{text}");
            let reply = if code.class == 5 { 550 } else { 450 };
            assert_eq!(classify(reply, Some(code), Stage::Rcpt), *class, "{text} at RCPT");
        }
    }

    #[test]
    fn a_policy_outage_never_touches_a_person() {
        for detail in 0..=999 {
            for code in [550, 554, 530, 535] {
                let class = classify(code, Some(EnhancedCode::new(5, 7, detail)), Stage::Message);
                assert_eq!(class, Class::SenderFault);
            }
        }
    }

    #[test]
    fn nothing_is_hard_without_certainty() {
        for code in 400..600 {
            for stage in Stage::ALL {
                assert_ne!(classify(code, None, stage), Class::Hard, "{code} {stage:?}");
            }
            assert_ne!(classify(code, Some(EnhancedCode::new(5, 1, 1)), Stage::Mail), Class::Hard);
        }
        assert_eq!(classify(450, Some(EnhancedCode::new(5, 1, 1)), Stage::Rcpt), Class::Soft);
        assert_eq!(classify(421, None, Stage::Message), Class::Soft);
    }

    #[test]
    fn codes_are_read_with_their_trimmings() {
        assert_eq!(EnhancedCode::parse("5.1.1 no"), Some(EnhancedCode::new(5, 1, 1)));
        assert_eq!(EnhancedCode::parse("5.1.1(no)"), Some(EnhancedCode::new(5, 1, 1)));
        assert_eq!(EnhancedCode::parse("#5.7.515 denied"), Some(EnhancedCode::new(5, 7, 515)));
        assert_eq!(EnhancedCode::parse("5.1.1."), Some(EnhancedCode::new(5, 1, 1)));
        for bad in ["", "hello", "5.1", "3.1.1", "5.1.1.1", "5.1234.1", "192.0.2.1", "55.1.1"] {
            assert_eq!(EnhancedCode::parse(bad), None, "{bad}");
        }
    }
}
