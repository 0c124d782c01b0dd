//! From what a user wrote to probes at places in files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wattline_agent::watch::{Level, Marking};
use wattline_ebpf::symbols::{find_function, find_usdt, libraries};
use wattline_ebpf::{Arguments, Moment, Place, Probe};

use super::specification::Specification;

/// Our own executors say a layer's name in this argument.
const OWN_PROVIDER: &str = "wattline";
const OWN_LAYER_NAME: u8 = 2;

/// The probes of one level.
#[derive(Debug)]
pub(super) struct Marked {
    pub(super) marking: Marking,
    pub(super) probes: Vec<Probe>,
    /// What is probed, for the user.
    pub(super) shown: String,
}

/// A probe's cookie says what level its marks are of.
pub(super) fn level_of(cookie: u64) -> Level {
    if cookie == Level::Image as u64 { Level::Image } else { Level::Layer }
}

/// Finds what a specification names in `files`, or in the file it names itself.
pub(super) fn find(
    specification: &Specification,
    level: Level,
    files: &[PathBuf],
    name_argument: Option<u8>,
) -> Result<Marked> {
    let own = |binary: &Path| libraries::of_command(binary);
    let cookie = level as u64;
    match specification {
        Specification::Usdt { provider, begin, end, binary } => {
            let own = binary.as_deref().map(own).transpose()?;
            let files = own.as_deref().unwrap_or(files);
            let ours = provider == OWN_PROVIDER && level == Level::Layer;
            let name = name_argument.or(ours.then_some(OWN_LAYER_NAME));
            let probe = |name_of: &str, moment| -> Result<Probe> {
                let binary = find_usdt(files, provider, name_of)?;
                let place =
                    Place::Usdt { provider: provider.clone(), name: name_of.to_owned(), moment };
                // A name is said when something begins.
                let name = name.filter(|_| moment == Moment::Begin);
                let arguments = Arguments { name, ..Arguments::default() };
                Ok(Probe { binary, place, arguments, cookie })
            };
            let probes = vec![probe(begin, Moment::Begin)?, probe(end, Moment::End)?];
            let shown = format!("usdt:{provider}:{begin},{end} in {}", probes[0].binary.display());
            Ok(Marked { marking: Marking::Probes, probes, shown })
        }
        Specification::Uprobe { symbol, binary, offset } => {
            let own = binary.as_deref().map(own).transpose()?;
            // A library that is named is looked into alone.
            let files = own.as_deref().map_or(files, |own| &own[..1]);
            let function = find_function(files, symbol)?;
            let file_offset = function
                .file_offset
                .checked_add_signed(*offset)
                .context("the offset lies before the file's begin, or beyond any file's end")?;
            let shown = match offset {
                0 => format!("{} in {}", function.name, function.binary.display()),
                _ => format!("{}{offset:+} in {}", function.name, function.binary.display()),
            };
            Ok(at_function(function.binary, file_offset, cookie, name_argument, shown))
        }
        Specification::Offset { binary, file_offset } => {
            let files = libraries::of_command(binary)?;
            let binary = files.into_iter().next().context("there is no file to look into")?;
            let bytes = std::fs::metadata(&binary).map(|it| it.len()).unwrap_or(0);
            if *file_offset >= bytes {
                bail!("{} has {bytes:#x} bytes, and none at {file_offset:#x}", binary.display());
            }
            let shown = format!("{file_offset:#x} in {}", binary.display());
            Ok(at_function(binary, *file_offset, cookie, name_argument, shown))
        }
    }
}

fn at_function(
    binary: PathBuf,
    file_offset: u64,
    cookie: u64,
    name: Option<u8>,
    shown: String,
) -> Marked {
    let arguments = Arguments { name, ..Arguments::default() };
    let probe = Probe { binary, place: Place::Function { file_offset }, arguments, cookie };
    Marked { marking: Marking::Function, probes: vec![probe], shown }
}
