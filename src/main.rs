//! The `wattline` command.

fn main() {}
