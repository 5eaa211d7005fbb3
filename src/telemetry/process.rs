//! Figures of the process, under the names that every Prometheus client uses
//! (prometheus.io/docs/instrumenting/writing_clientlibs, "Process metrics", 2025-11).

use std::fmt::Write as _;

/// Writes the exposition text; figures that the platform does not give are left out.
///
/// It is written here and not through the exporter, whose counters are whole numbers: a rate over
/// whole seconds of CPU says nothing about a gateway that is nearly idle.
pub(super) fn render(out: &mut String) {
    let mut write = |name: &str, kind: &str, value: Option<String>, help: &str| {
        if let Some(value) = value {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    };
    let figures = metrics_process::collector::collect();

    let cpu = figures.cpu_seconds_total.map(|seconds| seconds.to_string());
    write("process_cpu_seconds_total", "counter", cpu, "User and system CPU time spent.");

    let mut gauge = |name, value, help| write(name, "gauge", value, help);
    gauge("process_open_fds", figures.open_fds.map(amount), "Open file descriptors.");
    gauge("process_max_fds", figures.max_fds.map(limit), "Most file descriptors allowed.");
    gauge("process_threads", figures.threads.map(amount), "Threads of the process.");
    let resident = figures.resident_memory_bytes.map(amount);
    gauge("process_resident_memory_bytes", resident, "Resident memory.");
    let virtual_memory = figures.virtual_memory_bytes.map(amount);
    gauge("process_virtual_memory_bytes", virtual_memory, "Virtual memory.");
    let most = figures.virtual_memory_max_bytes.map(limit);
    gauge("process_virtual_memory_max_bytes", most, "Most virtual memory allowed.");
    let start = figures.start_time_seconds.map(amount);
    gauge("process_start_time_seconds", start, "When the process started, since the Unix epoch.");
}

fn amount(value: u64) -> String {
    value.to_string()
}

/// metrics-process says 0 for "no limit".
fn limit(value: u64) -> String {
    if value == 0 { "+Inf".to_owned() } else { value.to_string() }
}
