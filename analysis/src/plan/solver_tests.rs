use proptest::prelude::*;

use super::*;

/// Every choice there is.
fn all_choices(groups: usize, frequencies: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..frequencies.pow(groups as u32)).map(move |mut number| {
        let digit = |_| {
            let digit = number % frequencies;
            number /= frequencies;
            digit
        };
        (0..groups).map(digit).collect()
    })
}

fn problem() -> impl Strategy<Value = Problem> {
    (1usize..7, 1usize..5).prop_flat_map(|(groups, frequencies)| {
        let cells = |most: f64| {
            prop::collection::vec(prop::collection::vec(1e-3..most, frequencies), groups)
        };
        // Costs of zero, and larger than any group's, too.
        let cost = prop_oneof![Just(0.0), 0.0..1.0f64];
        (cells(1.0), cells(1.0), cost.clone(), cost, 0.0..1.2f64).prop_map(
            |(seconds, joules, switching_s, switching_joules, tightness)| {
                let mut problem =
                    Problem { seconds, joules, switching_s, switching_joules, deadline_s: 0.0 };
                let fastest = problem.time(&problem.fastest());
                let slowest: f64 =
                    problem.seconds.iter().map(|of| of.iter().copied().fold(0.0, f64::max)).sum();
                // From where nothing keeps it to where everything does.
                problem.deadline_s = 0.95 * fastest + tightness * (slowest - 0.95 * fastest);
                problem
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Nothing that keeps the deadline is better, by trying everything.
    #[test]
    fn the_best_there_is_is_found(problem in problem()) {
        let frequencies = problem.frequencies();
        let feasible = all_choices(problem.groups(), frequencies)
            .filter(|choice| problem.time(choice) <= problem.deadline_s);
        let best = feasible.map(|choice| problem.energy(&choice)).min_by(f64::total_cmp);
        match (problem.solve(), best) {
            (Some(found), Some(best)) => {
                prop_assert!(problem.time(&found.choice) <= problem.deadline_s);
                let energy = problem.energy(&found.choice);
                prop_assert!((energy - best).abs() <= 1e-9 * best, "{energy} and not {best}");
                prop_assert!((found.least_joules - best).abs() <= 1e-9 * best);
            }
            (None, None) => {}
            (found, best) => prop_assert!(false, "{found:?}, {best:?}"),
        }
    }

    /// The first step alone keeps the deadline, and its bound is one.
    #[test]
    fn a_priced_choice_is_bounded(problem in problem()) {
        let Some((choice, price)) = problem.priced() else { return Ok(()) };
        prop_assert!(problem.keeps_deadline(&choice));
        let best = problem.energy(&problem.solve().unwrap().choice);
        prop_assert!(problem.energy(&choice) >= best * (1.0 - 1e-9));
        prop_assert!(problem.bound(price) <= best * (1.0 + 1e-9));
    }

    /// The fastest is.
    #[test]
    fn nothing_is_faster_than_the_fastest(problem in problem()) {
        let fastest = problem.time(&problem.fastest());
        let least = all_choices(problem.groups(), problem.frequencies())
            .map(|choice| problem.time(&choice))
            .fold(f64::INFINITY, f64::min);
        prop_assert!((fastest - least).abs() <= 1e-9);
    }
}

/// As large as any network with as many frequencies as any board: solved to the end, and within the
/// bound.
#[test]
fn a_large_network_is_solved_to_the_end() {
    let (groups, frequencies) = (120, 16);
    let cell = |g: usize, f: usize, of: u64| {
        let mixed = (g as u64 * 7919 + f as u64 * 104_729 + of) % 1009;
        0.2 + mixed as f64 / 1009.0
    };
    let speed = |f: usize| 0.2 + f as f64 / 16.0;
    let table = |of: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
        (0..groups).map(|g| (0..frequencies).map(|f| of(g, f)).collect()).collect()
    };
    let mut problem = Problem {
        seconds: table(&|g, f| 1e-3 * cell(g, 0, 1) / speed(f) + 1e-3 * cell(g, 0, 2)),
        joules: table(&|g, f| 1e-3 * cell(g, 0, 3) * speed(f).powi(2) + 1e-4 * cell(g, f, 4)),
        switching_s: 1e-4,
        switching_joules: 1e-5,
        deadline_s: 0.0,
    };
    let fastest = problem.time(&problem.fastest());
    for slack in [1.05, 1.3, 2.0, 3.0] {
        problem.deadline_s = slack * fastest;
        let found = problem.solve().unwrap();
        let energy = problem.energy(&found.choice);
        assert!(problem.time(&found.choice) <= problem.deadline_s);
        assert!(energy - found.least_joules <= 1e-3 * energy, "{energy} {}", found.least_joules);
    }
}
