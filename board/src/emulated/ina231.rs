//! An INA226 or INA231 as its register file and the mainline driver show it.
//!
//! The chip converts without pause: bus and shunt for 1.1 ms each, averaged over AVG pairs. A
//! reading is the mean of the conversion that ended last, quantised by the registers' LSBs.
//! [TI INA231 data sheet, SBOS644; drivers/hwmon/ina2xx.c]
//!
//! It can be looked at in two ways: [`Ina231::convert`] answers what the driver would show, and
//! [`registers`] what the driver would read.

pub mod registers;

use rand::Rng;
use rand_chacha::ChaCha12Rng;
use rand_distr::StandardNormal;

use crate::description::{Noise, Rail};

/// Averages the chip offers.
pub const AVERAGES: [u32; 8] = [1, 4, 16, 64, 128, 256, 512, 1024];

/// A bus and a shunt conversion of 1.1 ms each, which is what the mainline driver sets.
pub const CONVERSION_NS: u64 = 2_200_000;

/// LSB of the shunt register.
const SHUNT_LSB_VOLTS: f64 = 2.5e-6;

/// LSB of the bus register.
const BUS_LSB_VOLTS: f64 = 1.25e-3;

/// The power register's LSB is this many current LSBs.
const POWER_LSB_FACTOR: f64 = 25.0;

/// What hwmon shows of one conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// `in0_input`: the shunt, in whole millivolts.
    pub shunt_millivolts: i64,
    /// `in1_input`: the bus, in millivolts.
    pub bus_millivolts: i64,
    /// `curr1_input`, in milliamperes.
    pub milliamperes: i64,
    /// `power1_input`, in microwatts.
    pub microwatts: i64,
}

/// What a conversion leaves in the chip's registers.
#[derive(Debug, Clone, Copy, Default)]
struct Converted {
    /// The shunt register, in [`SHUNT_LSB_VOLTS`].
    shunt: i16,
    /// The bus register, in [`BUS_LSB_VOLTS`]; its sign bit is never set.
    bus: u16,
}

/// One chip.
#[derive(Debug)]
pub struct Ina231 {
    shunt_ohms: f64,
    supply_volts: f64,
    noise: Noise,
    /// Its own clock's error: what it takes for a nanosecond.
    clock_ratio: f64,
    /// What it takes for a volt at the shunt, its shunt's error included.
    gain: f64,
    random: ChaCha12Rng,
    average: u32,
    /// A bus and a shunt conversion.
    pair_ns: u64,
    began_ns: u64,
    began_joules: f64,
    ends_ns: u64,
    converted: Converted,
    settings: registers::Settings,
}

impl Ina231 {
    /// A chip that has just been powered up, with the driver's default average of 16. Its
    /// clock's error and the phase of its first conversion come from `random`.
    pub fn new(rail: &Rail, noise: &Noise, mut random: ChaCha12Rng, now_ns: u64) -> Self {
        let clock_ratio = 1.0 + noise.conversion_clock.get_ref() * random.random_range(-1.0..=1.0);
        let phase_ns = random.random_range(1..=CONVERSION_NS);
        let most = noise.gain.share();
        // Nothing is drawn where nothing is off: noise of a seed then stays what it was.
        let gain = if most > 0.0 { 1.0 + random.random_range(-most..=most) } else { 1.0 };
        let mut chip = Ina231 {
            shunt_ohms: rail.shunt.ohms(),
            supply_volts: rail.voltage.volts(),
            noise: noise.clone(),
            clock_ratio,
            gain,
            random,
            average: 16,
            pair_ns: CONVERSION_NS,
            began_ns: now_ns,
            began_joules: 0.0,
            ends_ns: 0,
            converted: Converted::default(),
            settings: registers::Settings::default(),
        };
        chip.ends_ns = now_ns + chip.conversion_ns() + phase_ns;
        chip
    }

    /// When the conversion in progress ends.
    pub fn ends_ns(&self) -> u64 {
        self.ends_ns
    }

