//! CPU time and memory of processes, as `/proc` has them.

use std::time::Duration;

/// What processes have used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    /// CPU time.
    pub cpu: Duration,
    /// Most memory that was ever resident (MB): of a service its own; of a server and its children what is their own
    /// now, and what they share once.
    pub peak_mb: f64,
}

/// Of one process.
pub fn of(pid: u32) -> Used {
    Used { cpu: cpu(pid), peak_mb: status(pid, "VmHWM:") / 1024.0 }
}

/// Memory that is resident now (MB).
pub fn resident_mb(pid: u32) -> f64 {
    status(pid, "VmRSS:") / 1024.0
}

/// Of this process: the load generator and whatever else a benchmark runs.
pub fn of_us() -> Used {
    of(std::process::id())
}

/// Of a process and its children.
pub fn of_family(pid: u32) -> Used {
    let family: Vec<u32> = std::iter::once(pid).chain(children(pid)).collect();
    let own: f64 = family.iter().map(|pid| status(*pid, "RssAnon:")).sum();
    let shared = family.iter().map(|pid| status(*pid, "RssShmem:")).fold(0.0, f64::max);
    // The parent's own count has the children that have ended.
    Used { cpu: family.iter().map(|pid| cpu(*pid)).sum::<Duration>() + ended(pid), peak_mb: (own + shared) / 1024.0 }
}

fn children(parent: u32) -> Vec<u32> {
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| fields(*pid).get(1).and_then(|text| text.parse::<u32>().ok()) == Some(parent))
        .collect()
}

/// The fields of `/proc/PID/stat` behind the name: state, parent, …
fn fields(pid: u32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    rest.split_whitespace().map(str::to_owned).collect()
}

/// Clock ticks are hundredths of a second on Linux.
fn ticks(fields: &[String], at: [usize; 2]) -> Duration {
    let of = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    Duration::from_millis((of(at[0]) + of(at[1])) * 10)
}

fn cpu(pid: u32) -> Duration {
    ticks(&fields(pid), [11, 12])
}

fn ended(pid: u32) -> Duration {
    ticks(&fields(pid), [13, 14])
}

/// A figure of `/proc/PID/status` in kB.
fn status(pid: u32, name: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// How busy the machine is: the load over one minute.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// What the machine is: cores and model.
pub fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = text.lines().filter(|line| line.starts_with("processor")).count();
    format!("{cores} cores, {}", model.unwrap_or("unknown model"))
}
