//! The ratio of two numbers and its interval; the formulas stand in the [module's text](super).

use crate::power::idle::critical_ratio;
use crate::power::student;
use crate::quantity::Quantity;

use super::Differs;

/// Half an interval of the ratio's logarithm that leaves a factor of three open says nothing: one side's
/// number is hardly told apart from nothing.
const MOST_UNSURE: f64 = 1.1;

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
    /// Variance, but for the gains of sensors, and Welch and Satterthwaite's sum for it.
    own: f64,
    freedom: f64,
    bound: f64,
    /// Board and rail, what was read there, and by what share it may lie off.
    sensors: Vec<((String, String), f64, f64)>,
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
    let relative = |mean: &Mean| (mean.own / mean.value.powi(2), mean.freedom / mean.value.powi(4));
    let ((own_a, freedom_a), (own_b, freedom_b)) = (relative(a), relative(b));
    let of = |mean: &Mean, at: &(String, String)| {
        let part = mean.sensors.iter().find(|(known, ..)| known == at);
        part.map_or(0.0, |(_, read, _)| read / mean.value)
    };
    let only_b = b.sensors.iter().filter(|(at, ..)| !a.sensors.iter().any(|(it, ..)| it == at));
    let gains = a
        .sensors
        .iter()
        .chain(only_b)
        .map(|(at, _, tolerance)| ((of(b, at) - of(a, at)) * tolerance).powi(2) / 3.0);
    let variance = own_a + own_b + gains.sum::<f64>();
    let bound = a.bound / a.value.abs() + b.bound / b.value.abs();
    student::satterthwaite(variance, freedom_a + freedom_b) * variance.sqrt() + bound
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
        for run in runs {
            for part in &run.quantity.sensors {
                let at = (run.board.clone(), part.rail.to_string());
                let read = part.value / count;
                match all.sensors.iter_mut().find(|(known, ..)| *known == at) {
                    Some((_, sum, _)) => *sum += read,
                    None => all.sensors.push((at, read, part.tolerance)),
                }
            }
        }
        if runs.len() > 1 {
            let freedom = count - 1.0;
            let seen = mean(&|it| (it.value - value).powi(2)) * count / freedom;
            // Runs on boards of their own differ by their sensors too.
            let gains = mean(&|it| {
                it.sensors.iter().map(|it| (it.value * it.tolerance).powi(2) / 3.0).sum()
            });
            let several = runs.iter().any(|run| run.board != runs[0].board);
            let expected = within + if several { gains } else { 0.0 };
            if seen > expected * critical_ratio(freedom) {
                all.own += (seen - expected) / count;
                all.freedom += (seen / count).powi(2) / freedom;
            }
        }
        all
    }

    /// Half of the 95 % interval.
    fn half_width(&self) -> f64 {
        let gains = self.sensors.iter().map(|(_, read, share)| (read * share).powi(2) / 3.0);
        let variance = self.own + gains.sum::<f64>();
        student::satterthwaite(variance, self.freedom) * variance.sqrt() + self.bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::SensorPart;
    use proptest::prelude::*;

    fn run(value: f64, relative: f64, board: &str, parts: &[(&str, f64, f64)]) -> Run {
        let sensors = parts.iter().map(|&(rail, share, tolerance)| SensorPart {
            rail: rail.into(),
            value: share * value,
            tolerance,
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
