//! The ratio of two numbers and its interval; the formulas stand in the [module's text](super).

use crate::power::idle::critical_ratio;
use crate::power::student;
use crate::quantity::{Quantity, SensorPart};

use super::Differs;

/// Half an interval of the ratio's logarithm that leaves a factor of three open says nothing: one side's
/// number is hardly told apart from nothing.
const MOST_UNSURE: f64 = 1.1;

/// Levels nearer than this, in steps, are the same.
const SAME_LEVEL: f64 = 0.25;

/// A number that one side measured in one or several runs, each with its board.
pub(super) type Runs = Vec<Run>;

/// A number of one run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) quantity: Quantity,
    /// The board whose sensors read it.
    pub(super) board: String,
}

/// What is known of a side's number.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Known {
    /// These runs measured it.
    Measured(Runs),
    /// It has this value, and an interval cannot be given.
    Bare(f64),
    /// It was refused.
    Unknown,
}

/// Both sides of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Compared {
    /// Value and half of its 95 % interval.
    pub(super) a: Option<(f64, Option<f64>)>,
    pub(super) b: Option<(f64, Option<f64>)>,
    pub(super) percent: Option<Percent>,
    pub(super) differs: Differs,
}

/// B over A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Percent {
    pub(super) value: f64,
    pub(super) interval: Option<(f64, f64)>,
}

/// The mean of a side's runs.
#[derive(Debug, Clone, Default, PartialEq)]
struct Mean {
    value: f64,
    /// Variance, but for what sensors do, and Welch and Satterthwaite's sum for it.
    own: f64,
    freedom: f64,
    bound: f64,
    sensors: Vec<Sensor>,
}

/// What a sensor did to a side.
#[derive(Debug, Clone, PartialEq)]
struct Sensor {
    board: String,
    /// What it read, its gain, its steps and its levels.
    part: SensorPart,
}

impl Sensor {
    fn is(&self, other: &Sensor) -> bool {
        self.board == other.board && self.part.rail == other.part.rail
    }

    /// Whether its steps did the same both times. Not a number is no level.
    fn reads_as(&self, other: &Sensor) -> bool {
        let levels = self.part.levels.iter().zip(other.part.levels);
        levels.into_iter().all(|(one, other)| (one - other).abs() < SAME_LEVEL)
    }
}

/// Compares B with A.
pub(super) fn difference(a: &Known, b: &Known) -> Compared {
    let (Some(of_a), Some(of_b)) = (value(a), value(b)) else {
        return Compared { a: value(a), b: value(b), percent: None, differs: Differs::Unknown };
    };
    let ratio = of_b.0 / of_a.0;
    let percent = |ratio: f64| 100.0 * (ratio - 1.0);
    let (Known::Measured(runs_a), Known::Measured(runs_b)) = (a, b) else {
        let percent = Percent { value: percent(ratio), interval: None };
        let percent = Some(percent).filter(|it| it.value.is_finite());
        return Compared { a: Some(of_a), b: Some(of_b), percent, differs: Differs::Unknown };
    };
    let half_width = logarithmic_half_width(&Mean::of(runs_a), &Mean::of(runs_b));
    let interval = (percent(ratio * (-half_width).exp()), percent(ratio * half_width.exp()));
    let known = of_a.0 > 0.0 && of_b.0 > 0.0 && half_width < MOST_UNSURE && ratio.is_finite();
    let differs = match interval {
        _ if !known => Differs::Unknown,
        (from, _) if from > 0.0 => Differs::More,
        (_, to) if to < 0.0 => Differs::Less,
        _ => Differs::No,
    };
    let percent = Percent { value: percent(ratio), interval: known.then_some(interval) };
    Compared {
        a: Some(of_a),
        b: Some(of_b),
        percent: Some(percent).filter(|it| it.value.is_finite()),
        differs,
    }
}

