//! What is known of a component before a run: its solo time and energy per image.

use std::ops::Range;

/// What one image costs on one component that has the board to itself.
///
/// Measured by a solo run, or computed from a cost model. The scheduler starts from it and refines
/// it while it runs, by an exponentially weighted moving average as Band does (Jeong et al.,
/// MobiSys 2022).
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    name: String,
    seconds: f64,
    joules: f64,
    standby_watts: f64,
    /// Seconds up to each boundary between layers, those of refused layers left out.
    reached_s: Vec<f64>,
    /// Refused layers up to each boundary.
    refused: Vec<u32>,
}

impl Profile {
    /// A component that takes `seconds` and `joules` (above idle) for an image.
    pub fn new(name: impl Into<String>, seconds: f64, joules: f64) -> Self {
        let (name, standby_watts) = (name.into(), 0.0);
        let whole = Profile {
            name,
            seconds,
            joules,
            standby_watts,
            reached_s: Vec::new(),
            refused: Vec::new(),
        };
        whole.with_layers(&[seconds])
    }

    /// The same with the time of every layer, in seconds: what a pipeline is split by. The time
    /// of an image becomes their sum. A layer that the component refuses takes infinitely long.
    #[must_use]
    pub fn with_layers(mut self, layer_seconds: &[f64]) -> Self {
        self.seconds = layer_seconds.iter().sum();
        (self.reached_s, self.refused) = (vec![0.0], vec![0]);
        let (mut sum_s, mut refused) = (0.0, 0);
        for &seconds in layer_seconds {
            if seconds.is_finite() {
                sum_s += seconds
            } else {
                refused += 1
            }
            self.reached_s.push(sum_s);
            self.refused.push(refused);
        }
        self
    }

    /// The same with the power, in watts, that the component takes whenever it is part of a run,
    /// busy or not: a cluster kept awake, a driver that polls.
    #[must_use]
    pub fn with_standby_watts(mut self, watts: f64) -> Self {
        self.standby_watts = watts;
        self
    }

    /// The component's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Seconds per image.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Images per second.
    pub fn rate(&self) -> f64 {
        1.0 / self.seconds
    }

    /// Joules per image, above idle.
    pub fn joules(&self) -> f64 {
        self.joules
    }

    /// Watts for being part of a run.
    pub fn standby_watts(&self) -> f64 {
        self.standby_watts
    }

    /// Layers that its times tell apart; 1 when only the whole image is known.
    pub fn layers(&self) -> usize {
        self.reached_s.len() - 1
    }

    /// Seconds that these layers of an image take; infinite if one of them is refused.
    ///
    /// # Panics
    /// If the layers are beyond [`Profile::layers`].
    pub fn layers_seconds(&self, layers: &Range<usize>) -> f64 {
        if self.refused[layers.end] > self.refused[layers.start] {
            return f64::INFINITY;
        }
        self.reached_s[layers.end] - self.reached_s[layers.start]
    }

    /// Share of an image that these layers are, by the time they take of all layers that the
    /// component does not refuse.
    pub(super) fn share(&self, layers: &Range<usize>) -> f64 {
        let all_s = self.reached_s[self.layers()];
        if all_s > 0.0 {
            (self.reached_s[layers.end] - self.reached_s[layers.start]) / all_s
        } else {
            0.0
        }
    }

    /// Whether the component can run whole images in a finite time.
    pub fn runs_all(&self) -> bool {
        self.seconds.is_finite()
    }
}
