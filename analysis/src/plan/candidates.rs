//! What a plan chooses from: recordings of one network on one component at several frequencies.

use wattline_trace::Provenance;

use super::{PlanError, PlanRequest, SwitchingCost};
use crate::Analysis;
use crate::figures::written;
use crate::layers::Fitted;
use crate::quantity::Quantity;
use crate::results::RailRole;

/// Idle power may differ between recordings by so much of what an image takes before it is told.
const IDLE_DIFFERS: f64 = 0.01;

/// One recording, at one frequency.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) fitted: &'a Fitted,
    pub(super) frequency_mhz: f64,
    /// Seconds of each layer; they add up to those of an image.
    pub(super) seconds: Vec<f64>,
    /// Idle power of the rails that count.
    idle_watts: f64,
}

/// All of them, the lowest frequency first.
#[derive(Debug)]
pub(super) struct Candidates<'a> {
    pub(super) all: Vec<Candidate<'a>>,
    /// The layers of each group, all that are told apart at every frequency.
    pub(super) groups: Vec<std::ops::Range<usize>>,
    pub(super) board: String,
    pub(super) provenance: Provenance,
    /// Between the recordings, the largest difference of idle power.
    pub(super) idle_spread_watts: f64,
    pub(super) notes: Vec<String>,
    /// Where numbers come from, in a line.
    pub(super) line: String,
}

impl<'a> Candidates<'a> {
    /// Those of an analysis that are of the request's network and component.
    pub(super) fn find(analysis: &'a Analysis, request: &PlanRequest) -> Result<Self, PlanError> {
        let unfit = |why: String| PlanError::Unfit(why);
        let (network, component) = (&request.network, &request.component);
        let is_it = |it: &&Fitted| *it.network == **network && *it.component == **component;
        let found: Vec<&Fitted> = analysis.fitted.iter().filter(is_it).collect();
        if found.is_empty() {
            let mut there: Vec<String> = analysis
                .fitted
                .iter()
                .map(|it| format!("{} on {}", it.network, it.component))
                .collect();
            there.dedup();
            let there = if there.is_empty() { "no layers at all".into() } else { there.join(", ") };
            return Err(unfit(format!(
                "no recording has layers of {network} on {component} alone; they have {there}"
            )));
        }
        let mut all = Vec::new();
        for fitted in found {
            all.push(Candidate::new(analysis, fitted)?);
        }
        all.sort_by(|a, b| a.frequency_mhz.total_cmp(&b.frequency_mhz));
        for pair in all.windows(2) {
            let (one, other) = (pair[0].fitted, pair[1].fitted);
            if pair[0].frequency_mhz == pair[1].frequency_mhz {
                return Err(unfit(format!(
                    "{} and {} are both at {} MHz; name one of them",
                    one.bundle, other.bundle, pair[0].frequency_mhz
                )));
            }
            if one.board != other.board {
                return Err(unfit(format!(
                    "{} is of {} and {} of {}: a plan is of one board",
                    one.bundle, one.board, other.bundle, other.board
                )));
            }
            if one.layers.len() != other.layers.len()
                || one.layers.iter().zip(&other.layers).any(|(a, b)| a.name != b.name)
            {
                return Err(unfit(format!(
                    "{} and {} do not have the same layers of {network}",
                    one.bundle, other.bundle
                )));
            }
        }
        if all.len() < 2 {
            return Err(unfit(format!(
                "{network} on {component} was recorded at {} MHz alone: a plan chooses from several; \
                 record them with `wattline run --frequencies {component}=all`",
                all[0].frequency_mhz
            )));
        }
        let groups = groups(&all);
        let idle = || all.iter().map(|it| it.idle_watts);
        let spread =
            idle().fold(f64::NEG_INFINITY, f64::max) - idle().fold(f64::INFINITY, f64::min);
        let mut candidates = Candidates {
            board: all[0].fitted.board.clone(),
            provenance: all
                .iter()
                .map(|it| it.fitted.provenance)
                .max()
                .unwrap_or(Provenance::Emulated),
            idle_spread_watts: spread,
            notes: Vec::new(),
            line: String::new(),
            groups,
            all,
        };
        candidates.tell();
        Ok(candidates)
    }

    fn tell(&mut self) {
        let layers = self.all[0].seconds.len();
        if self.groups.len() < layers {
            self.notes.push(format!(
                "{layers} layers in {} groups: readings do not tell the others apart",
                self.groups.len()
            ));
        }
        let highest = &self.all[self.all.len() - 1];
        let seconds: f64 = highest.seconds.iter().sum();
        let joules = self.idle_spread_watts * seconds;
        if joules > IDLE_DIFFERS * highest.joules_of(0..layers).value {
            self.notes.push(format!(
                "idle power differs by up to {:.3} W between recordings; the interval holds it",
                self.idle_spread_watts
            ));
        }
        for it in &self.all {
            let fitted = it.fitted;
            let between = 1.0
                - fitted.layers.iter().map(|layer| layer.seconds).sum::<f64>()
                    / fitted.image_seconds;
            if between > 0.02 {
                self.notes.push(format!(
                    "{}: {:.1} % of an image lies between layers, and is taken to go on as in them",
                    fitted.bundle,
                    100.0 * between
                ));
            }
        }
        let list: Vec<String> =
            self.all.iter().map(|it| format!("{:.0}", it.frequency_mhz)).collect();
        let images: u64 = self.all.iter().map(|it| it.fitted.images).min().unwrap_or(0);
        self.line = format!(
            "{} · from recordings at {} MHz, {images} images or more each · {}",
            self.board,
            list.join(", "),
            match self.provenance {
                Provenance::Emulated =>
                    "all numbers emulated: below the highest frequency the model is a guess",
                _ => "recorded on the board",
            }
        );
    }

