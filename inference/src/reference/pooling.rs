//! Pooling.

use std::ops::Range;

use crate::graph::{AveragePool, Shape, Window};

/// The part of the image under one position of a window.
struct View {
    rows: Range<usize>,
    columns: Range<usize>,
    /// Values under the window within image and padding, but not beyond.
    padded_area: usize,
}

fn view(window: &Window, shape: Shape, row: usize, column: usize) -> View {
    let Window { kernel, stride, padding, .. } = window;
    let along = |position: usize,
                 stride: usize,
                 kernel: usize,
                 before: usize,
                 image: usize,
                 after: usize| {
        let start = position * stride;
        let end = (start + kernel).min(before + image + after);
        let clipped = start.max(before) - before..end.saturating_sub(before).min(image);
        (clipped, end - start)
    };
    let (rows, padded_rows) =
        along(row, stride.height, kernel.height, padding.top, shape.height, padding.bottom);
    let (columns, padded_columns) =
        along(column, stride.width, kernel.width, padding.left, shape.width, padding.right);
    View { rows, columns, padded_area: padded_rows * padded_columns }
}

fn pooled(
    window: &Window,
    shape: Shape,
    output: Shape,
    input: &[f32],
    reduce: impl Fn(&mut dyn Iterator<Item = f32>, &View) -> f32,
) -> Vec<f32> {
    let mut values = Vec::with_capacity(output.elements());
    for plane in input.chunks(shape.pixels()) {
        for row in 0..output.height {
            for column in 0..output.width {
                let view = view(window, shape, row, column);
                let columns = view.columns.clone();
                let rows =
                    view.rows.clone().map(|row| &plane[row * shape.width..][columns.clone()]);
                values.push(reduce(&mut rows.flatten().copied(), &view));
            }
        }
    }
    values
}

/// The largest value under each position of `window`.
pub(super) fn max(window: &Window, shape: Shape, output: Shape, input: &[f32]) -> Vec<f32> {
    pooled(window, shape, output, input, |values, _| values.fold(f32::NEG_INFINITY, f32::max))
}

/// The mean under each position of the pool's window.
pub(super) fn average(pool: &AveragePool, shape: Shape, output: Shape, input: &[f32]) -> Vec<f32> {
    pooled(&pool.window, shape, output, input, |values, view| {
        let area = if pool.count_include_pad {
            view.padded_area
        } else {
            view.rows.len() * view.columns.len()
        };
        values.sum::<f32>() / area as f32
    })
}

/// The mean of each channel.
pub(super) fn global_average(shape: Shape, input: &[f32]) -> Vec<f32> {
    input
        .chunks(shape.pixels())
        .map(|plane| plane.iter().sum::<f32>() / shape.pixels() as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: [f32; 9] = [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0, -9.0];
    const SHAPE: Shape = Shape::new(1, 3, 3);

    #[test]
    fn padding_never_wins_a_maximum() {
        let values = max(&Window::square(2, 2, 1), SHAPE, Shape::new(1, 2, 2), &IMAGE);
        assert_eq!(values, [-1.0, -2.0, -4.0, -5.0]);
    }

    #[test]
    fn a_mean_counts_padding_only_if_asked_and_overhang_never() {
        let average = |window, count_include_pad| {
            let pool = AveragePool { window, ceil_mode: true, count_include_pad };
            average(&pool, SHAPE, Shape::new(1, 2, 2), &IMAGE)
        };
        assert_eq!(average(Window::square(2, 2, 1), true), [-0.25, -1.25, -2.75, -7.0]);
        assert_eq!(average(Window::square(2, 2, 1), false), [-1.0, -2.5, -5.5, -7.0]);
        assert_eq!(average(Window::square(2, 2, 0), true), [-3.0, -4.5, -7.5, -9.0]);
    }

    #[test]
    fn a_global_mean() {
        assert_eq!(global_average(SHAPE, &IMAGE), [-5.0]);
    }
}
