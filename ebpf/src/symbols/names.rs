//! Names of functions: raw, demangled, and what a user means by part of one.

use cpp_demangle::DemangleOptions;

/// No more names than this are offered in place of one that is not there.
const MOST_OFFERED: usize = 5;

/// One name of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FunctionName {
    pub(super) address: u64,
    pub(super) raw: String,
    /// With parameters, if the language has them in names.
    full: Option<String>,
    /// Without parameters and hash.
    plain: Option<String>,
}

/// What a name means among the functions of one file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match<'a> {
    None,
    One(&'a FunctionName),
    /// Their names in full.
    Several(Vec<String>),
}

impl FunctionName {
    pub(super) fn new(raw: &str, address: u64) -> Self {
        // A version (`name@@GLIBC_2.2.5`) is no part of the name.
        let raw = raw.split('@').next().unwrap_or(raw);
        let (full, plain) = match rust_names(raw).or_else(|| cpp_names(raw)) {
            Some((full, plain)) => (Some(full), Some(plain)),
            None => (None, None),
        };
        FunctionName { address, raw: raw.to_owned(), full, plain }
    }

    /// The name to show.
    pub(super) fn shown(&self) -> &str {
        self.full.as_deref().unwrap_or(&self.raw)
    }

    fn plain(&self) -> &str {
        self.plain.as_deref().unwrap_or(&self.raw)
    }

    /// How exactly `wanted` names this function; less is more exact.
    fn distance(&self, wanted: &str) -> Option<u8> {
        let ends = |name: &str| name.strip_suffix(wanted).is_some_and(|rest| rest.ends_with("::"));
        if self.raw == wanted {
            Some(0)
        } else if self.full.as_deref() == Some(wanted) {
            Some(1)
        } else if self.plain() == wanted {
            Some(2)
        } else if ends(self.shown()) || ends(self.plain()) {
            Some(3)
        } else {
            None
        }
    }
}

fn rust_names(raw: &str) -> Option<(String, String)> {
    let name = rustc_demangle::try_demangle(raw).ok()?;
    // The alternate form leaves the hash out.
    let plain = format!("{name:#}");
    Some((plain.clone(), plain))
}

fn cpp_names(raw: &str) -> Option<(String, String)> {
    if !raw.starts_with("_Z") {
        return None;
    }
    let symbol = cpp_demangle::Symbol::new(raw.as_bytes()).ok()?;
    let full = symbol.demangle().ok()?;
    let bare = DemangleOptions::new().no_params().no_return_type();
    let plain = symbol.demangle_with_options(&bare).ok()?;
    Some((full, plain))
}

/// The function that `wanted` names most exactly, if it is one.
pub(super) fn best<'a>(functions: &'a [FunctionName], wanted: &str) -> Match<'a> {
    let ranked = functions.iter().filter_map(|it| Some((it.distance(wanted)?, it)));
    let ranked: Vec<_> = ranked.collect();
    let Some(least) = ranked.iter().map(|(distance, _)| *distance).min() else {
        return Match::None;
    };
    let mut matches: Vec<_> =
        ranked.into_iter().filter(|(distance, _)| *distance == least).map(|(_, it)| it).collect();
    // One function may have several names; constructors do.
    matches.dedup_by_key(|function| function.address);
    match matches[..] {
        [only] => Match::One(only),
        _ => {
            let mut names: Vec<_> = matches.iter().map(|it| it.shown().to_owned()).collect();
            // Of one name in full, only the raw ones tell.
            names.sort_unstable();
            if names.windows(2).any(|pair| pair[0] == pair[1]) {
                names = matches.iter().map(|it| it.raw.clone()).collect();
                names.sort_unstable();
            }
            Match::Several(names)
        }
    }
}

/// The names that a misspelt one may have meant, likeliest first.
pub(super) fn nearest<'a>(known: impl Iterator<Item = &'a str>, wanted: &str) -> Vec<String> {
    let wanted_lower = wanted.to_lowercase();
    let most_edits = (wanted.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &str)> = Vec::new();
    for name in known {
        // The name itself counts, from any scope on, and not its parameters.
        let plain = name.split('(').next().unwrap_or(name);
        let from_scope = plain.match_indices("::").map(|(at, _)| &plain[at + 2..]);
        let edits = std::iter::once(plain)
            .chain(from_scope)
            .filter(|part| part.len().abs_diff(wanted.len()) <= most_edits)
            .map(|part| strsim::damerau_levenshtein(&part.to_lowercase(), &wanted_lower))
            .min()
            .unwrap_or(usize::MAX);
        let contains = wanted.len() > 2 && plain.to_lowercase().contains(&wanted_lower);
        if edits <= most_edits || contains {
            near.push((if contains { edits.min(most_edits) } else { edits }, name));
        }
    }
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(MOST_OFFERED).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPP: &str = "_ZN3net6Engine3runEi";
    const CPP_FLOAT: &str = "_ZN3net6Engine3runEf";
    const RUST: &str = "_ZN5model6engine3run17h0123456789abcdefE";

    fn functions(raw: &[&str]) -> Vec<FunctionName> {
        raw.iter().enumerate().map(|(at, raw)| FunctionName::new(raw, at as u64)).collect()
    }

    #[test]
    fn a_function_is_found_by_each_of_its_names() {
        let all = functions(&[CPP, RUST, "run_model", "memcpy@@GLIBC_2.14"]);
        for (wanted, at) in [
            (CPP, 0),
            ("net::Engine::run(int)", 0),
            ("net::Engine::run", 0),
            ("Engine::run", 0),
            ("model::engine::run", 1),
            ("engine::run", 1),
            ("run_model", 2),
            ("memcpy", 3),
        ] {
            assert_eq!(best(&all, wanted), Match::One(&all[at]), "{wanted}");
        }
        // Half a word is no suffix.
        assert_eq!(best(&all, "gine::run"), Match::None);
    }

    #[test]
    fn several_are_listed_in_full() {
        let all = functions(&[CPP, CPP_FLOAT, RUST]);
        let both = ["net::Engine::run(float)", "net::Engine::run(int)"].map(str::to_owned);
        assert_eq!(best(&all, "net::Engine::run"), Match::Several(both.to_vec()));
        assert_eq!(best(&all, "net::Engine::run(int)"), Match::One(&all[0]));
        let Match::Several(three) = best(&all, "run") else { panic!("one of three") };
        assert_eq!(three.len(), 3);
        let aliases = [FunctionName::new("a", 8), FunctionName::new("b", 8)];
        assert_eq!(best(&aliases, "a"), Match::One(&aliases[0]));
    }

    #[test]
    fn misspelt_names_are_answered_with_likely_ones() {
        let known = ["run_model", "net::Engine::run(int)", "quite_another", "run_models"];
        let near = |wanted| nearest(known.into_iter(), wanted);
        assert_eq!(near("run_modle")[0], "run_model");
        assert_eq!(near("RUN_MODEL")[0], "run_model");
        assert_eq!(near("Engine"), ["net::Engine::run(int)"]);
        assert_eq!(near("Engine::rum"), ["net::Engine::run(int)"]);
        assert!(near("xyzzy_plugh").is_empty());
    }
}
