//! A chip that stops answering while it is read.

use wattline_arm_tests::architecture::Architecture;
use wattline_trace::BundleReader;
use wattline_trace::rows::{EventKind, EventRow, PowerRow};

use crate::place::Place;

crate::in_each_guest!(a_chip_that_answers_no_more_is_told_of_and_the_rest_goes_on);

/// The GPU's rail, which nobody here uses.
const ADDRESS: u16 = 0x44;
const RAIL: &str = "VDD_G3D";

fn a_chip_that_answers_no_more_is_told_of_and_the_rest_goes_on(architecture: Architecture) {
    let mut place = Place::whole(architecture);
    let before = place.images();
    place.start(
        "wattline record --board /board.toml --update-interval 35 --rate 60 --idle 1 \
         --out /tmp/trace --component a15 --image-mark usdt:bell:image_begin,image_end \
         -- bell work 0 6 1",
    );
    place.wait_for_images(before + 3);
    place.bus().silence(ADDRESS);
    let said = place.finish();
    assert_eq!(said.status, 0, "{}", said.text());
    let bundle = place.bundle("/tmp/trace");
    let reader = BundleReader::open(&bundle).unwrap();
    let events: Vec<_> = reader.table::<EventRow>().unwrap().map(Result::unwrap).collect();
    let of_rail = |event: &&EventRow| {
        matches!(event.kind, EventKind::SensorError | EventKind::ChannelGone)
            && event.source == *RAIL
    };
    let told = events.iter().find(of_rail).unwrap_or_else(|| panic!("{events:#?}"));
    let readings: Vec<_> = reader.table::<PowerRow>().unwrap().map(Result::unwrap).collect();
    let last =
        |rail: &str| readings.iter().filter(|it| it.rail == *rail).map(|it| it.t_ns).max().unwrap();
    // A window or two may lie between the last reading and the first refusal.
    assert!(last(RAIL) < told.t_ns + 200_000_000, "readings of a chip that is silent");
    for rail in ["VDD_ARM", "VDD_MEM", "VDD_KFC"] {
        let since_s = (last(rail).saturating_sub(told.t_ns)) as f64 * 1e-9;
        assert!(since_s > 2.0, "{rail} went on for {since_s} s");
        let odd: Vec<_> = events.iter().filter(|it| it.source == *rail).collect();
        assert!(odd.iter().all(|it| it.kind != EventKind::ChannelGone), "{odd:#?}");
    }
}
