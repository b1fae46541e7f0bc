//! Faults on demand: answers that come wrong, late, or not at all.
//!
//! Promises: a rule says which calls it looks at, which of those it strikes, and what happens to them; it is
//! data, and has a text form (see `fault_text`). The first rule whose turn it is strikes. A rule that counts
//! or draws counts every call it looks at, also one that another rule struck; the same calls in the same
//! order are struck again on every run.

use super::desk::lock;
use serde::Deserialize;
use std::sync::Mutex;
use std::time::Duration;

const RULE_LIMIT: usize = 1_000;

/// What goes wrong. Only what says so is applied: the others leave the provider as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub enum FaultKind {
    /// Answered with this status and not applied. 429 and 500 carry a JSON code, others nothing.
    Status(u16),
    /// Applied, then answered with this status, in the same way.
    StatusAfter(u16),
    /// Applied, then the connection is closed without an answer.
    LostAnswer,
    /// The connection is closed without an answer, and nothing is applied.
    Closed,
    /// Applied, then answered with 500.
    ErrorAfterApplying,
    /// Applied and answered this much later (milliseconds in JSON).
    #[serde(deserialize_with = "millis")]
    Delay(Duration),
    /// Applied at once, and answered this much later (milliseconds in JSON).
    #[serde(deserialize_with = "millis")]
    LateAnswer(Duration),
    /// Applied; the head of the answer comes at once, its body in drops over this time (milliseconds in JSON).
    #[serde(deserialize_with = "millis")]
    SlowBody(Duration),
    /// Not applied; a gateway's HTML page with status 502.
    Html,
    /// Not applied; an HTML page with this status.
    HtmlStatus(u16),
    /// Not applied; 429 with `X-RateLimit-*` that name so many seconds. `Status(429)` comes without them.
    RateLimited(u32),
}

/// One scripted fault that strikes the next calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Fault {
    /// Only calls with this method; `None` for every method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only calls whose path and query contain this; empty for every path.
    #[serde(default)]
    pub path: String,
    /// How many calls it strikes.
    #[serde(default = "once")]
    pub times: u32,
    /// What goes wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// Which of the calls that a rule looks at it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The next so many, and then the rule is gone.
    Next(u32),
    /// The last of every so many: `Every(7)` the 7th, the 14th, …; `Every(1)` all of them.
    Every(u32),
    /// A share that looks drawn and is the same on every run with the same seed.
    Share {
        /// Hundredths of a percent, up to 10,000.
        per_myriad: u32,
        /// Other seeds draw other calls.
        seed: u64,
    },
}

/// A rule: which calls, which of them, what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    /// Which of the calls.
    pub turn: Turn,
    /// Only calls with this method; `None` for every method.
    pub method: Option<String>,
    /// Only calls whose path and query contain this; empty for every path.
    pub path: String,
    /// What goes wrong.
    pub kind: FaultKind,
}

/// A rule that stands, and what it did so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingRule {
    /// Names the rule while it stands.
    pub id: u64,
    /// The rule; of `Next`, what is left.
    pub rule: FaultRule,
    /// Calls it looked at.
    pub seen: u64,
    /// Calls it struck.
    pub struck: u64,
}

impl From<Fault> for FaultRule {
    fn from(fault: Fault) -> Self {
        Self { turn: Turn::Next(fault.times), method: fault.method, path: fault.path, kind: fault.kind }
    }
}

impl FaultRule {
    fn looks_at(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method)) && path.contains(&self.path)
    }

    fn is_void(&self) -> bool {
        matches!(self.turn, Turn::Next(0) | Turn::Every(0) | Turn::Share { per_myriad: 0, .. })
    }
}

impl Turn {
    /// Whether the `n`th call, counted from 1, is struck.
    fn has_come(self, n: u64) -> bool {
        match self {
            Self::Next(left) => left > 0,
            Self::Every(count) => n.is_multiple_of(u64::from(count)),
            Self::Share { per_myriad, seed } => mixed(seed ^ mixed(n)) % 10_000 < u64::from(per_myriad),
        }
    }
}

/// Bits thrown together (the finisher of splitmix64); a secret it is not.
fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn once() -> u32 {
    1
}

pub(super) fn millis<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

#[derive(Default)]
struct Inner {
    rules: Vec<StandingRule>,
    last_id: u64,
}

/// The rules that stand, in the order in which they are asked.
#[derive(Default)]
pub struct Faults(Mutex<Inner>);

