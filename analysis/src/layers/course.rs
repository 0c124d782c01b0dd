//! The course of power over a run: whose stretch an instant is in, and what a reading sees of each.

use super::columns::Segment;
use super::sight::Sight;

/// The course of power over a run, as its layers have it.
pub(super) struct Course {
    /// When segments begin, in seconds.
    from: Vec<f64>,
    column: Vec<usize>,
    pub(super) columns: usize,
}

/// The same with a power for each column.
pub(super) struct Power<'a> {
    course: &'a Course,
    watts: Vec<f64>,
    /// By the beginning of each segment.
    joules: Vec<f64>,
}

impl Course {
    /// Of the segments from `start` on that some readings look at.
    pub(super) fn new(segments: &[Segment], start: u64, columns: usize) -> Self {
        let seconds = |t: u64| t.saturating_sub(start) as f64 * 1e-9;
        Course {
            from: segments.iter().map(|it| seconds(it.from)).collect(),
            column: segments.iter().map(|it| it.column()).collect(),
            columns,
        }
    }

    /// How many layers so many seconds look at, on average.
    pub(super) fn layers_in(&self, window: f64) -> f64 {
        let all = self.from.last().zip(self.from.first()).map_or(0.0, |(last, first)| last - first);
        (self.from.len() as f64 * window / all).max(1.0)
    }

    /// The segment of an instant.
    fn at(&self, t: f64) -> usize {
        self.from.partition_point(|from| *from <= t).saturating_sub(1)
    }

    /// The part of a sight that each column has, added to `weights`.
    pub(super) fn weights(&self, t: f64, sight: Sight, weights: &mut [f64]) {
        let oldest = t - sight.reach();
        for index in self.at(oldest)..self.from.len() {
            if self.from[index] >= t - sight.least {
                break;
            }
            let to = self.from.get(index + 1).copied().unwrap_or(f64::INFINITY);
            weights[self.column[index]] += sight.up_to(t - self.from[index]) - sight.up_to(t - to);
        }
    }

    /// The course with these watts.
    pub(super) fn power(&self, watts: Vec<f64>) -> Power<'_> {
        let mut joules = vec![0.0; self.from.len()];
        for index in 1..self.from.len() {
            let taken = self.from[index] - self.from[index - 1];
            joules[index] = joules[index - 1] + taken * watts[self.column[index - 1]];
        }
        Power { course: self, watts, joules }
    }
}

impl Power<'_> {
    /// Power at an instant.
    pub(super) fn watts(&self, t: f64) -> f64 {
        self.watts[self.course.column[self.course.at(t)]]
    }

    /// Joules up to an instant.
    fn joules(&self, t: f64) -> f64 {
        let index = self.course.at(t);
        let watts = self.watts[self.course.column[index]];
        self.joules[index] + (t - self.course.from[index]) * watts
    }

    /// The mean over a period that ended at `end`.
    pub(super) fn mean(&self, end: f64, period: f64) -> f64 {
        (self.joules(end) - self.joules(end - period)) / period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course() -> Course {
        let segment = Segment::new;
        let segments = [segment(10, 20, 0), segment(20, 50, 1), segment(50, 60, 0)];
        Course::new(
            &segments.map(|it| segment(it.from * 1_000_000, it.to * 1_000_000, it.column())),
            0,
            2,
        )
    }

    /// What columns have of a sight, times their watts, is the mean of the power that it looks at.
    #[test]
    fn weights_are_those_of_the_mean() {
        let course = course();
        let power = course.power(vec![3.0, 5.0]);
        for (end, window) in [(0.02, 0.01), (0.03, 0.015), (0.055, 0.04), (0.052, 0.001)] {
            let sight = Sight { window, least: 0.004, lag: 0.0 };
            let mut weights = [0.0; 2];
            course.weights(end + 0.004, sight, &mut weights);
            assert!((weights[0] + weights[1] - 1.0).abs() < 1e-9);
            let mean = 3.0 * weights[0] + 5.0 * weights[1];
            assert!((mean - power.mean(end, window)).abs() < 1e-9, "{end} {window}");
        }
        assert_eq!((power.watts(0.015), power.watts(0.03)), (3.0, 5.0));
    }
}
