//! What PMUs see of memory traffic, and by which events: where sysfs gives them units these are
//! taken, and where it does not, what a count is stands here with who says so.
//!
//! | PMU | reads, writes | bytes of a count | source |
//! |---|---|---|---|
//! | `CCI_400`, `CCI_400_r1` | `si_rrq_hs_any`, `si_wrq_hs_any` | 64, a cache line a request: an estimate | [drivers/perf/arm-cci.c] |
//! | `CCI_500`, `CCI_550` | `mi_r_data_beat_any`, `mi_w_data_beat_any` | 16, a 128-bit bus | [drivers/perf/arm-cci.c] |
//! | `imx8_ddrN` | `read-cycles`, `write-cycles` | 16 (i.MX8MM, i.MX8MQ), 8 (i.MX8MN): an estimate, by the SoC's bus | [tools/perf/pmu-events/arch/arm64/freescale] |
//! | `imx8_ddrN` of i.MX8MP | `axid-read`, `axid-write` of all masters | 1 | the same |
//! | `imx9_ddrN` of i.MX94, i.MX95 | `eddrtq_pm_rd_beat_filt0`, `eddrtq_pm_wr_beat_filt` | 32 | the same |
//! | `amd_umc_N` | CAS commands: event 0x0a, `rdwrmask` 1 and 2 | 64 | [tools/perf/pmu-events/arch/x86/amdzen4] |
//!
//! With units: `rockchip_ddr`, `meson_ddr_bw`, `uncore_imc*`, and `wattline_*`, our kernel module's.

use wattline_board::registers::{cci400, cci550};
use wattline_trace::Provenance;

use super::pmu::{Event, Pmu};

/// The events of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PortEvents {
    pub(super) name: String,
    pub(super) counted: Counted,
}

/// What is counted at a port; each may take several events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Counted {
    /// Reads and writes.
    Apart { reads: Vec<Event>, writes: Vec<Event> },
    /// Both in one number.
    Together(Vec<Event>),
}

/// PMUs of one kind, of which a machine may have several.
#[derive(Debug)]
pub(super) struct Family {
    /// What their names begin with; a number may follow.
    pub(super) name: &'static str,
    events: Events,
    pub(super) covers: &'static str,
}

/// How the events are known.
#[derive(Debug, Clone, Copy)]
enum Events {
    /// They have units.
    Units,
    Imx8,
    Imx9,
    AmdUmc,
    /// A CCI-5xx with so many memory interfaces at most.
    Cci5xx {
        masters: u32,
    },
}

/// The name of a PMU's only port.
pub(super) const ALL: &str = "all";

/// PMUs that see the DRAM's traffic, the best witness first. A CCI, which sees what passes through
/// it, is the last.
pub(super) const DRAM: &[Family] = &[
    family("wattline_ppmu", Events::Units, "all DRAM traffic"),
    family("rockchip_ddr", Events::Units, "all DRAM traffic"),
    family("meson_ddr_bw", Events::Units, "all DRAM traffic, reads and writes together"),
    family("imx9_ddr", Events::Imx9, "all DRAM traffic, 32 B a beat"),
    family("imx8_ddr", Events::Imx8, "all DRAM traffic"),
    family("amd_umc", Events::AmdUmc, "all DRAM traffic, 64 B a CAS command"),
    family("uncore_imc_free_running", Events::Units, "all DRAM traffic"),
    family("uncore_imc", Events::Units, "all DRAM traffic"),
    family("wattline_cci550", Events::Units, CCI5XX),
    family("wattline_cci500", Events::Units, CCI5XX),
    family("CCI_550", Events::Cci5xx { masters: 7 }, CCI5XX),
    family("CCI_500", Events::Cci5xx { masters: 6 }, CCI5XX),
];

/// Any other PMU of a memory controller, if its events have units.
pub(super) const UNKNOWN: Family =
    family("", Events::Units, "what its driver counts as the memory controller's bytes");

/// What the name of a memory controller's PMU has in it.
const CONTROLLERS: &[&str] = &["ddr", "dram", "imc", "umc", "dmc"];

const CCI5XX: &str = "data beats of the memory ports, 16 B each (bus width unverified); not what \
                      bypasses the CCI";

/// Events of reads and of writes that have units, by the names that drivers give them.
const READS_AND_WRITES: &[(&[&str], &[&str])] = &[
    (&["read-bytes"], &["write-bytes"]),
    (&["data_read"], &["data_write"]),
    (&["data_reads"], &["data_writes"]),
    (&["cas_count_read"], &["cas_count_write"]),
    (
        &["cas_count_read_sch0", "cas_count_read_sch1"],
        &["cas_count_write_sch0", "cas_count_write_sch1"],
    ),
    (&["read"], &["write"]),
];

/// Events of both together, with units.
const TOTALS: &[&str] = &["total_rw_bytes", "data_total", "bytes"];

/// `source` of a CCI-5xx's memory interface 0. [drivers/perf/arm-cci.c, `CCI5xx_PORT_M0`]
const CCI5XX_MASTER: u64 = 8;

const fn family(name: &'static str, events: Events, covers: &'static str) -> Family {
    Family { name, events, covers }
}

