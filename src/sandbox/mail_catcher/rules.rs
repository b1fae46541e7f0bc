//! Scripted misbehaviour of the mail catcher and the counters a test asserts on.
//!
//! Promises: rules match without regard to case, wear off after the number of times given, and the
//! newest rule wins. Counters are exact; the log of recipients keeps the newest 200,000.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const RECIPIENTS_KEPT: usize = 200_000;

/// Where in the conversation a scripted refusal strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The answer to `RCPT TO`.
    Rcpt,
    /// The answer to `DATA`, before any content was sent.
    Data,
    /// The answer to the final dot; the message is not kept.
    FinalDot,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Act {
    Refuse(Stage, String),
    DropAfterFinalDot,
}

struct Rule {
    pattern: String,
    act: Act,
    left: Option<u32>,
}

/// Rules and counters of one catcher.
#[derive(Default)]
pub(super) struct Rules {
    rules: Mutex<Vec<Rule>>,
    delay_ms: AtomicU64,
    recipients: Mutex<VecDeque<String>>,
    pub(super) connections: AtomicU64,
    pub(super) transactions: AtomicU64,
    pub(super) rcpts: AtomicU64,
}

impl Rules {
    pub(super) fn add(&self, pattern: &str, act: Act, times: Option<u32>) {
        if times == Some(0) {
            return;
        }
        lock(&self.rules).push(Rule { pattern: pattern.to_lowercase(), act, left: times });
    }

    pub(super) fn clear(&self) {
        lock(&self.rules).clear();
        self.set_delay(Duration::ZERO);
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.delay_ms.store(millis, Ordering::Relaxed);
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.load(Ordering::Relaxed))
    }

    /// The refusal for any of these recipients at this stage; using it up counts as one time.
    pub(super) fn refusal(&self, stage: Stage, recipients: &[String]) -> Option<String> {
        self.take(recipients, |act| match act {
            Act::Refuse(at, reply) if *at == stage => Some(reply.clone()),
            _ => None,
        })
    }

    pub(super) fn drops_after_final_dot(&self, recipients: &[String]) -> bool {
        self.take(recipients, |act| (*act == Act::DropAfterFinalDot).then_some(())).is_some()
    }

    fn take<T>(&self, recipients: &[String], wanted: impl Fn(&Act) -> Option<T>) -> Option<T> {
        let mut rules = lock(&self.rules);
        let at = rules
            .iter()
            .rposition(|rule| wanted(&rule.act).is_some() && recipients.iter().any(|r| matches(&rule.pattern, r)))?;
        let found = wanted(&rules[at].act);
        if let Some(left) = &mut rules[at].left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                rules.remove(at);
            }
        }
        found
    }

    pub(super) fn note_recipient(&self, address: &str) {
        self.rcpts.fetch_add(1, Ordering::Relaxed);
        let mut recipients = lock(&self.recipients);
        if recipients.len() == RECIPIENTS_KEPT {
            recipients.pop_front();
        }
        recipients.push_back(address.to_lowercase());
    }

    pub(super) fn rcpts_for(&self, pattern: &str) -> usize {
        let pattern = pattern.to_lowercase();
        lock(&self.recipients).iter().filter(|address| matches(&pattern, address)).count()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic elsewhere leaves plain collections behind, which are still good to use.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Exact match, or `*` standing for any run of characters. The pattern is lower case already.
fn matches(pattern: &str, address: &str) -> bool {
    let address = address.to_lowercase();
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = address.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part) {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
    }
    match last {
        Some(last) => rest.ends_with(last),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_addresses_and_stars_match_runs() {
        for (pattern, address, expected) in [
            ("anna@example.com", "Anna@Example.com", true),
            ("anna@example.com", "anna@example.com.evil", false),
            ("*@example.com", "x@example.com", true),
            ("*@example.com", "x@example.org", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "acb", false),
            ("*", "anything", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, address), expected, "{pattern} {address}");
        }
    }

    #[test]
    fn a_rule_wears_off_after_its_number_of_times() {
        let rules = Rules::default();
        let act = Act::Refuse(Stage::Rcpt, "450 4.2.1 Later".into());
        rules.add("a@example.com", act, Some(2));
        let who = ["a@example.com".to_owned()];
        assert!(rules.refusal(Stage::Data, &who).is_none());
        assert!(rules.refusal(Stage::Rcpt, &who).is_some());
        assert!(rules.refusal(Stage::Rcpt, &who).is_some());
        assert!(rules.refusal(Stage::Rcpt, &who).is_none());
    }
}
