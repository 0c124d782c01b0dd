//! What the BPF programs cost: `cargo run --release -p wattline-ebpf --example bpf_cost`, as root.
//!
//! With and without are measured in turn in one run, in CPU time, so that a busy machine is busy
//! for both and what others use does not count. Beside what ours cost stands what a program costs
//! that only counts: nobody gets below that.

#[cfg(not(bpf_programs))]
fn main() {
    eprintln!("built without BPF programs: install clang and build again");
}

#[cfg(bpf_programs)]
mod baseline;
#[cfg(bpf_programs)]
mod measured;

#[cfg(bpf_programs)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    measured::everything()
}
