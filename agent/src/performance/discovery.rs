//! Which PMUs count for which component, and opening them.

use std::fs;

use wattline_board::description::{Component, Description};
use wattline_board::{RegisterSource, Roots};
use wattline_trace::Name;

use super::ComponentCounters;
use super::event::Event;
use super::pmu::{self, Pmu};
use crate::inventory::Missing;
use crate::perf_event::refusal::{Extent, Refused};
use crate::perf_event::system_call::open;
use crate::perf_event::{self, Code, Group};

/// L2 lines of Cortex-A7, A15, A53 and A73. [their technical reference manuals, "L2 memory system"]
const ARM_LINE_BYTES: u64 = 64;

/// A PMU and those of its CPUs that are of a component.
type Share<'a> = (&'a Pmu, Vec<u32>);

/// Opens the counters of every CPU component; the second answer is what could not be had.
///
/// An emulated board has no PMUs, which is no news.
pub(crate) fn discover(
    description: &Description,
    roots: &Roots,
) -> (Vec<ComponentCounters>, Vec<Missing>) {
    let directory = perf_event::directory(roots);
    if matches!(roots.registers, RegisterSource::Directory(_)) && !directory.exists() {
        return (Vec::new(), Vec::new());
    }
    let clusters: Vec<_> = description.components.iter().filter(|it| !it.cpus.is_empty()).collect();
    let described: Vec<String> = clusters.iter().flat_map(|it| it.pmus.clone()).collect();
    let pmus = pmu::find_all(roots, &described);
    if pmus.is_empty() {
        let missing = Missing {
            what: "hardware counters".to_owned(),
            why: format!("no PMU of a CPU in {}", directory.display()),
            advice: "a virtual machine needs a PMU from its host, a board one in its device tree; \
                     all else is recorded"
                .to_owned(),
        };
        return (Vec::new(), vec![missing]);
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for component in clusters {
        found.extend(open_component(component, &pmus, roots, &mut missing));
    }
    (found, missing)
}

/// The PMUs that count on a component's CPUs.
pub(super) fn shares<'a>(component: &Component, pmus: &'a [Pmu]) -> Vec<Share<'a>> {
    let share = |pmu: &'a Pmu| {
        let counts_on = |cpu: &&u32| match &pmu.cpus {
            Some(cpus) => cpus.contains(cpu),
            // A kernel that does not say whose it is: the description does.
            None => component.pmus.contains(&pmu.name),
        };
        let cpus: Vec<u32> = component.cpus.iter().filter(counts_on).copied().collect();
        (!cpus.is_empty()).then_some((pmu, cpus))
    };
    pmus.iter().filter_map(share).collect()
}

/// Events that all PMUs of a component count, with each one's code.
pub(super) fn common_events(shares: &[Share<'_>]) -> Vec<(Event, &'static str, Vec<Code>)> {
    let events = shares.first().map_or(&[][..], |(pmu, _)| pmu.family.events());
    let coded = |&event: &Event| {
        let codes: Option<Vec<_>> = shares.iter().map(|(pmu, _)| event.code(pmu)).collect();
        let codes = codes?;
        let source = codes.first()?.1;
        Some((event, source, codes.into_iter().map(|(code, _)| code).collect()))
    };
    events.iter().filter_map(coded).collect()
}

fn open_component(
    component: &Component,
    pmus: &[Pmu],
    roots: &Roots,
    missing: &mut Vec<Missing>,
) -> Option<ComponentCounters> {
    let what = format!("hardware counters of {}", component.name());
    let mut shares = shares(component, pmus);
    let mut miss = |what: String, why: String, advice: &str| {
        missing.push(Missing { what, why, advice: advice.to_owned() });
    };
    let Some(&(first_pmu, _)) = shares.first() else {
        let names: Vec<_> = pmus.iter().map(|pmu| pmu.name.as_str()).collect();
        let why = format!("none of the PMUs ({}) counts on its CPUs", names.join(", "));
        miss(what, why, "see the PMU nodes of the board's device tree");
        return None;
    };
    let wanted = first_pmu.family.events();
    let mut events = common_events(&shares);
    for event in wanted.iter().filter(|it| !events.iter().any(|(event, ..)| event == *it)) {
        let why = format!("{} does not name it", first_pmu.name);
        miss(format!("{} of {}", event.name(), component.name()), why, "the others are counted");
    }
    // What one CPU or event is refused is left out for all, and the rest opened anew.
    let groups = loop {
        match open_all(&shares, &events) {
            Ok(groups) if !groups.is_empty() => break groups,
            Ok(_) => return None,
            Err(refused) => {
                let (why, advice) = (refused.why(roots), refused.advice());
                match refused.extent() {
                    Extent::Cpu => {
                        miss(format!("{what} on CPU {}", refused.cpu), why, advice);
                        shares.iter_mut().for_each(|(_, it)| it.retain(|&it| it != refused.cpu));
                    }
                    Extent::Event => {
                        let (event, ..) = events.remove(refused.event);
                        miss(format!("{} of {}", event.name(), component.name()), why, advice);
                    }
                    Extent::Everything => {
                        miss(what, why, advice);
                        return None;
                    }
                }
            }
        }
    };
    let cpus: Vec<u32> = shares.iter().flat_map(|(_, cpus)| cpus).copied().collect();
    Some(ComponentCounters {
        component: Name::new(component.name()),
        pmus: shares.iter().map(|(pmu, _)| pmu.name.clone()).collect(),
        line_bytes: line_bytes(roots, cpus[0]),
        cpus,
        events: events.into_iter().map(|(event, source, _)| (event, source)).collect(),
        groups,
    })
}

fn open_all(
    shares: &[Share<'_>],
    events: &[(Event, &'static str, Vec<Code>)],
) -> Result<Vec<Group>, Refused> {
    let mut groups = Vec::new();
    for (number, (_, cpus)) in shares.iter().enumerate() {
        let codes: Vec<Code> = events.iter().map(|(.., codes)| codes[number]).collect();
        for &cpu in cpus {
            groups.extend(Group::open_all(cpu, &codes, &mut open)?);
        }
    }
    Ok(groups)
}

/// The line of a CPU's L2, where sysfs says it.
fn line_bytes(roots: &Roots, cpu: u32) -> u64 {
    let file = format!("devices/system/cpu/cpu{cpu}/cache/index2/coherency_line_size");
    let line = fs::read_to_string(roots.sysfs.join(file)).ok();
    let line = line.and_then(|line| line.trim().parse().ok());
    line.filter(|&bytes| bytes > 0).unwrap_or(ARM_LINE_BYTES)
}
