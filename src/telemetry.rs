//! Logs, metrics and the last words of a panic. It promises that one event is one line whatever is in it, that
//! libraries cannot print data at debug levels, and that a panic tells where it was and nothing about whom. There
//! are no spans: an event carries its own fields. What is logged and counted is decided where it happens.

use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::str::FromStr;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The beginning of our own log targets.
const OURS: &str = "reconsent";
/// The target of security events: who was let in, what was read, what was revoked. They are written whatever the level
/// is, since they are missed when they are needed and not before.
const AUDIT: &str = "audit";
/// Longest filter, in parts.
const FILTER_PARTS_MAX: usize = 32;

/// Which events are logged: a level, then targets with levels of their own, as in `info,reconsent=debug`. Security
/// events, whose target is `audit`, are logged besides.
#[derive(Clone, PartialEq, Eq)]
pub struct LogFilter {
    text: String,
    default: LevelFilter,
    targets: Vec<(String, LevelFilter)>,
}

/// The text was not a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a level (off, error, warn, info, debug, trace), then targets with theirs, such as info,reconsent=debug"
)]
pub struct InvalidLogFilter;

impl FromStr for LogFilter {
    type Err = InvalidLogFilter;

    fn from_str(text: &str) -> Result<Self, InvalidLogFilter> {
        let (mut default, mut targets) = (None, Vec::new());
        for (n, part) in text.split(',').map(str::trim).enumerate() {
            let fits = match part.split_once('=') {
                None => default.replace(level(part)?).is_none(),
                Some((target, named)) => {
                    targets.push((target.to_owned(), level(named)?));
                    !target.is_empty()
                        && target.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-'))
                }
            };
            if !fits || n >= FILTER_PARTS_MAX {
                return Err(InvalidLogFilter);
            }
        }
        Ok(Self { text: text.to_owned(), default: default.unwrap_or(LevelFilter::INFO), targets })
    }
}

/// A level by its word. Anything else is refused: other readers take a misspelt level for a target, and log all of it.
fn level(word: &str) -> Result<LevelFilter, InvalidLogFilter> {
    match word {
        "off" | "error" | "warn" | "info" | "debug" | "trace" => word.parse().map_err(|_| InvalidLogFilter),
        _ => Err(InvalidLogFilter),
    }
}

impl LogFilter {
    /// The filter for the log. Below info the database driver, for one, prints the parameters of its statements, so
    /// only our own targets go there.
    fn targets(&self) -> Targets {
        let ours =
            |target: &str| target.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        let capped = |target: &str, level: LevelFilter| if ours(target) { level } else { level.min(LevelFilter::INFO) };
        Targets::new()
            .with_default(self.default.min(LevelFilter::INFO))
            .with_target(OURS, self.default)
            .with_targets(self.targets.iter().map(|(target, level)| (target.clone(), capped(target, *level))))
            // Last, so that no part of the filter silences it.
            .with_target(AUDIT, LevelFilter::INFO)
    }
}

impl std::fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time, level, target, message, fields.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// The text was not a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected text or json")]
pub struct InvalidLogFormat;

impl FromStr for LogFormat {
    type Err = InvalidLogFormat;

    fn from_str(text: &str) -> Result<Self, InvalidLogFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(InvalidLogFormat),
        }
    }
}

/// Starts the log on standard error, and has panics written to it. Once in a process.
pub fn start_log(filter: &LogFilter, format: LogFormat) -> Result<(), TryInitError> {
    subscriber(filter, format, io::stderr).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn subscriber<W>(filter: &LogFilter, format: LogFormat, out: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(OneLine(out));
    let registry = tracing_subscriber::registry().with(filter.targets());
    match format {
        LogFormat::Text => Box::new(registry.with(layer)),
        LogFormat::Json => {
            Box::new(registry.with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false)))
        }
    }
}