impl Family {
    /// Whether a PMU is of this family: its name, or its name and a number.
    pub(super) fn has(&self, pmu: &Pmu) -> bool {
        let number = pmu.name.strip_prefix(self.name);
        let number = number.map(|rest| rest.strip_prefix('_').unwrap_or(rest));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// The events by which a PMU of this family sees all of the memory's traffic.
    ///
    /// # Errors
    /// Why there are none, in words.
    pub(super) fn events(&self, pmu: &Pmu) -> Result<Vec<PortEvents>, String> {
        let only = |counted: Option<Counted>, lacking: &str| {
            let port = counted.map(|counted| vec![PortEvents { name: ALL.into(), counted }]);
            port.ok_or_else(|| format!("{} {lacking}", pmu.name))
        };
        match self.events {
            Events::Units => only(with_units(pmu), "names no events of bytes read and written"),
            Events::Imx8 => imx8(pmu).and_then(|it| only(it, "lacks read or write events")),
            Events::Imx9 => {
                let reads = pmu.named("eddrtq_pm_rd_beat_filt0", &[], 32);
                let writes = pmu.named("eddrtq_pm_wr_beat_filt", &[], 32);
                only(apart(reads, writes), "counts no beats written: its SoC (i.MX91, 93) does not")
            }
            Events::AmdUmc => {
                let of = |mask: u8| pmu.unnamed(&format!("event=0x0a,rdwrmask={mask}"), 64);
                only(apart(of(1), of(2)), "does not tell reads from writes (no rdwrmask)")
            }
            Events::Cci5xx { masters } => (0..masters)
                .map(|number| mainline_cci550(pmu, &format!("m{number}"), number))
                .collect(),
        }
    }

    /// Whether bytes are counted, or follow by a rule from what is.
    pub(super) fn provenance(&self, pmu: &Pmu) -> Provenance {
        match self.events {
            Events::Imx8 if pmu.identifier.as_deref() != Some("i.MX8MP") => Provenance::Estimated,
            _ => Provenance::Measured,
        }
    }
}

/// Whether a PMU's name says that it is a memory controller's.
pub(super) fn is_of_a_controller(pmu: &Pmu) -> bool {
    let name = pmu.name.to_ascii_lowercase();
    CONTROLLERS.iter().any(|part| name.contains(part))
}

/// The events of a port of a CCI-400 whose driver is mainline's.
pub(super) fn mainline_cci400(pmu: &Pmu, name: &str, number: u32) -> Result<PortEvents, String> {
    let of = |event| pmu.named(event, &[("source", number.into())], cci400::BYTES_PER_REQUEST);
    port(pmu, name, of("si_rrq_hs_any"), of("si_wrq_hs_any"))
}

/// The events of a memory port of a CCI-500 or CCI-550 whose driver is mainline's.
pub(super) fn mainline_cci550(pmu: &Pmu, name: &str, number: u32) -> Result<PortEvents, String> {
    let source = CCI5XX_MASTER + u64::from(number);
    let of = |event| pmu.named(event, &[("source", source)], cci550::BYTES_PER_BEAT);
    port(pmu, name, of("mi_r_data_beat_any"), of("mi_w_data_beat_any"))
}

/// The events of a port of one of our kernel module's PMUs: `s3-read-requests`, `m0-read-beats` and
/// the like for writes. Where they have no unit a count is of `bytes`.
pub(super) fn own(pmu: &Pmu, names: &[&str], bytes: u64) -> Option<PortEvents> {
    let events = pmu.events();
    let find = |direction: &str| {
        let named = |event: &&String| {
            let event = event.replace('_', "-");
            names.iter().any(|name| {
                let port = name.replace('_', "-");
                event.starts_with(&format!("{port}-{direction}-"))
            })
        };
        let event = events.iter().find(named)?;
        pmu.of_bytes(event).or_else(|| pmu.named(event, &[], bytes))
    };
    let counted = apart(find("read"), find("write"))?;
    Some(PortEvents { name: names[0].to_owned(), counted })
}

/// Events with units, of all that passes.
pub(super) fn with_units(pmu: &Pmu) -> Option<Counted> {
    let all = |names: &[&str]| -> Option<Vec<Event>> {
        names.iter().map(|name| pmu.of_bytes(name)).collect()
    };
    let pair = |(reads, writes): &(&[&str], &[&str])| {
        Some(Counted::Apart { reads: all(reads)?, writes: all(writes)? })
    };
    let total =
        || TOTALS.iter().find_map(|name| Some(Counted::Together(vec![pmu.of_bytes(name)?])));
    READS_AND_WRITES.iter().find_map(pair).or_else(total)
}

fn imx8(pmu: &Pmu) -> Result<Option<Counted>, String> {
    let cycles = |bytes| {
        let of = |event| pmu.named(event, &[], bytes);
        apart(of("read-cycles"), of("write-cycles"))
    };
    match pmu.identifier.as_deref() {
        Some("i.MX8MM" | "i.MX8MQ") => Ok(cycles(16)),
        Some("i.MX8MN") => Ok(cycles(8)),
        Some("i.MX8MP") => {
            let of = |event: u8| pmu.unnamed(&format!("event={event:#x},axi_mask=0xffff"), 1);
            Ok(apart(of(0x41), of(0x42)))
        }
        Some(other) => Err(format!("what a cycle of {other} carries is not known")),
        None => Err(format!("{} does not say of which SoC it is (identifier)", pmu.name)),
    }
}

fn apart(reads: Option<Event>, writes: Option<Event>) -> Option<Counted> {
    Some(Counted::Apart { reads: vec![reads?], writes: vec![writes?] })
}

fn port(
    pmu: &Pmu,
    name: &str,
    reads: Option<Event>,
    writes: Option<Event>,
) -> Result<PortEvents, String> {
    let counted = apart(reads, writes);
    let port = counted.map(|counted| PortEvents { name: name.to_owned(), counted });
    port.ok_or_else(|| format!("{} does not name the events of port {name}", pmu.name))
}