    /// The interval the driver shows: the conversion, rounded to whole milliseconds.
    pub fn update_interval_ms(&self) -> u64 {
        (self.pair_ns * u64::from(self.average) + 500_000) / 1_000_000
    }

    /// Sets the average the driver would choose for an interval, and starts over: what was
    /// converted so far is dropped, as on the chip when its configuration is written.
    pub fn set_update_interval(&mut self, wish_ms: u64, now_ns: u64, joules: f64) {
        self.average = average_for(wish_ms);
        self.start_over(now_ns, joules);
    }

    fn start_over(&mut self, now_ns: u64, joules: f64) {
        self.began_ns = now_ns;
        self.began_joules = joules;
        self.ends_ns = now_ns + self.conversion_ns();
    }

    /// Ends the conversion in progress, when the rail has spent `joules` since the beginning,
    /// and starts the next.
    pub fn convert(&mut self, joules: f64) -> Reading {
        let seconds = (self.ends_ns - self.began_ns) as f64 * 1e-9;
        let watts = (joules - self.began_joules) / seconds;
        self.began_ns = self.ends_ns;
        self.began_joules = joules;
        self.ends_ns += self.conversion_ns();
        self.reading(watts)
    }

    /// What it shows of a rail that has drawn `watts` for longer than a conversion: a board that is
    /// looked at has been on before.
    pub fn at_rest(&mut self, watts: f64) -> Reading {
        self.reading(watts)
    }

    fn conversion_ns(&self) -> u64 {
        ((self.pair_ns * u64::from(self.average)) as f64 * self.clock_ratio).round() as u64
    }

    fn reading(&mut self, watts: f64) -> Reading {
        let amps = current(watts, self.supply_volts, self.shunt_ohms);
        let volts = self.supply_volts - amps * self.shunt_ohms;
        let averaged = f64::from(self.average).sqrt();
        let mut noisy = |value: f64, deviation: f64| {
            value + deviation / averaged * self.random.sample::<f64, _>(StandardNormal)
        };
        let shunt = noisy(self.gain * amps * self.shunt_ohms, self.noise.shunt.volts());
        let bus = noisy(volts, self.noise.bus.volts());
        let shunt = (shunt / SHUNT_LSB_VOLTS).round().clamp(-32768.0, 32767.0);
        let bus = (bus / BUS_LSB_VOLTS).round().clamp(0.0, 32767.0);
        self.converted = Converted { shunt: shunt as i16, bus: bus as u16 };
        self.settings.conversion_is_ready();
        let current_lsb = SHUNT_LSB_VOLTS / self.shunt_ohms;
        // current × bus / 20000, in whole power LSBs. [data sheet, equation 4]
        let power = (shunt.max(0.0) * bus / 20000.0).floor().min(65535.0);
        Reading {
            shunt_millivolts: (shunt * SHUNT_LSB_VOLTS * 1e3).round() as i64,
            bus_millivolts: (bus * BUS_LSB_VOLTS * 1e3).round() as i64,
            milliamperes: (shunt * current_lsb * 1e3).round() as i64,
            microwatts: (power * POWER_LSB_FACTOR * current_lsb * 1e6).round() as i64,
        }
    }
}

/// The current at which a load behind a shunt takes `watts`: P = (V − I·R)·I, solved for the
/// smaller I; no more than half the supply voltage drops at the shunt.
fn current(watts: f64, supply_volts: f64, shunt_ohms: f64) -> f64 {
    let root = (supply_volts * supply_volts - 4.0 * shunt_ohms * watts).max(0.0).sqrt();
    (supply_volts - root) / (2.0 * shunt_ohms)
}