/// Writes where a panic was. Its message is written only when it stands in the source: one made at run time may quote
/// what the code was working on.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("(message withheld)");
    let place = info.location().map(|at| format!("{}:{}:{}", at.file(), at.line(), at.column())).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(place, thread = thread.name().unwrap_or("unnamed"), panic = message, "panicked");
}

/// Makes writers that keep an event on its line. The formatter hands over an event whole, its line break at the end.
struct OneLine<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLine<W> {
    type Writer = OneLineWriter<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLineWriter(self.0.make_writer())
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        OneLineWriter(self.0.make_writer_for(meta))
    }
}

struct OneLineWriter<W>(W);

impl<W: Write> Write for OneLineWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        self.0.write_all(one_line(&text).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Escapes what could end the line early, move a terminal's cursor or turn the reading direction, in a spelling that
/// JSON takes too. The last line break is the event's own.
fn one_line(event: &str) -> String {
    let body = event.strip_suffix('\n').unwrap_or(event);
    let mut line = String::with_capacity(event.len());
    for c in body.chars() {
        let turns =
            matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || turns {
            line.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            line.push(c);
        }
    }
    if body.len() < event.len() {
        line.push('\n');
    }
    line
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Counter,
    Gauge,
    Histogram,
}

/// The metrics of the service. Labels come from closed sets only: outcomes, kinds, route templates, status codes.
const METRICS: [(Shape, &str, &str); 10] = [
    (Shape::Histogram, COMMIT_BATCH_CALLS, "Calls in one commit."),
    (Shape::Gauge, "reconsent_write_queue_depth", "Calls that wait for a writer."),
    (Shape::Counter, "reconsent_mails_total", "Mails by outcome of their hand-over."),
    (Shape::Counter, "reconsent_mails_throttled_total", "Mails that had to wait for their turn, by kind of bucket."),
    (
        Shape::Gauge,
        "reconsent_outbox_depth",
        "Rows of the outbox by kind and state; 10001 stands for any number beyond 10000.",
    ),
    (Shape::Counter, "reconsent_sync_total", "Changes brought to the provider, by outcome."),
    (
        Shape::Gauge,
        "reconsent_sync_lag_seconds",
        "Age of the oldest change that waits to be brought to the provider; 0 when none does.",
    ),
    (Shape::Counter, "reconsent_connections_total", "Tokens of the provider: renewed, not renewed (failed), ended."),
    (Shape::Counter, "reconsent_http_requests_total", "Requests by route template and status."),
    (Shape::Counter, "reconsent_key_alarms_total", "Alarms about keys: wrong_key, canary_opened."),
];
const COMMIT_BATCH_CALLS: &str = "reconsent_commit_batch_calls";
/// Upper ends of the histogram's buckets: the powers of two up to the usual size of a full batch.
const COMMIT_BATCH_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// The metrics were not started.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be started: expected that no other recorder runs in this process")]
pub struct MetricsError(#[source] BuildError);

/// The running metrics; cloning is cheap.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Starts counting. Once in a process.
    pub fn start() -> Result<Self, MetricsError> {
        let recorder = recorder().map_err(MetricsError)?;
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|error| MetricsError(error.into()))?;
        describe();
        Ok(Self(handle))
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds what was measured since the last time into the histograms. To be called every few seconds, so that
    /// memory stays bounded also when nobody asks for the metrics.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let buckets = Matcher::Full(COMMIT_BATCH_CALLS.to_owned());
    Ok(PrometheusBuilder::new().set_buckets_for_metric(buckets, &COMMIT_BATCH_BUCKETS)?.build_recorder())
}

fn describe() {
    for (shape, name, words) in METRICS {
        match shape {
            Shape::Counter => metrics::describe_counter!(name, words),
            Shape::Gauge => metrics::describe_gauge!(name, words),
            Shape::Histogram => metrics::describe_histogram!(name, words),
        }
    }
}

#[cfg(test)]
mod tests;
