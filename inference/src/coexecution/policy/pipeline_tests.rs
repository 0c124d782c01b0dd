use proptest::prelude::*;

use super::*;
use crate::coexecution::profile::Profile;

/// The least bottleneck by trying everything: every next stage, on every component not used yet.
fn brute_force(times: &[Vec<f64>], from: usize, used: usize, transfer_s: &[f64]) -> f64 {
    let layers = times[0].len();
    if from == layers {
        return 0.0;
    }
    let mut best = f64::INFINITY;
    for (component, seconds) in times.iter().enumerate() {
        if used >> component & 1 == 1 {
            continue;
        }
        for to in from + 1..=layers {
            let handed_over = if from == 0 { 0.0 } else { transfer_s[from] };
            let stage_s = handed_over + seconds[from..to].iter().sum::<f64>();
            let rest = brute_force(times, to, used | 1 << component, transfer_s);
            best = best.min(stage_s.max(rest));
        }
    }
    best
}

fn candidates(times: &[Vec<f64>]) -> Vec<Candidate> {
    let profile = |times: &Vec<f64>| Profile::new("it", 1.0, 1.0).with_layers(times);
    times.iter().map(|times| Candidate::new(profile(times))).collect()
}

fn times() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let layer_s = prop_oneof![6 => 0.01f64..1.0, 1 => Just(f64::INFINITY)];
    (1usize..5, 1usize..7).prop_flat_map(move |(components, layers)| {
        prop::collection::vec(prop::collection::vec(layer_s.clone(), layers), components)
    })
}

proptest! {
    #[test]
    fn is_as_good_as_brute_force(
        times in times(),
        transfer_s in prop::collection::vec(0.0f64..0.5, 7),
    ) {
        let layers = times[0].len();
        let expected = brute_force(&times, 0, 0, &transfer_s);
        let Some(split) = best_split(&candidates(&times), layers, &transfer_s) else {
            prop_assert!(expected.is_infinite());
            return Ok(());
        };
        prop_assert!((split.bottleneck_s - expected).abs() < 1e-9, "{:?} {}", split, expected);
        // And it is what its stages say: each layer once, each component at most once.
        let mut next = 0;
        let mut used = Vec::new();
        let mut slowest = 0.0f64;
        for Stage { component, layers } in &split.stages {
            prop_assert_eq!(layers.start, next);
            prop_assert!(!used.contains(component) && layers.end > layers.start);
            let handed_over = if next == 0 { 0.0 } else { transfer_s[next] };
            slowest = slowest.max(handed_over + times[*component][layers.clone()].iter().sum::<f64>());
            next = layers.end;
            used.push(*component);
        }
        prop_assert_eq!(next, layers);
        prop_assert!((slowest - expected).abs() < 1e-9);
    }
}

#[test]
fn a_component_that_is_out_gets_no_stage() {
    let mut candidates = candidates(&[vec![1.0; 4], vec![0.1; 4]]);
    candidates[1].working = false;
    let split = best_split(&candidates, 4, &[]).unwrap();
    assert_eq!(split.stages, [Stage { component: 0, layers: 0..4 }]);
}

#[test]
fn among_equals_it_has_the_fewest_stages() {
    let split = best_split(&candidates(&[vec![1.0, 1.0], vec![9.0, 9.0]]), 2, &[]).unwrap();
    assert_eq!(split.stages.len(), 1);
}
