//! All that was read of one bundle: which block, which rails and which provenance a run has.

use wattline_trace::{
    BundleReader, ClockKind, ComponentRecord, Manifest, Name, Provenance, StandInRecord,
};

use crate::coexecution::frames::Frames;
use crate::coexecution::{check, regression, share_out, solo_run};
use crate::conservation::balance;
use crate::error::AnalysisError;
use crate::layers::times::Times;
use crate::layers::watch::Watch;
use crate::power::energy::{RailEnergy, measure};
use crate::power::rail::Rail;
use crate::power::variance::{CLOCK_RATE, Shares};
use crate::processes::{self, Processes};
use crate::refusal::Refusal;
use crate::results::{ConservationRow, RailRole, Split};
use crate::spans::{Coexecution, Part, Run, Spans};
use crate::timeline::{Block, Timeline};
use crate::traffic::Traffic;
use crate::truth::Truth;

/// All that was read of a bundle, and what was made of it.
#[derive(Debug)]
pub(crate) struct Recording<'a> {
    pub(crate) name: Name,
    pub(crate) manifest: &'a Manifest,
    pub(crate) spans: Spans,
    /// The layers of all runs, and what readings say of them.
    pub(crate) layers: Times,
    pub(crate) watch: Watch,
    pub(crate) timeline: Timeline,
    pub(crate) rails: Vec<Rail>,
    pub(crate) traffic: Traffic,
    pub(crate) truth: Option<Truth>,
    /// Whose work CPUs did.
    pub(crate) processes: Processes,
    /// The balance of each rail.
    pub(crate) balances: Vec<ConservationRow>,
    /// For each run, for each rail; all runs of a co-execution have those of the whole.
    pub(crate) energies: Vec<Vec<Result<RailEnergy, Refusal>>>,
    /// For each run, for each rail: what of a co-execution's energy is one component's.
    pub(crate) shares: Vec<Vec<Option<Share>>>,
    /// Results that left a co-execution; none where the table is missing.
    pub(crate) frames: Option<Frames>,
}

/// What of a rail's energy is a run's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share {
    /// From 0 to 1.
    pub(crate) share: f64,
    /// How far its joules may lie off, beyond the error of what was measured.
    pub(crate) bound: f64,
    pub(crate) how: Split,
}

impl Share {
    pub(crate) const WHOLE: Share = Share { share: 1.0, bound: 0.0, how: Split::Whole };
}

