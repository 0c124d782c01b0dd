//! BPF programs load, attach and report on either architecture. What they account is held against a
//! program's own clock in `energy`.

use wattline_arm_tests::architecture::Architecture;
use wattline_arm_tests::machine::Blocks;

use crate::place::Place;

crate::in_each_guest!(marks_come_from_usdt_and_from_functions);

/// Where there are no sensors and no counters there are still spans and CPU times.
fn marks_come_from_usdt_and_from_functions(architecture: Architecture) {
    let mut place = Place::boot(architecture, Blocks::Untold);
    for mark in ["usdt:bell:image_begin,image_end", "uprobe:bell::work_on_image"] {
        let said = place.run(&format!(
            "wattline record --board host --rate 20 --idle 0.2 --overwrite --out /tmp/trace \
             --image-mark {mark} -- bell work 0 3 0.3"
        ));
        assert_eq!(said.status, 0, "{mark}: {}", said.text());
        let spans = place.sh("cut -d , -f 3 /tmp/trace/spans.csv | grep -c '^image$'");
        assert_eq!(spans.trim(), "3", "{mark}: {}", said.text());
    }
    place.check_kernel_log();
}
