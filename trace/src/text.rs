//! A piece of text where it stands in a larger one.
//!
//! Fields of a table are a few bytes long: taken one byte at a time, most of the work is finding out
//! where they end. What lies around a field may be loaded along with it, so that eight bytes are
//! looked at at once (Lamport, "Multiple byte processing with full-word instructions", CACM 18(8),
//! 1975) and what is not the field's is masked away.

/// Bytes that are looked at at once.
pub(crate) const WORD: usize = 8;

/// Every byte the same.
pub(crate) const fn every(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; WORD])
}

/// Bytes of a table, and what lies around them.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    all: &'a [u8],
    from: usize,
    to: usize,
}

impl<'a> Text<'a> {
    /// With nothing around it.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Text { all: bytes, from: 0, to: bytes.len() }
    }

    /// The bytes of `all` from `from` to `to`.
    pub(crate) fn within(all: &'a [u8], from: usize, to: usize) -> Self {
        debug_assert!(from <= to && to <= all.len());
        Text { all, from, to }
    }

    /// The text itself.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        &self.all[self.from..self.to]
    }

    pub(crate) fn len(self) -> usize {
        self.to - self.from
    }

    /// What lies before a place.
    #[inline]
    pub(crate) fn before(self, place: usize) -> Self {
        Text { to: self.from + place, ..self }
    }

    /// What lies behind a place.
    #[inline]
    pub(crate) fn after(self, place: usize) -> Self {
        Text { from: self.from + place, ..self }
    }

    #[inline]
    pub(crate) fn first(self) -> Option<u8> {
        if self.from < self.to { Some(self.all[self.from]) } else { None }
    }

    /// What lies before the first comma, and what behind it, if there is one.
    #[inline]
    pub(crate) fn split_at_comma(self) -> (Self, Option<Self>) {
        let mut at = self.from;
        let end = loop {
            let place = match self.all.get(at..at + WORD) {
                Some(word) => first(word_of(word), b','),
                None => self.all[at..].iter().position(|&byte| byte == b',').or(Some(WORD)),
            };
            match place {
                Some(place) => break at + place,
                None if at + WORD >= self.to => break self.to,
                None => at += WORD,
            }
        };
        // What lies behind the text is not its own.
        match end < self.to {
            true => (Text { to: end, ..self }, Some(Text { from: end + 1, ..self })),
            false => (self, None),
        }
    }

    /// The text's last eight bytes, the first of them lowest; in place of those that are not the
    /// text's stand zeros, as digits. None where there is no room before it.
    #[inline]
    pub(crate) fn last_word(self) -> Option<u64> {
        let word = word_of(self.all.get(self.to.checked_sub(WORD)?..self.to)?);
        let foreign = WORD.saturating_sub(self.len()) as u32 * 8;
        let own = u64::MAX.checked_shl(foreign).unwrap_or(0);
        Some(word & own | every(b'0') & !own)
    }
}

#[inline]
fn word_of(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// The place of the first byte of a word that is `byte`.
#[inline]
pub(crate) fn first(word: u64, byte: u8) -> Option<usize> {
    let off = word ^ every(byte);
    // A byte's high bit is set if the byte is zero, or if a lower one is.
    let zeros = off.wrapping_sub(every(1)) & !off & every(0x80);
    (zeros != 0).then(|| zeros.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn commas_are_found_in_the_text_and_not_around_it(
            around in "[,a]{0,20}", text in "[,+\\-a]{0,20}", behind in "[,a]{0,20}",
        ) {
            let all = format!("{around}{text}{behind}");
            let (from, to) = (around.len(), around.len() + text.len());
            let (field, rest) = Text::within(all.as_bytes(), from, to).split_at_comma();
            let (own_field, own_rest) = match text.split_once(',') {
                Some((field, rest)) => (field, Some(rest.as_bytes())),
                None => (&text[..], None),
            };
            prop_assert_eq!(field.bytes(), own_field.as_bytes());
            prop_assert_eq!(rest.map(Text::bytes), own_rest);
        }

        #[test]
        fn a_last_word_has_zeros_where_the_text_has_nothing(text in "[a-z]{0,12}") {
            let all = format!("############{text}");
            let word = Text::within(all.as_bytes(), 12, all.len()).last_word().unwrap();
            let padded = format!("00000000{text}");
            prop_assert_eq!(&word.to_le_bytes(), &padded.as_bytes()[padded.len() - WORD..]);
        }
    }
}
