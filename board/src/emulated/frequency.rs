//! The clock of an emulated component.

use crate::description::{Component, OperatingPoint, Scaling};

/// A component's frequency, and what it may be.
#[derive(Debug)]
pub(super) struct ComponentClock {
    /// What each frequency, in kHz, makes of the component; empty where none is known.
    points: Vec<(u64, Scaling)>,
    /// As it is set, for layers that ask for none.
    set: Option<u64>,
    /// As it is, and what that makes of the component.
    now: Option<u64>,
    scaling: Scaling,
    /// How long it takes to change, and what the component draws meanwhile.
    switching_s: f64,
    switching_watts: f64,
}

impl ComponentClock {
    /// At its highest frequency.
    pub(super) fn new(component: &Component) -> Self {
        let points = points(component);
        let highest = points.last().map(|&(kilohertz, _)| kilohertz);
        let cost = component.switching.map(|it| (it.time.seconds(), it.energy.joules()));
        ComponentClock {
            points,
            set: highest,
            now: highest,
            scaling: Scaling::HIGHEST,
            switching_s: cost.map_or(0.0, |(seconds, _)| seconds),
            switching_watts: cost.map_or(0.0, |(seconds, joules)| joules / seconds),
        }
    }

    /// What the frequency makes of the component.
    pub(super) fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// Power above idle while it changes.
    pub(super) fn switching_watts(&self) -> f64 {
        self.switching_watts
    }

    /// Sets it from outside, at no cost. Answers whether there is such a frequency.
    pub(super) fn set(&mut self, kilohertz: u64) -> bool {
        let known = self.run_at(kilohertz);
        if known {
            self.set = Some(kilohertz);
        }
        known
    }

    /// The frequency to change to for a layer that asks for one, or for none, and how long that
    /// takes; none where it is that already, or is not known.
    pub(super) fn change_to(&self, asked: Option<u64>) -> Option<(u64, f64)> {
        let wanted = asked.or(self.set)?;
        let changes = Some(wanted) != self.now && self.find(wanted).is_some();
        changes.then_some((wanted, self.switching_s))
    }

    /// Runs at a frequency from now on. Answers whether there is such a one.
    pub(super) fn run_at(&mut self, kilohertz: u64) -> bool {
        let Some(scaling) = self.find(kilohertz) else { return false };
        (self.now, self.scaling) = (Some(kilohertz), scaling);
        true
    }

    fn find(&self, kilohertz: u64) -> Option<Scaling> {
        self.points.iter().find(|(known, _)| *known == kilohertz).map(|&(_, scaling)| scaling)
    }
}

/// The frequencies, in kHz, that an emulated component can run at, lowest first: those whose voltage
/// is known, and the highest.
pub(super) fn points(component: &Component) -> Vec<(u64, Scaling)> {
    let point = |point: &OperatingPoint| Some((point.kilohertz(), component.scaling(point)?));
    component.operating_points.iter().filter_map(point).collect()
}
