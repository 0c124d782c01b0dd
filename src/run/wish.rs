//! What a user asked of a co-execution, checked before anything runs.

use anyhow::{Context, Result, bail};
use wattline_inference::Model;
use wattline_inference::coexecution::policy::PolicyKind;
use wattline_inference::coexecution::{Late, Plan, Settings, Source};
use wattline_trace::{CoexecutionRecord, LateRecord, SourceRecord};

use super::args::{Args, LateFrames};
use super::lane::{Lane, Work};
use super::profiles::{self, Known};
use super::stream::Solo;
use crate::coexecution::transfers;
use crate::target::Target;

/// Images that each component runs alone before it co-executes, unless told otherwise.
const SOLO_IMAGES: u64 = 5;

/// Frames of a camera that may wait for a component before one is dropped.
const BACKLOG: usize = 1;

/// A co-execution to be made.
#[derive(Debug)]
pub(super) struct Wish {
    policy: PolicyKind,
    /// Images in the stream; without end if none.
    pub(super) images: Option<u64>,
    fps: Option<f64>,
    late: LateFrames,
    window: usize,
    /// Images on each component alone.
    pub(super) solo: u64,
    pub(super) duration_ns: Option<u64>,
    transfer_s: Vec<f64>,
    /// What is known of components without running them.
    known: Option<Vec<Known>>,
}

impl Wish {
    /// What was asked for, if a co-execution was; or what it lacks.
    pub(super) fn of(
        args: &Args,
        target: &Target,
        model: &Model,
        lanes: &[Lane],
    ) -> Result<Option<Wish>> {
        let Some(policy) = args.policy else {
            if args.inputs.endless() {
                bail!("--images 0 is a stream without end, which components share: add --policy");
            }
            return Ok(None);
        };
        policy.policy(args.fps, Vec::new()).context("--fps is missing")?;
        let solo = args.solo.unwrap_or(SOLO_IMAGES);
        check(args, policy, target, lanes, solo)?;
        let components = || lanes.iter().map(|lane| &lane.component);
        let known = match &args.profile {
            Some(summary) => Some(profiles::from_summary(summary, &model.name, components())?),
            None if solo == 0 => Some(profiles::from_model(&target.description, lanes)),
            None => None,
        };
        let unknown = known.iter().flatten().find(|it| it.joules_per_image.is_none());
        if let (PolicyKind::Energy, Some(it)) = (policy, unknown) {
            let component = &it.component;
            bail!(
                "policy energy: {} has no joules_per_image for {component}; analyze a run that measured them",
                it.from
            );
        }
        Ok(Some(Wish {
            policy,
            images: None,
            fps: args.fps,
            late: args.late,
            window: usize::from(args.window),
            solo,
            duration_ns: args.duration.map(|seconds| (seconds * 1e9) as u64),
            transfer_s: transfers(&target.description, &model.graph, components()),
            known,
        }))
    }

    fn source(&self) -> Source {
        match (self.fps, self.images) {
            (None, Some(images)) => Source::Finite { images },
            (None, None) => Source::Endless,
            (Some(fps), frames) => Source::Camera { fps, frames, late: late(self.late) },
        }
    }

    /// What the policy is to know of each component: what was known before, or else how it did
    /// alone.
    pub(super) fn known(&mut self, lanes: &[Lane], solos: &[Solo]) -> Vec<Known> {
        self.known.take().unwrap_or_else(|| {
            lanes.iter().zip(solos).map(|(lane, solo)| Known::alone(lane, solo)).collect()
        })
    }

    /// The run to be made.
    pub(super) fn plan(&mut self, known: &[Known]) -> Result<Plan> {
        let by_layer = self.policy == PolicyKind::Pipeline;
        let transfer_s = std::mem::take(&mut self.transfer_s);
        Ok(Plan {
            policy: self.policy.policy(self.fps, transfer_s)?,
            profiles: known.iter().map(|it| it.profile(by_layer)).collect(),
            source: self.source(),
            settings: Settings { window: self.window, ..Settings::default() },
        })
    }

    /// What the manifest says of it before it is made.
    pub(super) fn record(&self) -> CoexecutionRecord {
        let source = match self.source() {
            Source::Finite { images } => SourceRecord::Finite { images },
            Source::Endless => SourceRecord::Endless,
            Source::Camera { fps, frames, late } => SourceRecord::Camera {
                fps,
                images: frames,
                late: match late {
                    Late::Drop { .. } => LateRecord::Dropped,
                    Late::Queue => LateRecord::Queued,
                },
            },
        };
        CoexecutionRecord {
            policy: self.policy.as_str().to_owned(),
            window: self.window as u64,
            source,
            dropped: 0,
            faults: Vec::new(),
            profiles: self.known.iter().flatten().map(Known::record).collect(),
        }
    }
}

/// Refuses what cannot work on this board.
fn check(
    args: &Args,
    policy: PolicyKind,
    target: &Target,
    lanes: &[Lane],
    solo: u64,
) -> Result<()> {
    let emulated = target.emulated;
    let profile = args.profile.is_some();
    let emulator = lanes.iter().find(|lane| matches!(lane.work, Work::Npu { .. }));
    if let (PolicyKind::Pipeline, Some(lane)) = (policy, emulator) {
        bail!(
            "policy pipeline: the results of {}, which is emulated, are of whole networks; leave it out, or use steal-tail",
            lane.component.name()
        );
    }
    if policy == PolicyKind::Pipeline && profile {
        bail!("policy pipeline needs the time of every layer, which --profile does not hold");
    }
    if solo == 0 && !profile && !emulated {
        bail!(
            "--solo 0: nothing is known of these components; leave it out, so that each first \
             runs a few images alone, or give --profile SUMMARY.CSV of an earlier `wattline analyze`"
        );
    }
    if policy == PolicyKind::Energy && !profile && !emulated {
        bail!(
            "policy energy: joules are known only once a run is analysed; run components alone, \
             `wattline analyze` it, and give its summary.csv with --profile"
        );
    }
    Ok(())
}

fn late(frames: LateFrames) -> Late {
    match frames {
        LateFrames::Drop => Late::Drop { backlog: BACKLOG },
        LateFrames::Queue => Late::Queue,
    }
}
