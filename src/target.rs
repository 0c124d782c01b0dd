//! The board a command is about: `--board`.

use anyhow::{Context, Result, anyhow, bail};
use wattline_board::Roots;
use wattline_board::description::{Component, ComponentKind, Description, Driver};
use wattline_board::detect::{self, Detected, HOST};
use wattline_inference::opencl::{self, DeviceChoice};

/// The prefix that asks for the emulated board.
const EMULATED: &str = "emulated:";

/// What the OpenCL device of the machine at hand is called as a component.
const GPU: &str = "gpu";

/// How a board is named on the command line.
pub(crate) const BOARD_HELP: &str = "exynos5422, kirin970, host, FILE.toml, or one of these \
     behind `emulated:`; without it the board is detected";

/// A board, real or to be emulated.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) description: Description,
    pub(crate) emulated: bool,
    /// How it was chosen, in words.
    pub(crate) how: String,
    /// Why there is no GPU, where one was looked for and not found.
    no_gpu: Option<String>,
}

impl Target {
    /// Finds the board a user names, or detects it.
    pub(crate) fn find(board: Option<&str>) -> Result<Self> {
        let Some(board) = board else {
            let Detected { description, how } = detect::detect(&Roots::machine())?;
            return Ok(Target { description, emulated: false, how, no_gpu: None });
        };
        let (name, emulated) = match board.strip_prefix(EMULATED) {
            Some(name) => (name, true),
            None => (board, false),
        };
        if name == HOST {
            if emulated {
                bail!(
                    "emulated:host: nothing is known of this machine's power; name a board or a FILE.toml"
                );
            }
            let description = detect::host(&Roots::machine());
            let how = "--board host".to_owned();
            return Ok(Target { description, emulated, how, no_gpu: None });
        }
        let description = Description::load(name).with_context(|| format!("--board {board}"))?;
        Ok(Target { description, emulated, how: format!("--board {board}"), no_gpu: None })
    }

    /// The component that a user names with `option`.
    ///
    /// # Errors
    /// If there is no such component: with those there are, and why the GPU is none of them.
    pub(crate) fn component(&self, option: &str, name: &str) -> Result<&Component> {
        self.description.component(name).ok_or_else(|| {
            let all: Vec<_> = self.description.components.iter().map(Component::name).collect();
            let lacks =
                format!("{option} {name}: {} has {}", self.description.name, all.join(", "));
            match self.no_gpu.as_ref().filter(|_| name == GPU) {
                Some(why) => anyhow!("{lacks}, and no OpenCL device: {why}"),
                None => anyhow!(lacks),
            }
        })
    }

    /// Those that a user names with `option`, each once.
    ///
    /// # Errors
    /// If there is no such component, or one is named twice.
    pub(crate) fn components(&self, option: &str, names: &[String]) -> Result<Vec<&Component>> {
        let mut chosen: Vec<&Component> = Vec::new();
        for name in names {
            let component = self.component(option, name)?;
            if chosen.iter().any(|other| other.name() == component.name()) {
                bail!("{option} names {name} twice");
            }
            chosen.push(component);
        }
        Ok(chosen)
    }

    /// Takes the NPU of another board's description for one of this board's own. It hangs on no
    /// rail, and the first CPU cluster here drives it.
    pub(crate) fn borrow_npu(&mut self, from: &str) -> Result<()> {
        if self.emulated {
            bail!(
                "--npu-from lends an NPU to a real board; an emulated one has those it describes"
            );
        }
        let lender = Description::load(from).with_context(|| format!("--npu-from {from}"))?;
        let Some(npu) = lender.components.iter().find(|it| it.kind == ComponentKind::Npu) else {
            bail!("--npu-from {from}: {} has no component of kind npu", lender.name);
        };
        let own = &mut self.description.components;
        if let Some(taken) = own.iter().find(|it| it.name() == npu.name()) {
            bail!("--npu-from {from}: {} has a component {} itself", self.how, taken.name());
        }
        let cluster = own.iter().find(|it| it.kind == ComponentKind::Cpu);
        let driver = npu.driver.clone().zip(cluster);
        let driver =
            driver.map(|(lent, cluster)| Driver { component: cluster.name.clone(), ..lent });
        own.push(Component { driver, rail: None, ..npu.clone() });
        Ok(())
    }

    /// The CPU cluster that drives a component: its own CPUs, if it is one.
    pub(crate) fn driving_cpus<'a>(&'a self, component: &'a Component) -> &'a [u32] {
        if component.kind == ComponentKind::Cpu {
            return &component.cpus;
        }
        let driver = component.driver.as_ref();
        let driver = driver.and_then(|it| self.description.component(it.component.get_ref()));
        let first = || self.description.components.iter().find(|it| it.kind == ComponentKind::Cpu);
        driver.or_else(first).map_or(&[], |cluster| &cluster.cpus)
    }

    /// Memory to go through so that none of it is still in a cache when its turn comes again, in
    /// bytes: four times the last-level cache of the CPUs. Where neither machine nor description
    /// knows that, it is taken to be 16 MiB.
    pub(crate) fn beyond_caches(&self, cpus: &[u32]) -> u64 {
        const UNKNOWN: f64 = 16.0 * 1048576.0;
        let machine = Roots::machine();
        let found = cpus.iter().filter_map(|&cpu| detect::last_level_cache(&machine, cpu));
        let described = self.description.components.iter().filter(|it| it.cpus == cpus);
        let described = described.map(|component| component.last_level_cache);
        let largest = found.chain(described).map(|it| it.bytes()).fold(0.0, f64::max);
        (4.0 * if largest > 0.0 { largest } else { UNKNOWN }) as u64
    }

    /// Whether this is the machine at hand, described by what it says of itself.
    pub(crate) fn is_host(&self) -> bool {
        !self.emulated && self.description.name == HOST
    }

    /// Adds a component `gpu` to the machine at hand if it has an OpenCL device, which may be its
    /// CPU once more; `how` then says so. Loading the drivers takes a tenth of a second, so this
    /// is for those who list components or name one that the CPUs are not.
    pub(crate) fn look_for_gpu(&mut self) {
        if !self.is_host() || self.description.component(GPU).is_some() {
            return;
        }
        match opencl::choose(&DeviceChoice::Best) {
            Ok(device) => {
                let gpu = detect::unknown_component(GPU, ComponentKind::Gpu);
                self.description.components.push(gpu);
                self.how = format!("{}; gpu is {device}", self.how);
            }
            Err(error) => self.no_gpu = Some(error.to_string()),
        }
    }

    /// The board in words; an emulated one says so.
    pub(crate) fn model(&self) -> String {
        let prefix = if self.emulated { "emulated " } else { "" };
        format!("{prefix}{}", self.description.model)
    }
}

/// A cluster some of whose CPUs are not there would be measured as if they were.
pub(crate) fn check_online(component: &Component) -> Result<()> {
    let online = detect::online_cpus(&Roots::machine());
    let missing: Vec<_> = component.cpus.iter().filter(|cpu| !online.contains(cpu)).collect();
    if !missing.is_empty() {
        bail!(
            "{} is CPUs {:?}, but {missing:?} of them are not online here; is this the right board? \
             See `wattline probe`, and /sys/devices/system/cpu/cpuN/online",
            component.name(),
            component.cpus
        );
    }
    Ok(())
}
