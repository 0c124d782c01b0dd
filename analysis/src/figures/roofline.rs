//! A roofline plot: ceilings as lines, OI_t as squares, OI_e as diamonds, an arrow between.

use super::axis::{Axis, written};
use super::labels::Labels;
use super::scene::{Anchor, DASHES, Ink, MARGIN, Scene, shortened, width_of};

/// One component's roof.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Roof {
    pub(crate) name: String,
    pub(crate) peak_gop_per_s: f64,
    pub(crate) bandwidth_gb_per_s: f64,
}

/// A network or a layer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) label: String,
    /// Its colour: the place of its roof among the roofs, or of its network among the networks.
    pub(crate) series: usize,
    pub(crate) gop_per_s: f64,
    pub(crate) oi_theoretical: Option<f64>,
    pub(crate) oi_empirical: Option<f64>,
    /// Whether it is drawn in black: the network among its layers.
    pub(crate) is_whole: bool,
    pub(crate) above_roof: bool,
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RooflineFigure {
    pub(crate) title: String,
    pub(crate) provenance: String,
    pub(crate) roofs: Vec<Roof>,
    /// What the colours of points stand for, where that is not roofs: every second is hollow.
    pub(crate) networks: Vec<String>,
    pub(crate) points: Vec<Point>,
}

const LABEL: f64 = 11.0;
/// Half of the side of a mark.
const MARK: f64 = 4.5;

impl RooflineFigure {
    /// Lays it out on a sheet of this width.
    pub(crate) fn scene(&self, width: f64) -> Scene {
        let height = (0.66 * width).clamp(410.0, 610.0);
        let mut scene = Scene::new(width, height);
        let top = super::heading(&mut scene, &self.title, &self.provenance);
        let (left, right) = (MARGIN + 46.0, width - MARGIN - 8.0);
        let bottom = height - MARGIN - 74.0;
        let across = Axis::logarithmic(self.intensities(), left, right);
        let up = Axis::logarithmic(self.rates(), bottom, top + 14.0);
        grid(&mut scene, &across, &up, (left, right, top, bottom));
        let mut labels = Labels::new((left + 1.0, top, right, bottom - 1.0));
        let roofs: Vec<_> = self.roofs.iter().map(|roof| roof_line(roof, &across, &up)).collect();
        for (index, line) in roofs.iter().enumerate() {
            labels.keep_line_clear(line);
            let dash = DASHES[index % DASHES.len()];
            scene.dashed(line.to_vec(), Ink::Series(index), 2.0, dash);
        }
        for (roof, line) in self.roofs.iter().zip(&roofs) {
            name_roof(&mut scene, roof, line, &mut labels);
        }
        let places = |point: &Point| {
            let at = |oi: f64| (across.at(oi), up.at(point.gop_per_s));
            let known = |oi: Option<f64>| oi.filter(|oi| *oi > 0.0 && oi.is_finite()).map(at);
            (known(point.oi_theoretical), known(point.oi_empirical))
        };
        // A network is drawn over its layers.
        let (whole, parts): (Vec<_>, Vec<_>) = self.points.iter().partition(|it| it.is_whole);
        for point in parts.into_iter().chain(whole) {
            let (theoretical, empirical) = places(point);
            theoretical.iter().chain(&empirical).for_each(|&at| labels.keep_clear(at, MARK));
            if let Some((from, to)) = theoretical.zip(empirical) {
                labels.keep_off(from, to);
            }
            let is_hollow = !self.networks.is_empty() && point.series % 2 == 1;
            draw_point(&mut scene, point, is_hollow, theoretical, empirical);
        }
        // Whole networks, and what is wrong, are named first.
        let mut order: Vec<&Point> = self.points.iter().collect();
        order.sort_by_key(|point| !(point.is_whole || point.above_roof));
        for point in order {
            let (theoretical, empirical) = places(point);
            let Some(at) = empirical.or(theoretical) else { continue };
            if point.label.is_empty() {
                continue;
            }
            let (label, ink) = match point.above_roof {
                true => (format!("{}: above the roof", point.label), Ink::Alarm),
                false => (point.label.clone(), Ink::Text),
            };
            let label = shortened(&label, 0.4 * width, LABEL);
            if let Some(middle) = labels.place(at, MARK + 1.0, &label, LABEL) {
                scene.text(middle, label, LABEL, Anchor::Middle, ink);
            }
        }
        self.legend(&mut scene, left, height - MARGIN - 18.0);
        scene
    }

    fn intensities(&self) -> impl Iterator<Item = f64> {
        let ridges = self.roofs.iter().map(|roof| roof.peak_gop_per_s / roof.bandwidth_gb_per_s);
        let points =
            self.points.iter().flat_map(|it| it.oi_theoretical.into_iter().chain(it.oi_empirical));
        ridges.flat_map(|ridge| [0.5 * ridge, 2.5 * ridge]).chain(points)
    }

