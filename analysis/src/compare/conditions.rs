//! In what else two sides differ: what may be the cause of a difference, or forbid speaking of one.

use std::collections::BTreeSet;

use wattline_trace::{ClockKind, Manifest};

use super::pairing::Side;

/// Why no difference says anything, if none does.
pub(super) fn incomparable(sides: &[Side; 2]) -> Option<String> {
    let emulated = |side: &Side| {
        let boards = side.manifests.values().map(|it| it.board.emulated);
        boards.collect::<BTreeSet<bool>>().into_iter().collect::<Vec<bool>>()
    };
    let word = |emulated: &[bool]| match emulated {
        [true] => "emulated",
        [false] => "of a real board",
        _ => "emulated in part",
    };
    let [a, b] = [emulated(&sides[0]), emulated(&sides[1])];
    (a != b || a.len() > 1).then(|| {
        format!(
            "A is {}, B is {}: what a model makes is of no chip, and no difference from it says anything \
             of one",
            word(&a),
            word(&b)
        )
    })
}

/// In what the two sides' recordings differ, a line each.
pub(super) fn different(sides: &[Side; 2]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut hold = |what: &str, of: &dyn Fn(&Manifest) -> Option<String>| {
        let values = |side: &Side| {
            let values: BTreeSet<String> = side.manifests.values().filter_map(of).collect();
            values.into_iter().collect::<Vec<_>>().join(" and ")
        };
        let [a, b] = [values(&sides[0]), values(&sides[1])];
        let named = |value: String| if value.is_empty() { "not said".to_owned() } else { value };
        if a != b {
            lines.push(format!("{what}: {} in A, {} in B", named(a), named(b)));
        }
    };
    hold("board", &|it| Some(it.board.name.clone()));
    hold("clock", &|it| {
        Some(match it.clock.kind {
            ClockKind::Wall => "wall".to_owned(),
            ClockKind::Virtual => "virtual".to_owned(),
        })
    });
    hold("kernel", &|it| Some(it.kernel.clone()).filter(|it| !it.is_empty()));
    hold("wattline", &|it| Some(it.wattline.clone()));
    hold("images", &|it| it.inputs.as_ref().map(|inputs| inputs.source.clone()));
    hold("pauses before images (--dither)", &|it| {
        Some(it.dither.map_or("none".to_owned(), |it| {
            format!("up to {:.1} ms", it.longest_pause_ns as f64 * 1e-6)
        }))
    });
    let all = || sides.iter().flat_map(|side| side.manifests.values());
    let names = |of: &dyn Fn(&Manifest) -> Vec<String>| all().flat_map(of).collect::<BTreeSet<_>>();
    for name in names(&|it| it.components.iter().map(|it| it.name.clone()).collect()) {
        let record = |it: &Manifest| it.components.iter().find(|it| it.name == name).cloned();
        if !sides.iter().all(|side| side.manifests.values().any(|it| record(it).is_some())) {
            continue;
        }
        hold(&format!("executor of {name}"), &|it| record(it).map(|it| it.executor));
        hold(&format!("threads of {name}"), &|it| Some(record(it)?.threads?.to_string()));
        hold(&format!("rails of {name}"), &|it| record(it).map(|it| it.rails.join(", ")));
    }
    for name in names(&|it| it.rails.iter().map(|it| it.name.clone()).collect()) {
        hold(&format!("window of rail {name}"), &|it| {
            let rail = it.rails.iter().find(|it| it.name == name)?;
            Some(format!("{:.1} ms", rail.window_ns as f64 * 1e-6))
        });
    }
    for name in names(&|it| it.models.iter().map(|it| it.name.clone()).collect()) {
        let record = |it: &Manifest| it.models.iter().find(|it| it.name == name).cloned();
        if sides.iter().all(|side| side.manifests.values().any(|it| record(it).is_some())) {
            hold(&format!("flops of {name}"), &|it| Some(record(it)?.flops.to_string()));
            hold(&format!("parameters of {name}"), &|it| Some(record(it)?.parameters.to_string()));
        }
    }
    lines
}
