//! Marks from probes in this very program: as many as there were calls, and with what was passed.

use std::ffi::{CStr, c_char};
use std::hint::black_box;
use std::path::PathBuf;

use wattline_ebpf::{Arguments, EbpfError, Mark, MarkSettings, Marks, Moment, Place, Probe, Scope};

pub(crate) fn myself() -> PathBuf {
    std::env::current_exe().unwrap()
}

pub(crate) fn here() -> Scope {
    Scope::Process(std::process::id())
}

fn usdt(name: &str, moment: Moment, cookie: u64) -> Probe {
    Probe {
        binary: myself(),
        place: Place::Usdt { provider: "wattline_test".into(), name: name.into(), moment },
        arguments: Arguments { ids: [Some(0), Some(1)], name: Some(2) },
        cookie,
    }
}

/// The offset into this program's file of a function of it.
pub(crate) fn file_offset(function: usize) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let found = maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let (start, end, offset) = (number(start)?, number(end)?, number(fields.nth(1)?)?);
        let address = function as u64;
        (start..end).contains(&address).then(|| address - start + offset)
    });
    found.unwrap()
}

/// A mark that is kept: its name outlives the buffer.
#[derive(Debug, PartialEq)]
struct Kept {
    cookie: u64,
    moment: Moment,
    ids: [u64; 2],
    name: Option<String>,
}

fn keep(mark: &Mark<'_>) -> Kept {
    let name = mark.name.map(|name| String::from_utf8_lossy(name).into_owned());
    Kept { cookie: mark.cookie, moment: mark.moment, ids: mark.ids, name }
}

#[inline(never)]
fn layer_begin(image: u64, layer: u64, name: &CStr) {
    probe::probe!(wattline_test, layer_begin, image, layer, name.as_ptr());
}

#[inline(never)]
fn layer_end(image: u64, layer: u64) {
    probe::probe!(wattline_test, layer_end, image, layer);
}

pub(crate) fn usdt_marks_are_as_many_as_the_calls_and_carry_what_was_passed() {
    let mut end = usdt("layer_end", Moment::End, 8);
    end.arguments.name = None;
    let probes = [usdt("layer_begin", Moment::Begin, 7), end];
    let mut marks = Marks::attach(&probes, here(), MarkSettings::default()).unwrap();
    let long = "conv".repeat(50);
    let long_c = std::ffi::CString::new(long.clone()).unwrap();
    const CALLS: u64 = 10_000;
    for call in 0..CALLS {
        layer_begin(call, u64::MAX - call, if call == 0 { &long_c } else { c"conv1/7x7_s2" });
        layer_end(call, 3);
    }
    let mut found = Vec::new();
    let mut last_ns = 0;
    let count = marks.drain(|mark| {
        assert_eq!((mark.pid, mark.t_ns >= last_ns), (std::process::id(), true));
        last_ns = mark.t_ns;
        found.push(keep(mark));
    });
    assert_eq!((count as u64, marks.dropped()), (2 * CALLS, 0));
    for (call, pair) in (0u64..).zip(found.chunks(2)) {
        let name = if call == 0 { &long[..127] } else { "conv1/7x7_s2" };
        let begin = Kept {
            cookie: 7,
            moment: Moment::Begin,
            ids: [call, u64::MAX - call],
            name: Some(name.to_owned()),
        };
        let end = Kept { cookie: 8, moment: Moment::End, ids: [call, 3], name: None };
        assert_eq!(pair, [begin, end]);
    }
    assert_eq!(marks.drain(|_| ()), 0);
}

