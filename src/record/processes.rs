//! Which processes are watched: one, or one and those that descend from it.

use std::collections::HashMap;
use std::fs;

/// A process and its descendants, as procfs shows them.
#[derive(Debug)]
pub(super) struct Family {
    root: u32,
    /// Processes that were looked at, and whether they belong to it.
    known: HashMap<u32, bool>,
}

impl Family {
    pub(super) fn new(root: u32) -> Self {
        Family { root, known: HashMap::from([(root, true)]) }
    }

    /// Looks for children that were born since: one that leaves a mark and is gone before it can
    /// be asked for its parent is then known.
    pub(super) fn look(&mut self) {
        let mut waiting = vec![self.root];
        while let Some(process) = waiting.pop() {
            for child in children(process) {
                self.known.insert(child, true);
                waiting.push(child);
            }
        }
    }

    /// Whether a process belongs to it.
    pub(super) fn has(&mut self, process: u32) -> bool {
        if let Some(&known) = self.known.get(&process) {
            return known;
        }
        let mut ancestor = parent(process);
        let mut belongs = false;
        while let Some(it) = ancestor.filter(|&it| it > 1) {
            belongs = self.known.get(&it).copied().unwrap_or(false);
            if belongs {
                break;
            }
            ancestor = parent(it);
        }
        self.known.insert(process, belongs);
        belongs
    }
}

fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|it| fs::read_to_string(it.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace().filter_map(|it| it.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

/// A process's parent.
fn parent(process: u32) -> Option<u32> {
    stat_field(process, 1)?.parse().ok()
}

/// Whether a process is there and has not ended: a zombie has.
pub(super) fn is_alive(process: u32) -> bool {
    stat_field(process, 0).is_some_and(|state| state != "Z" && state != "X")
}

/// A field of /proc/PID/stat, counted from the state, which follows the name. [proc(5)]
fn stat_field(process: u32, index: usize) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold anything, closing parentheses too.
    let (_, fields) = text.rsplit_once(") ")?;
    fields.split_ascii_whitespace().nth(index).map(str::to_owned)
}
