//! What a figure is made of, before anything is drawn: marks at places, in units of a CSS pixel.
//!
//! Figures decide what stands where; [`super::paint`] turns a scene into SVG or PNG.

/// A colour by its meaning. None of them means anything that a shape, a dash or a word beside it
/// does not say too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Words and axes.
    Text,
    /// Words beside the point.
    Muted,
    /// Lines of a grid.
    Grid,
    /// One of several things, by number.
    Series(usize),
    /// Something is wrong.
    Alarm,
}

/// Colours that people who see few colours tell apart (Okabe and Ito, "Color Universal Design"),
/// and that differ in lightness too.
const SERIES: [(u8, u8, u8); 6] = [
    (0x00, 0x72, 0xB2),
    (0xD5, 0x5E, 0x00),
    (0x00, 0x9E, 0x73),
    (0xCC, 0x79, 0xA7),
    (0xE6, 0x9F, 0x00),
    (0x56, 0xB4, 0xE9),
];

impl Ink {
    /// Red, green and blue.
    pub(crate) fn rgb(self) -> (u8, u8, u8) {
        match self {
            Ink::Text => (0x1A, 0x1C, 0x1E),
            Ink::Muted => (0x5C, 0x63, 0x6A),
            Ink::Grid => (0xD9, 0xDD, 0xE1),
            Ink::Series(number) => SERIES[number % SERIES.len()],
            Ink::Alarm => (0xC0, 0x16, 0x2C),
        }
    }
}

/// How a line is broken, as lengths of strokes and gaps in turn.
pub(crate) const DASHES: [&[f64]; 4] = [&[], &[9.0, 4.0], &[2.0, 4.0], &[12.0, 4.0, 2.0, 4.0]];

/// Which point of a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// One thing to draw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mark {
    Line {
        points: Vec<(f64, f64)>,
        ink: Ink,
        width: f64,
        dash: &'static [f64],
    },
    Area {
        points: Vec<(f64, f64)>,
        ink: Ink,
    },
    /// Vertically centred on its place; `upright` reads from bottom to top.
    Text {
        at: (f64, f64),
        text: String,
        size: f64,
        anchor: Anchor,
        ink: Ink,
        upright: bool,
    },
}

/// Marks on a sheet of white, in the order in which they are drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) marks: Vec<Mark>,
}

impl Scene {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Scene { width, height, marks: Vec::new() }
    }

    pub(crate) fn line(&mut self, points: Vec<(f64, f64)>, ink: Ink, width: f64) {
        self.marks.push(Mark::Line { points, ink, width, dash: DASHES[0] });
    }

    pub(crate) fn dashed(
        &mut self,
        points: Vec<(f64, f64)>,
        ink: Ink,
        width: f64,
        dash: &'static [f64],
    ) {
        self.marks.push(Mark::Line { points, ink, width, dash });
    }

    pub(crate) fn area(&mut self, points: Vec<(f64, f64)>, ink: Ink) {
        self.marks.push(Mark::Area { points, ink });
    }

    pub(crate) fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink) {
        self.area(vec![from, (to.0, from.1), to, (from.0, to.1)], ink);
    }

    /// A line of text of `size` from its baseline to the next.
    pub(crate) fn text(
        &mut self,
        at: (f64, f64),
        text: impl Into<String>,
        size: f64,
        anchor: Anchor,
        ink: Ink,
    ) {
        self.marks.push(Mark::Text { at, text: text.into(), size, anchor, ink, upright: false });
    }

    pub(crate) fn upright(&mut self, at: (f64, f64), text: impl Into<String>, size: f64, ink: Ink) {
        let anchor = Anchor::Middle;
        self.marks.push(Mark::Text { at, text: text.into(), size, anchor, ink, upright: true });
    }

    /// Lines of words from the top left, broken where they would leave the sheet; answers where
    /// the next line would stand.
    pub(crate) fn paragraph(&mut self, top: f64, text: &str, size: f64, ink: Ink) -> f64 {
        let mut at = top;
        for line in broken(text, self.width - 2.0 * MARGIN, size) {
            self.text((MARGIN, at + 0.6 * size), line, size, Anchor::Start, ink);
            at += 1.35 * size;
        }
        at
    }
}

/// What stays white along each edge.
pub(crate) const MARGIN: f64 = 12.0;

/// How wide a letter is, of its size, in sans-serif fonts on the wide side.
const LETTER: f64 = 0.56;

/// How wide a text comes out, roughly.
pub(crate) fn width_of(text: &str, size: f64) -> f64 {
    LETTER * size * text.chars().count() as f64
}

/// A text in lines that are no wider than `width`, where its words allow that.
fn broken(text: &str, width: f64, size: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width_of(line, size) + width_of(word, size) + 0.5 * size <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The end of a text left out, where it would be wider than `width`.
pub(crate) fn shortened(text: &str, width: f64, size: f64) -> String {
    let most = (width / (LETTER * size)).max(1.0) as usize;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_on_in_the_next_line() {
        assert_eq!(broken("one two three", 45.0, 10.0), ["one two", "three"]);
        assert_eq!(broken("unbreakably", 10.0, 10.0), ["unbreakably"]);
        assert_eq!(broken("  ", 10.0, 10.0), [] as [&str; 0]);
    }

    #[test]
    fn what_is_too_long_says_so() {
        assert_eq!(shortened("inception_4e/3x3", 57.0, 10.0), "inception…");
        assert_eq!(shortened("fc8", 57.0, 10.0), "fc8");
    }
}
