//! Compiles the BPF programs where it can.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(bpf_programs)");
    println!("cargo::rerun-if-changed=build.rs");
}
