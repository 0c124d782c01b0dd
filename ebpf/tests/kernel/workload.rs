//! A program whose CPU time is known: this test's own, started again to do one job.
//!
//! It waits for a line on its standard input, works, says what it used, and waits for the end of
//! its input, so that who watches can look at it alive.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::sys::wait::waitpid;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{ForkResult, Pid, fork};

/// In the environment of a workload: the job it is to do.
pub(crate) const JOB: &str = "WATTLINE_TEST_JOB";
const USED: &str = "used ";

/// What the workload does once told to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Job {
    /// One thread on each of the first two CPUs works for half a second of CPU time.
    Threads,
    /// Two threads on CPU 0 hand a byte to and fro, a hundred thousand times.
    PingPong,
    /// A child works for 300 ms of CPU time on CPU 0, its parent gone since long.
    Orphan,
    /// A thousand children, one after another, that end at once.
    Children,
}

/// CPU time used on a CPU, or altogether (`None`).
pub(crate) type Used = (Option<usize>, u64);

/// The workload, waiting to be told.
pub(crate) struct Workload {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Workload {
    /// Starts it; it waits.
    pub(crate) fn start(job: Job) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(JOB, format!("{job:?}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Workload { child, input, output }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it work; answers what it used. It lives on.
    pub(crate) fn work(&mut self) -> Vec<Used> {
        self.input.as_mut().unwrap().write_all(b"go\n").unwrap();
        let mut used = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the workload ended");
            if line == "done\n" {
                return used;
            }
            let numbers = line.strip_prefix(USED).unwrap();
            let (cpu, ns) = numbers.trim().split_once(' ').unwrap();
            used.push((cpu.parse().ok(), ns.parse().unwrap()));
        }
    }

    /// Lets it end.
    pub(crate) fn end(mut self) {
        drop(self.input.take());
        self.output.read_to_end(&mut Vec::new()).unwrap();
        self.child.wait().unwrap();
    }
}

/// What the workload does, in a process of its own.
pub(crate) fn work(job: &str) {
    say("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    match job {
        "Threads" => threads(),
        "PingPong" => ping_pong(),
        "Orphan" => orphan(),
        "Children" => children(),
        _ => panic!("no job {job}"),
    }
    say("done");
    std::io::stdin().read_line(&mut line).unwrap();
}

fn say(what: &str) {
    println!("{what}");
    std::io::stdout().flush().unwrap();
}

fn used(clock: ClockId) -> Duration {
    clock_gettime(clock).unwrap().into()
}

/// Puts the calling thread on one CPU.
fn stay_on(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cpus).unwrap();
}

/// Works until its clock shows so much more than when it was put on its CPU; answers how much.
fn burn(cpu: usize, clock: ClockId, time: Duration) -> u64 {
    stay_on(cpu);
    let start = used(clock);
    while used(clock) < start + time {}
    (used(clock) - start).as_nanos() as u64
}

fn threads() {
    let cpus = std::thread::available_parallelism().unwrap().get().min(2);
    let burn = |cpu| burn(cpu, ClockId::CLOCK_THREAD_CPUTIME_ID, Duration::from_millis(500));
    let threads: Vec<_> =
        (0..cpus).map(|cpu| std::thread::spawn(move || (cpu, burn(cpu)))).collect();
    for thread in threads {
        let (cpu, ns) = thread.join().unwrap();
        say(&format!("{USED}{cpu} {ns}"));
    }
}

fn ping_pong() {
    stay_on(0);
    let clock = ClockId::CLOCK_PROCESS_CPUTIME_ID;
    let start = used(clock);
    let (mut ping, mut pinged) = std::io::pipe().unwrap();
    let (mut pong, mut ponged) = std::io::pipe().unwrap();
    // Started from here, it stays on CPU 0 too.
    let other = std::thread::spawn(move || {
        let mut byte = [0];
        while ping.read_exact(&mut byte).is_ok() {
            ponged.write_all(&byte).unwrap();
        }
    });
    let mut byte = [0];
    for _ in 0..100_000 {
        pinged.write_all(&byte).unwrap();
        pong.read_exact(&mut byte).unwrap();
    }
    drop(pinged);
    other.join().unwrap();
    say(&format!("{USED}0 {}", (used(clock) - start).as_nanos()));
}

fn orphan() {
    let (mut gone, alive) = std::io::pipe().unwrap();
    // SAFETY: parent and child of a fork, of which the child only forks, burns, writes and exits.
    if let ForkResult::Parent { child } = unsafe { fork() }.unwrap() {
        drop(alive);
        waitpid(child, None).unwrap();
        // Ends when the grandchild, which holds the other end, has ended.
        gone.read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    // SAFETY: as above.
    if let ForkResult::Child = unsafe { fork() }.unwrap() {
        let ns = burn(0, ClockId::CLOCK_PROCESS_CPUTIME_ID, Duration::from_millis(300));
        say(&format!("{USED}0 {ns}"));
    }
    // SAFETY: ends this process at once.
    unsafe { libc::_exit(0) };
}

fn children() {
    for _ in 0..1000 {
        // SAFETY: the child only exits.
        match unsafe { fork() }.unwrap() {
            // SAFETY: ends this process at once.
            ForkResult::Child => unsafe { libc::_exit(0) },
            ForkResult::Parent { child } => drop(waitpid(child, None).unwrap()),
        }
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let ns = (usage.user_time() + usage.system_time()).num_microseconds() as u64 * 1000;
    say(&format!("{USED}all {ns}"));
}
