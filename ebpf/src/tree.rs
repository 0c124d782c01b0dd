//! The processes that descend from one, as procfs shows them.

use std::collections::HashSet;
use std::fs;

/// Calls `found` with `root` and every process that descends from it, each once.
///
/// Looks again until nothing new is found: processes fork meanwhile. Those forked once `found`
/// was called with their parent are the kernel side's to follow.
pub(crate) fn each_descendant(root: u32, mut found: impl FnMut(u32)) {
    let mut known = HashSet::from([root]);
    found(root);
    loop {
        let before = known.len();
        for (process, parent) in processes() {
            if known.contains(&parent) && known.insert(process) {
                found(process);
            }
        }
        if known.len() == before {
            return;
        }
    }
}

/// Whether a number is that of a process (and not of a thread of one) that has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let has_ended = field("State:").is_none_or(|state| state.starts_with(['Z', 'X']));
    !has_ended && field("Tgid:") == Some(pid.to_string().as_str())
}

/// Every process with its parent.
fn processes() -> impl Iterator<Item = (u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((process, parent(&stat)?))
    })
}

/// From `7 (a b) c) S 3 …` it is 3: only the last parenthesis ends the name.
fn parent(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};

    use super::*;

    #[test]
    fn a_name_may_hold_parentheses() {
        assert_eq!(parent("7 (a b) 9 (c) S 3 7 7"), Some(3));
        assert_eq!(parent("7 (x"), None);
    }

    #[test]
    fn children_are_found_and_strangers_are_not() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let mut found = Vec::new();
        each_descendant(id(), |pid| found.push(pid));
        assert!(is_alive(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found[0], id());
        assert_eq!(found.iter().filter(|pid| **pid == child.id()).count(), 1);
        assert!(!found.contains(&1));
        assert!(is_alive(id()));
        assert!(!is_alive(child.id()));
    }
}
