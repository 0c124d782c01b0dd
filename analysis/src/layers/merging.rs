//! Layers that readings cannot tell apart are put together, as few as possible.

use nalgebra::{DMatrix, DVector};

use super::columns::Columns;
use super::sums::Equations;
use crate::least_squares::{condition, inverse, non_negative};

/// The standard error of a layer's power, of it or of the run's mean power if that is higher, up to
/// which it stands alone.
const MOST_ERROR: f64 = 0.05;
/// Neighbours that differ by more standard errors than this stay apart however unsure they are.
const SURELY: f64 = 3.0;
/// By how much errors of readings may grow in the fit.
pub(super) const MOST_CONDITION: f64 = 1000.0;

/// Columns in groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Groups {
    /// The group of each column; neighbours in time share one.
    pub(super) of_column: Vec<usize>,
    pub(super) count: usize,
    /// The first so many follow each other in time.
    pub(super) chain: usize,
}

impl Groups {
    /// A group for each column.
    pub(super) fn each(columns: &Columns) -> Groups {
        let count = columns.count();
        Groups { of_column: (0..count).collect(), count, chain: columns.chain }
    }

    /// As many groups as `sources`, each with all its readings, tell apart together.
    pub(super) fn told_apart(sources: &[Equations], columns: &Columns) -> Groups {
        let mut groups = Groups::each(columns);
        loop {
            let merges = groups.wanted_merges(sources);
            if merges.is_empty() {
                return groups;
            }
            groups.merge(&merges);
        }
    }

    /// Groups to be merged with the next one each, no group in two merges.
    fn wanted_merges(&self, sources: &[Equations]) -> Vec<usize> {
        if self.chain < 2 {
            return vec![];
        }
        let parts: Vec<Equations> =
            sources.iter().map(|source| source.grouped(&self.of_column, self.count)).collect();
        let Some(fitted) = Fitted::new(&parts) else { return vec![self.nearest_pair(&parts)] };
        let mut unsure: Vec<usize> =
            (0..self.chain).filter(|&it| fitted.excess(it) > 1.0).collect();
        unsure.sort_by(|&a, &b| fitted.excess(b).total_cmp(&fitted.excess(a)).then(a.cmp(&b)));
        let mut taken = vec![false; self.chain];
        let mut merges = Vec::new();
        for group in unsure {
            let pairs = [group.checked_sub(1), Some(group).filter(|it| it + 1 < self.chain)];
            let alike = pairs.into_iter().flatten().filter(|&first| !fitted.differs(first));
            let alike = alike.map(|first| (likeness(&parts, first), first));
            let Some((_, first)) = alike.max_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
            if !taken[first] && !taken[first + 1] {
                (taken[first], taken[first + 1]) = (true, true);
                merges.push(first);
            }
        }
        let bad = |part: &Equations| condition(&part.products) > MOST_CONDITION;
        if merges.is_empty() && parts.iter().any(bad) {
            merges.push(self.nearest_pair(&parts));
        }
        merges
    }

    /// The two neighbours that look most alike.
    fn nearest_pair(&self, parts: &[Equations]) -> usize {
        let pairs = 0..self.chain - 1;
        let alike = |&first: &usize| likeness(parts, first);
        pairs.max_by(|a, b| alike(a).total_cmp(&alike(b))).unwrap_or(0)
    }

    fn merge(&mut self, firsts: &[usize]) {
        let mut place = 0;
        let new: Vec<usize> = (0..self.count)
            .map(|group| {
                place += usize::from(group > 0 && !firsts.contains(&(group - 1)));
                place
            })
            .collect();
        self.of_column.iter_mut().for_each(|group| *group = new[*group]);
        self.count -= firsts.len();
        self.chain -= firsts.len();
    }
}

/// What groups draw by all sources together, if every reading errs on its own.
struct Fitted {
    values: DVector<f64>,
    covariance: DMatrix<f64>,
    /// The mean over the run.
    level: f64,
}

impl Fitted {
    /// None where groups cannot be told apart at all.
    fn new(parts: &[Equations]) -> Option<Self> {
        let groups = parts.first()?.right.len();
        let mut sum = Fitted {
            values: DVector::zeros(groups),
            covariance: DMatrix::zeros(groups, groups),
            level: 0.0,
        };
        for part in parts {
            let values = non_negative(&part.products, &part.right, None)?;
            sum.covariance += part.noise(&values) * inverse(&part.products)?;
            sum.values += values;
            sum.level += part.value / part.readings;
        }
        Some(sum)
    }

    /// A group's standard error, of what is allowed.
    fn excess(&self, group: usize) -> f64 {
        let level = self.level.max(self.values[group]).max(f64::MIN_POSITIVE);
        self.covariance[(group, group)].max(0.0).sqrt() / (MOST_ERROR * level)
    }

    /// Whether a group is known to differ from the next: put together they would be wrong.
    fn differs(&self, first: usize) -> bool {
        let (a, b) = (first, first + 1);
        let of = |row, column| self.covariance[(row, column)];
        let variance = (of(a, a) + of(b, b) - 2.0 * of(a, b)).max(0.0);
        (self.values[a] - self.values[b]).abs() > SURELY * variance.sqrt()
    }
}

/// How much a group looks like the next, from 0 to 1, to the source that tells them apart best;
/// what no reading looks at is like everything.
fn likeness(parts: &[Equations], first: usize) -> f64 {
    let alike = parts.iter().map(|part| {
        let product = |a, b| part.products[(a, b)];
        let lengths = (product(first, first) * product(first + 1, first + 1)).sqrt();
        if lengths > 0.0 { product(first, first + 1) / lengths } else { 1.0 }
    });
    alike.fold(1.0, f64::min)
}

#[cfg(test)]
mod tests {
    use super::super::sums::Sums;
    use super::*;

    /// Three layers in turn; readings look at one of them, or at two halves of the last two.
    fn equations(together: bool) -> (Vec<Equations>, Columns) {
        let mut sums = Sums::new(3, 1);
        for k in 0..300 {
            let wobble = if k % 2 == 0 { 0.01 } else { -0.01 };
            match k % 3 {
                0 => sums.add(0, &[(0, 1.0)], 1.0 + wobble, None),
                _ if together => sums.add(0, &[(1, 0.5), (2, 0.5)], 2.5 + wobble, None),
                1 => sums.add(0, &[(1, 1.0)], 2.0 + wobble, None),
                _ => sums.add(0, &[(2, 1.0)], 3.0 + wobble, None),
            }
        }
        let columns = Columns { seconds: vec![1.0; 3], chain: 3, ..Columns::default() };
        (vec![sums.blocks[0].equations(0.0)], columns)
    }

    #[test]
    fn only_what_is_alike_is_merged() {
        let (parts, columns) = equations(false);
        assert_eq!(Groups::told_apart(&parts, &columns).of_column, [0, 1, 2]);
        let (parts, columns) = equations(true);
        assert_eq!(Groups::told_apart(&parts, &columns).of_column, [0, 1, 1]);
    }

    #[test]
    fn a_group_merges_with_the_next_and_the_rest_move_up() {
        let mut groups = Groups { of_column: vec![0, 1, 2, 3, 4, 5], count: 6, chain: 5 };
        groups.merge(&[0, 3]);
        assert_eq!(groups, Groups { of_column: vec![0, 0, 1, 2, 2, 3], count: 4, chain: 3 });
    }
}
