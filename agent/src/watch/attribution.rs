//! Which component an image ran on.

use std::collections::VecDeque;

/// The account is kept this far back; no image that is longer is told apart by its beginning.
const KEPT: usize = 4096;

/// The program's time on each CPU as it grew, and which component each CPU belongs to.
#[derive(Debug)]
pub struct Attribution {
    /// Of each CPU, the component's index.
    components: Vec<Option<usize>>,
    count: usize,
    /// Instants, and until then the program's time on each CPU, ns.
    history: VecDeque<(u64, Vec<u64>)>,
}

impl Attribution {
    /// Component `i` is the CPUs `components[i]`.
    pub fn new(components: &[&[u32]]) -> Self {
        let cpus = components.iter().flat_map(|cpus| cpus.iter()).max().map_or(0, |&cpu| cpu + 1);
        let of = |cpu: u32| components.iter().position(|cpus| cpus.contains(&cpu));
        let count = components.len();
        Attribution { components: (0..cpus).map(of).collect(), count, history: VecDeque::new() }
    }

    /// Until `t_ns` the program ran on CPU `i` for `busy_ns[i]`, cumulative.
    pub fn account(&mut self, t_ns: u64, busy_ns: Vec<u64>) {
        if self.history.len() == KEPT {
            self.history.pop_front();
        }
        self.history.push_back((t_ns, busy_ns));
    }

    /// The last instant there is an account of.
    pub fn known_until_ns(&self) -> Option<u64> {
        self.history.back().map(|(t_ns, _)| *t_ns)
    }

    /// The component whose CPUs the program ran on for most of an interval; where there is no
    /// account of that, the one that has `cpu`.
    pub fn component(&self, start_ns: u64, end_ns: u64, cpu: u32) -> Option<usize> {
        let mut shares = vec![0; self.count];
        for (index, of) in self.components.iter().enumerate() {
            if let Some(component) = of {
                let until = |t_ns| self.busy_ns(index, t_ns);
                shares[*component] += until(end_ns).saturating_sub(until(start_ns));
            }
        }
        let most = shares.iter().copied().max().filter(|&most| most > 0);
        match most {
            Some(most) => shares.iter().position(|&share| share == most),
            None => self.components.get(cpu as usize).copied().flatten(),
        }
    }

    /// The program's time on a CPU up to an instant, as if it had grown evenly between accounts.
    fn busy_ns(&self, cpu: usize, t_ns: u64) -> u64 {
        let after = self.history.partition_point(|(at, _)| *at < t_ns);
        let at = |index: usize| {
            let (t_ns, busy_ns) = self.history.get(index)?;
            Some((*t_ns, busy_ns.get(cpu).copied()?))
        };
        match (after.checked_sub(1).and_then(at), at(after)) {
            (Some((t0, busy0)), Some((t1, busy1))) if t1 > t0 => {
                let grown = u128::from(busy1.saturating_sub(busy0)) * u128::from(t_ns - t0);
                busy0 + (grown / u128::from(t1 - t0)) as u64
            }
            (_, Some((_, busy))) | (Some((_, busy)), None) => busy,
            (None, None) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn two_clusters() -> Attribution {
        Attribution::new(&[&[0, 1], &[2, 3]])
    }

    #[test]
    fn most_of_the_time_decides() {
        let mut attribution = two_clusters();
        attribution.account(0, vec![0, 0, 0, 0]);
        attribution.account(100, vec![100, 0, 0, 0]);
        attribution.account(200, vec![100, 0, 60, 100]);
        assert_eq!(attribution.component(0, 90, 3), Some(0));
        assert_eq!(attribution.component(110, 190, 0), Some(1));
        assert_eq!(attribution.component(20, 130, 3), Some(0), "80 against 48");
        assert_eq!(attribution.component(80, 170, 0), Some(1), "20 against 112");
    }

    #[test]
    fn without_an_account_the_cpu_it_began_on_decides() {
        assert_eq!(two_clusters().component(0, 10, 2), Some(1));
        assert_eq!(two_clusters().component(0, 10, 9), None, "a CPU of no component");
    }

    proptest! {
        #[test]
        fn any_account_is_survived(
            accounts in prop::collection::vec((any::<u64>(), any::<[u64; 4]>()), 0..20),
            start: u64, end: u64, cpu: u32,
        ) {
            let mut attribution = two_clusters();
            let mut accounts = accounts;
            accounts.sort_unstable();
            for (t_ns, busy) in accounts {
                attribution.account(t_ns, busy.to_vec());
            }
            let component = attribution.component(start, end, cpu);
            prop_assert!(component.is_none_or(|component| component < 2));
        }
    }
}
