//! Faults of a manifest that would give two answers to one question.

use std::collections::HashSet;

use wattline_trace::BundleReader;

use crate::error::AnalysisError;

/// Checks that names are unique, and windows, steps and nesting possible.
///
/// # Errors
/// [`AnalysisError::Manifest`].
pub(crate) fn check_manifest(bundle: &BundleReader) -> Result<(), AnalysisError> {
    let manifest = bundle.manifest();
    let fault = |reason| {
        let path = bundle.directory().join("manifest.json");
        Err(AnalysisError::Manifest { path, reason })
    };
    if let Some(name) = repeated(manifest.rails.iter().map(|rail| rail.name.as_str())) {
        return fault(format!("two rails are named {name}"));
    }
    if let Some(name) = repeated(manifest.components.iter().map(|c| c.name.as_str())) {
        return fault(format!("two components are named {name}"));
    }
    if let Some(name) = repeated(manifest.counters.iter().map(|c| c.source.as_str())) {
        return fault(format!("two counters are named {name}"));
    }
    for rail in &manifest.rails {
        if rail.window_ns == 0 {
            return fault(format!("rail {} averages over a window of 0 ns", rail.name));
        }
        if rail.volts_step < 0.0 || rail.amps_step < 0.0 {
            return fault(format!("rail {} has a negative step", rail.name));
        }
        if rail.tolerance.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return fault(format!("rail {}: a tolerance is a share from 0 to 1", rail.name));
        }
        let mut outer = rail.inside.as_ref();
        for _ in 0..manifest.rails.len() {
            let next = outer.and_then(|name| manifest.rails.iter().find(|r| r.name == *name));
            outer = next.and_then(|record| record.inside.as_ref());
        }
        if outer.is_some() {
            return fault(format!("rail {} lies inside itself", rail.name));
        }
    }
    Ok(())
}

fn repeated<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = HashSet::new();
    names.find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_are_found() {
        assert_eq!(repeated(["a", "b", "a"].into_iter()), Some("a"));
        assert_eq!(repeated(["a", "b"].into_iter()), None);
    }
}
