//! Programs that only count, at the places where ours do their work.

use std::error::Error;
use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::{Link, Object, ObjectBuilder, UsdtOpts, libbpf_sys};

/// libelf wants it aligned.
#[repr(align(8))]
struct Compiled<Bytes: ?Sized>(Bytes);

static COMPILED: &Compiled<[u8]> =
    &Compiled(*include_bytes!(concat!(env!("OUT_DIR"), "/baseline.bpf.o")));

/// A program that counts, attached while this lives.
#[derive(Debug)]
pub(crate) struct Baseline {
    _link: Link,
    object: Object,
}

impl Baseline {
    /// Counts switches of the scheduler, or also looks at the clock, as whoever accounts time must.
    pub(crate) fn at_switches(reads_clock: bool) -> Result<Self, Box<dyn Error>> {
        let object = load(if reads_clock { "time_switch" } else { "count_switch" })?;
        let program = object.progs_mut().find(|program| program.autoload());
        let link = program.ok_or("it has that program")?.attach()?;
        Ok(Baseline { _link: link, object })
    }

    /// Counts hits of a USDT probe in this process.
    pub(crate) fn at_probe(provider: &str, name: &str) -> Result<Self, Box<dyn Error>> {
        let object = load("count_hit")?;
        let program = object.progs_mut().find(|program| program.autoload());
        let (pid, binary) = (std::process::id() as i32, std::env::current_exe()?);
        let link = program.ok_or("it has that program")?.attach_usdt_with_opts(
            pid,
            binary,
            provider,
            name,
            UsdtOpts::default(),
        )?;
        Ok(Baseline { _link: link, object })
    }

    /// What a run took on average, ns, as the kernel has counted while it kept statistics.
    pub(crate) fn mean_ns(&self) -> Result<f64, Box<dyn Error>> {
        let program = self.object.progs().find(|program| program.autoload());
        let fd = program.ok_or("it has that program")?.as_fd().as_raw_fd();
        let mut info = libbpf_sys::bpf_prog_info::default();
        let mut length = size_of_val(&info) as u32;
        // SAFETY: the kernel writes at most `length` bytes to a struct of plain numbers; with all
        // lengths in it 0 it follows none of its pointers.
        let answer = unsafe { libbpf_sys::bpf_prog_get_info_by_fd(fd, &mut info, &mut length) };
        if answer != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok(info.run_time_ns as f64 / info.run_cnt as f64)
    }
}

fn load(name: &str) -> Result<Object, Box<dyn Error>> {
    let mut opened = ObjectBuilder::default().open_memory(&COMPILED.0)?;
    for mut program in opened.progs_mut() {
        let wanted = program.name() == name;
        program.set_autoload(wanted);
    }
    Ok(opened.load()?)
}
