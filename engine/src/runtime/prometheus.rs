//! The metrics of all jobs of this process for Prometheus, by Flink's names and scopes.
//!
//! ```text
//!   flink_taskmanager_job_task_operator_numRecordsIn{job_id="1",job_name="…",operator_name="…"} 7
//!   └────────── scope ───────────────┘ └─ metric ──┘ └─ variables ─┘
//! ```
//!
//! As in Flink every metric is a gauge, because counters may go down. All workers of an operator
//! are one: there is no `subtask_index`. What Flink has no name for begins with `tidemill_`.
//!
//! Source: Flink 2.3, "Metrics" and "Metric Reporters" (names, scopes, keys of the reporter).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use parking_lot::Mutex;

use super::job::{JobHandle, JobStatus, jobs};
use crate::error::{EngineError, Result};
use crate::functions::usage::{FunctionMetric, MetricValue};

/// Whoever asks has so long to say what.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// Flink's reporter.
const FACTORY: &str = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory";
/// Flink's default.
const DEFAULT_PORTS: &str = "9249";
const DEFAULT_HOST: &str = "127.0.0.1";

/// Where the metrics are served, by the ports that were asked for.
static SERVED: Mutex<BTreeMap<String, SocketAddr>> = Mutex::new(BTreeMap::new());

/// Serves the metrics if the configuration asks for it: `metrics.reporter.NAME.factory.class` is
/// Flink's Prometheus reporter. Its `port` may be a range, of which the first free port is taken;
/// its `host` (127.0.0.1) is ours. Asked for again, nothing changes.
///
/// # Errors
/// `Options` if the port is none or none is free.
pub fn serve_of_config(all: &BTreeMap<String, String>) -> Result<()> {
    for (key, class) in all {
        let name = key
            .strip_prefix("metrics.reporter.")
            .and_then(|rest| rest.strip_suffix(".factory.class"));
        let Some(name) = name.filter(|_| class == FACTORY) else {
            continue;
        };
        let option = |key: &str, default: &'static str| {
            let value = all.get(&format!("metrics.reporter.{name}.{key}"));
            value.map_or(default, String::as_str)
        };
        serve(option("host", DEFAULT_HOST), option("port", DEFAULT_PORTS))?;
    }
    Ok(())
}

/// Where metrics are served.
#[must_use]
pub fn addresses() -> Vec<SocketAddr> {
    SERVED.lock().values().copied().collect()
}

fn serve(host: &str, ports: &str) -> Result<()> {
    let mut served = SERVED.lock();
    let key = format!("{host}:{ports}");
    if served.contains_key(&key) {
        return Ok(());
    }
    let mut why = String::new();
    for port in ports_of(ports)? {
        match TcpListener::bind((host, port)).and_then(|listener| {
            let address = listener.local_addr()?;
            std::thread::Builder::new()
                .name("tidemill-metrics".to_owned())
                .spawn(move || answer_all(&listener))?;
            Ok(address)
        }) {
            Ok(address) => {
                served.insert(key, address);
                return Ok(());
            }
            Err(error) => why = error.to_string(),
        }
    }
    Err(EngineError::Options {
        message: format!("metrics cannot be served on '{host}', port {ports}: {why}"),
    })
}

/// `9249`, or a range such as `9250-9260`.
fn ports_of(text: &str) -> Result<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse(), last.trim().parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        _ => Err(EngineError::Options {
            message: format!("the port '{text}' of the metrics reporter is none"),
        }),
    }
}

/// Answers one after the other, as long as the process lives: a scrape takes a millisecond.
fn answer_all(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        // Who goes away before the end of the answer does not want it.
        drop(answer(stream));
    }
}

