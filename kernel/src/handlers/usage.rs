//! What the kernel and its machine use, for JupyterLab's kernel usage panel.
//!
//! Read from `/proc`; what cannot be read is left out of the answer.
//! Source: <https://github.com/jupyter-server/jupyter-resource-usage> (the fields it shows)

use std::time::Instant;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

/// Measures the processor use since it was asked last.
#[derive(Debug)]
pub(crate) struct Usage(Mutex<Sample>);

#[derive(Debug)]
struct Sample {
    at: Instant,
    cpu_ticks: u64,
}

impl Default for Usage {
    fn default() -> Self {
        let cpu_ticks = own_cpu_ticks().unwrap_or(0);
        Self(Mutex::new(Sample {
            at: Instant::now(),
            cpu_ticks,
        }))
    }
}

impl Usage {
    pub(crate) fn measure(&self) -> Map<String, Value> {
        let mut content = Map::new();
        content.insert("pid".to_owned(), std::process::id().into());
        if let Ok(hostname) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
            content.insert("hostname".to_owned(), hostname.trim().into());
        }
        if let Some(resident_bytes) = own_resident_bytes() {
            content.insert("kernel_memory".to_owned(), resident_bytes.into());
        }
        if let Some(percent) = self.cpu_percent() {
            content.insert("kernel_cpu".to_owned(), percent.into());
        }
        if let Ok(n_cpus) = std::thread::available_parallelism() {
            content.insert("cpu_count".to_owned(), n_cpus.get().into());
        }
        if let Some(memory) = host_memory() {
            content.insert("host_virtual_memory".to_owned(), memory);
        }
        content
    }

    #[expect(clippy::cast_precision_loss, reason = "a percentage for a panel")]
    fn cpu_percent(&self) -> Option<f64> {
        let cpu_ticks = own_cpu_ticks()?;
        let now = Instant::now();
        let mut last = self.0.lock();
        let elapsed_s = now.duration_since(last.at).as_secs_f64();
        let used_ticks = cpu_ticks.saturating_sub(last.cpu_ticks) as f64;
        *last = Sample { at: now, cpu_ticks };
        // SAFETY: reads one number from the system.
        let ticks_per_s = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
        (elapsed_s > 0.0 && ticks_per_s > 0.0)
            .then(|| (used_ticks / ticks_per_s / elapsed_s * 1000.0).round() / 10.0)
    }
}

fn own_resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let n_pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    // SAFETY: reads one number from the system.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(n_pages * u64::try_from(page_bytes).ok()?)
}

fn own_cpu_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, which may contain spaces.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let user: u64 = fields.get(11)?.parse().ok()?;
    let system: u64 = fields.get(12)?.parse().ok()?;
    Some(user + system)
}

fn host_memory() -> Option<Value> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find(|line| line.starts_with(name))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    };
    let (total, available) = (field("MemTotal:")?, field("MemAvailable:")?);
    let used = total.saturating_sub(available);
    Some(json!({"total": total, "available": available, "used": used}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_has_the_fields_that_the_panel_shows() {
        let content = Usage::default().measure();
        for field in [
            "pid",
            "hostname",
            "kernel_memory",
            "cpu_count",
            "host_virtual_memory",
        ] {
            assert!(content.contains_key(field), "{field} is missing");
        }
    }
}
