//! What the BPF programs cost: `cargo run --release -p wattline-ebpf --example bpf_cost`, as root;
//! `-- switches`, `-- hits` or `-- flood` for a part of it.
//!
//! With and without are measured in turn in one run, in CPU time, so that a busy machine is busy
//! for both and what others use does not count. Beside what ours cost stands what a program costs
//! that only counts, or only looks at the clock: nobody gets below that.

#[cfg(not(bpf_programs))]
fn main() {
    eprintln!("built without BPF programs: install clang and build again");
}

#[cfg(bpf_programs)]
mod baseline;
#[cfg(bpf_programs)]
mod measured;
#[cfg(bpf_programs)]
mod probes;
#[cfg(bpf_programs)]
mod switches;

#[cfg(bpf_programs)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let part = std::env::args().nth(1);
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    if wanted("switches") {
        switches::by_statistics()?;
        switches::by_slowdown()?;
    }
    if wanted("hits") {
        probes::hits()?;
    }
    if wanted("flood") {
        probes::a_million_marks_a_second()?;
    }
    Ok(())
}
