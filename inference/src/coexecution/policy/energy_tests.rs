use proptest::prelude::*;

use super::*;
use crate::coexecution::profile::Profile;

#[derive(Debug, Clone, Copy)]
struct Costs {
    rate: f64,
    joules: f64,
    standby_watts: f64,
}

fn candidates(costs: &[Costs]) -> Vec<Candidate> {
    let profile = |it: &Costs| {
        Profile::new("it", 1.0 / it.rate, it.joules).with_standby_watts(it.standby_watts)
    };
    costs.iter().map(|it| Candidate::new(profile(it))).collect()
}

/// The least joules per image over all vertices: in a linear program some optimum has every rate
/// at 0 or at its bound but for one, and each state of each component is tried (3^n).
fn exhaustive(costs: &[Costs], fps: f64) -> Option<f64> {
    let mut best: Option<f64> = None;
    for state in 0..3usize.pow(costs.len() as u32) {
        let digit = |index: usize| state / 3usize.pow(index as u32) % 3;
        if (0..costs.len()).filter(|&index| digit(index) == 2).count() > 1 {
            continue;
        }
        let full: f64 =
            (0..costs.len()).filter(|&it| digit(it) == 1).map(|it| costs[it].rate).sum();
        let mut watts = 0.0;
        let mut run = 0.0;
        for (index, cost) in costs.iter().enumerate() {
            let rate = match digit(index) {
                0 => continue,
                1 => cost.rate,
                _ => (fps - full).clamp(0.0, cost.rate),
            };
            watts += cost.standby_watts + rate * cost.joules;
            run += rate;
        }
        if (run - fps).abs() < 1e-9 * fps {
            best = Some(best.unwrap_or(f64::INFINITY).min(watts / fps));
        }
    }
    best
}

fn costs() -> impl Strategy<Value = Costs> {
    (0.2f64..50.0, 0.01f64..5.0, prop_oneof![Just(0.0), 0.0f64..3.0])
        .prop_map(|(rate, joules, standby_watts)| Costs { rate, joules, standby_watts })
}

proptest! {
    #[test]
    fn is_as_good_as_exhaustive_search(
        costs in prop::collection::vec(costs(), 1..7),
        load in 0.01f64..1.3,
    ) {
        let fps = load * costs.iter().map(|it| it.rate).sum::<f64>();
        let plan = least_energy(&candidates(&costs), fps);
        let expected = exhaustive(&costs, fps);
        prop_assert_eq!(plan.meets_fps, expected.is_some());
        let total: f64 = plan.rates.iter().sum();
        for (rate, cost) in plan.rates.iter().zip(&costs) {
            prop_assert!(*rate <= cost.rate * (1.0 + 1e-9));
        }
        let Some(expected) = expected else {
            // Beyond reach: everyone, flat out.
            prop_assert!((total * load / fps - 1.0).abs() < 1e-9);
            return Ok(());
        };
        prop_assert!((total / fps - 1.0).abs() < 1e-9);
        prop_assert!((plan.joules_per_image / expected - 1.0).abs() < 1e-9);
        // No single component that meets the rate is cheaper.
        for single in costs.iter().filter(|it| it.rate >= fps) {
            let alone = single.joules + single.standby_watts / fps;
            prop_assert!(plan.joules_per_image <= alone * (1.0 + 1e-9));
        }
    }
}