    fn rates(&self) -> impl Iterator<Item = f64> {
        let peaks = self.roofs.iter().map(|roof| roof.peak_gop_per_s);
        peaks.chain(self.points.iter().map(|point| point.gop_per_s))
    }

    /// What shapes mean, and below what colours do.
    fn legend(&self, scene: &mut Scene, left: f64, at: f64) {
        let mut shapes: Vec<(Shape, &str)> = Vec::new();
        if self.points.iter().any(|point| point.oi_theoretical.is_some()) {
            shapes.push((square, "OI_t, in theory"));
        }
        if self.points.iter().any(|point| point.oi_empirical.is_some()) {
            shapes.push((diamond, "OI_e, at the DRAM"));
        }
        let mut x = left;
        for (shape, words) in shapes {
            shape(scene, (x + MARK, at), Ink::Text, false);
            scene.text((x + 14.0, at), words, LABEL, Anchor::Start, Ink::Text);
            x += 24.0 + width_of(words, LABEL);
        }
        let (mut x, at) = (left, at + 16.0);
        for (series, network) in self.networks.iter().enumerate() {
            square(scene, (x + MARK, at), Ink::Series(series), series % 2 == 1);
            scene.text((x + 14.0, at), network, LABEL, Anchor::Start, Ink::Text);
            x += 24.0 + width_of(network, LABEL);
        }
    }
}

/// Draws a mark at a place, filled or hollow.
type Shape = fn(&mut Scene, (f64, f64), Ink, bool);

/// The lines of values, and what the axes are.
fn grid(
    scene: &mut Scene,
    across: &Axis,
    up: &Axis,
    (left, right, top, bottom): (f64, f64, f64, f64),
) {
    for value in across.ticks(46.0) {
        let x = across.at(value);
        scene.line(vec![(x, top), (x, bottom)], Ink::Grid, 1.0);
        scene.text((x, bottom + 12.0), written(value), LABEL, Anchor::Middle, Ink::Text);
    }
    for value in up.ticks(30.0) {
        let y = up.at(value);
        scene.line(vec![(left, y), (right, y)], Ink::Grid, 1.0);
        scene.text((left - 6.0, y), written(value), LABEL, Anchor::End, Ink::Text);
    }
    scene.line(vec![(left, top), (left, bottom), (right, bottom)], Ink::Text, 1.0);
    let middle = 0.5 * (left + right);
    let words = "operational intensity, flop/B";
    scene.text((middle, bottom + 30.0), words, 12.0, Anchor::Middle, Ink::Text);
    scene.upright((MARGIN + 4.0, 0.5 * (top + bottom)), "GOP/s", 12.0, Ink::Text);
}

/// Slope and ceiling of a component: its foot, its ridge point, its end.
fn roof_line(roof: &Roof, across: &Axis, up: &Axis) -> [(f64, f64); 3] {
    let ridge = roof.peak_gop_per_s / roof.bandwidth_gb_per_s;
    let (least, most) = across.range();
    // The slope may leave the plot at its foot rather than at its left edge.
    let start = least.max(up.range().0 / roof.bandwidth_gb_per_s);
    let at =
        |oi: f64| (across.at(oi), up.at(roof.peak_gop_per_s.min(oi * roof.bandwidth_gb_per_s)));
    [at(start), at(ridge), at(most)]
}

/// Writes a roof's name and numbers above its ceiling, or below where another's is in the way.
fn name_roof(scene: &mut Scene, roof: &Roof, line: &[(f64, f64); 3], labels: &mut Labels) {
    let words = format!(
        "{}: {} GOP/s, {} GB/s",
        roof.name,
        written(roof.peak_gop_per_s),
        written(roof.bandwidth_gb_per_s)
    );
    let [_, ridge, end] = line;
    let middle = (0.5 * (ridge.0 + end.0), end.1);
    for (at, words) in [(middle, &words), (*ridge, &words), (middle, &roof.name)] {
        if let Some(place) = labels.place(at, 3.0, words, LABEL) {
            scene.text(place, words.clone(), LABEL, Anchor::Middle, Ink::Text);
            return;
        }
    }
}

fn draw_point(
    scene: &mut Scene,
    point: &Point,
    is_hollow: bool,
    theoretical: Option<(f64, f64)>,
    empirical: Option<(f64, f64)>,
) {
    let ink = match (point.above_roof, point.is_whole) {
        (true, _) => Ink::Alarm,
        (false, true) => Ink::Text,
        (false, false) => Ink::Series(point.series),
    };
    if let Some((from, to)) = theoretical.zip(empirical) {
        arrow(scene, from, to, ink);
    }
    theoretical.into_iter().for_each(|at| square(scene, at, ink, is_hollow));
    empirical.into_iter().for_each(|at| diamond(scene, at, ink, is_hollow));
    if point.above_roof {
        theoretical.into_iter().chain(empirical).for_each(|at| ring(scene, at));
    }
}

