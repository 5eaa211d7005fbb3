//! Histograms of the hit path: fixed buckets, two relaxed atomic additions a record.
//!
//! The exporter's own histogram keeps every sample with its time until the next upkeep: 16 bytes
//! a record and 44 ns (162 ns with two threads on one series), against 5 ns (24 ns) and no growth
//! here. It serves the rare records of upstream calls; this one serves every request.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// One histogram for each value of a label.
///
/// Sums are kept as whole numbers, `PER_SECOND` to the second: a counter of 64 bits has to outlast
/// the process, and ages are so much longer than durations that both cannot share a unit.
#[derive(Debug)]
pub(super) struct Histograms<const PER_SECOND: u64> {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: Vec<&'static str>,
    bounds: &'static [Duration],
    /// For each label value: a cell per bound, one for what is beyond them, and the sum.
    cells: Box<[AtomicU64]>,
}

impl<const PER_SECOND: u64> Histograms<PER_SECOND> {
    /// Empty histograms. `bounds` are inclusive upper ends in rising order; `values` of the label
    /// need no escaping.
    pub(super) fn new(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: impl IntoIterator<Item = &'static str>,
        bounds: &'static [Duration],
    ) -> Self {
        let values: Vec<_> = values.into_iter().collect();
        let cells = (0..values.len() * (bounds.len() + 2)).map(|_| AtomicU64::new(0)).collect();
        Self { name, help, label, values, bounds, cells }
    }

    fn row(&self, index: usize) -> (&[AtomicU64], &AtomicU64) {
        let width = self.bounds.len() + 2;
        let (sum, buckets) =
            self.cells[index * width..][..width].split_last().expect("a row has a sum");
        (buckets, sum)
    }

    /// Counts `value` for the label value at `index`.
    pub(super) fn record(&self, index: usize, value: Duration) {
        let bounds = self.bounds;
        let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        let (buckets, sum) = self.row(index);
        buckets[bucket].fetch_add(1, Relaxed);
        let part = u64::from(value.subsec_nanos()) / (1_000_000_000 / PER_SECOND);
        sum.fetch_add(value.as_secs().wrapping_mul(PER_SECOND).wrapping_add(part), Relaxed);
    }

    /// Adds the records of the label value at `index` to `counts`: one for each bound and one for
    /// what is beyond them.
    pub(super) fn add_counts(&self, index: usize, counts: &mut [u64]) {
        for (count, cell) in counts.iter_mut().zip(self.row(index).0) {
            *count += cell.load(Relaxed);
        }
    }

    /// Writes the exposition text.
    pub(super) fn render(&self, out: &mut String) {
        let Self { name, help, label, .. } = self;
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (index, value) in self.values.iter().enumerate() {
            let (buckets, sum) = self.row(index);
            let mut count = 0;
            for (bucket, cell) in buckets.iter().enumerate() {
                count += cell.load(Relaxed);
                let _ = match self.bounds.get(bucket) {
                    Some(bound) => {
                        let le = bound.as_secs_f64();
                        writeln!(out, "{name}_bucket{{{label}=\"{value}\",le=\"{le}\"}} {count}")
                    }
                    None => {
                        writeln!(out, "{name}_bucket{{{label}=\"{value}\",le=\"+Inf\"}} {count}")
                    }
                };
            }
            #[expect(clippy::cast_precision_loss, reason = "the format's numbers are f64")]
            let sum = sum.load(Relaxed) as f64 / PER_SECOND as f64;
            let _ = writeln!(out, "{name}_sum{{{label}=\"{value}\"}} {sum}");
            let _ = writeln!(out, "{name}_count{{{label}=\"{value}\"}} {count}");
        }
        out.push('\n');
    }
}

/// The value below which `share` (0 to 1) of the records lie, interpolated within its bucket;
/// records beyond the last bound count as lying on it. `None` without records.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(super) fn quantile(bounds: &[Duration], counts: &[u64], share: f64) -> Option<Duration> {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let rank = share * total as f64;
    let mut below = 0.0;
    let mut lower = Duration::ZERO;
    for (&upper, &count) in bounds.iter().zip(counts) {
        let count = count as f64;
        if count > 0.0 && below + count >= rank {
            return Some(lower + (upper - lower).mul_f64((rank - below) / count));
        }
        below += count;
        lower = upper;
    }
    Some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: &[Duration] =
        &[Duration::from_micros(50), Duration::from_millis(1), Duration::from_secs(10)];

    fn two() -> Histograms<1_000_000_000> {
        Histograms::new("x_seconds", "Help.", "side", ["left", "right"], BOUNDS)
    }

    #[test]
    fn text_is_cumulative_with_inclusive_bounds() {
        let histograms = two();
        for nanos in [50_000, 50_001, 1_000_000, 11_000_000_000] {
            histograms.record(1, Duration::from_nanos(nanos));
        }
        let mut text = String::new();
        histograms.render(&mut text);
        assert_eq!(
            text,
            "# HELP x_seconds Help.\n\
             # TYPE x_seconds histogram\n\
             x_seconds_bucket{side=\"left\",le=\"0.00005\"} 0\n\
             x_seconds_bucket{side=\"left\",le=\"0.001\"} 0\n\
             x_seconds_bucket{side=\"left\",le=\"10\"} 0\n\
             x_seconds_bucket{side=\"left\",le=\"+Inf\"} 0\n\
             x_seconds_sum{side=\"left\"} 0\n\
             x_seconds_count{side=\"left\"} 0\n\
             x_seconds_bucket{side=\"right\",le=\"0.00005\"} 1\n\
             x_seconds_bucket{side=\"right\",le=\"0.001\"} 3\n\
             x_seconds_bucket{side=\"right\",le=\"10\"} 3\n\
             x_seconds_bucket{side=\"right\",le=\"+Inf\"} 4\n\
             x_seconds_sum{side=\"right\"} 11.001100001\n\
             x_seconds_count{side=\"right\"} 4\n\n"
        );
    }

    #[test]
    fn sums_of_ages_are_kept_in_milliseconds() {
        let histograms: Histograms<1000> =
            Histograms::new("age_seconds", "Help.", "kind", ["a"], BOUNDS);
        histograms.record(0, Duration::from_micros(86_400_000_999));
        histograms.record(0, Duration::from_millis(1));
        let mut text = String::new();
        histograms.render(&mut text);
        assert!(text.contains("age_seconds_sum{kind=\"a\"} 86400.001\n"), "{text}");
    }

    #[test]
    fn threads_lose_no_record() {
        let histograms = two();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        histograms.record(0, Duration::from_micros(60));
                    }
                });
            }
        });
        let mut counts = [0; 4];
        histograms.add_counts(0, &mut counts);
        assert_eq!(counts, [0, 40_000, 0, 0]);
        histograms.add_counts(1, &mut counts);
        assert_eq!(counts, [0, 40_000, 0, 0]);
    }

    #[test]
    fn quantiles_interpolate_within_a_bucket() {
        let bounds = &[Duration::from_millis(1), Duration::from_millis(2), Duration::from_secs(1)];
        assert_eq!(quantile(bounds, &[0, 0, 0, 0], 0.99), None);
        assert_eq!(quantile(bounds, &[100, 0, 0, 0], 0.5), Some(Duration::from_micros(500)));
        assert_eq!(quantile(bounds, &[50, 50, 0, 0], 0.75), Some(Duration::from_micros(1500)));
        assert_eq!(quantile(bounds, &[0, 0, 0, 7], 0.99), Some(Duration::from_secs(1)));
        assert_eq!(quantile(bounds, &[0, 1, 0, 0], 0.0), Some(Duration::from_millis(1)));
    }
}
