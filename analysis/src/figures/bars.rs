//! Bars with error bars, in groups, each with its name before it and its value behind it.

use super::axis::{Axis, uncertainty, written};
use super::scene::{Anchor, Ink, MARGIN, Scene, shortened, width_of};

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// Half of its 95 % interval.
    pub(crate) half_width: Option<f64>,
    /// What is written behind the value.
    pub(crate) note: String,
    /// Its colour: bars of one thing have one number.
    pub(crate) series: usize,
}

/// Bars that belong together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// Nothing if there is but one.
    pub(crate) name: String,
    pub(crate) bars: Vec<Bar>,
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BarFigure {
    pub(crate) title: String,
    pub(crate) provenance: String,
    /// What the bars show, with its unit.
    pub(crate) quantity: String,
    pub(crate) groups: Vec<Group>,
}

const LABEL: f64 = 11.0;
/// From one bar to the next.
const STEP: f64 = 19.0;
const THICK: f64 = 13.0;

impl BarFigure {
    /// Lays it out on a sheet of this width.
    pub(crate) fn scene(&self, width: f64) -> Scene {
        let mut scene = Scene::new(width, 0.0);
        let top = super::heading(&mut scene, &self.title, &self.provenance);
        let bars = || self.groups.iter().flat_map(|group| &group.bars);
        let named = bars().map(|bar| width_of(&bar.name, LABEL)).fold(0.0, f64::max);
        let left = MARGIN + named.min(0.34 * width) + 8.0;
        let noted = bars().map(|bar| width_of(&value(bar), LABEL)).fold(0.0, f64::max);
        let right = (width - MARGIN - noted - 14.0).max(left + 0.25 * width);
        let ends = bars().map(|bar| bar.value + bar.half_width.unwrap_or(0.0));
        let axis = Axis::from_zero(ends, left, right);
        let mut y = top + 4.0;
        let rows = self.groups.iter().map(|group| {
            let heading = if group.name.is_empty() { 0.0 } else { STEP };
            heading + STEP * group.bars.len() as f64 + 6.0
        });
        let bottom = y + rows.sum::<f64>();
        for tick in axis.ticks((0.1 * width).min(64.0)) {
            let x = axis.at(tick);
            scene.line(vec![(x, y), (x, bottom)], Ink::Grid, 1.0);
            scene.text((x, bottom + 11.0), written(tick), LABEL, Anchor::Middle, Ink::Text);
        }
        for group in &self.groups {
            if !group.name.is_empty() {
                let name = shortened(&group.name, width - 2.0 * MARGIN, 12.0);
                scene.text((MARGIN, y + 0.5 * STEP), name, 12.0, Anchor::Start, Ink::Text);
                y += STEP;
            }
            let begins = y;
            for bar in &group.bars {
                draw_bar(&mut scene, bar, &axis, left, y + 0.5 * STEP);
                y += STEP;
            }
            scene.line(vec![(left, begins), (left, y)], Ink::Text, 1.0);
            y += 6.0;
        }
        let half = 0.5 * width_of(&self.quantity, 12.0);
        let below = if half <= 0.5 * width - MARGIN {
            // Below the bars, or as near to that as the sheet allows.
            let middle = (0.5 * (left + right)).clamp(MARGIN + half, width - MARGIN - half);
            scene.text((middle, bottom + 29.0), &self.quantity, 12.0, Anchor::Middle, Ink::Text);
            bottom + 40.0
        } else {
            scene.paragraph(bottom + 23.0, &self.quantity, 12.0, Ink::Text)
        };
        scene.height = below + MARGIN;
        scene
    }
}

fn draw_bar(scene: &mut Scene, bar: &Bar, axis: &Axis, left: f64, y: f64) {
    let name = shortened(&bar.name, left - MARGIN - 6.0, LABEL);
    scene.text((left - 6.0, y), name, LABEL, Anchor::End, Ink::Text);
    let end = axis.at(bar.value.max(0.0));
    let (upper, lower) = (y - 0.5 * THICK, y + 0.5 * THICK);
    scene.rectangle((left, upper), (end, lower), Ink::Series(bar.series));
    let mut free = end;
    if let Some(half_width) = bar.half_width {
        let (from, to) =
            (axis.at((bar.value - half_width).max(0.0)), axis.at(bar.value + half_width));
        scene.line(vec![(from, y), (to, y)], Ink::Text, 1.0);
        let caps = if to - from > 3.0 { &[from, to][..] } else { &[0.5 * (from + to)] };
        for &x in caps {
            scene.line(vec![(x, y - 4.0), (x, y + 4.0)], Ink::Text, 1.0);
        }
        free = to;
    }
    scene.text((free + 6.0, y), value(bar), LABEL, Anchor::Start, Ink::Text);
}

fn value(bar: &Bar) -> String {
    let mut text = written(bar.value);
    if let Some(half_width) = bar.half_width {
        text += &format!(" ± {}", uncertainty(half_width));
    }
    if !bar.note.is_empty() {
        text += &format!(" ({})", bar.note);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::scene::Mark;
    use super::*;

    fn figure(value: f64, half_width: Option<f64>) -> BarFigure {
        let bar = Bar { name: "a15".into(), value, half_width, note: String::new(), series: 0 };
        BarFigure {
            title: "Energy per image".into(),
            provenance: "emulated".into(),
            quantity: "J".into(),
            groups: vec![Group { name: "alexnet".into(), bars: vec![bar.clone(), bar] }],
        }
    }

    #[test]
    fn a_bar_is_as_long_as_its_value() {
        let scene = figure(2.0, Some(0.5)).scene(800.0);
        let bars: Vec<_> = scene
            .marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Area { points, ink: Ink::Series(_) } => Some((points[0].0, points[2].0)),
                _ => None,
            })
            .collect();
        let (from, to) = bars[0];
        let whisker = scene.marks.iter().find_map(|mark| match mark {
            Mark::Line { points, ink: Ink::Text, .. } if points[0].1 == points[1].1 => {
                Some((points[0].0, points[1].0))
            }
            _ => None,
        });
        let (least, most) = whisker.unwrap();
        let per_unit = (to - from) / 2.0;
        assert!((least - (from + 1.5 * per_unit)).abs() < 1e-9);
        assert!((most - (from + 2.5 * per_unit)).abs() < 1e-9);
    }

    #[test]
    fn everything_lies_on_narrow_sheets_too() {
        for width in [340.0, 860.0] {
            let captions =
                ["J", "J/image, above idle, with 95 % intervals; 15 others take 3 % of all"];
            for (value, caption) in [0.0, 1e-9, 3.0, 1e12].into_iter().zip(captions.iter().cycle())
            {
                let quantity = (*caption).to_owned();
                let scene = BarFigure { quantity, ..figure(value, None) }.scene(width);
                for mark in &scene.marks {
                    let Mark::Text { at, text, anchor, size, .. } = mark else { continue };
                    let wide = width_of(text, *size);
                    let start = match anchor {
                        Anchor::Start => at.0,
                        Anchor::Middle => at.0 - 0.5 * wide,
                        Anchor::End => at.0 - wide,
                    };
                    let on_sheet = start >= 0.0 && start + wide <= width && at.1 < scene.height;
                    assert!(on_sheet, "{width}, {value}: {text}");
                }
            }
        }
    }
}
