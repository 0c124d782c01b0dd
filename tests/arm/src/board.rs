//! The board that guests have: an Odroid XU3's components, sensors and counters, a CCI-550 besides,
//! and few enough CPUs to emulate.

use std::path::Path;

use wattline_arm_bell::CPUS;
use wattline_board::description::Description;

/// Where a guest's memory begins.
pub const MEMORY_ORIGIN: u64 = 0x4000_0000;
/// How much it has.
pub const MEMORY_BYTES: u64 = 1 << 30;
/// Memory that the kernel leaves alone, for registers and the page of the bell.
pub const REGISTERS: u64 = 0x5f00_0000;
/// Its size.
pub const REGISTERS_BYTES: u64 = 0x0100_0000;

/// Where the guest has the blocks: registers played in its memory cannot lie where the board has
/// them.
pub const CCI400: u64 = REGISTERS;
/// The four of the PPMU.
pub const PPMU: [u64; 4] = [0x5f10_0000, 0x5f11_0000, 0x5f12_0000, 0x5f13_0000];
/// The CCI-550.
pub const CCI550: u64 = 0x5f20_0000;

/// Places of the components in the description.
pub const A15: u32 = 0;
/// The small cluster.
pub const A7: u32 = 1;

/// The description, as `--board` takes it.
pub fn description() -> String {
    const CCI550_COUNTER: &str = "
[[counters]]
name = \"cci550\"
kind = \"cci550\"
bases = [0x5f200000]
ports = [
    { name = \"m0\", number = 0 },
    { name = \"m1\", number = 1 },
    { name = \"m2\", number = 2 },
    { name = \"m3\", number = 3 },
]
covers = \"data beats of the memory ports, 16 B each\"
";
    let odroid = include_str!("../../../board/descriptions/exynos5422.toml");
    let [a15, a7] = CPUS.map(|cpus| format!("cpus = {cpus:?}"));
    let changes = [
        ("name = \"exynos5422\"", "name = \"arm-guest\""),
        (
            "model = \"Odroid XU3 (Samsung Exynos 5422)\"",
            "model = \"ARM guest of QEMU: an emulated Odroid XU3\"",
        ),
        ("bases = [0x10d20000]", "bases = [0x5f000000]"),
        (
            "bases = [0x10d00000, 0x10d10000, 0x10d60000, 0x10d70000]",
            "bases = [0x5f100000, 0x5f110000, 0x5f120000, 0x5f130000]",
        ),
        ("cpus = [4, 5, 6, 7]", &a15),
        ("cpus = [0, 1, 2, 3]", &a7),
    ];
    let text = changes.iter().fold(odroid.to_owned(), |text, (old, new)| {
        assert_eq!(text.matches(old).count(), 1, "the Odroid's description has {old:?} once");
        text.replace(old, new)
    });
    format!("{text}{CCI550_COUNTER}")
}

/// The description, parsed.
pub fn parsed() -> Description {
    match Description::parse(&description(), Path::new("arm-guest.toml")) {
        Ok(board) => board,
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_the_registers_are_and_who_works() {
        let board = parsed();
        let bases =
            |name: &str| board.counters.iter().find(|it| it.name() == name).unwrap().bases.clone();
        assert_eq!(bases("cci400"), [CCI400]);
        assert_eq!(bases("ppmu"), PPMU);
        assert_eq!(bases("cci550"), [CCI550]);
        let named = |place: u32| board.components[place as usize].name().to_owned();
        assert_eq!((named(A15), named(A7)), ("a15".to_owned(), "a7".to_owned()));
        let addresses: Vec<_> = board.rails.iter().map(|rail| rail.i2c_address).collect();
        assert_eq!(addresses, [0x40, 0x41, 0x44, 0x45]);
    }
}
