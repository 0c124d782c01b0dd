//! All that was read of one bundle: which block, which rails and which provenance a run has.

use wattline_trace::{ComponentRecord, Manifest, Name, Provenance, StandInRecord};

use crate::conservation::balance;
use crate::power::energy::{RailEnergy, measure};
use crate::power::rail::Rail;
use crate::refusal::Refusal;
use crate::results::{ConservationRow, RailRole};
use crate::spans::Spans;
use crate::timeline::{Block, Timeline};
use crate::traffic::Traffic;
use crate::truth::Truth;

/// All that was read of a bundle, and what was made of it.
#[derive(Debug)]
pub(crate) struct Recording<'a> {
    pub(crate) name: Name,
    pub(crate) manifest: &'a Manifest,
    pub(crate) spans: Spans,
    pub(crate) timeline: Timeline,
    pub(crate) rails: Vec<Rail>,
    pub(crate) traffic: Traffic,
    pub(crate) truth: Option<Truth>,
    /// The balance of each rail.
    pub(crate) balances: Vec<ConservationRow>,
    /// For each run, for each rail.
    pub(crate) energies: Vec<Vec<Result<RailEnergy, Refusal>>>,
}

impl Recording<'_> {
    /// The block that a run has for itself, or why it has none.
    pub(crate) fn block(&self, run: usize) -> Result<(usize, &Block), Refusal> {
        if !self.spans.runs[run].whole {
            return Err(Refusal::CutOff);
        }
        let mut blocks = self.timeline.blocks().iter().enumerate();
        let found = blocks.find(|(_, block)| block.runs.contains(&run));
        let Some((index, block)) = found else { return Err(Refusal::CutOff) };
        let other = block.runs.iter().find(|&&other| other != run).map(|&other| {
            let other = &self.spans.runs[other];
            format!("{} on {}", other.network, other.component)
        });
        match other {
            Some(other) => Err(Refusal::Overlap { other }),
            None if block.stray => {
                Err(Refusal::Overlap { other: "a layer that belongs to no image".into() })
            }
            None => Ok((index, block)),
        }
    }

    /// Energies of all runs on all rails, and with them the balances; where a balance is broken,
    /// the rail's energies are taken back.
    pub(crate) fn measure(&mut self) {
        let energies: Vec<Vec<_>> = (0..self.spans.runs.len())
            .map(|run| match self.block(run) {
                Ok((index, block)) => {
                    self.rails.iter().map(|rail| measure(rail, index, block)).collect()
                }
                Err(refusal) => vec![Err(refusal); self.rails.len()],
            })
            .collect();
        self.energies = energies;
        self.balances = (0..self.rails.len()).map(|rail| self.balance(rail)).collect();
        for (place, balance) in self.balances.iter().enumerate() {
            if balance.verdict.is_broken() {
                let refusal = Refusal::NotConserved {
                    rail: balance.rail.to_string(),
                    verdict: balance.verdict.as_str().to_owned(),
                };
                self.energies.iter_mut().for_each(|run| run[place] = Err(refusal.clone()));
            }
        }
    }

    fn balance(&self, rail: usize) -> ConservationRow {
        let mut attributed = vec![None; self.timeline.blocks().len()];
        for (run, energies) in self.energies.iter().enumerate() {
            let listed = self.role(run, &self.rails[rail].record.name) != RailRole::NotListed;
            if let (true, Ok((block, _)), Ok(energy)) = (listed, self.block(run), &energies[rail]) {
                attributed[block] = Some(*energy);
            }
        }
        balance(&self.name, &self.rails[rail], &attributed)
    }

    /// The rails that a run's component lists, without those inside another it lists.
    pub(crate) fn counted_rails(&self, run: usize) -> Vec<&str> {
        let mut counted: Vec<&str> = Vec::new();
        for rail in self.listed_rails(run) {
            if self.role(run, rail) == RailRole::Counted && !counted.contains(&rail.as_str()) {
                counted.push(rail);
            }
        }
        counted
    }

    fn listed_rails(&self, run: usize) -> &[String] {
        self.component(run).map_or(&[], |component| &component.rails)
    }

    fn component(&self, run: usize) -> Option<&ComponentRecord> {
        let name = &self.spans.runs[run].component;
        self.manifest.components.iter().find(|known| name == known.name.as_str())
    }

    /// How a run's component was emulated on a real board, if it was.
    pub(crate) fn stand_in(&self, run: usize) -> Option<&StandInRecord> {
        self.component(run)?.stand_in.as_ref()
    }

    /// What a rail is to a run. A rail inside another counted one is not counted again.
    pub(crate) fn role(&self, run: usize, rail: &str) -> RailRole {
        let listed = self.listed_rails(run);
        let lists = |rail: &str| listed.iter().any(|other| other == rail);
        if !lists(rail) {
            return RailRole::NotListed;
        }
        let record = |rail: &str| self.manifest.rails.iter().find(|record| record.name == rail);
        let parent = |rail: &str| record(rail).and_then(|record| record.inside.as_deref());
        // As many steps as there are rails: no chain is longer, and the manifest has no circle.
        let mut outer = parent(rail);
        for _ in 0..self.manifest.rails.len() {
            match outer {
                Some(name) if lists(name) => return RailRole::InsideCounted,
                Some(name) => outer = parent(name),
                None => break,
            }
        }
        RailRole::Counted
    }

    /// The worst provenance of what went into a run's row.
    pub(crate) fn provenance(&self, run: usize) -> Provenance {
        let manifest = self.manifest;
        let name = &self.spans.runs[run].component;
        let counted = self.counted_rails(run);
        let component =
            manifest.components.iter().filter(|c| name == c.name.as_str()).map(|c| c.provenance);
        let rails = manifest.rails.iter().filter(|rail| counted.contains(&rail.name.as_str()));
        let source = manifest.dram_source.as_deref();
        let counters = manifest.counters.iter().filter(|c| Some(c.source.as_str()) == source);
        let board =
            if manifest.board.emulated { Provenance::Emulated } else { Provenance::Measured };
        component
            .chain(rails.map(|rail| rail.provenance))
            .chain(counters.map(|counter| counter.provenance))
            .fold(board, Ord::max)
    }
}
