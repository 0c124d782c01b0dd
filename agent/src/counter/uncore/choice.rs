//! Which PMU counts what a board's description calls a counter, and which counts the DRAM where no
//! description says.

use wattline_board::description::{Counter, CounterKind, Port};
use wattline_board::registers::{cci400, cci550, ppmu};
use wattline_trace::{Name, Provenance};

use super::Source;
use super::catalogue::{self, ALL, Counted, DRAM, Family, PortEvents, UNKNOWN};
use super::pmu::Pmu;

/// PMUs of a kind of counter block, and whether each is our own module's.
fn candidates(kind: CounterKind) -> &'static [(&'static str, bool)] {
    match kind {
        CounterKind::Cci400 => {
            &[("wattline_cci400", true), ("CCI_400_r1", false), ("CCI_400", false)]
        }
        CounterKind::Cci550 => &[
            ("wattline_cci550", true),
            ("wattline_cci500", true),
            ("CCI_550", false),
            ("CCI_500", false),
        ],
        CounterKind::ExynosPpmu => &[("wattline_ppmu", true)],
    }
}

/// The PMU that counts what a description calls `counter`, if the kernel has one.
///
/// # Errors
/// Why it cannot be used although it is there.
pub(crate) fn described<'a>(
    counter: &Counter,
    pmus: &'a [Pmu],
) -> Option<Result<Source<'a>, String>> {
    let find = |&(name, own): &(&str, bool)| Some((pmus.iter().find(|pmu| pmu.name == name)?, own));
    let (pmu, own) = candidates(counter.kind).iter().find_map(find)?;
    let ports = if own { own_ports(counter, pmu) } else { mainline_ports(counter, pmu) };
    Some(ports.map(|ports| Source {
        name: Name::new(counter.name()),
        covers: counter.covers.clone(),
        provenance: match counter.kind {
            CounterKind::Cci400 => Provenance::Estimated,
            CounterKind::Cci550 | CounterKind::ExynosPpmu => Provenance::Measured,
        },
        pmus: vec![(pmu, ports)],
    }))
}

/// PMUs that together see the DRAM's traffic, of a machine whose description knows of none: the
/// best that there is of those in `pmus`. The other answer is why some PMU that should see it
/// cannot be used.
pub(crate) fn adopted<'a>(pmus: &[&'a Pmu]) -> (Option<Source<'a>>, Vec<String>) {
    let mut unusable = Vec::new();
    for family in DRAM {
        let members: Vec<&Pmu> = pmus.iter().copied().filter(|pmu| family.has(pmu)).collect();
        if members.is_empty() {
            continue;
        }
        match source(family, family.name, &members) {
            Ok(source) => return (Some(source), unusable),
            Err(why) => unusable.push(why),
        }
    }
    let is_known = |pmu: &Pmu| DRAM.iter().any(|family| family.has(pmu));
    let unknown = pmus.iter().copied().filter(|pmu| !is_known(pmu));
    let mut unknown = unknown.filter(|pmu| catalogue::is_of_a_controller(pmu));
    let source = unknown.find_map(|pmu| source(&UNKNOWN, &pmu.name, &[pmu]).ok());
    (source, unusable)
}

/// One source of all PMUs of a family; each must be usable, or bytes would be missing.
fn source<'a>(family: &Family, name: &str, members: &[&'a Pmu]) -> Result<Source<'a>, String> {
    let events = |&pmu: &&'a Pmu| Ok((pmu, family.events(pmu)?));
    let provenance = members.iter().map(|pmu| family.provenance(pmu)).max();
    Ok(Source {
        name: Name::new(name),
        covers: family.covers.to_owned(),
        provenance: provenance.unwrap_or(Provenance::Measured),
        pmus: members.iter().map(events).collect::<Result<_, String>>()?,
    })
}

/// The described ports where the module tells them apart, else all together.
fn own_ports(counter: &Counter, pmu: &Pmu) -> Result<Vec<PortEvents>, String> {
    let bytes = match counter.kind {
        CounterKind::Cci400 => cci400::BYTES_PER_REQUEST,
        CounterKind::Cci550 => cci550::BYTES_PER_BEAT,
        CounterKind::ExynosPpmu => ppmu::BYTES_PER_COUNT,
    };
    let port = |port: &Port| {
        let block = format!("dmc{}", port.number);
        let names: &[&str] = match counter.kind {
            CounterKind::ExynosPpmu => &[&port.name, &block],
            CounterKind::Cci400 | CounterKind::Cci550 => &[&port.name],
        };
        catalogue::own(pmu, names, bytes)
    };
    let apart: Option<Vec<PortEvents>> = counter.ports.iter().map(port).collect();
    let together = || {
        let counted = catalogue::with_units(pmu)?;
        matches!(counted, Counted::Apart { .. })
            .then(|| vec![PortEvents { name: ALL.to_owned(), counted }])
    };
    apart.or_else(together).ok_or_else(|| {
        format!("{} names neither the described ports nor read-bytes and write-bytes", pmu.name)
    })
}

fn mainline_ports(counter: &Counter, pmu: &Pmu) -> Result<Vec<PortEvents>, String> {
    let port = |port: &Port| match counter.kind {
        CounterKind::Cci400 => catalogue::mainline_cci400(pmu, &port.name, port.number),
        CounterKind::Cci550 | CounterKind::ExynosPpmu => {
            catalogue::mainline_cci550(pmu, &port.name, port.number)
        }
    };
    counter.ports.iter().map(port).collect()
}
