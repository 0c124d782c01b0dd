//! `wattline record`: functions that are named by an offset, and marks beside lost ones.

use std::process::Command;

use crate::place::Place;
use crate::record::{WHY, compile, images, program, record};
use crate::root::is_root;

/// Where functions start in a program, by symbol.
fn addresses(place: &Place) -> impl Fn(&str) -> i64 {
    let output = Command::new("nm").arg(place.path("engine")).output().expect("nm, of binutils");
    let text = String::from_utf8(output.stdout).unwrap();
    move |symbol| {
        let line = text.lines().find(|line| line.ends_with(&format!(" {symbol}"))).unwrap();
        i64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap()
    }
}

/// The same function: so many bytes after a symbol, before one, and into the file.
#[test]
fn a_function_without_a_name_is_found_by_its_offset() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    program(&place);
    let address = addresses(&place);
    let image = address("run_image");
    // Of this program the text lies in the file as in memory.
    for mark in [
        format!("run_layer@./engine+{:#x}", image - address("run_layer")),
        format!("deep@./engine-{:#x}", address("deep") - image),
        format!("@./engine+{image:#x}"),
    ] {
        record(&place, &format!("--image-mark uprobe:{mark} -- ./engine image 23")).succeeded();
        assert_eq!(images(&place), 23, "{mark}");
    }
    record(&place, "--image-mark uprobe:run_image@./engine-0xffffffff -- ./engine image")
        .refused(&["before the file's begin"]);
    record(&place, "--image-mark uprobe:@./engine+0xffffffff -- ./engine image")
        .refused(&["none at 0xffffffff"]);
}

/// One thread is slow; the other mostly is too, but now and then calls a hundred times at once. Both
/// say when each call began and ended.
const BURSTS: &str = r#"
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <pthread.h>
#include <unistd.h>

#define KEPT extern "C" __attribute__((noinline, used))

static volatile long sink;
static std::atomic<bool> done;
KEPT void run_image(int us) { usleep(us); sink += us; }
KEPT void run_layer(int n) { sink += n; }

static long now() { timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000L + t.tv_nsec; }
template <typename Function> static void timed(const char *kind, Function call)
{
    long begin = now();
    call();
    printf("%s %ld %ld\n", kind, begin, now());
}
static void *images(void *)
{
    unsigned seed = 7;
    while (!done) {
        timed("image", [&] { run_image(4000 + rand_r(&seed) % 4000); });
        usleep(1000);
    }
    return nullptr;
}
int main()
{
    static char buffer[1 << 22];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    unsigned seed = 1;
    pthread_t thread;
    pthread_create(&thread, nullptr, images, nullptr);
    for (int round = 0; round < 12; round++) {
        for (int i = 60 + rand_r(&seed) % 20; i; i--) { timed("layer", [&] { run_layer(i); }); usleep(4000); }
        for (int i = 0; i < 100; i++) timed("layer", [&] { run_layer(i); });
    }
    done = true;
    pthread_join(thread, nullptr);
}
"#;

/// Where marks are lost there are fewer spans, and never one that is made of two calls.
#[test]
fn no_span_reaches_over_marks_that_were_lost() {
    if !is_root(WHY) {
        return;
    }
    let place = Place::new();
    compile(&place, "bursts", BURSTS);
    let line = "--image-mark uprobe:run_image --layer-mark uprobe:run_layer --mark-buffer 4096 -- \
                ./bursts";
    let answer = record(&place, line).succeeded();
    answer.says(&["marks were lost"]);
    let calls: Vec<(&str, u64, u64)> = answer
        .stdout
        .lines()
        .map(|line| {
            let mut fields = line.split(' ');
            let kind = fields.next().unwrap();
            let mut time = || fields.next().unwrap().parse().unwrap();
            (kind, time(), time())
        })
        .collect();
    let spans = place.bundle("trace").table("spans.csv");
    for kind in ["image", "layer"] {
        let found = spans.with("kind", kind);
        let called: Vec<_> = calls.iter().filter(|call| call.0 == kind).collect();
        assert!(!found.is_empty() && found.len() < called.len(), "{kind}: {}", found.len());
        for span in found {
            let (start, end) = (span.integer("start_ns"), span.integer("end_ns"));
            let inside = called.iter().filter(|call| call.1 <= start && end <= call.2).count();
            assert_eq!(inside, 1, "{kind}: {start} to {end} is no call");
        }
    }
    answer.says(&["beside lost ones"]);
}