/// The average the driver chooses for a wish: the wish in whole conversions, and of what the chip
/// offers the nearest to that, the lower of two as near. [ina226_interval_to_reg() in
/// drivers/hwmon/ina2xx.c]
fn average_for(wish_ms: u64) -> u32 {
    const MOST_MS: u64 = 32_000;
    let wish_ns = wish_ms.min(MOST_MS) * 1_000_000;
    let conversions = (wish_ns + CONVERSION_NS / 2) / CONVERSION_NS;
    let distance = |average: u32| u64::from(average).abs_diff(conversions);
    AVERAGES.into_iter().min_by_key(|&average| distance(average)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::Description;
    use rand::SeedableRng;

    pub(super) fn chip(noise: &Noise, seed: u64) -> (Ina231, f64) {
        let board = Description::load("exynos5422").unwrap();
        let rail = &board.rails[0];
        (Ina231::new(rail, noise, ChaCha12Rng::seed_from_u64(seed), 0), rail.voltage.volts())
    }

    /// What the driver shows for a wish: on a guest with the unmodified driver the first six were
    /// observed; the others lie where it rounds twice.
    #[test]
    fn intervals_are_quantised_as_the_driver_does() {
        let (mut chip, _) = chip(&Noise::default(), 1);
        for (wish, shown) in [
            (1, 2),
            (2, 2),
            (35, 35),
            (140, 141),
            (2000, 2253),
            (u64::MAX, 2253),
            (0, 2),
            (5, 2),
            (6, 9),
            // 10.45 conversions, of which the driver makes 10: as near to 4 as to 16.
            (23, 9),
            (24, 35),
        ] {
            chip.set_update_interval(wish, 0, 0.0);
            assert_eq!(chip.update_interval_ms(), shown, "{wish}");
        }
    }

    /// The mean of many noisy, quantised readings is the true power.
    #[test]
    fn readings_average_to_the_truth() {
        for watts in [0.06, 0.28, 1.7, 5.3] {
            let (mut chip, _) = chip(&Noise::default(), 7);
            chip.set_update_interval(2, 0, 0.0);
            let mut sum = 0.0;
            for _ in 0..4000 {
                let reading = chip.convert(watts * chip.ends_ns as f64 * 1e-9);
                sum += reading.bus_millivolts as f64 * reading.milliamperes as f64 * 1e-6;
            }
            let mean = sum / 4000.0;
            // Registers hold quarters of a milliampere; the driver rounds halves up to whole
            // ones, which adds an eighth of a milliampere on average.
            let rounding = 0.125e-3 * 1.25;
            assert!(
                (mean - rounding - watts).abs() < 0.001 * watts + 50e-6,
                "{watts} W read as {mean} W"
            );
        }
    }

    /// A gain error is the chip's own, lies within what was asked for, and scales what it reads.
    #[test]
    fn gains_differ_from_chip_to_chip() {
        let noise = Noise { gain: crate::quantity::Tolerance::new(0.05), ..Noise::default() };
        let means: Vec<f64> = (0..20)
            .map(|seed| {
                let (mut chip, _) = chip(&noise, seed);
                let watts = |_| {
                    let reading = chip.convert(2.0 * chip.ends_ns as f64 * 1e-9);
                    reading.bus_millivolts as f64 * reading.milliamperes as f64 * 1e-6
                };
                (0..200).map(watts).skip(1).sum::<f64>() / 199.0 / 2.0 - 1.0
            })
            .collect();
        assert!(means.iter().all(|gain| gain.abs() < 0.051), "{means:?}");
        let spread = means.iter().fold(0.0f64, |most, gain| most.max(gain.abs()));
        assert!(spread > 0.03, "{means:?}");
    }

    #[test]
    fn a_reading_is_the_mean_over_its_conversion() {
        let quiet =
            Noise { shunt: Default::default(), bus: Default::default(), ..Noise::default() };
        let (mut chip, _) = chip(&quiet, 1);
        chip.convert(0.0);
        let began_ns = chip.began_ns;
        // A fifth of a joule in one conversion, however it was spent.
        let reading = chip.convert(0.2);
        let window_s = (chip.began_ns - began_ns) as f64 * 1e-9;
        let watts = reading.bus_millivolts as f64 * reading.milliamperes as f64 * 1e-6;
        assert!((watts * window_s / 0.2 - 1.0).abs() < 0.002, "{watts} W for {window_s} s");
    }
}
