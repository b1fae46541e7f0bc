//! What the log writes and the metrics show.

use std::sync::{Arc, Mutex};

use super::*;

/// Collects what is written.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(filter: &str, format: LogFormat, speak: impl FnOnce()) -> String {
    let page = Page::default();
    let out = page.clone();
    let filter = filter.parse().expect("a filter");
    tracing::subscriber::with_default(subscriber(&filter, format, move || out.clone()), speak);
    let bytes = page.0.lock().expect("no writer panics").clone();
    String::from_utf8(bytes).expect("text")
}

#[test]
fn an_event_is_one_line_of_text() {
    let text = logged("info", LogFormat::Text, || {
        let name = "a\r\n2026-01-01 ERROR forged\u{1b}[2J\u{85}\u{2028}\u{202e}";
        tracing::info!(name, shown = %name, "first\nsecond");
        tracing::info!("third");
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("first\\u000asecond"), "{text}");
    assert!(lines[0].contains("shown=a\\u000d\\u000a2026"), "{text}");
    assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{202e}')), "{text:?}");
}

#[test]
fn an_event_is_one_object_of_json() {
    let shown = "a\n\u{1b}\u{7f}\u{85}\u{2028}\"\\";
    let text = logged("info", LogFormat::Json, || tracing::warn!(shown, "said"));
    assert_eq!(text.matches('\n').count(), 1);
    assert!(!text.trim_end().chars().any(char::is_control), "{text:?}");
    let event: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(event["message"], "said");
    assert_eq!(event["level"], "WARN");
    assert_eq!(event["shown"], shown);
}

#[test]
fn only_our_own_targets_go_below_info() {
    let speak = || {
        tracing::debug!(target: "reconsent::worker", "ours");
        tracing::debug!(target: "tokio_postgres::query", "parameters");
        tracing::debug!(target: "reconsentful", "a stranger's");
        tracing::info!(target: "actix_server", "theirs");
    };
    let text = logged("trace,tokio_postgres=trace", LogFormat::Text, speak);
    assert!(text.contains("ours") && text.contains("theirs"), "{text}");
    assert!(!text.contains("parameters"), "{text}");
    let text = logged("warn,reconsent::worker=debug", LogFormat::Text, speak);
    assert!(text.contains("ours") && !text.contains("theirs"), "{text}");
    assert_eq!(logged("off", LogFormat::Text, speak), "");
}

#[test]
fn security_events_are_written_at_any_level() {
    for filter in ["off", "error", "warn", "warn,audit=off", "audit=error", "off,audit::x=off", "info"] {
        let text = logged(filter, LogFormat::Text, || {
            tracing::info!(target: "audit", "a token was refused");
            tracing::debug!(target: "audit", "chatter");
        });
        assert!(text.contains("a token was refused") && !text.contains("chatter"), "{filter}: {text}");
    }
}

#[test]
fn a_filter_is_levels_and_targets() {
    for text in ["info", "off", "info,reconsent=debug", "reconsent::store=trace, warn"] {
        assert!(text.parse::<LogFilter>().is_ok(), "{text}");
    }
    let long = format!("info{}", ",a=info".repeat(32));
    for text in [
        "",
        "inof",
        "INFO",
        "info,warn",
        "reconsent=",
        "=info",
        "reconsent=5",
        "a b=info",
        "info,",
        "reconsent[x]=info",
        &long,
    ] {
        assert_eq!(text.parse::<LogFilter>(), Err(InvalidLogFilter), "{text}");
    }
}

#[test]
fn a_format_is_text_or_json() {
    assert_eq!("json".parse(), Ok(LogFormat::Json));
    assert_eq!("text".parse(), Ok(LogFormat::Text));
    assert_eq!("JSON".parse::<LogFormat>(), Err(InvalidLogFormat));
}

#[test]
fn a_panic_tells_where_it_was_and_quotes_nothing() {
    let before: Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync> = Arc::from(std::panic::take_hook());
    let (own, others) = (std::thread::current().id(), before.clone());
    // Other tests may panic meanwhile; their words still go where they went.
    std::panic::set_hook(Box::new(move |info| match std::thread::current().id() == own {
        true => log_panic(info),
        false => others(info),
    }));
    let text = logged("info", LogFormat::Text, || {
        let address = std::hint::black_box("ada@example.org");
        let made = std::panic::catch_unwind(|| panic!("cannot mail {address}"));
        let fixed = std::panic::catch_unwind(|| panic!("a fixed word"));
        assert!(made.is_err() && fixed.is_err());
    });
    std::panic::set_hook(Box::new(move |info| before(info)));
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("telemetry/tests.rs:") && text.contains("a fixed word"), "{text}");
    assert!(!text.contains("ada@"), "{text}");
}

#[test]
fn metrics_are_described_and_rendered() {
    let recorder = recorder().expect("a recorder");
    let metrics = Metrics(recorder.handle());
    metrics::with_local_recorder(&recorder, || {
        describe();
        metrics::histogram!("reconsent_commit_batch_calls").record(3.0);
        metrics::gauge!("reconsent_write_queue_depth").set(2.0);
        metrics::counter!("reconsent_mails_total", "outcome" => "accepted").increment(1);
        metrics::counter!("reconsent_mails_throttled_total", "bucket" => "sender").increment(1);
        metrics::gauge!("reconsent_outbox_depth", "kind" => "mail").set(7.0);
        metrics::counter!("reconsent_sync_total", "outcome" => "done").increment(1);
        metrics::gauge!("reconsent_sync_lag_seconds").set(1.5);
        metrics::counter!("reconsent_key_alarms_total", "kind" => "wrong_key").increment(1);
        metrics::counter!("reconsent_connections_total", "outcome" => "renewed").increment(1);
        metrics::counter!("reconsent_http_requests_total", "route" => "/c/{token}", "status" => "200").increment(4);
    });
    metrics.upkeep();
    let text = metrics.render();
    for (_, name, words) in METRICS {
        assert!(text.contains(&format!("# HELP {name} {words}")), "{name}: {text}");
    }
    assert!(text.contains("reconsent_commit_batch_calls_bucket{le=\"4\"} 1"), "{text}");
    assert!(text.contains("reconsent_commit_batch_calls_bucket{le=\"2\"} 0"), "{text}");
    assert!(text.contains("reconsent_http_requests_total{route=\"/c/{token}\",status=\"200\"} 4"), "{text}");
    assert!(text.contains("reconsent_mails_total{outcome=\"accepted\"} 1"), "{text}");
}

#[test]
fn metrics_start_once_in_a_process() {
    let metrics = Metrics::start().expect("no other test starts them");
    metrics::gauge!("reconsent_write_queue_depth").set(0.0);
    assert!(metrics.render().contains("reconsent_write_queue_depth"));
    assert!(Metrics::start().is_err());
}
