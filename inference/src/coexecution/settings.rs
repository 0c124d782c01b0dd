//! What a run is told besides its policy.

use super::RunError;
use super::oracle::MOST_COMPONENTS;
use super::profile::Profile;
use super::source::Source;

/// Bounds and patience of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Images between the oldest that has not left and the newest that may be started: the
    /// capacity of the reorder buffer. A slow component holds the stream up when the others run
    /// this many images in the time of one of its own.
    pub window: usize,
    /// Weight of the newest image in the moving averages of seconds and joules, from 0 (profiles
    /// stay as they are) to 1 (only the last image counts).
    pub refine: f64,
    /// A component has stalled when it takes this many times as long as expected ...
    pub patience: f64,
    /// ... and this many seconds at least.
    pub least_patience_s: f64,
    /// The last component left is given so many times longer.
    pub patience_with_last: u64,
    /// A component that has stalled so often is not let in again.
    pub most_stalls: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            window: 64,
            refine: 0.1,
            patience: 8.0,
            least_patience_s: 0.25,
            patience_with_last: 10,
            most_stalls: 3,
        }
    }
}

impl Settings {
    /// How long, in ns, a job that should take `expected_s` may take.
    pub(super) fn patience_ns(&self, expected_s: f64) -> u64 {
        ((self.patience * expected_s).max(self.least_patience_s) * 1e9) as u64
    }

    /// Refuses what no run can be made of.
    pub(super) fn check(&self, profiles: &[Profile], source: Source) -> Result<(), RunError> {
        let refuse = |what: String| Err(RunError::Setup(what));
        if self.window == 0 {
            return refuse("the window is 0 images; it must hold one at least".to_owned());
        }
        if !(0.0..=1.0).contains(&self.refine) {
            return refuse(format!("refine is {}, and must be from 0 to 1", self.refine));
        }
        if let Source::Camera { fps, .. } = source
            && !(fps > 0.0 && fps.is_finite())
        {
            return refuse(format!("the camera's rate is {fps} frames/s, and must be above 0"));
        }
        if profiles.is_empty() || profiles.len() > MOST_COMPONENTS {
            let count = profiles.len();
            return refuse(format!("{count} components; give 1 to {MOST_COMPONENTS}"));
        }
        for profile in profiles {
            let (name, seconds, joules) = (profile.name(), profile.seconds(), profile.joules());
            let measured = seconds > 0.0 && joules >= 0.0 && joules.is_finite();
            if !measured {
                return refuse(format!(
                    "the profile of {name} says {seconds} s and {joules} J an image; measure it alone first"
                ));
            }
            if profile.layers() != profiles[0].layers() {
                return refuse(format!(
                    "the profile of {name} has {} layers and that of {} has {}; profile the same network",
                    profile.layers(),
                    profiles[0].name(),
                    profiles[0].layers()
                ));
            }
        }
        Ok(())
    }
}
