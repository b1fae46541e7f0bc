//! Faults on demand: answers that come wrong, late, or not at all.
//!
//! Promises: a fault strikes the next calls that match, in the order the faults were pushed, and is
//! gone after its number of times.

use super::desk::lock;
use serde::Deserialize;
use std::sync::Mutex;
use std::time::Duration;

const FAULT_LIMIT: usize = 1_000;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub enum FaultKind {
    /// Answered with this status and not applied. 429 and 500 carry a JSON code, others nothing.
    Status(u16),
    /// Applied, then the connection is closed without an answer.
    LostAnswer,
    /// Applied, then answered with 500.
    ErrorAfterApplying,
    /// Applied and answered this much later (milliseconds in JSON).
    #[serde(deserialize_with = "millis")]
    Delay(Duration),
    /// Applied at once, and answered this much later (milliseconds in JSON).
    #[serde(deserialize_with = "millis")]
    LateAnswer(Duration),
    /// Not applied; a gateway's HTML page with status 502.
    Html,
}

/// One scripted fault.
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

fn once() -> u32 {
    1
}

fn millis<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

/// The faults still to come.
#[derive(Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Adds a fault behind the others. False when 1,000 wait already.
    pub fn push(&self, fault: Fault) -> bool {
        let mut faults = lock(&self.0);
        let fits = faults.len() < FAULT_LIMIT;
        if fits && fault.times > 0 {
            faults.push(fault);
        }
        fits
    }

    /// Forgets every fault.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    /// How many faults have times left.
    pub fn waiting(&self) -> usize {
        lock(&self.0).len()
    }

    pub(super) fn strike(&self, method: &str, path: &str) -> Option<FaultKind> {
        let mut faults = lock(&self.0);
        let at = faults.iter().position(|fault| {
            let method_fits = fault.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method));
            method_fits && path.contains(&fault.path)
        })?;
        let kind = faults[at].kind;
        faults[at].times -= 1;
        if faults[at].times == 0 {
            faults.remove(at);
        }
        Some(kind)
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
    }
}
