//! The kernel's own ina2xx driver reads the emulated board's chips.

use wattline_arm_tests::architecture::Architecture;
use wattline_arm_tests::board::A15;

use crate::place::Place;

crate::in_each_guest!(show_the_power_of_their_rails, keep_the_interval_they_are_given);

/// Volts, amperes and watts of VDD_ARM, at rest and at work, by the driver.
fn show_the_power_of_their_rails(architecture: Architecture) {
    let mut place = Place::with_sensors(architecture);
    let idle = place.board().description().rails[0].idle_power.watts();
    let busy = idle + place.board().description().components[A15 as usize].dynamic_power.watts();
    let read = "cd /sys/bus/i2c/devices/*-0040/hwmon/hwmon*
        cat name in1_input curr1_input power1_input";
    for (at_work, watts) in [(None, idle), (Some(A15), busy)] {
        place.put_to_work(at_work);
        // Sixteen conversions, and one that began before.
        let text = place.sh(&format!("sleep 0.5; {read}"));
        let mut words = text.split_whitespace();
        assert_eq!(words.next(), Some("ina231"));
        let [millivolts, milliamperes, microwatts]: [f64; 3] =
            std::array::from_fn(|_| words.next().unwrap().parse().unwrap());
        let product = millivolts * milliamperes * 1e-6;
        assert!((product / watts - 1.0).abs() < 0.02, "{product} W of {watts} W: {text}");
        // Its step is 6.25 mW.
        assert!((microwatts * 1e-6 - watts).abs() < 0.02 * watts + 0.01, "{watts} W: {text}");
    }
    let text = place.sh("cat /sys/class/hwmon/hwmon*/device/name /sys/class/hwmon/hwmon*/name");
    assert_eq!(text.matches("ina231").count(), 8, "{text}");
    place.check_kernel_log();
}

/// As the driver rounds them.
fn keep_the_interval_they_are_given(architecture: Architecture) {
    let mut place = Place::with_sensors(architecture);
    for (wish, shown) in [(1, 2), (140, 141), (2000, 2253), (35, 35)] {
        let text = place.sh(&format!(
            "cd /sys/bus/i2c/devices/*-0045/hwmon/hwmon*
            echo {wish} > update_interval; cat update_interval"
        ));
        assert_eq!(text.trim(), shown.to_string());
    }
}
