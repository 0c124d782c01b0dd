//! The programs on this very kernel, which must allow it.
//!
//! Without the standard harness: this program is also the workload that its tests start and watch.

mod counters;
mod marks;
mod sched;
mod workload;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use wattline_ebpf::{Support, SupportRoots};

/// Tests by their names, each run where BPF programs can be loaded.
macro_rules! tests {
    ($module:ident: $($(#[$when:meta])? $test:ident,)*) => {
        vec![$(
            $(#[$when])?
            Trial::test(concat!(stringify!($module), "::", stringify!($test)), || {
                if has_bpf(stringify!($test)) {
                    $module::$test();
                }
                Ok(())
            }),
        )*]
    };
}

fn main() -> ExitCode {
    if let Ok(job) = std::env::var(workload::JOB) {
        workload::work(&job);
        return ExitCode::SUCCESS;
    }
    let counters = tests! { counters:
        what_a_call_did_lies_between_its_marks,
        a_cpu_without_the_event_says_nothing_and_a_move_shows,
        without_counters_a_mark_has_none,
        counters_that_cannot_be_are_refused,
    };
    let marks = tests! { marks:
        usdt_marks_are_as_many_as_the_calls_and_carry_what_was_passed,
        #[cfg(target_arch = "x86_64")] arguments_are_found_wherever_they_are,
        #[cfg(target_arch = "x86_64")] a_probe_with_room_is_called_where_the_kernel_can,
        #[cfg(target_arch = "x86_64")] a_function_that_begins_with_endbr64_is_seen_whole,
        a_function_begins_and_ends,
        what_finds_no_room_is_counted_exactly,
        what_cannot_be_attached_is_said,
    };
    let sched = tests! { sched:
        threads_of_a_tree_are_accounted_cpu_by_cpu,
        threads_that_switch_all_the_time_are_accounted,
        a_child_that_outlives_its_parent_is_followed,
        a_thousand_children_are_followed_and_none_is_kept,
        what_runs_now_is_in_and_nothing_goes_back,
        a_cgroup_and_those_below_it_are_accounted,
        a_target_that_does_not_exist_is_refused,
    };
    let tests = [counters, marks, sched].into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// Whether BPF programs can be loaded here. Where not, it says so loudly, and in CI fails.
fn has_bpf(test: &str) -> bool {
    let support = Support::detect(&SupportRoots::default());
    if !support.works() {
        let lacks = support.findings.iter().filter(|finding| finding.essential && !finding.good);
        let lacks: Vec<_> = lacks.map(|finding| finding.finding.as_str()).collect();
        let lacks = lacks.join(" ");
        assert!(std::env::var_os("CI").is_none(), "{test} cannot run in CI: {lacks}");
        eprintln!("SKIPPED {test}: it needs BPF. {lacks}");
    }
    support.works()
}
