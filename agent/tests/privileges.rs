//! Giving up capabilities. They belong to threads, so each test has one of its own.

use wattline_agent::privileges::{Capability, RECORDING, drop_to, needs};

fn has(capability: Capability) -> bool {
    let needs = needs();
    needs.iter().any(|need| need.capability == capability.to_string() && need.held)
}

fn on_a_thread(test: impl FnOnce() + Send + 'static) {
    std::thread::spawn(test).join().unwrap();
}

#[test]
fn only_what_recording_needs_is_kept() {
    on_a_thread(|| {
        if !has(Capability::CAP_SYS_NICE) || !has(Capability::CAP_DAC_OVERRIDE) {
            println!("skipped: needs root, to have capabilities to give up");
            return;
        }
        assert!(drop_to(RECORDING).unwrap() > 0);
        assert!(has(Capability::CAP_SYS_NICE));
        assert!(!has(Capability::CAP_DAC_OVERRIDE));
        on_a_thread(|| assert!(!has(Capability::CAP_DAC_OVERRIDE), "threads to come inherit that"));
        assert_eq!(drop_to(RECORDING).unwrap(), 0, "nothing is left to give up");
        assert!(drop_to(&[]).unwrap() > 0);
        assert!(!has(Capability::CAP_SYS_NICE));
    });
}

#[test]
fn without_capabilities_it_does_nothing() {
    on_a_thread(|| {
        drop_to(&[]).unwrap();
        assert_eq!(drop_to(&[]).unwrap(), 0);
        assert_eq!(drop_to(RECORDING).unwrap(), 0);
        assert!(needs().iter().all(|need| !need.held && !need.purpose.is_empty()));
    });
}
