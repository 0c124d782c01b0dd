//! `wattline record`: programs that know nothing of us, compiled here, watched on the real kernel.

use std::process::Command;

use crate::bundle::Table;
use crate::place::{Answer, Place};
use crate::root::is_root;

pub(crate) const WHY: &str = "BPF programs are loaded";

/// A function in C, one in a C++ namespace, probes by <sys/sdt.h>, one that calls itself, one whose
/// thread dies inside, and a status of the user's choice.
const PROGRAM: &str = r#"
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <csignal>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sys/sdt.h>

#define KEPT extern "C" __attribute__((noinline, used))

static volatile long sink;
static void work(long n) { for (long i = 0; i < n; i++) sink += i; }

KEPT void run_layer(const char *name, int n) { work(2000 * n); sink += name[0]; }
KEPT void run_image(int n) {
    run_layer("conv", n + 1);
    run_layer("softmax", 1);
    sink += 1;
}
KEPT void deep(int n) { work(1000); if (n) deep(n - 1); sink += n; }
KEPT void nothing(int n) { sink += n; }
static void on_cpu(int cpu) { cpu_set_t set; CPU_ZERO(&set); CPU_SET(cpu, &set); sched_setaffinity(0, sizeof set, &set); }
static void answers(int) { _exit(42); }
static void notes(int) { close(open("noticed", O_CREAT | O_WRONLY, 0644)); }
KEPT void *dies(void *) { pthread_exit(nullptr); }

namespace net {
struct Engine { __attribute__((noinline)) void classify(int n); __attribute__((noinline)) void warm(int n); };
void Engine::classify(int n) { work(1000 + n); }
void Engine::warm(int n) { work(n); }
struct Other { __attribute__((noinline)) void warm(float n); };
void Other::warm(float n) { work((long)n); }
}

int main(int count, char **words)
{
    const char *what = words[1];
    int times = count > 2 ? atoi(words[2]) : 1;
    int parent = getppid();
    net::Engine engine;
    if (!strcmp(what, "who")) printf("%u %u\n", getuid(), getgid());
    if (!strcmp(what, "answers")) signal(SIGINT, answers);
    if (!strcmp(what, "stubborn")) signal(SIGINT, notes);
    net::Other other;
    engine.warm(1);
    other.warm(1);
    for (int i = 0; i < times; i++) {
        if (!strcmp(what, "image")) run_image(i);
        if (!strcmp(what, "classify")) engine.classify(i);
        if (!strcmp(what, "deep")) deep(3);
        if (!strcmp(what, "usdt")) {
            DTRACE_PROBE1(engine, begin, i);
            work(5000);
            if (i % 10 != 9) DTRACE_PROBE1(engine, end, i);
        }
        if (!strcmp(what, "dies")) {
            pthread_t thread;
            pthread_create(&thread, nullptr, dies, nullptr);
            pthread_join(thread, nullptr);
        }
        if (!strcmp(what, "flood")) nothing(i);
        if (!strcmp(what, "moves")) { on_cpu(i / 10 % 2); run_image(100); usleep(10000); }
        if (!strcmp(what, "answers") || !strcmp(what, "stubborn")) {
            run_image(i);
            usleep(20000);
            if (getppid() != parent) break;
        }
        /* Each is gone at once, and so is the one that started it. */
        if (!strcmp(what, "grandchildren") && !fork()) {
            if (!fork()) run_image(i);
            _exit(0);
        }
        if (!strcmp(what, "outlived") && !fork()) { usleep(400000); run_image(i); _exit(0); }
        if (!strcmp(what, "slowly")) { run_image(i); usleep(20000); }
        if (!strcmp(what, "forks")) {
            if (!fork()) { run_image(i); usleep(50000); _exit(0); }
        }
    }
    if (strcmp(what, "outlived")) while (wait(nullptr) > 0) {}
    if (!strcmp(what, "killed")) raise(SIGKILL);
    return count > 3 ? atoi(words[3]) : 0;
}
"#;

const RUST_PROGRAM: &str = r#"
mod net {
    pub struct Engine;
    impl Engine {
        #[inline(never)]
        pub fn classify(&self, times: u64) -> u64 {
            std::hint::black_box(times)
        }
    }
}
fn main() {
    let times = std::env::args().nth(1).unwrap().parse().unwrap();
    for time in 0..times {
        std::hint::black_box(net::Engine.classify(time));
    }
}
"#;

/// It says whether anybody listened.
const GATED_PROGRAM: &str = r#"
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

extern "C" {
__extension__ unsigned short gate_begin_semaphore __attribute__((used, section(".probes")));
__extension__ unsigned short gate_end_semaphore __attribute__((used, section(".probes")));
}