impl Recording<'_> {
    /// The co-execution that a run is (a part of).
    pub(crate) fn coexecution(&self, run: usize) -> Option<&Coexecution> {
        match self.spans.runs[run].part {
            Part::All(place) | Part::Lane(place) => self.spans.coexecutions.get(place),
            Part::Solo | Part::Orphan => None,
        }
    }

    /// The block that a run, or the co-execution it belongs to, has for itself, or why it has
    /// none.
    pub(crate) fn block(&self, run: usize) -> Result<(usize, &Block), Refusal> {
        let coexecution = self.coexecution(run);
        match (self.spans.runs[run].part, coexecution) {
            (Part::Orphan, _) => return Err(Refusal::NoCoexecution),
            (_, Some(coexecution)) => check(&self.spans, coexecution)?,
            (_, None) => {}
        }
        if !self.spans.runs[run].whole {
            return Err(Refusal::CutOff);
        }
        let mut blocks = self.timeline.blocks().iter().enumerate();
        let found = blocks.find(|(_, block)| block.runs.contains(&run));
        let Some((index, block)) = found else { return Err(Refusal::CutOff) };
        let together = |other: usize| {
            other == run
                || coexecution.is_some_and(|it| it.all == other || it.lanes.contains(&other))
        };
        let other = block.runs.iter().find(|&&other| !together(other)).map(|&other| {
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
        let shares = |rail: &Rail| Shares { clock: self.clock_rate(), tolerance: rail.tolerance };
        let energies: Vec<Vec<_>> = (0..self.spans.runs.len())
            .map(|run| match self.block(run) {
                Ok((index, block)) => self
                    .rails
                    .iter()
                    .map(|rail| {
                        let energy = measure(rail, index, block, shares(rail))?;
                        Ok(match self.others(&rail.record.name, index)? {
                            Some(shares) => energy.without_others(shares),
                            None => energy,
                        })
                    })
                    .collect(),
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

    /// Whose work was done on a rail in a block, where that is one CPU cluster's own and others worked
    /// there too.
    fn others(&self, rail: &str, block: usize) -> Result<Option<processes::Shares>, Refusal> {
        let cluster = self.cluster_of(rail);
        let shares = cluster.and_then(|cluster| self.processes.shares(cluster, block));
        match shares.filter(|shares| shares.others_count()) {
            Some(shares) if shares.idle_was_busy() => {
                Err(Refusal::BusyIdle { rail: rail.to_owned() })
            }
            shares => Ok(shares),
        }
    }

    /// The CPU cluster whose own a rail is, if it feeds nobody else. Where a cluster lists no other rail,
    /// its own is taken to be the supply of memory and whatever else there is.
    pub(crate) fn cluster_of(&self, rail: &str) -> Option<&str> {
        let feeds = |it: &&ComponentRecord| {
            let own = it.rails.first();
            own.is_some_and(|own| own == rail || self.around(own).any(|outer| outer == rail))
        };
        let mut fed = self.manifest.components.iter().filter(feeds);
        let (only, others) = (fed.next()?, fed.next());
        let own = only.rails.first().is_some_and(|own| own == rail) && only.rails.len() > 1;
        (others.is_none() && own && only.kind == "cpu").then_some(only.name.as_str())
    }

    /// By what share the clock's rate may be wrong.
    pub(crate) fn clock_rate(&self) -> f64 {
        match self.manifest.clock.kind {
            ClockKind::Wall => CLOCK_RATE,
            ClockKind::Virtual => 0.0,
        }
    }

    /// Splits the energies of co-executions. Readings are read again only where a component was
    /// not seen alone.
    ///
    /// # Errors
    /// If `power.csv` cannot be read.
    pub(crate) fn share_out(&mut self, bundle: &BundleReader) -> Result<(), AnalysisError> {
        let lanes = self.spans.coexecutions.iter().flat_map(|it| &it.lanes);
        let unseen = lanes.map(|&lane| &self.spans.runs[lane]);
        let sums = match unseen.clone().any(|lane| solo_run(self, lane).is_none()) {
            true => Some(regression::read(bundle, &self.spans)?),
            false => None,
        };
        self.shares = share_out(self, sums.as_deref());
        Ok(())
    }

    /// A run's share of a rail; none if its component does not list it, or it is not known.
    pub(crate) fn share(&self, run: usize, rail: usize) -> Option<Share> {
        let listed = self.role(run, &self.rails[rail].record.name) != RailRole::NotListed;
        match self.spans.runs[run].part {
            Part::Lane(_) => self.shares[run][rail],
            _ => listed.then_some(Share::WHOLE),
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

    /// The components of a run that were emulated on a real board: its own, or all of a
    /// co-execution's; and those that moved bytes beside it, at the cost of rails it shares.
    pub(crate) fn stand_ins(&self, run: usize) -> Vec<(&Name, &StandInRecord)> {
        let own = &self.spans.runs[run];
        let lanes = self.coexecution(run).map_or(&[][..], |it| &it.lanes).iter();
        let others = lanes.map(|&lane| &self.spans.runs[lane].component);
        let stand_in = |name| Some((name, self.component(name)?.stand_in.as_ref()?));
        let all = matches!(own.part, Part::All(_));
        let counts =
            |(name, it): &(&Name, &StandInRecord)| all || **name == own.component || it.moves_bytes;
        let mut found: Vec<_> =
            others.chain([&own.component]).filter_map(stand_in).filter(counts).collect();
        found.dedup_by_key(|(name, _)| *name);
        found
    }

    /// What the manifest says of a component.
    pub(crate) fn component(&self, name: &Name) -> Option<&ComponentRecord> {
        self.manifest.components.iter().find(|known| *name == *known.name)
    }

    fn own_rails(&self, run: &Run) -> &[String] {
        self.component(&run.component).map_or(&[], |component| &component.rails)
    }

    /// The rails that a run's component lists. In a co-execution a component also lists those that
    /// contain one of its own and that another component lists: only the outermost is counted.
    fn listed_rails(&self, run: usize) -> Vec<&String> {
        let own = |run: usize| self.own_rails(&self.spans.runs[run]).iter();
        let Some(coexecution) = self.coexecution(run) else { return own(run).collect() };
        let listed: Vec<&String> = coexecution.lanes.iter().flat_map(|&lane| own(lane)).collect();
        if run == coexecution.all {
            return listed;
        }
        let around = |rail: &String| self.around(rail).collect::<Vec<_>>();
        let contains = |rail: &&&String| {
            own(run).any(|own| own == **rail || around(own).contains(&rail.as_str()))
        };
        listed.iter().filter(contains).copied().collect()
    }

    /// The rails that contain one, from the nearest outwards.
    pub(crate) fn around<'s>(&'s self, rail: &str) -> impl Iterator<Item = &'s str> {
        let record = |rail: &str| self.manifest.rails.iter().find(|record| record.name == rail);
        let around = move |rail: &str| record(rail).and_then(|record| record.inside.as_deref());
        // As many steps as there are rails: no chain is longer, and the manifest has no circle.
        std::iter::successors(around(rail), move |rail| around(rail))
            .take(self.manifest.rails.len())
    }

    /// What a rail is to a run. A rail inside another counted one is not counted again.
    pub(crate) fn role(&self, run: usize, rail: &str) -> RailRole {
        let listed = self.listed_rails(run);
        let lists = |rail: &str| listed.iter().any(|other| *other == rail);
        match lists(rail) {
            false => RailRole::NotListed,
            true if self.around(rail).any(lists) => RailRole::InsideCounted,
            true => RailRole::Counted,
        }
    }

    /// Whether other processes' joules were taken out of a run's.
    pub(crate) fn has_others(&self, run: usize) -> bool {
        let counted = self.counted_rails(run);
        let rails = self.rails.iter().zip(&self.energies[run]);
        let mut own = rails.filter(|(rail, _)| counted.contains(&rail.record.name.as_str()));
        own.any(|(_, energy)| energy.as_ref().is_ok_and(|it| it.others.is_some()))
    }

    /// The worst provenance of what went into a run's row.
    pub(crate) fn provenance(&self, run: usize) -> Provenance {
        let manifest = self.manifest;
        let runs = &self.spans.runs;
        let of = |run: usize| self.component(&runs[run].component);
        let lanes = self.coexecution(run).filter(|it| it.all == run).map(|it| it.lanes.clone());
        let components = lanes.unwrap_or_else(|| vec![run]).into_iter().filter_map(of);
        let counted = self.counted_rails(run);
        let rails = manifest.rails.iter().filter(|rail| counted.contains(&rail.name.as_str()));
        let source = manifest.dram_source.as_deref();
        let counters = manifest.counters.iter().filter(|c| Some(c.source.as_str()) == source);
        let board =
            if manifest.board.emulated { Provenance::Emulated } else { Provenance::Measured };
        // Whatever is split of a co-execution is one component's by a rule, and not by a sensor.
        let split = matches!(runs[run].part, Part::Lane(_)).then_some(Provenance::Estimated);
        components
            .map(|component| component.provenance)
            .chain(rails.map(|rail| rail.provenance))
            .chain(counters.map(|counter| counter.provenance))
            .chain(self.traffic.is_scaled().then_some(Provenance::Scaled))
            .chain(split)
            .chain(self.has_others(run).then_some(Provenance::Estimated))
            .fold(board, Ord::max)
    }

    /// The frequency that a component was held at, or one of its layers, 10⁶ Hz.
    pub(crate) fn frequency_mhz(&self, component: &Name, layer: Option<usize>) -> Option<f64> {
        let held = self.component(component)?.frequency.as_ref()?;
        let hz = match (held.layers_hz.is_empty(), layer) {
            (true, _) => held.hz,
            (false, Some(layer)) => *held.layers_hz.get(layer)?,
            (false, None) => return None,
        };
        Some(1e-6 * hz as f64)
    }

    /// Whether a component of a run was held below the highest frequency it offers.
    pub(crate) fn below_highest(&self, run: usize) -> bool {
        let lanes = self.coexecution(run).map_or(&[][..], |it| &it.lanes);
        let runs = [run].into_iter().chain(lanes.iter().copied());
        let held = runs
            .filter_map(|run| self.component(&self.spans.runs[run].component)?.frequency.as_ref());
        let below = |hz: u64, highest: Option<u64>| highest.is_some_and(|highest| hz < highest);
        held.into_iter().any(|held| {
            held.layers_hz.iter().chain([&held.hz]).any(|&hz| below(hz, held.highest_hz))
        })
    }
}
