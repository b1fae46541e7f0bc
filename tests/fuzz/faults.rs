//! Fault rules of the emulator: what is read stays within its bounds and is the same when written and read again; what
//! is not read is refused in words.

use std::time::Duration;

use reconsent::sandbox::campaign_monitor::{FaultKind, FaultRule, Turn};

pub fn corpus() -> Vec<Vec<u8>> {
    [
        "every 7 POST import: 504 after",
        "next 3 GET active: slow 30s",
        "next: lost",
        "2.5% seed 18446744073709551615 unsubscribe: 429 reset 30",
        "100% DELETE: html 503",
        "every 1000000 put a:b: delay 600000ms",
        "next 1 get get: late 10m",
        "0.01%: closed",
        "every +7 POST import : 504  AFTER",
        ": : :",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let rule = match text.parse::<FaultRule>() {
        Ok(rule) => rule,
        Err(refusal) => {
            let words = refusal.to_string();
            return assert!(words.contains("expected") || words.contains("at most"), "{words}");
        }
    };
    match rule.turn {
        Turn::Next(count) | Turn::Every(count) => assert!((1..=1_000_000).contains(&count)),
        Turn::Share { per_myriad, .. } => assert!((1..=10_000).contains(&per_myriad)),
    }
    match rule.kind {
        FaultKind::Status(status) | FaultKind::StatusAfter(status) | FaultKind::HtmlStatus(status) => {
            assert!((200..=599).contains(&status));
        }
        FaultKind::Delay(time) | FaultKind::LateAnswer(time) | FaultKind::SlowBody(time) => {
            assert!(time <= Duration::from_secs(600));
        }
        FaultKind::RateLimited(seconds) => assert!(seconds <= 1_000_000),
        FaultKind::LostAnswer | FaultKind::Closed | FaultKind::ErrorAfterApplying | FaultKind::Html => {}
    }
    assert!(!rule.path.contains(char::is_whitespace));
    let written = rule.to_string();
    assert_eq!(written.parse::<FaultRule>().as_ref(), Ok(&rule), "{written}");
}