int main()
{
    volatile unsigned short *begin = &gate_begin_semaphore, *end = &gate_end_semaphore;
    for (int i = 0; i < 25; i++) {
        if (*begin) DTRACE_PROBE(gate, begin);
        if (*end) DTRACE_PROBE(gate, end);
    }
    return *begin ? 0 : 3;
}
"#;

pub(crate) fn program(place: &Place) {
    compile(place, "engine", PROGRAM);
}

pub(crate) fn compile(place: &Place, name: &str, text: &str) {
    let source = format!("{name}.cc");
    place.write(&source, text);
    let built = Command::new("c++")
        .args(["-O1", "-fno-optimize-sibling-calls", "-pthread", "-o"])
        .args([place.path(name), place.path(&source)])
        .status()
        .expect("a C++ compiler (scripts/setup installs one)");
    assert!(built.success(), "<sys/sdt.h> is in systemtap-sdt-dev (scripts/setup installs it)");
}

pub(crate) fn record(place: &Place, line: &str) -> Answer {
    place.wattline(&format!("record --board host --out trace --overwrite --idle 0.05 {line}"))
}

pub(crate) fn images(place: &Place) -> usize {
    place.bundle("trace").table("spans.csv").with("kind", "image").len()
}

pub(crate) fn noted(place: &Place, what: &str) -> bool {
    let events = place.bundle("trace").table("events.csv");
    events.rows().any(|row| row.text("detail").contains(what))
}

#[test]
fn as_many_spans_as_calls_however_the_function_is_named() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    for (mark, what) in [
        ("uprobe:run_image", "image"),
        ("uprobe:run_image@./engine", "image"),
        ("uprobe:Engine::classify", "classify"),
        ("uprobe:net::Engine::classify(int)", "classify"),
        ("uprobe:_ZN3net6Engine8classifyEi", "classify"),
    ] {
        record(&place, &format!("--image-mark {mark} -- ./engine {what} 137")).succeeded();
        assert_eq!(images(&place), 137, "{mark}");
        let spans = place.bundle("trace").table("spans.csv");
        let run = spans.only("kind", "run");
        assert_eq!((run.text("name"), run.text("component")), ("engine", "cpu"));
        for (index, image) in spans.with("kind", "image").iter().enumerate() {
            assert_eq!(image.integer("image"), index as u64);
            assert_eq!(image.text("parent"), run.text("id"));
            assert_eq!((image.text("flops"), image.text("bytes_theoretical")), ("", ""));
        }
    }
    place.wattline("analyze trace --out results").succeeded();
    let row = Table::read(&place.path("results/summary.csv"));
    let row = row.only("component", "cpu");
    assert_eq!((row.integer("images"), row.maybe("gop_per_s")), (137, None));
    assert!(row.number("images_per_s") > 0.0);
}

#[test]
fn layers_lie_in_their_images_by_name() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let marks = "--image-mark uprobe:run_image --layer-mark uprobe:run_layer --name-arg 0";
    record(&place, &format!("{marks} -- ./engine image 20")).succeeded();
    let spans = place.bundle("trace").table("spans.csv");
    assert_eq!(spans.with("kind", "layer").len(), 40);
    for image in spans.with("kind", "image") {
        let layers = spans.with("parent", image.text("id"));
        let names: Vec<_> = layers.iter().map(|layer| layer.text("name")).collect();
        assert_eq!(names, ["conv", "softmax"]);
        for layer in layers {
            assert!(layer.integer("start_ns") >= image.integer("start_ns"));
            assert!(layer.integer("end_ns") <= image.integer("end_ns"));
        }
    }
}

/// Rust names are long, and shown in full only when demangled.
#[test]
fn rust_names_are_found_demangled() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    place.write("rusty.rs", RUST_PROGRAM);
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = Command::new(compiler)
        .args(["-O", "--edition", "2024", "-o"])
        .args([place.path("rusty"), place.path("rusty.rs")])
        .status()
        .expect("rustc, beside the cargo that runs this test");
    assert!(built.success());
    record(&place, "--image-mark uprobe:net::Engine::clasify -- ./rusty 61")
        .refused(&["did you mean", "rusty::net::Engine::classify"]);
    for name in ["rusty::net::Engine::classify", "Engine::classify"] {
        record(&place, &format!("--image-mark uprobe:{name} -- ./rusty 61")).succeeded();
        assert_eq!(images(&place), 61, "{name}");
    }
}

