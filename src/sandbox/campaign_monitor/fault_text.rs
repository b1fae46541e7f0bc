//! Fault rules as people write them: `every 7 POST import: 504 after`.
//!
//! Promises: what can be read is written back the same way, and read again as the same rule; what cannot is
//! refused with words that say what was expected. Every number is bounded.

use super::faults::{FaultKind, FaultRule, Turn};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

/// The text form in a few lines, for help texts.
pub const FAULT_RULES: &str = "\
WHICH [METHOD] [PATH]: WHAT

WHICH   every 7        the 7th, the 14th, ... of the calls that fit
        next 3         the next three, then the rule is gone
        20% [seed 5]   a share of them, drawn alike on every run with the same seed
METHOD  GET, POST, PUT or DELETE; left out, every method
PATH    a part of path or query, such as import; left out, every path
WHAT    504            answered with this status, nothing applied
        504 after      applied, then answered with this status
        429 reset 30   429 with X-RateLimit-* headers; 429 alone comes without them
        html [502]     a gateway's HTML page, nothing applied
        closed         connection closed, nothing applied
        lost           applied, then the connection closed without an answer
        slow 5s        applied; the body of the answer comes in drops over this time
        delay 5s       applied and answered this much later
        late 5s        applied at once, answered this much later

For example: `every 7 POST import: 504 after`, `5% seed 1: closed`, `next GET active: slow 30s`.";

const TEXT_LIMIT: usize = 300;
const COUNT_LIMIT: u32 = 1_000_000;
const LONGEST: Duration = Duration::from_secs(600);
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// Why a text is no fault rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRuleError(String);

impl Display for FaultRuleError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for FaultRuleError {}

fn wrong<T>(what: impl Into<String>) -> Result<T, FaultRuleError> {
    Err(FaultRuleError(what.into()))
}

impl FromStr for FaultRule {
    type Err = FaultRuleError;

    fn from_str(text: &str) -> Result<Self, FaultRuleError> {
        if text.chars().count() > TEXT_LIMIT {
            return wrong(format!("a fault rule has at most {TEXT_LIMIT} characters"));
        }
        let Some((calls, what)) = text.rsplit_once(':') else {
            return wrong("expected a colon between the calls and what happens to them, as in `every 7: 504`");
        };
        let mut words = calls.split_whitespace().peekable();
        let turn = turn(&mut words)?;
        let method = words
            .next_if(|word| METHODS.iter().any(|method| method.eq_ignore_ascii_case(word)))
            .map(str::to_ascii_uppercase);
        let path = words.next().unwrap_or_default().to_owned();
        if let Some(more) = words.next() {
            return wrong(format!("`{more}`: expected at most a method and one word of the path before the colon"));
        }
        let what: Vec<&str> = what.split_whitespace().collect();
        Ok(Self { turn, method, path, kind: kind(&what)? })
    }
}

type Words<'a, I> = std::iter::Peekable<I>;

fn turn<'a>(words: &mut Words<'a, impl Iterator<Item = &'a str>>) -> Result<Turn, FaultRuleError> {
    let first = words.next().unwrap_or_default();
    let count = |word: Option<&str>| word.and_then(|word| word.parse::<u32>().ok());
    let bounded = |count: u32| match count {
        1..=COUNT_LIMIT => Ok(count),
        _ => wrong(format!("`{count}`: expected a number from 1 to {COUNT_LIMIT}")),
    };
    match first.to_ascii_lowercase().as_str() {
        "every" => match count(words.next()) {
            Some(count) => bounded(count).map(Turn::Every),
            None => wrong("`every`: expected a number behind it, as in `every 7`"),
        },
        // The number may be left out, and then the next word is a method or a path.
        "next" => match count(words.peek().copied()) {
            Some(count) => {
                words.next();
                bounded(count).map(Turn::Next)
            }
            None => Ok(Turn::Next(1)),
        },
        word => {
            let Some(per_myriad) = word.strip_suffix('%').and_then(per_myriad) else {
                return wrong(format!("`{first}`: expected `every N`, `next N` or a share such as `20%`"));
            };
            let seed = match words.next_if(|word| word.eq_ignore_ascii_case("seed")) {
                None => 0,
                Some(_) => match words.next().and_then(|word| word.parse().ok()) {
                    Some(seed) => seed,
                    None => return wrong("`seed`: expected a whole number behind it"),
                },
            };
            Ok(Turn::Share { per_myriad, seed })
        }
    }
}

/// Hundredths of a percent, from a number with at most two decimals.
fn per_myriad(percent: &str) -> Option<u32> {
    let (whole, part) = percent.split_once('.').unwrap_or((percent, "0"));
    let digits =
        |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    if !digits(whole, 3) || !digits(part, 2) {
        return None;
    }
    let hundredths = part.parse::<u32>().ok()? * if part.len() == 1 { 10 } else { 1 };
    let share = whole.parse::<u32>().ok()? * 100 + hundredths;
    (1..=10_000).contains(&share).then_some(share)
}