/// A probe whose arguments are where compilers put them besides registers of eight bytes: a
/// constant, four bytes with a sign, and memory at a register, with and without an index.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn of_every_kind(number: i32, names: &[*const c_char; 3], index: usize) {
    // The crate's own probe makes the symbol that notes refer to.
    probe::probe!(wattline_test, plain);
    // SAFETY: a nop, and a note about it.
    unsafe {
        std::arch::asm!(
            "990: nop",
            ".pushsection .note.stapsdt, \"\", \"note\"",
            ".balign 4",
            ".4byte 992f-991f, 994f-993f, 3",
            "991: .asciz \"stapsdt\"",
            "992: .balign 4",
            "993: .8byte 990b, _.stapsdt.base, 0",
            ".asciz \"wattline_test\"",
            ".asciz \"kinds\"",
            ".asciz \"-4@\\044-9 -4@%edi 4@%edi 8@8(%rsi,%rdx,8) 8@16(%rsi)\"",
            "994: .balign 4",
            ".popsection",
            in("edi") number,
            in("rsi") names.as_ptr(),
            in("rdx") index,
        );
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn arguments_are_found_wherever_they_are() {
    let names = [c"first", c"second", c"third"].map(CStr::as_ptr);
    let minus = |number: i64| number as u64;
    for (ids, name, expected_ids, expected_name) in [
        ([Some(0), Some(1)], Some(4), [minus(-9), minus(-5)], Some("third")),
        ([Some(2), None], Some(3), [0xffff_fffb, 0], Some("second")),
        // A number is no address, and an argument that is not there is 0.
        ([Some(9), Some(1)], Some(1), [0, minus(-5)], None),
    ] {
        let mut probe = usdt("kinds", Moment::Begin, 5);
        probe.arguments = Arguments { ids, name };
        let mut marks = Marks::attach(&[probe], here(), MarkSettings::default()).unwrap();
        of_every_kind(-5, &names, 0);
        let mut found = Vec::new();
        marks.drain(|mark| found.push(keep(mark)));
        let name = expected_name.map(str::to_owned);
        let expected = Kept { cookie: 5, moment: Moment::Begin, ids: expected_ids, name };
        assert_eq!(found, [expected]);
    }
}

/// A probe with a nop of five bytes behind it, as those of wattline's engine have.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn with_room(image: u64, layer: u64, name: &CStr) {
    // Over the end of a page the kernel would write no call.
    // SAFETY: nops, as many as align what follows.
    unsafe { std::arch::asm!(".p2align 6", options(nomem, nostack, preserves_flags)) };
    probe::probe!(wattline_test, with_room, image, layer, name.as_ptr());
    // SAFETY: a nop.
    unsafe {
        std::arch::asm!(".byte 0x0f, 0x1f, 0x44, 0, 0", options(nomem, nostack, preserves_flags));
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn a_probe_with_room_is_called_where_the_kernel_can() {
    let probes = [usdt("with_room", Moment::Begin, 9)];
    let mut marks = Marks::attach(&probes, here(), MarkSettings::default()).unwrap();
    for call in 0..1000 {
        with_room(call, 7, c"pool");
    }
    let mut found = Vec::new();
    marks.drain(|mark| found.push(keep(mark)));
    let name = Some("pool".to_owned());
    let expected =
        |call| Kept { cookie: 9, moment: Moment::Begin, ids: [call, 7], name: name.clone() };
    assert_eq!(found, (0..1000).map(expected).collect::<Vec<_>>());
    // Linux 6.18 puts what is called there into the program, at the first hit.
    let is_called =
        std::fs::read_to_string("/proc/self/maps").unwrap().contains("[uprobes-trampoline]");
    println!("calls instead of breakpoints: {is_called}");
    assert!(is_called || !has_uprobe_call());
}

/// Whether this kernel is recent enough to put a call where a probe leaves room for it.
#[cfg(target_arch = "x86_64")]
fn has_uprobe_call() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(str::parse::<u32>);
    let mut next = || numbers.next().unwrap().unwrap();
    (next(), next()) >= (6, 18)
}

#[inline(never)]
extern "C" fn run_layer(image: u64, name: *const c_char, layer: u64) -> u64 {
    black_box((image, name, layer));
    image + layer
}

#[inline(never)]
extern "C" fn run_image(image: u64) -> u64 {
    black_box(image) ^ 1
}

/// A function as compilers begin one that may be called through a pointer.
#[cfg(target_arch = "x86_64")]
mod guarded {
    std::arch::global_asm!(
        ".globl wattline_test_guarded",
        "wattline_test_guarded: endbr64",
        "push rbx",
        "lea rax, [rdi + 7]",
        "pop rbx",
        "ret",
    );
    unsafe extern "C" {
        pub(super) fn wattline_test_guarded(image: u64) -> u64;
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn a_function_that_begins_with_endbr64_is_seen_whole() {
    let address = guarded::wattline_test_guarded as *const () as usize;
    let probe = Probe {
        binary: myself(),
        place: Place::Function { file_offset: file_offset(address) },
        arguments: Arguments { ids: [Some(0), None], name: None },
        cookie: 6,
    };
    let mut marks = Marks::attach(&[probe], here(), MarkSettings::default()).unwrap();
    for call in 0..100 {
        // SAFETY: it takes a number and answers one.
        assert_eq!(unsafe { guarded::wattline_test_guarded(call) }, call + 7);
    }
    let mut found = Vec::new();
    marks.drain(|mark| found.push((mark.moment, mark.ids[0])));
    let expected = (0..100).flat_map(|call| [(Moment::Begin, call), (Moment::End, call + 7)]);
    assert_eq!(found, expected.collect::<Vec<_>>());
}

pub(crate) fn a_function_begins_and_ends() {
    let function = |address, ids, name, cookie| Probe {
        binary: myself(),
        place: Place::Function { file_offset: file_offset(address) },
        arguments: Arguments { ids, name },
        cookie,
    };
    let probes = [
        function(run_layer as *const () as usize, [Some(0), Some(2)], Some(1), 40),
        function(run_image as *const () as usize, [Some(0), None], None, 41),
    ];
    let mut marks = Marks::attach(&probes, here(), MarkSettings::default()).unwrap();
    for call in 0..1000 {
        assert_eq!(run_layer(call, c"pool".as_ptr(), 5), call + 5);
        assert_eq!(run_image(call), call ^ 1);
    }
    let mut found = Vec::new();
    marks.drain(|mark| found.push(keep(mark)));
    assert_eq!((found.len(), marks.dropped()), (4000, 0));
    for (call, four) in (0u64..).zip(found.chunks(4)) {
        let kept = |cookie, moment, ids, name: Option<&str>| Kept {
            cookie,
            moment,
            ids,
            name: name.map(str::to_owned),
        };
        let expected = [
            kept(40, Moment::Begin, [call, 5], Some("pool")),
            kept(40, Moment::End, [call + 5, 0], None),
            kept(41, Moment::Begin, [call, 0], None),
            kept(41, Moment::End, [call ^ 1, 0], None),
        ];
        assert_eq!(four, expected);
    }
}

#[inline(never)]
fn flood(call: u64) {
    probe::probe!(wattline_test, flood, call, call);
}

pub(crate) fn what_finds_no_room_is_counted_exactly() {
    let mut probe = usdt("flood", Moment::Begin, 1);
    probe.arguments.name = None;
    let settings = MarkSettings { buffer_bytes: 64 << 10 };
    let mut marks = Marks::attach(&[probe], here(), settings).unwrap();
    const THREADS: u64 = 4;
    const CALLS: u64 = 20_000;
    let threads: Vec<_> =
        (0..THREADS).map(|_| std::thread::spawn(|| (0..CALLS).for_each(flood))).collect();
    let mut received = 0;
    while threads.iter().any(|thread| !thread.is_finished()) {
        received += marks.drain(|_| ()) as u64;
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    received += marks.drain(|_| ()) as u64;
    assert!(marks.dropped() > 0, "it was a flood");
    assert_eq!(received + marks.dropped(), THREADS * CALLS);
}

pub(crate) fn what_cannot_be_attached_is_said() {
    let settings = MarkSettings { buffer_bytes: 5000 };
    let refused = Marks::attach(&[], here(), settings).unwrap_err();
    assert!(refused.to_string().contains("power of two"), "{refused}");
    let absent = usdt("no_such_probe", Moment::Begin, 1);
    let refused = Marks::attach(&[absent], here(), MarkSettings::default()).unwrap_err();
    assert!(refused.to_string().contains("wattline_test:no_such_probe"), "{refused}");
    let mut place = usdt("flood", Moment::Begin, 1);
    place.arguments.name = Some(12);
    let refused = Marks::attach(&[place.clone()], here(), MarkSettings::default()).unwrap_err();
    assert!(matches!(refused, EbpfError::Invalid(_)), "{refused}");
    place.binary = "/no/such/program".into();
    place.arguments.name = None;
    place.place = Place::Function { file_offset: 64 };
    let refused = Marks::attach(&[place], here(), MarkSettings::default()).unwrap_err();
    assert!(refused.to_string().contains("offset 0x40 in /no/such/program"), "{refused}");
}
