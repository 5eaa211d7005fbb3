//! Random numbers that can be asked for at any place, in any order.

/// Scrambles 64 bits (the finaliser of splitmix64): equal in, equal out, neighbours unrelated.
pub(super) const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// One key out of a key and a coordinate.
pub(super) const fn at(key: u64, coordinate: i64) -> u64 {
    mix(key ^ coordinate.cast_unsigned().wrapping_mul(0xd6e8_feb8_6659_fd93))
}

/// A key for a name.
pub(super) fn named(key: u64, name: &str) -> u64 {
    name.bytes().fold(mix(key), |key, byte| at(key, i64::from(byte)))
}

/// 53 random bits as a number in [0, 1).
pub(super) const fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A sequence of random numbers that begins at a key.
pub(super) struct Stream(u64);

impl Stream {
    pub(super) const fn new(key: u64) -> Self {
        Self(key)
    }

    pub(super) const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// In [0, 1).
    pub(super) const fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// Near enough to the normal distribution: four uniforms, mean 0, deviation 1, never beyond 3.5.
    pub(super) const fn normal(&mut self) -> f64 {
        (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * 1.732_050_807_568_877_2
    }
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: f64 = 86_400_000.0;

/// The wandering of one asset's log price: value noise of many periods whose amplitudes grow with
/// the square root of the period, as a random walk's do, yet with a known value at any instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wave {
    key: u64,
    /// Deviation over a day.
    daily: f64,
    /// +1 or -1: a pair's price is its base's over its quote's.
    sign: f64,
}

/// Periods above an hour, evaluated at full hours only.
const SLOW: [i64; 6] = [4 * HOUR, 16 * HOUR, 64 * HOUR, 256 * HOUR, 1024 * HOUR, 4096 * HOUR];
const FAST: [i64; 4] = [MINUTE, 4 * MINUTE, 15 * MINUTE, HOUR];

impl Wave {
    pub(super) const fn new(key: u64, daily: f64, sign: f64) -> Self {
        Self { key, daily, sign }
    }

    fn sum(&self, ms: i64, periods: &[i64]) -> f64 {
        if self.daily == 0.0 {
            return 0.0;
        }
        let octaves = periods.iter().map(|&period| {
            let key = at(self.key, period);
            let (cell, into) = (ms.div_euclid(period), ms.rem_euclid(period));
            let x = into as f64 / period as f64;
            let (left, right) = (unit(at(key, cell)), unit(at(key, cell + 1)));
            let smooth = x * x * (3.0 - 2.0 * x);
            (2.0 * (left + (right - left) * smooth) - 1.0) * (period as f64 / DAY).sqrt()
        });
        self.sign * self.daily * octaves.sum::<f64>()
    }
}

/// The log price of a pair within one hour.
#[derive(Clone, Copy, Debug)]
pub(super) struct HourPath<'a> {
    waves: &'a [Wave],
    start_ms: i64,
    level: f64,
    drift: f64,
}

impl<'a> HourPath<'a> {
    /// The path of the hour that `ms` lies in; `level` is the log price around which it wanders.
    pub(super) fn new(waves: &'a [Wave], level: f64, ms: i64) -> Self {
        let start_ms = ms - ms.rem_euclid(HOUR);
        let slow = |ms| waves.iter().map(|wave| wave.sum(ms, &SLOW)).sum::<f64>();
        let (here, there) = (slow(start_ms), slow(start_ms + HOUR));
        Self { waves, start_ms, level: level + here, drift: there - here }
    }

    /// The price at an instant of the hour.
    pub(super) fn price(&self, ms: i64) -> f64 {
        let fast = self.waves.iter().map(|wave| wave.sum(ms, &FAST)).sum::<f64>();
        let into = (ms - self.start_ms) as f64 / HOUR as f64;
        (self.level + self.drift * into + fast).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_continuous_over_hours_and_moves_like_its_deviation() {
        let waves = [Wave::new(named(7, "BTC"), 0.025, 1.0)];
        let price = |ms| HourPath::new(&waves, 11.0, ms).price(ms);
        for hour in 0..2_000 {
            let ms = 1_700_000_000_000 / HOUR * HOUR + hour * HOUR;
            let jump = price(ms) / price(ms - 1) - 1.0;
            assert!(jump.abs() < 1e-5, "{jump} at {ms}");
        }
        let days = (0..300).map(|day| price(1_700_000_000_000 + day * 24 * HOUR).ln());
        let days = days.collect::<Vec<_>>();
        let moves = days.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum::<f64>() / 299.0;
        assert!((0.008..0.05).contains(&moves.sqrt()), "{}", moves.sqrt());
    }

    #[test]
    fn uniform_and_normal_numbers_have_their_moments() {
        let mut stream = Stream::new(3);
        let normals = (0..20_000).map(|_| stream.normal()).collect::<Vec<_>>();
        let mean = normals.iter().sum::<f64>() / 20_000.0;
        let variance = normals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (0.95..1.05).contains(&variance), "{mean} {variance}");
        assert!((0..20_000).all(|_| (0.0..1.0).contains(&stream.unit())));
    }
}