fn value(known: &Known) -> Option<(f64, Option<f64>)> {
    match known {
        Known::Measured(runs) => {
            let mean = Mean::of(runs);
            Some((mean.value, Some(mean.half_width())))
        }
        Known::Bare(value) => Some((*value, None)),
        Known::Unknown => None,
    }
}

/// Half of the interval of `ln b/a`.
fn logarithmic_half_width(a: &Mean, b: &Mean) -> f64 {
    let own = |mean: &Mean| (mean.own / mean.value.powi(2), mean.freedom / mean.value.powi(4));
    let ((own_a, freedom_a), (own_b, freedom_b)) = (own(a), own(b));
    let of_sensors = variance_of_sensors(a, b);
    let variance = own_a + own_b + of_sensors;
    let bound = a.bound / a.value.abs() + b.bound / b.value.abs();
    student::satterthwaite(variance, freedom_a + freedom_b) * variance.sqrt() + bound
}

/// Variance of `ln b/a` by sensors: what one did to both sides falls out.
fn variance_of_sensors(a: &Mean, b: &Mean) -> f64 {
    let relative = |sensor: &Sensor, mean: &Mean| {
        let part = &sensor.part;
        (part.value / mean.value * part.tolerance / 3f64.sqrt(), part.quantisation / mean.value)
    };
    let mut variance = 0.0;
    for one in &a.sensors {
        let (gain, steps) = relative(one, a);
        let other = b.sensors.iter().find(|other| other.is(one));
        let (other_gain, other_steps) = other.map_or((0.0, 0.0), |other| relative(other, b));
        variance += (other_gain - gain).powi(2);
        variance += match other.is_some_and(|other| other.reads_as(one)) {
            true => (other_steps - steps).powi(2),
            false => other_steps.powi(2) + steps.powi(2),
        };
    }
    for other in b.sensors.iter().filter(|other| !a.sensors.iter().any(|one| one.is(other))) {
        let (gain, steps) = relative(other, b);
        variance += gain.powi(2) + steps.powi(2);
    }
    variance
}

impl Mean {
    fn of(runs: &[Run]) -> Self {
        let count = runs.len() as f64;
        let mean = |of: &dyn Fn(&Quantity) -> f64| {
            runs.iter().map(|run| of(&run.quantity)).sum::<f64>() / count
        };
        // Each run has a clock of its own: how fast it was slewed is another matter each time.
        let of_run = |it: &Quantity| it.own + it.clock.powi(2);
        let value = mean(&|it| it.value);
        let within = mean(&of_run);
        let mut all = Mean {
            value,
            own: within / count,
            freedom: mean(&|it| it.freedom) / count.powi(3),
            bound: mean(&|it| it.bound),
            sensors: vec![],
        };
        all.add_sensors(runs);
        if runs.len() > 1 {
            let freedom = count - 1.0;
            let seen = mean(&|it| (it.value - value).powi(2)) * count / freedom;
            // Runs on boards of their own differ by their sensors too.
            let of_sensors = mean(&|it| it.sensors.iter().map(SensorPart::variance).sum());
            let several = runs.iter().any(|run| run.board != runs[0].board);
            let expected = within + if several { of_sensors } else { 0.0 };
            if seen > expected * critical_ratio(freedom) {
                all.own += (seen - expected) / count;
                all.freedom += (seen / count).powi(2) / freedom;
            }
        }
        all
    }

    fn add_sensors(&mut self, runs: &[Run]) {
        let parts =
            runs.iter().flat_map(|run| run.quantity.sensors.iter().map(move |it| (run, it)));
        for (run, part) in parts {
            let mut part = part.clone();
            part.value /= runs.len() as f64;
            part.quantisation /= runs.len() as f64;
            let sensor = Sensor { board: run.board.clone(), part };
            match self.sensors.iter_mut().find(|known| known.is(&sensor)) {
                Some(known) => {
                    if !known.reads_as(&sensor) {
                        known.part.levels = [f64::NAN; 4];
                    }
                    known.part.value += sensor.part.value;
                    known.part.quantisation += sensor.part.quantisation;
                }
                None => self.sensors.push(sensor),
            }
        }
    }

