//! The notes that name USDT probes. [systemtap, "UserSpaceProbeImplementation": note type 3 of
//! owner `stapsdt` holds three addresses (location, base, semaphore) and three strings (provider,
//! name, arguments)]

/// The section that holds them.
pub(super) const SECTION: &str = ".note.stapsdt";

const OWNER: &[u8] = b"stapsdt\0";
const TYPE: u64 = 3;

/// Every probe of a section as PROVIDER:NAME. A damaged note ends the list.
pub(super) fn probes(mut data: &[u8], address_bytes: usize, big_endian: bool) -> Vec<String> {
    let mut probes = Vec::new();
    while let Some((note, rest)) = take_note(data, big_endian) {
        data = rest;
        if note.owner != OWNER || note.kind != TYPE {
            continue;
        }
        let Some(provider) = text_at(note.description, 3 * address_bytes) else { continue };
        let name_at = 3 * address_bytes + provider.len() + 1;
        let Some(name) = text_at(note.description, name_at) else { continue };
        probes.push(format!("{provider}:{name}"));
    }
    probes
}

#[derive(Debug)]
struct Note<'a> {
    kind: u64,
    owner: &'a [u8],
    description: &'a [u8],
}

/// Splits the first note off.
fn take_note(data: &[u8], big_endian: bool) -> Option<(Note<'_>, &[u8])> {
    let word = |at: usize| Some(number(data.get(at..at + 4)?, big_endian));
    let (owner_bytes, description_bytes, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
    let aligned = |bytes: usize| bytes.checked_next_multiple_of(4);
    let description_at = 12usize.checked_add(aligned(owner_bytes)?)?;
    let next_at = description_at.checked_add(aligned(description_bytes)?)?;
    let owner = data.get(12..12 + owner_bytes)?;
    let description = data.get(description_at..description_at.checked_add(description_bytes)?)?;
    Some((Note { kind, owner, description }, data.get(next_at..).unwrap_or_default()))
}

/// An unsigned number of up to eight bytes.
pub(super) fn number(bytes: &[u8], big_endian: bool) -> u64 {
    let shift_in = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    match big_endian {
        true => bytes.iter().fold(0, shift_in),
        false => bytes.iter().rev().fold(0, shift_in),
    }
}

/// The NUL-terminated text at an offset.
pub(super) fn text_at(data: &[u8], at: usize) -> Option<String> {
    let rest = data.get(at..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note(address_bytes: usize, provider: &str, name: &str) -> Vec<u8> {
        let mut description = vec![7; 3 * address_bytes];
        description.extend(format!("{provider}\0{name}\0-8@%rax\0").bytes());
        let mut note = Vec::new();
        for word in [OWNER.len() as u32, description.len() as u32, TYPE as u32] {
            note.extend(word.to_le_bytes());
        }
        note.extend(OWNER);
        note.extend(&description);
        note.resize(note.len().next_multiple_of(4), 0);
        note
    }

    proptest! {
        #[test]
        fn written_notes_come_back(
            names in prop::collection::vec(("[a-z]{1,9}", "[a-z_]{1,20}"), 0..8),
            wide: bool,
        ) {
            let bytes = if wide { 8 } else { 4 };
            let section: Vec<u8> = names.iter().flat_map(|(p, n)| note(bytes, p, n)).collect();
            let expected: Vec<_> = names.iter().map(|(p, n)| format!("{p}:{n}")).collect();
            prop_assert_eq!(probes(&section, bytes, false), expected);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), big: bool) {
            probes(&bytes, 8, big);
        }
    }
}