fn answer(stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.set_write_timeout(Some(READ_TIMEOUT))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    std::io::Read::take(&mut reader, 4096).read_line(&mut request)?;
    // The rest of the head says nothing to us, but is read, so that closing does not cut the answer.
    let mut head = String::new();
    let mut rest = std::io::Read::take(&mut reader, 65_536);
    while rest.read_line(&mut head)? > 2 {
        head.clear();
    }
    let (status, body) = if request.starts_with("GET ") {
        ("200 OK", text())
    } else {
        ("405 Method Not Allowed", String::new())
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()
}

/// The metrics of all jobs, in Prometheus' text format.
#[must_use]
pub fn text() -> String {
    let jobs = jobs();
    let mut families = Families::default();
    let n_running = jobs
        .iter()
        .filter(|job| matches!(job.status(), JobStatus::Running))
        .count();
    families.add("flink_jobmanager_numRunningJobs", &[], n_running as f64);
    for job in &jobs {
        add_job(&mut families, job);
    }
    families.text()
}

/// Counts stay far below 2^52.
fn add_job(families: &mut Families, job: &JobHandle) {
    let metrics = job.metrics();
    let of_job = [("job_id", job.id()), ("job_name", job.name())];
    let uptime_ms = metrics.elapsed.as_millis() as f64;
    let checkpoints = job.checkpoints();
    for (name, value) in [
        ("runningTime", uptime_ms),
        (
            "numberOfCompletedCheckpoints",
            checkpoints.n_completed as f64,
        ),
        ("numberOfFailedCheckpoints", checkpoints.n_failed as f64),
    ] {
        families.add(&format!("flink_jobmanager_job_{name}"), &of_job, value);
    }
    if let Some(last) = checkpoints.last {
        let size = last.n_bytes as f64;
        families.add("flink_jobmanager_job_lastCheckpointSize", &of_job, size);
        let duration_ms = last.elapsed.as_secs_f64() * 1e3;
        families.add(
            "flink_jobmanager_job_lastCheckpointDuration",
            &of_job,
            duration_ms,
        );
    }
    for node in &metrics.nodes {
        let labels = [
            ("job_id", job.id()),
            ("job_name", job.name()),
            ("operator_id", node.operator_id.as_str()),
            ("operator_name", node.name.as_str()),
        ];
        let busy_ms = node.busy.as_secs_f64() * 1e3;
        for (name, value) in [
            ("numRecordsIn", Some(node.records_in as f64)),
            ("numRecordsOut", Some(node.records_out as f64)),
            ("numLateRecordsDropped", Some(node.late_records as f64)),
            (
                "currentInputWatermark",
                node.watermark_ms.map(|ms| ms as f64),
            ),
            ("accumulateBusyTimeMs", Some(busy_ms)),
        ] {
            if let Some(value) = value {
                families.add(&operator_metric(name), &labels, value);
            }
        }
        families.add(
            "tidemill_operator_stateBytes",
            &labels,
            node.state_bytes as f64,
        );
    }
    for metric in &metrics.functions {
        add_function(families, job, metric);
    }
}

fn operator_metric(name: &str) -> String {
    format!("flink_taskmanager_job_task_operator_{name}")
}

/// What a function measures, under the operator that is named as the function.
fn add_function(families: &mut Families, job: &JobHandle, metric: &FunctionMetric) {
    let mut labels = vec![
        ("job_id", job.id()),
        ("job_name", job.name()),
        ("operator_name", metric.function.as_str()),
    ];
    for (key, value) in &metric.variables {
        labels.push((key, value));
    }
    let path: Vec<&str> = metric
        .groups
        .iter()
        .map(String::as_str)
        .chain([metric.name.as_str()])
        .collect();
    let name = operator_metric(&path.join("_"));
    let mut add = |suffix: &str, value: f64| {
        families.add(&format!("{name}{suffix}"), &labels, value);
    };
    match metric.value {
        MetricValue::Counter(count) => add("", count as f64),
        MetricValue::Gauge(value) => add("", value),
        // Flink's meter is its rate.
        MetricValue::Meter { rate, .. } => add("", rate),
        MetricValue::Distribution {
            count,
            sum,
            min,
            max,
        } => {
            add("_count", count as f64);
            add("_sum", sum);
            for (suffix, bound) in [("_min", min), ("_max", max)] {
                if let Some(bound) = bound {
                    add(suffix, bound);
                }
            }
        }
    }
}

/// Samples by the name of their metric: the format wants those of one name together.
#[derive(Default)]
struct Families(BTreeMap<String, Vec<String>>);

impl Families {
    fn add(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let name = plain(name);
        let mut sample = name.clone();
        if !labels.is_empty() {
            let labels: Vec<_> = labels
                .iter()
                .map(|(key, value)| format!("{}=\"{}\"", plain(key), escaped(value)))
                .collect();
            // Writing to a string does not fail.
            let _ = write!(sample, "{{{}}}", labels.join(","));
        }
        let _ = write!(sample, " {value}");
        self.0.entry(name).or_default().push(sample);
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, samples) in &self.0 {
            let _ = writeln!(text, "# TYPE {name} gauge");
            for sample in samples {
                let _ = writeln!(text, "{sample}");
            }
        }
        text
    }
}

/// A name without characters that Prometheus does not take, as Flink's reporter writes it.
fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let replaced = name.chars().map(|c| if is_plain(c) { c } else { '_' });
    replaced.collect()
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_one_metric_stand_together() {
        let mut families = Families::default();
        families.add("b", &[("job_id", "1")], 2.0);
        families.add("a-b.c", &[], 0.5);
        families.add("b", &[("job name", "say \"x\"\nand \\")], 3.0);
        assert_eq!(
            families.text(),
            "# TYPE a_b_c gauge\na_b_c 0.5\n# TYPE b gauge\nb{job_id=\"1\"} 2\n\
             b{job_name=\"say \\\"x\\\"\\nand \\\\\"} 3\n"
        );
    }

    #[test]
    fn ports_are_one_or_a_range() {
        assert_eq!(ports_of("9249").ok(), Some(9249..=9249));
        assert_eq!(ports_of("9250-9260").ok(), Some(9250..=9260));
        for text in ["", "x", "9260-9250", "70000"] {
            assert!(ports_of(text).is_err(), "{text}");
        }
    }
}
