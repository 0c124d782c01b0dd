use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::coexecution::flight::Ran;
use crate::coexecution::policy::{PolicyKind, StealTailGuard};
use crate::coexecution::task::Job;
use crate::coexecution::{FaultKind, Profile, Settings, Source};

/// What befalls a job.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It takes this many microseconds.
    Takes(u64),
    Fails,
    Panics,
}

/// Sleeps instead of computing; the result is the image's number.
#[derive(Debug)]
struct Sleeper {
    fates: Vec<Fate>,
    turn: usize,
}

impl Engine for Sleeper {
    type Output = u64;

    fn run(&mut self, job: &Job) -> Result<Ran<u64>, EngineError> {
        let fate = self.fates[self.turn % self.fates.len()];
        self.turn += 1;
        match fate {
            Fate::Takes(us) => thread::sleep(Duration::from_micros(us)),
            Fate::Fails => return Err("broke".into()),
            Fate::Panics => panic!("lost its mind"),
        }
        Ok(Ran { output: Some(job.image), joules: None })
    }
}

fn sleepers(fates: Vec<Vec<Fate>>) -> Vec<Opener<u64>> {
    let opener = |fates| -> Opener<u64> { Box::new(|| Ok(Box::new(Sleeper { fates, turn: 0 }))) };
    fates.into_iter().map(opener).collect()
}

/// Runs a plan; checks that every result is its image's own and that they leave in order.
fn run(plan: Plan, openers: Vec<Opener<u64>>) -> Result<Report, RunError> {
    let window = plan.settings.window;
    let mut next = 0;
    let report = threaded(plan, openers, |delivered| {
        assert_eq!((delivered.image, delivered.output), (next, next));
        next += 1;
        ControlFlow::Continue(())
    })?;
    assert_eq!(report.images, next);
    assert!(report.reorder.max <= window && report.queue.max <= window);
    Ok(report)
}

/// Impatient enough for tests.
fn settings(window: usize) -> Settings {
    Settings { window, least_patience_s: 0.01, ..Settings::default() }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        30 => (50u64..2000).prop_map(Fate::Takes),
        1 => Just(Fate::Takes(40_000)),
        1 => Just(Fate::Fails),
        1 => Just(Fate::Panics),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// The property of the simulated runs, with real threads. The first component is sound.
    #[test]
    fn no_result_is_lost(
        kind in prop::sample::select(&PolicyKind::ALL),
        layers in prop::collection::vec(prop::collection::vec(0.0001f64..0.0005, 2), 1..5),
        fates in prop::collection::vec(prop::collection::vec(fate(), 1..20), 4),
        images in 1u64..120,
        window in 1usize..20,
    ) {
        let profiles: Vec<_> = layers.iter().map(|times| Profile::new("it", 1.0, 0.5).with_layers(times)).collect();
        let mut fates = fates[..profiles.len()].to_vec();
        fates[0] = vec![Fate::Takes(300)];
        let policy = kind.policy(Some(2000.0), Vec::new()).unwrap();
        // A loaded machine may make a sound component look stalled: it is let in again.
        let settings = Settings { most_stalls: 1000, patience_with_last: 10_000, ..settings(window) };
        let source = Source::Finite { images };
        let report = run(Plan { policy, profiles, source, settings }, sleepers(fates));
        let report = report.map_err(|error| TestCaseError::fail(format!("{kind}: {error}")))?;
        prop_assert_eq!(report.images, images);
        prop_assert!(report.components[0].working);
    }
}

fn profiles(count: usize, seconds: f64) -> Vec<Profile> {
    (0..count).map(|index| Profile::new(format!("c{index}"), seconds, 1.0)).collect()
}

fn plan(images: u64, profiles: Vec<Profile>) -> Plan {
    let (policy, source) = (Box::new(StealTailGuard), Source::Finite { images });
    Plan { policy, profiles, source, settings: settings(16) }
}

#[test]
fn a_worker_that_hangs_is_left_behind() {
    let begin = Instant::now();
    let fates = vec![vec![Fate::Takes(1000)], vec![Fate::Takes(20_000_000)]];
    let report = run(plan(40, profiles(2, 0.001)), sleepers(fates)).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(report.images, 40);
    assert!(!report.components[1].working && report.components[1].images == 0);
    assert!(
        report
            .faults
            .iter()
            .any(|fault| fault.component == "c1" && matches!(fault.kind, FaultKind::Stalled(_)))
    );
}

#[test]
fn a_panic_takes_only_its_component_out() {
    let fates = vec![vec![Fate::Takes(1000)], vec![Fate::Takes(500), Fate::Panics]];
    let mut plan = plan(60, profiles(2, 0.001));
    // Printing the panic's backtrace may take long, and is no stall.
    plan.settings.least_patience_s = 60.0;
    let report = run(plan, sleepers(fates)).unwrap();
    assert_eq!(report.images, 60);
    let panicked = FaultKind::Failed("panicked: lost its mind".to_owned());
    assert!(report.faults.iter().any(|fault| fault.kind == panicked), "{:?}", report.faults);
}

#[test]
fn an_engine_that_cannot_be_made_is_named() {
    let mut openers = sleepers(vec![vec![Fate::Takes(1)]]);
    openers.push(Box::new(|| Err("no such device".into())));
    let error = run(plan(5, profiles(2, 0.001)), openers).unwrap_err().to_string();
    assert_eq!(error, "cannot start c1: no such device; leave it out, or mend it");
}

#[test]
fn a_slow_consumer_is_waited_for() {
    let fates = vec![vec![Fate::Takes(100)]; 2];
    let started = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = |opener: Opener<u64>| -> Opener<u64> {
        let started = Arc::clone(&started);
        Box::new(move || Ok(Box::new(Counted { engine: opener()?, started })))
    };
    let openers = sleepers(fates).into_iter().map(counted).collect();
    let window = 16;
    threaded(plan(60, profiles(2, 0.0001)), openers, |delivered| {
        thread::sleep(Duration::from_millis(2));
        // One result is with the consumer, and no image beyond the window was begun.
        let begun = started.load(std::sync::atomic::Ordering::SeqCst);
        assert!(begun <= delivered.image + 1 + window, "{begun} at {}", delivered.image);
        ControlFlow::Continue(())
    })
    .unwrap();
}

struct Counted {
    engine: Box<dyn Engine<Output = u64>>,
    started: Arc<std::sync::atomic::AtomicU64>,
}

impl Engine for Counted {
    type Output = u64;

    fn run(&mut self, job: &Job) -> Result<Ran<u64>, EngineError> {
        self.started.fetch_max(job.image + 1, std::sync::atomic::Ordering::SeqCst);
        self.engine.run(job)
    }
}
