//! The board a command is about: `--board`.

use anyhow::{Context, Result, bail};
use wattline_board::Roots;
use wattline_board::description::{ComponentKind, Description};
use wattline_board::detect::{self, Detected, HOST};
use wattline_inference::opencl::{self, DeviceChoice};

/// The prefix that asks for the emulated board.
const EMULATED: &str = "emulated:";

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
}

impl Target {
    /// Finds the board a user names, or detects it.
    pub(crate) fn find(board: Option<&str>) -> Result<Self> {
        let Some(board) = board else {
            let Detected { description, how } = detect::detect(&Roots::machine())?;
            return Ok(Target { description, emulated: false, how });
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
            return Ok(Target { description, emulated, how: "--board host".to_owned() });
        }
        let description = Description::load(name).with_context(|| format!("--board {board}"))?;
        Ok(Target { description, emulated, how: format!("--board {board}") })
    }

    /// Whether this is the machine at hand, described by what it says of itself.
    pub(crate) fn is_host(&self) -> bool {
        !self.emulated && self.description.name == HOST
    }

    /// Adds a component `gpu` to the machine at hand if it has an OpenCL device, which may be its
    /// CPU once more; `how` then says so. Loading the drivers takes a tenth of a second, so this
    /// is for those who list components or name one that the CPUs are not.
    pub(crate) fn look_for_gpu(&mut self) {
        if !self.is_host() || self.description.component("gpu").is_some() {
            return;
        }
        if let Ok(device) = opencl::choose(&DeviceChoice::Best) {
            self.description.components.push(detect::unknown_component("gpu", ComponentKind::Gpu));
            self.how = format!("{}; gpu is {device}", self.how);
        }
    }

    /// The board in words; an emulated one says so.
    pub(crate) fn model(&self) -> String {
        let prefix = if self.emulated { "emulated " } else { "" };
        format!("{prefix}{}", self.description.model)
    }
}
