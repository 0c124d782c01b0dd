//! Scenes as SVG and as PNG, by plotters.
//!
//! SVG names the family `sans-serif`, which every viewer has; PNG is drawn with a font of ours, so
//! that it needs none of the machine's.

use std::io::Cursor;
use std::sync::LazyLock;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, register_font};

use super::scene::{Anchor, Mark, Scene};

const FAMILY: &str = "sans-serif";

/// Pixels of a PNG for each of a scene's.
const PNG_SCALE: f64 = 2.0;

/// plotters takes a size from the lowest descender to the highest ascender of a font: that is so
/// much larger than the size as CSS counts it.
const SIZE: f64 = 1.24;

/// Whether the font could be read.
static FONT: LazyLock<bool> =
    LazyLock::new(|| register_font(FAMILY, FontStyle::Normal, super::font::SANS).is_ok());

/// A scene as an SVG document.
///
/// # Errors
/// What plotters refuses, in words.
pub(super) fn svg(scene: &Scene) -> Result<String, String> {
    let mut text = String::new();
    let size = (scene.width.ceil() as u32, scene.height.ceil() as u32);
    paint(scene, &mut SVGBackend::with_string(&mut text, size), 1.0)?;
    Ok(text)
}

/// A scene as a PNG file.
///
/// # Errors
/// What plotters or the encoder refuses, in words.
pub(super) fn png(scene: &Scene) -> Result<Vec<u8>, String> {
    let pixels = |length: f64| (PNG_SCALE * length).ceil() as u32;
    let (width, height) = (pixels(scene.width), pixels(scene.height));
    let mut buffer = vec![0xFF; 3 * width as usize * height as usize];
    paint(scene, &mut BitMapBackend::with_buffer(&mut buffer, (width, height)), PNG_SCALE)?;
    let mut file = Cursor::new(Vec::new());
    PngEncoder::new(&mut file)
        .write_image(&buffer, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| error.to_string())?;
    Ok(file.into_inner())
}

fn paint<B: DrawingBackend>(scene: &Scene, backend: &mut B, scale: f64) -> Result<(), String> {
    if !*FONT {
        return Err("the built-in font cannot be read".to_owned());
    }
    let place = |(x, y): (f64, f64)| ((scale * x).round() as i32, (scale * y).round() as i32);
    let colour = |(red, green, blue)| RGBColor(red, green, blue);
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let sheet = (scene.width, scene.height);
    backend
        .draw_rect((0, 0), place(sheet), &WHITE.filled(), true)
        .map_err(|error| failed(&error))?;
    for mark in &scene.marks {
        let drawn = match mark {
            Mark::Line { points, ink, width, dash } => {
                let style = colour(ink.rgb()).stroke_width((scale * width).round().max(1.0) as u32);
                strokes(points, dash)
                    .into_iter()
                    .try_for_each(|stroke| backend.draw_path(stroke.into_iter().map(place), &style))
            }
            Mark::Area { points, ink } => {
                backend.fill_polygon(points.iter().copied().map(place), &colour(ink.rgb()).filled())
            }
            Mark::Text { at, text, size, anchor, ink, upright } => {
                let across = match anchor {
                    Anchor::Start => HPos::Left,
                    Anchor::Middle => HPos::Center,
                    Anchor::End => HPos::Right,
                };
                let turned = if *upright { FontTransform::Rotate270 } else { FontTransform::None };
                let colour = colour(ink.rgb());
                let style = TextStyle::from((FAMILY, scale * SIZE * size).into_font())
                    .color(&colour)
                    .transform(turned)
                    .pos(Pos::new(across, VPos::Center));
                backend.draw_text(text, &style, place(*at))
            }
        };
        drawn.map_err(|error| failed(&error))?;
    }
    backend.present().map_err(|error| failed(&error))
}

/// A line as the strokes of its dash.
fn strokes(points: &[(f64, f64)], dash: &[f64]) -> Vec<Vec<(f64, f64)>> {
    if points.iter().any(|point| !point.0.is_finite() || !point.1.is_finite()) {
        return Vec::new();
    }
    if dash.is_empty() || dash.iter().any(|length| *length <= 0.0) {
        return vec![points.to_vec()];
    }
    let mut strokes = vec![points.first().copied().into_iter().collect::<Vec<_>>()];
    let (mut part, mut left) = (0, dash[0]);
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let along = |done: f64| {
            let share = done / length;
            (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1))
        };
        let mut done = 0.0;
        while length - done > left {
            done += left;
            match part % 2 {
                0 => strokes.last_mut().into_iter().for_each(|stroke| stroke.push(along(done))),
                _ => strokes.push(vec![along(done)]),
            }
            part += 1;
            left = dash[part % dash.len()];
        }
        left -= length - done;
        if part % 2 == 0 {
            strokes.last_mut().into_iter().for_each(|stroke| stroke.push(to));
        }
    }
    strokes.retain(|stroke| stroke.len() > 1);
    strokes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::scene::Ink;

    #[test]
    fn a_dashed_line_has_gaps() {
        let strokes = strokes(&[(0.0, 0.0), (10.0, 0.0)], &[4.0, 2.0]);
        assert_eq!(strokes, [[(0.0, 0.0), (4.0, 0.0)], [(6.0, 0.0), (10.0, 0.0)]]);
        assert_eq!(super::strokes(&[(0.0, 0.0), (9.0, 0.0)], &[]).len(), 1);
        assert_eq!(super::strokes(&[(0.0, 0.0), (f64::INFINITY, 0.0)], &[4.0, 2.0]).len(), 0);
    }

    #[test]
    fn text_is_escaped_and_drawn_without_fonts_of_the_machine() {
        let mut scene = Scene::new(200.0, 50.0);
        scene.text((10.0, 25.0), "<a> & \"b\" µ ±", 14.0, Anchor::Start, Ink::Text);
        let svg = svg(&scene).unwrap();
        assert!(svg.contains("&lt;a&gt; &amp; &quot;b&quot; µ ±"), "{svg}");
        let image = image::load_from_memory(&png(&scene).unwrap()).unwrap().to_rgb8();
        assert_eq!(image.dimensions(), (400, 100));
        let dark = image.pixels().filter(|pixel| pixel.0[0] < 100).count();
        assert!(dark > 200, "only {dark} dark pixels: no text was drawn");
    }
}