    /// Half of the 95 % interval.
    fn half_width(&self) -> f64 {
        let of_sensors = self.sensors.iter().map(|it| it.part.variance()).sum::<f64>();
        let variance = self.own + of_sensors;
        student::satterthwaite(variance, self.freedom) * variance.sqrt() + self.bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(value: f64, relative: f64, board: &str, parts: &[(&str, f64, f64)]) -> Run {
        let sensors = parts.iter().map(|&(rail, share, tolerance)| SensorPart {
            rail: rail.into(),
            value: share * value,
            tolerance,
            quantisation: 0.0,
            levels: [0.0; 4],
        });
        let own = (relative * value).powi(2);
        let quantity = Quantity { value, own, sensors: sensors.collect(), ..Quantity::default() };
        Run { quantity, board: board.to_owned() }
    }

    fn compared(a: Vec<Run>, b: Vec<Run>) -> Compared {
        difference(&Known::Measured(a), &Known::Measured(b))
    }

    fn width(compared: &Compared) -> f64 {
        let (from, to) = compared.percent.unwrap().interval.unwrap();
        to - from
    }

    #[test]
    fn a_difference_is_one_where_its_interval_says_so() {
        let small = compared(vec![run(1.0, 0.01, "x", &[])], vec![run(1.02, 0.01, "x", &[])]);
        assert_eq!(small.differs, Differs::No);
        let large = compared(vec![run(1.0, 0.01, "x", &[])], vec![run(1.04, 0.01, "x", &[])]);
        assert_eq!(large.differs, Differs::More);
        let (from, to) = large.percent.unwrap().interval.unwrap();
        assert!(from > 1.0 && from < 1.4 && to > 6.6 && to < 7.2, "{from} {to}");
        let less = compared(vec![run(1.0, 0.01, "x", &[])], vec![run(0.5, 0.01, "x", &[])]);
        assert_eq!((less.differs, less.percent.unwrap().value), (Differs::Less, -50.0));
    }

    /// One sensor read both: its gain is in both. Two sensors, or one rail's part that grew, are not.
    #[test]
    fn errors_of_one_sensor_cancel() {
        let part = [("R", 1.0, 0.02)];
        let same = compared(vec![run(1.0, 1e-4, "x", &part)], vec![run(1.1, 1e-4, "x", &part)]);
        assert!(width(&same) < 0.1, "{same:?}");
        let other = compared(vec![run(1.0, 1e-4, "x", &part)], vec![run(1.1, 1e-4, "y", &part)]);
        assert!(
            (width(&other) - 2.2 * 1.96 * 0.02 / 3f64.sqrt() * 2f64.sqrt() * 100.0).abs() < 0.1
        );
        let moved = [("R", 0.5, 0.02), ("S", 0.5, 0.02)];
        let rails = compared(vec![run(1.0, 1e-4, "x", &part)], vec![run(1.0, 1e-4, "x", &moved)]);
        // Half of R's gain and half of S's.
        let expected = 2.0 * 1.96 * (0.5f64 * 0.02) / 3f64.sqrt() * 2f64.sqrt() * 100.0;
        assert!((width(&rails) - expected).abs() < 0.05, "{} {expected}", width(&rails));
    }

    /// A sensor that reads the same twice rounds it the same way twice.
    #[test]
    fn steps_cancel_where_levels_are_the_same() {
        let rounded = |value: f64, level: f64| {
            let mut run = run(value, 1e-6, "x", &[("R", 1.0, 0.0)]);
            let part = &mut run.quantity.sensors[0];
            (part.quantisation, part.levels) = (0.01 * value, [level, 100.0, 7.0, 7.0]);
            run
        };
        let same = compared(vec![rounded(1.0, 4000.0)], vec![rounded(1.0, 4000.1)]);
        assert!(width(&same) < 0.01, "{same:?}");
        let other = compared(vec![rounded(1.0, 4000.0)], vec![rounded(1.0, 4000.6)]);
        assert!((width(&other) - 2.0 * 1.96 * 1.41).abs() < 0.05, "{other:?}");
        let mixed = compared(
            vec![rounded(1.0, 4000.0), rounded(1.0, 4000.6)],
            vec![rounded(1.0, 4000.0), rounded(1.0, 4000.0)],
        );
        assert!(width(&mixed) > 5.0, "{mixed:?}");
    }

    #[test]
    fn runs_that_differ_among_themselves_widen_the_interval() {
        let set =
            |values: &[f64]| values.iter().map(|&it| run(it, 1e-4, "x", &[])).collect::<Vec<_>>();
        let alike = compared(set(&[1.0, 1.0001, 0.9999]), set(&[1.01, 1.0101, 1.0099]));
        assert_eq!(alike.differs, Differs::More);
        let apart = compared(set(&[0.9, 1.1, 1.0]), set(&[1.01, 0.95, 1.07]));
        assert_eq!(apart.differs, Differs::No);
        assert!(width(&apart) > 20.0, "{apart:?}");
    }

    #[test]
    fn more_images_do_not_shrink_a_tolerance() {
        let part = [("R", 1.0, 0.02)];
        let many: Vec<Run> = (0..50).map(|_| run(1.0, 0.01, "x", &part)).collect();
        let other: Vec<Run> = (0..50).map(|_| run(1.0, 0.01, "y", &part)).collect();
        assert!(width(&compared(many, other)) > 2.0 * 1.96 * 0.02 / 3f64.sqrt() * 1.41 * 100.0);
    }

    #[test]
    fn what_is_not_known_is_not_compared() {
        let a = Known::Measured(vec![run(1.0, 0.01, "x", &[])]);
        let unknown = difference(&a, &Known::Unknown);
        assert_eq!((unknown.differs, unknown.percent), (Differs::Unknown, None));
        let bare = difference(&a, &Known::Bare(2.0));
        assert_eq!(bare.differs, Differs::Unknown);
        assert_eq!(bare.percent, Some(Percent { value: 100.0, interval: None }));
        let wide = compared(vec![run(1.0, 0.9, "x", &[])], vec![run(2.0, 0.9, "x", &[])]);
        assert_eq!((wide.differs, wide.percent.unwrap().interval), (Differs::Unknown, None));
        let nothing = difference(&a, &Known::Measured(vec![run(0.0, 0.0, "x", &[])]));
        assert_eq!(nothing.differs, Differs::Unknown);
    }

    proptest! {
        /// A over B is what B over A is, turned round.
        #[test]
        fn the_other_way_round_it_is_the_same(
            a in 0.1..10.0f64, b in 0.1..10.0f64, error in 1e-4..0.1f64, tolerance in 0.0..0.1f64,
        ) {
            let part = [("R", 1.0, tolerance)];
            let (a, b) = (vec![run(a, error, "x", &part)], vec![run(b, error, "y", &part)]);
            let (there, back) = (compared(a.clone(), b.clone()), compared(b, a));
            let ratio = |percent: f64| 1.0 + percent / 100.0;
            let (from, to) = there.percent.unwrap().interval.unwrap();
            let (back_from, back_to) = back.percent.unwrap().interval.unwrap();
            prop_assert!((ratio(from) * ratio(back_to) - 1.0).abs() < 1e-9);
            prop_assert!((ratio(to) * ratio(back_from) - 1.0).abs() < 1e-9);
            let turned = match there.differs {
                Differs::More => Differs::Less,
                Differs::Less => Differs::More,
                other => other,
            };
            prop_assert_eq!(back.differs, turned);
        }
    }
}
