//! What a board is: components, clusters, rails, counters and peaks ([`description`]), and the
//! emulated board: the same description, made to live.

pub mod clock;
pub mod description;
pub mod detect;
pub mod emulated;
pub mod quantity;
pub mod registers;

mod roots;

pub use roots::{RegisterSource, Roots};