    /// What a change of frequency takes, and who says so.
    pub(super) fn switching(
        &self,
        request: &PlanRequest,
    ) -> Result<(SwitchingCost, String), PlanError> {
        if let Some(cost) = request.switching {
            return Ok((cost, "as given".to_owned()));
        }
        let described = self.all.iter().find_map(|it| it.fitted.frequency.as_ref()?.switching);
        let Some(record) = described else {
            return Err(PlanError::Unfit(
                "nothing says what a change of frequency takes: give it with --switching-cost \
                 TIME,ENERGY, such as 140us,100uJ"
                    .to_owned(),
            ));
        };
        let cost = SwitchingCost { seconds: record.seconds, joules: record.joules };
        Ok((cost, "as the board's description says".to_owned()))
    }

    /// Says so if one image in a hundred would miss the deadline, were images to vary as they did in
    /// the recordings that a choice is made of.
    pub(super) fn slow_images(
        &self,
        choice: &[usize],
        seconds: f64,
        deadline_s: f64,
    ) -> Option<String> {
        let ratio = |&f: &usize| {
            let fitted = self.all[f].fitted;
            fitted.slow_image_seconds / fitted.image_seconds
        };
        let slow_s = seconds * choice.iter().map(ratio).fold(1.0, f64::max);
        (slow_s > deadline_s * (1.0 + 1e-6)).then(|| {
            format!(
                "times are means: one image in a hundred takes {} ms or more, as images varied in the \
                 recordings; for those to keep the deadline too, plan for less",
                written(1e3 * slow_s)
            )
        })
    }

    /// The frequencies of a choice, in words.
    pub(super) fn frequencies_of(&self, choice: &[usize]) -> String {
        let mut used: Vec<usize> = choice.to_vec();
        used.sort_unstable();
        used.dedup();
        let megahertz: Vec<String> =
            used.iter().map(|&it| format!("{:.0}", self.all[it].frequency_mhz)).collect();
        megahertz.join(" and ") + " MHz"
    }
}

impl<'a> Candidate<'a> {
    fn new(analysis: &Analysis, fitted: &'a Fitted) -> Result<Self, PlanError> {
        let unfit = |why: String| PlanError::Unfit(format!("{}: {why}", fitted.bundle));
        let Some(frequency) = &fitted.frequency else {
            return Err(unfit(format!(
                "{} was not held at a frequency; record it with `wattline run --frequency {0}=…`",
                fitted.component
            )));
        };
        if !frequency.layers_hz.is_empty() {
            return Err(unfit(
                "is a run of a plan, whose layers have frequencies of their own".to_owned(),
            ));
        }
        if let Err(why) = &fitted.fit {
            return Err(unfit(format!("joules of its layers are not known: {why}")));
        }
        let own: f64 = fitted.layers.iter().map(|layer| layer.seconds).sum();
        let scale = fitted.image_seconds / own;
        let counts = |row: &&crate::EnergyRow| {
            row.bundle == fitted.bundle
                && row.network == fitted.network
                && row.component == fitted.component
                && row.role == RailRole::Counted
        };
        let idle_watts =
            analysis.energy.iter().filter(counts).filter_map(|row| row.idle_watts).sum();
        Ok(Candidate {
            fitted,
            frequency_mhz: 1e-6 * frequency.hz as f64,
            seconds: fitted.layers.iter().map(|layer| scale * layer.seconds).collect(),
            idle_watts,
        })
    }

    /// Joules of some layers in an image.
    pub(super) fn joules_of(&self, layers: impl Iterator<Item = usize>) -> Quantity {
        let taken: Vec<(usize, f64)> = layers.map(|it| (it, self.seconds[it])).collect();
        match &self.fitted.fit {
            Ok(fit) => fit.of(&taken),
            Err(_) => unreachable!("a candidate's layers were fitted"),
        }
    }

    /// Joules of some layers as one draw of the bootstrap has them.
    pub(super) fn drawn_joules_of(&self, draw: usize, layers: std::ops::Range<usize>) -> f64 {
        let taken: Vec<(usize, f64)> = layers.map(|it| (it, self.seconds[it])).collect();
        self.fitted.fit.as_ref().map_or(0.0, |fit| fit.drawn(draw, &taken))
    }
}

/// Layers that any recording does not tell apart are one group.
fn groups(all: &[Candidate<'_>]) -> Vec<std::ops::Range<usize>> {
    let layers = all[0].seconds.len();
    // Whether a group may begin at a layer.
    let mut begins = vec![true; layers];
    for it in all {
        let Ok(fit) = &it.fitted.fit else { continue };
        for layer in 0..layers {
            if let Some((first, last)) = fit.merged(layer) {
                begins[first + 1..=last].fill(false);
            }
        }
    }
    let starts: Vec<usize> = (0..layers).filter(|&layer| begins[layer]).collect();
    let ends = starts.iter().skip(1).copied().chain([layers]);
    starts.iter().zip(ends).map(|(&start, end)| start..end).collect()
}
