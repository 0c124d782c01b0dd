//! Events as a PMU's directory spells them: `event=0x2e,umask=0x41`, each term placed where the
//! file of its name in `format` says.

use std::fs;
use std::path::Path;

use super::system_call::Code;

/// The code of an event that the PMU in `directory` names in `events`; none if it does not name it
/// or not in a way that we know. `given` are values for terms that it leaves open, as in `source=?`.
pub(crate) fn named_code(
    directory: &Path,
    kind: u32,
    event: &str,
    given: &[(&str, u64)],
) -> Option<Code> {
    code(directory, kind, &text(&directory.join("events").join(event))?, given)
}

/// The code that terms stand for on the PMU in `directory`.
pub(crate) fn code(
    directory: &Path,
    kind: u32,
    terms: &str,
    given: &[(&str, u64)],
) -> Option<Code> {
    let mut code = Code { kind, config: 0, config1: 0 };
    for term in terms.split(',') {
        let (field, value) = term.split_once('=').unwrap_or((term, "1"));
        let value = match value {
            "?" => given.iter().find(|(name, _)| *name == field)?.1,
            value => number(value)?,
        };
        let format = match (text(&directory.join("format").join(field)), field) {
            (Some(format), _) => format,
            (None, "config") => "config:0-63".to_owned(),
            // Kernels before 4.2 have no format for the PMUs of ARM's CPUs.
            (None, "event") => "config:0-15".to_owned(),
            (None, _) => return None,
        };
        place(&mut code, &format, value)?;
    }
    Some(code)
}

/// Puts a value where a format says: `config:0-7,32-35`, lowest bits first.
fn place(code: &mut Code, format: &str, mut value: u64) -> Option<()> {
    let (word, ranges) = format.split_once(':')?;
    let word = match word {
        "config" => &mut code.config,
        "config1" => &mut code.config1,
        _ => return None,
    };
    for range in ranges.split(',') {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
        if low > high || high > 63 {
            return None;
        }
        let width = high - low + 1;
        let mask = u64::MAX >> (64 - width);
        *word |= (value & mask) << low;
        value = value.checked_shr(width).unwrap_or(0);
    }
    // A value too large for its field would count something else.
    (value == 0).then_some(())
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A file's text; none if there is none.
pub(crate) fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