impl Faults {
    /// Adds a rule, or a fault for the next calls, behind the others. False when 1,000 stand already.
    pub fn push(&self, rule: impl Into<FaultRule>) -> bool {
        let rule = rule.into();
        let mut inner = lock(&self.0);
        let fits = inner.rules.len() < RULE_LIMIT;
        if fits && !rule.is_void() {
            inner.last_id += 1;
            let id = inner.last_id;
            inner.rules.push(StandingRule { id, rule, seen: 0, struck: 0 });
        }
        fits
    }

    /// Forgets every rule.
    pub fn clear(&self) {
        lock(&self.0).rules.clear();
    }

    /// Forgets one rule; false when none has this id.
    pub fn remove(&self, id: u64) -> bool {
        let rules = &mut lock(&self.0).rules;
        let before = rules.len();
        rules.retain(|standing| standing.id != id);
        rules.len() < before
    }

    /// How many rules stand. One for the next calls is gone when it has struck them all.
    pub fn waiting(&self) -> usize {
        lock(&self.0).rules.len()
    }

    /// The rules that stand, oldest first.
    pub fn standing(&self) -> Vec<StandingRule> {
        lock(&self.0).rules.clone()
    }

    pub(super) fn strike(&self, method: &str, path: &str) -> Option<FaultKind> {
        let mut inner = lock(&self.0);
        let mut struck = None;
        for standing in inner.rules.iter_mut().filter(|standing| standing.rule.looks_at(method, path)) {
            standing.seen += 1;
            if struck.is_some() || !standing.rule.turn.has_come(standing.seen) {
                continue;
            }
            standing.struck += 1;
            struck = Some(standing.rule.kind);
            if let Turn::Next(left) = &mut standing.rule.turn {
                *left -= 1;
            }
        }
        inner.rules.retain(|standing| !standing.rule.is_void());
        struck
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_json() {
        let read = |json: &str| serde_json::from_str::<Fault>(json).unwrap();
        assert_eq!(
            read(r#"{"method":"POST","path":"/import","times":2,"kind":"status","value":503}"#),
            Fault { method: Some("POST".into()), path: "/import".into(), times: 2, kind: FaultKind::Status(503) }
        );
        assert_eq!(read(r#"{"kind":"lost_answer"}"#).kind, FaultKind::LostAnswer);
        let late = read(r#"{"kind":"delay","value":250}"#).kind;
        assert_eq!(late, FaultKind::Delay(Duration::from_millis(250)));
    }

    #[test]
    fn a_fault_strikes_only_what_it_matches_and_wears_off() {
        let faults = Faults::default();
        let fault = Fault { method: Some("POST".into()), path: "/import".into(), times: 2, kind: FaultKind::Html };
        faults.push(fault);
        assert_eq!(faults.strike("GET", "/x/import.json"), None);
        assert_eq!(faults.strike("POST", "/x/add.json"), None);
        assert!(faults.strike("POST", "/x/import.json").is_some());
        assert!(faults.strike("POST", "/x/import.json").is_some());
        assert_eq!(faults.strike("POST", "/x/import.json"), None);
        assert_eq!(faults.waiting(), 0);
    }

    fn struck(turn: Turn, calls: usize) -> Vec<usize> {
        let faults = Faults::default();
        faults.push(FaultRule { turn, method: None, path: String::new(), kind: FaultKind::Closed });
        (1..=calls).filter(|_| faults.strike("GET", "/").is_some()).collect()
    }

    #[test]
    fn every_nth_call_is_struck_and_a_share_is_drawn_alike_each_time() {
        assert_eq!(struck(Turn::Every(7), 30), [7, 14, 21, 28]);
        assert_eq!(struck(Turn::Every(1), 3), [1, 2, 3]);
        let fifth = |seed| struck(Turn::Share { per_myriad: 2_000, seed }, 10_000);
        assert_eq!(fifth(1), fifth(1));
        assert_ne!(fifth(1), fifth(2));
        assert!((1_800..2_200).contains(&fifth(1).len()));
        assert_eq!(struck(Turn::Share { per_myriad: 10_000, seed: 3 }, 50).len(), 50);
    }

    #[test]
    fn a_rule_counts_calls_that_another_one_struck() {
        let faults = Faults::default();
        let rule = |turn, kind| FaultRule { turn, method: None, path: String::new(), kind };
        faults.push(rule(Turn::Next(2), FaultKind::Closed));
        faults.push(rule(Turn::Every(3), FaultKind::Html));
        let kinds: Vec<_> = (0..6).map(|_| faults.strike("GET", "/")).collect();
        let (closed, html) = (Some(FaultKind::Closed), Some(FaultKind::Html));
        assert_eq!(kinds, [closed, closed, html, None, None, html]);
        let standing = faults.standing();
        assert_eq!((standing.len(), standing[0].seen, standing[0].struck), (1, 6, 2));
        assert!(faults.remove(standing[0].id) && !faults.remove(standing[0].id));
    }
}
