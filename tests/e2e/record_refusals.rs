//! `wattline record` where it cannot: one line that says what is wrong and what to do.

use std::process::Command;

use crate::place::{Answer, Place};
use crate::record::{WHY, program, record};
use crate::root::is_root;

const RECORD: &str =
    "record --board host --out trace --image-mark uprobe:run_image -- ./engine image";

/// Recording is refused in one line, when started through some other command.
#[track_caller]
fn refused_through(through: &[&str], parts: &[&str]) {
    let place = Place::new();
    program(&place);
    let output = Command::new(through[0])
        .args(&through[1..])
        .arg(env!("CARGO_BIN_EXE_wattline"))
        .args(RECORD.split(' '))
        .current_dir(place.path(""))
        .output()
        .expect("setpriv and unshare, of util-linux");
    let answer = Answer::new(RECORD, output);
    assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
    answer.refused(parts);
    assert!(!place.path("trace/power.csv").exists());
}

#[test]
fn without_the_right_to_load_programs() {
    if !is_root("capabilities are given up") {
        return;
    }
    let through = ["setpriv", "--bounding-set=-bpf,-sys_admin,-perfmon", "--inh-caps=-all"];
    refused_through(&through, &["not permitted", "CAP_BPF and CAP_PERFMON", "run as root"]);
}

/// In a mount namespace of its own the kernel says nothing of its types.
#[test]
fn without_type_information() {
    if !is_root(WHY) {
        return;
    }
    let hide = "mount -t tmpfs none /sys/kernel/btf && exec \"$0\" \"$@\"";
    refused_through(
        &["unshare", "--mount", "sh", "-c", hide],
        &["no type information", "CONFIG_DEBUG_INFO_BTF=y"],
    );
}

/// In a mount namespace of its own the kernel says that it is locked down, and the program fails.
#[test]
fn on_a_kernel_that_is_locked_down() {
    if !is_root(WHY) {
        return;
    }
    let lock = "mount -t tmpfs none /sys/kernel/btf && mount -t tmpfs none /sys/kernel/security && \
                echo 'none integrity [confidentiality]' >/sys/kernel/security/lockdown && \
                exec \"$0\" \"$@\"";
    refused_through(
        &["unshare", "--mount", "sh", "-c", lock],
        &["locked down", "boot without lockdown=confidentiality"],
    );
}

/// Whenever it ends while it is attached to, that is said, or the recording ends in order.
#[test]
fn a_process_that_ends_at_once() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let mut refused = 0;
    for images in 0..12 {
        let mut process = Command::new(place.path("engine"))
            .args(["slowly", &images.to_string()])
            .spawn()
            .unwrap();
        let pid = process.id();
        let answer = record(&place, &format!("--image-mark uprobe:run_image --pid {pid}"));
        process.wait().unwrap();
        if answer.code == Some(0) {
            assert_eq!(place.bundle("trace").manifest()["complete"], true);
            continue;
        }
        refused += 1;
        assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
        answer.refused(&[&format!("process {pid} ")]);
    }
    assert!(refused > 0, "the first has ended before it can be watched");
}

/// A thread of the kernel is there, and has no program.
#[test]
fn a_process_without_a_program() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    let is_kernels = |pid: &u32| {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"));
        maps.is_ok_and(|maps| maps.is_empty())
            && std::fs::read_link(format!("/proc/{pid}/exe"))
                .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    };
    let pid = (1..1000).find(is_kernels).expect("kthreadd, unless in a PID namespace");
    let mark = format!("--image-mark uprobe:run_image --pid {pid}");
    record(&place, &mark).refused(&[&format!("process {pid} runs no program"), "kernel"]);
}