fn kind(words: &[&str]) -> Result<FaultKind, FaultRuleError> {
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    match lower.as_slice() {
        ["closed"] => Ok(FaultKind::Closed),
        ["lost"] => Ok(FaultKind::LostAnswer),
        ["html"] => Ok(FaultKind::Html),
        ["html", code] => status(code).map(FaultKind::HtmlStatus),
        ["slow", time] => duration(time).map(FaultKind::SlowBody),
        ["delay", time] => duration(time).map(FaultKind::Delay),
        ["late", time] => duration(time).map(FaultKind::LateAnswer),
        ["429", "reset", seconds] => match seconds.parse() {
            Ok(seconds) if seconds <= COUNT_LIMIT => Ok(FaultKind::RateLimited(seconds)),
            _ => wrong(format!("`{seconds}`: expected seconds, up to {COUNT_LIMIT}")),
        },
        [code, "after"] => status(code).map(FaultKind::StatusAfter),
        [code] => status(code).map(FaultKind::Status),
        _ => wrong(format!(
            "`{}`: expected what happens, such as `504`, `504 after`, `429 reset 30`, `html`, `closed`, `lost` or \
             `slow 5s`",
            words.join(" ")
        )),
    }
}

fn status(word: &str) -> Result<u16, FaultRuleError> {
    match word.parse() {
        Ok(status @ 200..=599) => Ok(status),
        _ => wrong(format!("`{word}`: expected a status from 200 to 599, or a word such as `closed`")),
    }
}

fn duration(word: &str) -> Result<Duration, FaultRuleError> {
    let unit = |suffix: &str, millis: u64| {
        let digits = word.strip_suffix(suffix)?;
        let number = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse::<u64>().ok())??;
        number.checked_mul(millis).map(Duration::from_millis)
    };
    match unit("ms", 1).or_else(|| unit("s", 1_000)).or_else(|| unit("m", 60_000)) {
        Some(time) if time <= LONGEST => Ok(time),
        _ => wrong(format!("`{word}`: expected a time such as `250ms` or `5s`, up to 10 minutes")),
    }
}

impl Display for FaultRule {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.turn {
            Turn::Next(count) => write!(out, "next {count}")?,
            Turn::Every(count) => write!(out, "every {count}")?,
            Turn::Share { per_myriad, seed } => {
                match (per_myriad / 100, per_myriad % 100) {
                    (whole, 0) => write!(out, "{whole}%")?,
                    (whole, part) => write!(out, "{whole}.{part:02}%")?,
                }
                if seed != 0 {
                    write!(out, " seed {seed}")?;
                }
            }
        }
        if let Some(method) = &self.method {
            write!(out, " {method}")?;
        }
        if !self.path.is_empty() {
            write!(out, " {}", self.path)?;
        }
        let time = |time: Duration| match time.as_millis() {
            whole if whole % 1000 == 0 => format!("{}s", whole / 1000),
            millis => format!("{millis}ms"),
        };
        match self.kind {
            FaultKind::Status(status) => write!(out, ": {status}"),
            FaultKind::StatusAfter(status) => write!(out, ": {status} after"),
            FaultKind::ErrorAfterApplying => write!(out, ": 500 after"),
            FaultKind::LostAnswer => write!(out, ": lost"),
            FaultKind::Closed => write!(out, ": closed"),
            FaultKind::Html => write!(out, ": html"),
            FaultKind::HtmlStatus(status) => write!(out, ": html {status}"),
            FaultKind::RateLimited(seconds) => write!(out, ": 429 reset {seconds}"),
            FaultKind::Delay(wait) => write!(out, ": delay {}", time(wait)),
            FaultKind::LateAnswer(wait) => write!(out, ": late {}", time(wait)),
            FaultKind::SlowBody(wait) => write!(out, ": slow {}", time(wait)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<FaultRule>().unwrap();
        let rule = read("every 7 POST import: 504 after");
        assert_eq!(rule.turn, Turn::Every(7));
        assert_eq!((rule.method.as_deref(), rule.path.as_str()), (Some("POST"), "import"));
        assert_eq!(rule.kind, FaultKind::StatusAfter(504));
        assert_eq!(read("next: lost").turn, Turn::Next(1));
        assert_eq!(read("Next 3 get : CLOSED").method.as_deref(), Some("GET"));
        assert_eq!(read("2.5% seed 9 active.json: slow 1500ms").turn, Turn::Share { per_myriad: 250, seed: 9 });
        assert_eq!(read("100%: 429 reset 30").kind, FaultKind::RateLimited(30));
        for (text, again) in [
            ("every 7  post   import :504   after", "every 7 POST import: 504 after"),
            ("2.5%: delay 2m", "2.50%: delay 120s"),
            ("next a:b: html 503", "next 1 a:b: html 503"),
        ] {
            assert_eq!(read(text).to_string(), again);
            assert_eq!(read(again), read(text));
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_was_expected() {
        for (text, named) in [
            ("", "colon"),
            ("every 7 POST import 504", "colon"),
            ("sometimes: 504", "sometimes"),
            ("every: 504", "every 7"),
            ("every 0: 504", "from 1"),
            ("0%: 504", "0%"),
            ("101%: 504", "101%"),
            ("5% seed x: 504", "seed"),
            ("next GET one two: 504", "two"),
            ("next: 99", "99"),
            ("next:", "expected what happens"),
            ("next: slow 5h", "5h"),
            ("next: slow 11m", "11m"),
            ("next: 503 reset 5", "503 reset 5"),
        ] {
            let refusal = text.parse::<FaultRule>().unwrap_err().to_string();
            assert!(refusal.contains(named), "{text}: {refusal}");
        }
        assert!("x".repeat(301).parse::<FaultRule>().is_err());
    }
}
