//! What the board spent and moved, over any time: the truth for readers whose spans are not the
//! board's own, such as those of a virtual machine that reads its sensors.

use std::ops::Range;

use super::fluid::Fluid;

/// Joules and bytes since the beginning, at an instant.
#[derive(Debug, Clone)]
struct Moment {
    at_ns: u64,
    rail_joules: Vec<f64>,
    dram_bytes: f64,
    component_bytes: Vec<f64>,
}

/// Joules of every rail and DRAM bytes, at instants between which all rates are constant; so what
/// lies between two instants is exact.
#[derive(Debug, Clone, Default)]
pub struct History {
    moments: Vec<Moment>,
}

/// What was spent and moved within some time.
#[derive(Debug, Clone, PartialEq)]
pub struct Within {
    /// All joules, by rail.
    pub rail_joules: Vec<f64>,
    /// Bytes of all DRAM traffic.
    pub dram_bytes: f64,
    /// Bytes that each component moved.
    pub component_bytes: Vec<f64>,
}

impl History {
    /// Notes the present: at each change of rates, and before it is asked.
    pub(super) fn note(&mut self, fluid: &Fluid, components: usize) {
        let total = |(read, written)| read + written;
        let moment = Moment {
            at_ns: fluid.now_ns(),
            rail_joules: fluid.all_rail_joules().to_vec(),
            dram_bytes: total(fluid.dram_bytes()),
            component_bytes: (0..components).map(|it| total(fluid.component_bytes(it))).collect(),
        };
        match self.moments.last_mut() {
            Some(last) if last.at_ns == moment.at_ns => *last = moment,
            _ => self.moments.push(moment),
        }
    }

    /// What lies within some time, in nanoseconds of the board's clock; `None` if not all of it is
    /// known.
    pub fn within(&self, time_ns: Range<u64>) -> Option<Within> {
        let (start, end) = (self.at(time_ns.start)?, self.at(time_ns.end.max(time_ns.start))?);
        let difference = |later: Vec<f64>, earlier: Vec<f64>| {
            later.iter().zip(earlier).map(|(later, earlier)| later - earlier).collect()
        };
        Some(Within {
            rail_joules: difference(end.rail_joules, start.rail_joules),
            dram_bytes: end.dram_bytes - start.dram_bytes,
            component_bytes: difference(end.component_bytes, start.component_bytes),
        })
    }

    fn at(&self, at_ns: u64) -> Option<Moment> {
        let next = self.moments.partition_point(|moment| moment.at_ns < at_ns);
        let later = self.moments.get(next)?;
        if later.at_ns == at_ns {
            return Some(later.clone());
        }
        let earlier = self.moments.get(next.checked_sub(1)?)?;
        let passed = (at_ns - earlier.at_ns) as f64 / (later.at_ns - earlier.at_ns) as f64;
        let between = |earlier: f64, later: f64| earlier + (later - earlier) * passed;
        let each = |earlier: &[f64], later: &[f64]| {
            earlier.iter().zip(later).map(|(earlier, later)| between(*earlier, *later)).collect()
        };
        Some(Moment {
            at_ns,
            rail_joules: each(&earlier.rail_joules, &later.rail_joules),
            dram_bytes: between(earlier.dram_bytes, later.dram_bytes),
            component_bytes: each(&earlier.component_bytes, &later.component_bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::JobId;
    use crate::description::Description;
    use crate::emulated::work::{LayerWork, Work};

    /// Half of a layer is half its joules and bytes, wherever the spans begin.
    #[test]
    fn between_changes_all_is_in_proportion() {
        let board = Description::load("exynos5422").unwrap();
        let mut fluid = Fluid::new(&board, 0);
        let mut history = History::default();
        history.note(&fluid, 3);
        let layer = LayerWork {
            name: "layer".into(),
            kilohertz: None,
            dispatch_s: 0.0,
            compute_s: 1.0,
            read_bytes: 3e8,
            write_bytes: 1e8,
        };
        let work = Work { network: "network".into(), layers: vec![layer] };
        fluid.submit(0, JobId(1), work.into());
        while let Some(next) = fluid.next_event_ns() {
            fluid.advance_to(next);
            history.note(&fluid, 3);
        }
        fluid.advance_to(1_500_000_000);
        history.note(&fluid, 3);
        let half = history.within(250_000_000..750_000_000).unwrap();
        assert!((half.component_bytes[0] / 2e8 - 1.0).abs() < 1e-9, "{half:?}");
        assert!((half.rail_joules[0] / (0.5 * (5.0 + 0.28)) - 1.0).abs() < 1e-9, "{half:?}");
        let rest = history.within(1_100_000_000..1_500_000_000).unwrap();
        assert!((rest.rail_joules[0] / (0.4 * 0.28) - 1.0).abs() < 1e-6, "{rest:?}");
        assert_eq!(rest.component_bytes[0], 0.0);
        assert_eq!(history.within(1_000_000_000..1_500_000_001), None);
    }
}