fn square(scene: &mut Scene, (x, y): (f64, f64), ink: Ink, is_hollow: bool) {
    let reach = MARK - 0.5;
    let corners = vec![
        (x - reach, y - reach),
        (x + reach, y - reach),
        (x + reach, y + reach),
        (x - reach, y + reach),
    ];
    shape(scene, corners, ink, is_hollow);
}

fn diamond(scene: &mut Scene, (x, y): (f64, f64), ink: Ink, is_hollow: bool) {
    let reach = 1.3 * MARK;
    let corners = vec![(x - reach, y), (x, y - reach), (x + reach, y), (x, y + reach)];
    shape(scene, corners, ink, is_hollow);
}

fn shape(scene: &mut Scene, mut corners: Vec<(f64, f64)>, ink: Ink, is_hollow: bool) {
    if is_hollow {
        corners.extend(corners.first().copied());
        scene.line(corners, ink, 1.5);
    } else {
        scene.area(corners, ink);
    }
}

/// Around what is wrong.
fn ring(scene: &mut Scene, (x, y): (f64, f64)) {
    let turn = |step: u32| {
        let angle = std::f64::consts::TAU * f64::from(step) / 24.0;
        (x + 10.0 * angle.cos(), y + 10.0 * angle.sin())
    };
    scene.line((0..=24).map(turn).collect(), Ink::Alarm, 2.0);
}

/// From one mark to the other, if they lie apart.
fn arrow(scene: &mut Scene, from: (f64, f64), to: (f64, f64), ink: Ink) {
    let length = (to.0 - from.0).hypot(to.1 - from.1);
    let clear = 1.3 * MARK + 1.0;
    if length < 2.0 * clear + 6.0 {
        return;
    }
    let (x, y) = ((to.0 - from.0) / length, (to.1 - from.1) / length);
    let start = (from.0 + clear * x, from.1 + clear * y);
    let tip = (to.0 - clear * x, to.1 - clear * y);
    let neck = (tip.0 - 6.0 * x, tip.1 - 6.0 * y);
    scene.line(vec![start, neck], ink, 1.0);
    let wing = (3.0 * -y, 3.0 * x);
    scene.area(
        vec![tip, (neck.0 + wing.0, neck.1 + wing.1), (neck.0 - wing.0, neck.1 - wing.1)],
        ink,
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::scene::Mark;
    use super::*;

    fn figure(points: Vec<Point>) -> RooflineFigure {
        RooflineFigure {
            title: "alexnet on a15".into(),
            provenance: "emulated".into(),
            roofs: vec![Roof {
                name: "a15".into(),
                peak_gop_per_s: 64.0,
                bandwidth_gb_per_s: 3.44,
            }],
            networks: Vec::new(),
            points,
        }
    }

    fn point(gop_per_s: f64, oi: f64, above_roof: bool) -> Point {
        Point {
            label: "conv1".into(),
            series: 0,
            gop_per_s,
            oi_theoretical: Some(oi),
            oi_empirical: Some(2.0 * oi),
            is_whole: false,
            above_roof,
        }
    }

    proptest! {
        /// Nothing is clipped: whatever the values, all marks lie on the sheet.
        #[test]
        fn all_marks_lie_on_the_sheet(
            gop_per_s in 1e-6..1e9f64, oi in 1e-6..1e6f64, width in 360.0..1200.0f64,
        ) {
            let scene = figure(vec![point(gop_per_s, oi, false)]).scene(width);
            let on_sheet = |&(x, y): &(f64, f64)| {
                (0.0..=scene.width).contains(&x) && (0.0..=scene.height).contains(&y)
            };
            for mark in &scene.marks {
                match mark {
                    Mark::Line { points, .. } | Mark::Area { points, .. } => {
                        prop_assert!(points.iter().all(on_sheet), "{mark:?}");
                    }
                    Mark::Text { at, .. } => prop_assert!(on_sheet(at), "{mark:?}"),
                }
            }
        }
    }

    #[test]
    fn what_lies_above_the_roof_is_marked_in_words() {
        let texts = |scene: &Scene| -> Vec<String> {
            let text = |mark: &Mark| match mark {
                Mark::Text { text, .. } => Some(text.clone()),
                _ => None,
            };
            scene.marks.iter().filter_map(text).collect()
        };
        let wrong = figure(vec![point(640.0, 10.0, true)]).scene(800.0);
        assert!(texts(&wrong).contains(&"conv1: above the roof".to_owned()), "{:?}", texts(&wrong));
        assert!(wrong.marks.iter().any(|mark| matches!(mark, Mark::Line { ink: Ink::Alarm, .. })));
        let right = figure(vec![point(6.0, 10.0, false)]).scene(800.0);
        assert!(texts(&right).contains(&"conv1".to_owned()));
        assert!(texts(&right).iter().any(|text| text.starts_with("a15: 64 GOP/s, 3.44 GB/s")));
    }
}
