//! Compiles the BPF programs, where there is a clang to do it.
//!
//! `CLANG` names another clang; set to nothing, it builds without the programs.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(bpf_programs)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-changed=examples/bpf_cost/baseline.bpf.c");
    println!("cargo::rerun-if-changed=tests/refused.bpf.c");
    println!("cargo::rerun-if-env-changed=CLANG");
    println!("cargo::rerun-if-env-changed=PATH");
    #[cfg(feature = "bpf")]
    compile();
}

#[cfg(feature = "bpf")]
fn compile() {
    use std::env;
    use std::path::{Path, PathBuf};
    use std::process::{self, Command, Stdio};

    const PROGRAMS: [&str; 5] = [
        "bpf/sched.bpf.c",
        "bpf/frequency.bpf.c",
        "bpf/marks.bpf.c",
        "examples/bpf_cost/baseline.bpf.c",
        "tests/refused.bpf.c",
    ];

    let clang = env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    if clang.is_empty() {
        return;
    }
    let version = Command::new(&clang).arg("--version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        println!(
            "cargo::warning=no {clang} to compile BPF programs with; building without them \
             (Debian: apt-get install clang)"
        );
        return;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for source in PROGRAMS {
        let stem = Path::new(source).file_stem().expect("each has a name");
        let object = out.join(stem).with_extension("bpf.o");
        let built = libbpf_cargo::SkeletonBuilder::new()
            .source(source)
            .obj(&object)
            .clang(&clang)
            .clang_args(["-Ibpf/include", "-Wall", "-Werror"])
            .build();
        if let Err(error) = built {
            println!("cargo::error=cannot compile {source}: {error:#}");
            process::exit(1);
        }
    }
    println!("cargo::rustc-cfg=bpf_programs");
}
