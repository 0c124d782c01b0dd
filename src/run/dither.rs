//! Pauses before images, so that sensors see every part of them equally often.
//!
//! A network that takes as long as some sensor windows, or a simple fraction of them, is read at the
//! same few places in every image: what happens in between is never told apart. A pause before each
//! image, drawn evenly from nothing to one sampling period, moves the next image to another place.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use wattline_board::clock::Clock;
use wattline_trace::{DitherRecord, Manifest};

/// The pauses of one component's run.
#[derive(Debug)]
pub(super) struct Dither {
    longest_ns: u64,
    random: ChaCha12Rng,
}

impl Dither {
    /// Pauses as the record says, from the run's seed: the same for the component of a number.
    pub(super) fn new(record: &DitherRecord, seed: u64, component: usize) -> Self {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        // The emulated board's sensors use the first streams of the same seed.
        random.set_stream((1 << 32) + component as u64);
        Dither { longest_ns: record.longest_pause_ns, random }
    }

    /// Waits before an image. On the virtual clock the thread must attend it.
    pub(super) fn pause(&mut self, clock: &dyn Clock) {
        let pause_ns = self.random.random_range(0..=self.longest_ns);
        clock.sleep_until(clock.now_ns() + pause_ns);
    }
}

/// Pauses of up to one sampling period: the longest window of a rail, or the time between two looks
/// at it where that is longer.
pub(super) fn over_a_period(manifest: &Manifest, rate_hz: f64) -> DitherRecord {
    let look_ns = (1e9 / rate_hz) as u64;
    let windows = manifest.rails.iter().map(|rail| rail.window_ns);
    DitherRecord { longest_pause_ns: windows.chain([look_ns]).max().unwrap_or(look_ns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_even_over_the_period_and_a_components_own() {
        let record = DitherRecord { longest_pause_ns: 1000 };
        let pauses = |seed, component| {
            let mut dither = Dither::new(&record, seed, component);
            (0..4000).map(|_| dither.random.random_range(0..=dither.longest_ns)).collect::<Vec<_>>()
        };
        let first = pauses(1, 0);
        assert_eq!(first, pauses(1, 0));
        assert!(first != pauses(1, 1) && first != pauses(2, 0));
        for quarter in 0..4u64 {
            let part = first.iter().filter(|&&it| it.min(999) / 250 == quarter).count();
            assert!((900..1100).contains(&part), "{part} of 1000 in quarter {quarter}");
        }
    }
}
