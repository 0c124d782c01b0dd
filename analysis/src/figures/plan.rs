//! The layers of a plan over the time of an image, each as high as its frequency.

use super::scene::{Anchor, DASHES, Ink, MARGIN, Scene, shortened};
use super::written;
use crate::Plan;

const LABEL: f64 = 11.0;
/// A layer is named if it is at least this wide.
const NAMED: f64 = 13.0;
/// Frequencies are written if they lie this far apart.
const APART: f64 = 13.0;

/// One layer.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    name: String,
    seconds: f64,
    megahertz: f64,
    /// Whether it is the first of its group.
    begins: bool,
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlanFigure {
    pub(crate) title: String,
    provenance: String,
    /// What is offered, 10⁶ Hz.
    offered: Vec<f64>,
    steps: Vec<Step>,
    deadline_s: f64,
}

impl PlanFigure {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut group = 0;
        let step = |layer: &crate::PlanLayer| {
            let begins = layer.group != group;
            group = layer.group;
            Step {
                name: layer.layer.clone(),
                seconds: layer.seconds,
                megahertz: layer.frequency_mhz,
                begins,
            }
        };
        PlanFigure {
            title: format!("Frequencies for the layers of {} on {}", plan.network, plan.component),
            provenance: plan.line.clone(),
            offered: plan.throughout.iter().map(|it| it.frequency_mhz).collect(),
            steps: plan.layers.iter().map(step).collect(),
            deadline_s: plan.deadline_s,
        }
    }

    /// Lays it out on a sheet of this width.
    pub(crate) fn scene(&self, width: f64) -> Scene {
        let height = (0.5 * width).clamp(340.0, 480.0);
        let mut scene = Scene::new(width, height);
        let top = super::heading(&mut scene, &self.title, &self.provenance) + 10.0;
        let (left, right) = (MARGIN + 52.0, width - MARGIN - 8.0);
        let bottom = height - MARGIN - 44.0;
        let total: f64 = self.steps.iter().map(|step| step.seconds).sum();
        let most = total.max(self.deadline_s) * 1.02;
        let highest = self.offered.iter().copied().fold(1.0, f64::max);
        let across = |seconds: f64| left + (right - left) * seconds / most;
        let up = |megahertz: f64| bottom - (bottom - top) * megahertz / highest;
        let mut written_at = f64::INFINITY;
        for &megahertz in &self.offered {
            let y = up(megahertz);
            scene.line(vec![(left, y), (right, y)], Ink::Grid, 1.0);
            if written_at - y >= APART {
                let words = written(megahertz);
                scene.text((left - 6.0, y), words, LABEL, Anchor::End, Ink::Text);
                written_at = y;
            }
        }
        let mut begun = 0.0;
        for step in &self.steps {
            let (from, to) = (across(begun), across(begun + step.seconds));
            begun += step.seconds;
            let y = up(step.megahertz);
            scene.rectangle((from, y), (to, bottom), Ink::Grid);
            scene.line(vec![(from, y), (to, y)], Ink::Series(0), 3.0);
            if step.begins {
                scene.line(vec![(from, y), (from, bottom)], Ink::Muted, 0.5);
            }
            if to - from >= NAMED {
                let name = shortened(&step.name, bottom - top - 16.0, LABEL);
                scene.upright((0.5 * (from + to), 0.5 * (top + bottom)), name, LABEL, Ink::Text);
            }
        }
        let deadline = across(self.deadline_s);
        scene.dashed(vec![(deadline, top), (deadline, bottom)], Ink::Text, 1.5, DASHES[1]);
        let words = format!("deadline {} ms", written(1e3 * self.deadline_s));
        scene.text((deadline - 4.0, top - 6.0), words, LABEL, Anchor::End, Ink::Text);
        scene.line(vec![(left, top), (left, bottom), (right, bottom)], Ink::Text, 1.0);
        let step_ms = nice(1e3 * most / ((right - left) / 70.0));
        let mut tick = 0.0;
        while tick <= 1e3 * most {
            let x = across(1e-3 * tick);
            scene.text((x, bottom + 12.0), written(tick), LABEL, Anchor::Middle, Ink::Text);
            tick += step_ms;
        }
        let middle = 0.5 * (left + right);
        let words = "time in an image, ms; a thin line where a group of layers begins";
        let words = shortened(words, right - left, 12.0);
        scene.text((middle, bottom + 30.0), words, 12.0, Anchor::Middle, Ink::Text);
        scene.upright((MARGIN + 4.0, 0.5 * (top + bottom)), "MHz", 12.0, Ink::Text);
        scene
    }
}

/// The next of 1, 2, 5, 10, … that is not less.
fn nice(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|it| it * power).find(|it| *it >= least).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::super::scene::Mark;
    use super::*;

    #[test]
    fn all_layers_stand_between_the_axes() {
        let step = |seconds: f64, megahertz: f64| Step {
            name: "conv".into(),
            seconds,
            megahertz,
            begins: true,
        };
        let figure = PlanFigure {
            title: "plan".into(),
            provenance: "emulated".into(),
            offered: vec![200.0, 600.0, 2000.0],
            steps: vec![step(0.02, 200.0), step(1e-6, 2000.0), step(0.01, 600.0)],
            deadline_s: 0.05,
        };
        for width in [340.0, 860.0] {
            let scene = figure.scene(width);
            let on_sheet = |&(x, y): &(f64, f64)| {
                (0.0..=scene.width).contains(&x) && (0.0..=scene.height).contains(&y)
            };
            for mark in &scene.marks {
                match mark {
                    Mark::Line { points, .. } | Mark::Area { points, .. } => {
                        assert!(points.iter().all(on_sheet), "{mark:?}");
                    }
                    Mark::Text { at, .. } => assert!(on_sheet(at), "{mark:?}"),
                }
            }
            let areas = scene.marks.iter().filter(|mark| matches!(mark, Mark::Area { .. })).count();
            assert_eq!(areas, 3);
        }
        assert_eq!([nice(0.7), nice(11.0), nice(3.0)], [1.0, 20.0, 5.0]);
    }
}