/// A probe that is passed only while somebody listens.
#[test]
fn a_probe_behind_a_semaphore_is_switched_on() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    compile(&place, "gated", GATED_PROGRAM);
    record(&place, "--image-mark usdt:gate:begin,end -- ./gated").succeeded();
    assert_eq!(images(&place), 25);
    let alone = Command::new(place.path("gated")).status().unwrap();
    assert_eq!(alone.code(), Some(3), "nobody listens");
}

/// More marks than there is room for, told and noted.
#[test]
fn marks_that_are_lost_are_counted() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let flood = "--image-mark uprobe:nothing --mark-buffer 4096 -- ./engine flood 100000";
    record(&place, flood).succeeded().says(&["marks were lost"]);
    assert!(noted(&place, "marks lost"));
    assert!(images(&place) < 100_000);
    record(&place, "--image-mark uprobe:nothing --mark-buffer 5000 -- ./engine flood 1")
        .refused(&["5000", "power of two"]);
}

#[test]
fn what_has_no_partner_is_noted_and_no_span() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    record(&place, "--image-mark uprobe:deep -- ./engine deep 5").succeeded();
    assert_eq!(images(&place), 0);
    assert!(noted(&place, "20 calls were nested in one another"));

    record(&place, "--image-mark uprobe:dies -- ./engine dies 3").succeeded();
    assert_eq!(images(&place), 0);
    assert!(noted(&place, "3 begins had no end"));

    // Every tenth image never ends, and costs no other.
    record(&place, "--image-mark usdt:engine:begin,end -- ./engine usdt 30").succeeded();
    assert_eq!(images(&place), 27);
    assert!(noted(&place, "3 begins had no end"));
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let place = Place::new();
    program(&place);
    for (line, parts) in [
        ("--image-mark uprobe:run_imgae -- ./engine image", ["no function run_imgae", "run_image"]),
        (
            "--image-mark uprobe:Engine::classifi -- ./engine image",
            ["did you mean", "net::Engine::classify"],
        ),
        ("--image-mark uprobe:warm -- ./engine image", ["2 functions", "net::Other::warm(float)"]),
        ("--image-mark usdt:engine:begn,end -- ./engine image", ["no USDT probe", "engine:begin"]),
        (
            "--image-mark uprobe:run_image@./engine.cc -- ./engine",
            ["engine.cc is no ELF", "@BINARY"],
        ),
        ("--image-mark uprobe:run_image --component npu -- ./engine", ["--component npu", "cpu"]),
        ("--image-mark uprobe:run_image --pid 4194305", ["process 4194305 does not exist", "ps"]),
    ] {
        record(&place, line).refused(&parts);
        assert!(!place.path("trace/power.csv").exists(), "{line}");
    }
    let mark = "--image-mark uprobe:run_image --";
    let absent = record(&place, &format!("{mark} ./absent")).exited(127);
    absent.says(&["cannot run ./absent", "No such file"]);
    let no_program = record(&place, &format!("{mark} ./engine.cc")).exited(126);
    no_program.says(&["cannot run ./engine.cc", "ermission denied"]);
    record(&place, "--image-mark run -- ./engine").exited(2).says(&["uprobe:SYMBOL"]);
    record(&place, "--image-mark uprobe:run").exited(2).says(&["COMMAND"]);
}

/// Our own engine, watched from outside, against what it wrote itself.
#[test]
fn what_is_seen_from_outside_is_what_the_engine_says() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::alone();
    let own = env!("CARGO_BIN_EXE_wattline");
    record(
        &place,
        &format!(
            "--image-mark usdt:wattline:image_begin,image_end \
             --layer-mark usdt:wattline:layer_begin,layer_end -- \
             {own} run --board host --network squeezenet --on cpu --images 20 --idle 0.1 --out own"
        ),
    )
    .succeeded();
    let (seen, said) = (place.bundle("trace").table("spans.csv"), place.bundle("own"));
    let said = said.table("spans.csv");
    for (kind, skipped) in [("image", 1), ("layer", said.with("kind", "layer").len() / 20)] {
        // The engine does not time its first image, which packs weights.
        let seen: Vec<_> = seen.with("kind", kind).into_iter().skip(skipped).collect();
        let said = said.with("kind", kind);
        assert_eq!(seen.len(), said.len(), "{kind}");
        let mut differences = Vec::new();
        for (seen, said) in seen.iter().zip(&said) {
            if kind == "layer" {
                assert_eq!(seen.text("name"), said.text("name"));
            }
            for end in ["start_ns", "end_ns"] {
                differences.push(seen.integer(end).abs_diff(said.integer(end)));
            }
        }
        differences.sort_unstable();
        let median_ns = differences[differences.len() / 2];
        assert!(median_ns <= 20_000, "{kind}: {median_ns} ns apart at the median");
    }
}
