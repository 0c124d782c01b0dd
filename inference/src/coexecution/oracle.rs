//! The least time in which components can finish a number of identical images.
//!
//! An image is whole: a component that is given it finishes it. With component `j` free from
//! `f_j` and taking `s_j` an image, `n` images can be finished by `T` if and only if
//! `sum over j of floor((T - f_j) / s_j) >= n`, so the least makespan is the `n`-th smallest of
//! the instants `f_j + k * s_j`, k = 1, 2, ... A fluid that could divide images bounds it from
//! below; fewer images than components are left to place from there.

/// A component as the oracle sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Server {
    /// When it is free, in seconds; not before 0.
    pub free_s: f64,
    /// What an image takes on it, in seconds; infinite if it cannot run it.
    pub image_s: f64,
}

/// The least makespan, in seconds from 0, of `images` identical images. Infinite if no component
/// can run any; 0 for no images. Takes time in the number of components, not of images.
///
/// # Panics
/// If there are more components than [`MOST_COMPONENTS`].
pub fn least_makespan(servers: &[Server], images: u64) -> f64 {
    if images == 0 {
        return 0.0;
    }
    let fluid_s = fluid_makespan(servers, images as f64);
    if !fluid_s.is_finite() {
        return f64::INFINITY;
    }
    // Rounded down with a margin, so that never too many are placed and at least one is left.
    let mut finished = [0u64; MOST_COMPONENTS];
    for (finished, server) in finished.iter_mut().zip(servers) {
        let images = (fluid_s - server.free_s).max(0.0) / server.image_s;
        *finished = (images * (1.0 - 1e-12) - 1e-9).max(0.0) as u64;
    }
    let placed: u64 = finished.iter().sum();
    let mut makespan_s = fluid_s;
    for _ in placed..images {
        let instants = servers
            .iter()
            .zip(&finished)
            .map(|(server, &finished)| server.free_s + (finished + 1) as f64 * server.image_s);
        let Some((next, instant)) = instants.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)) else {
            break;
        };
        finished[next] += 1;
        makespan_s = instant;
    }
    makespan_s
}

/// The least time if images could be divided at will: a bound from below.
fn fluid_makespan(servers: &[Server], images: f64) -> f64 {
    // The earliest free join first; each raises the level or is free too late to help.
    let mut by_free: [usize; MOST_COMPONENTS] = std::array::from_fn(|index| index);
    let order = &mut by_free[..servers.len()];
    order.sort_unstable_by(|&a, &b| servers[a].free_s.total_cmp(&servers[b].free_s));
    let (mut rate, mut owed, mut level) = (0.0, images, f64::INFINITY);
    for &index in order.iter() {
        let server = servers[index];
        if server.free_s >= level {
            break;
        }
        if server.image_s.is_finite() {
            rate += 1.0 / server.image_s;
            owed += server.free_s / server.image_s;
            level = owed / rate;
        }
    }
    level
}

/// Components that can co-execute at most: no SoC has as many, and arrays can be made for them.
pub const MOST_COMPONENTS: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition: the `images`-th smallest of all finishing instants.
    fn by_definition(servers: &[Server], images: u64) -> f64 {
        let mut instants: Vec<f64> = servers
            .iter()
            .flat_map(|it| (1..=images).map(|k| it.free_s + k as f64 * it.image_s))
            .collect();
        instants.sort_by(f64::total_cmp);
        instants[images as usize - 1]
    }

    fn server() -> impl Strategy<Value = Server> {
        // Coarse values, so that ties are common.
        let image_s = prop_oneof![4 => (1u32..40).prop_map(|t| f64::from(t) * 0.125),
            1 => Just(f64::INFINITY), 4 => 0.01f64..5.0];
        (prop_oneof![Just(0.0), 0.0f64..20.0], image_s)
            .prop_map(|(free_s, image_s)| Server { free_s, image_s })
    }

    proptest! {
        #[test]
        fn is_the_nth_smallest_instant(
            servers in prop::collection::vec(server(), 1..8),
            images in 1u64..120,
        ) {
            let (fast, slow) = (least_makespan(&servers, images), by_definition(&servers, images));
            prop_assert!(fast == slow || (fast - slow).abs() <= 1e-9 * slow, "{} {}", fast, slow);
        }
    }

    #[test]
    fn nothing_takes_no_time_and_nobody_takes_for_ever() {
        assert_eq!(least_makespan(&[Server { free_s: 3.0, image_s: 1.0 }], 0), 0.0);
        assert_eq!(least_makespan(&[], 1), f64::INFINITY);
        assert_eq!(
            least_makespan(&[Server { free_s: 0.0, image_s: f64::INFINITY }], 1),
            f64::INFINITY
        );
    }
}
