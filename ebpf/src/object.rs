//! A compiled object file on its way into the kernel, and what is said when it does not get there.

use std::cell::RefCell;
use std::fmt::Display;
use std::io;
use std::os::fd::AsFd;
use std::sync::Once;

use libbpf_rs::{
    Link, MapCore, MapHandle, Object, ObjectBuilder, OpenObject, PrintLevel, ProgramMut, set_print,
};

use crate::support::{self, SupportRoots};
use crate::{EbpfError, Program, Step};

/// An object file compiled when this crate was built. libelf wants it aligned.
#[repr(C, align(8))]
pub(crate) struct Compiled<Bytes: ?Sized>(pub(crate) Bytes);

/// The object file of this name in `OUT_DIR`.
macro_rules! compiled {
    ($name:literal) => {{
        static COMPILED: &$crate::object::Compiled<[u8]> =
            &$crate::object::Compiled(*include_bytes!(concat!(env!("OUT_DIR"), "/", $name)));
        &COMPILED.0
    }};
}
pub(crate) use compiled;

/// An object file that was opened; its maps can be sized and its programs left out.
pub(crate) struct Opened {
    name: &'static str,
    object: OpenObject,
}

/// An object file's maps and programs in the kernel, and what they are attached to.
#[derive(Debug)]
pub(crate) struct Loaded {
    name: &'static str,
    // Before the object: links go first.
    links: Vec<Link>,
    object: Object,
}

impl Opened {
    pub(crate) fn open(name: &'static str, compiled: &[u8]) -> Result<Self, EbpfError> {
        let opened = logged(|| ObjectBuilder::default().open_memory(compiled));
        let object = opened.map_err(|(error, log)| failure(name, Step::Open, name, error, &log))?;
        Ok(Opened { name, object })
    }

    /// Sets how much a map holds.
    pub(crate) fn size(&mut self, map: &str, entries: u32) -> Result<(), EbpfError> {
        let name = self.name;
        let mut found = self.object.maps_mut().find(|candidate| candidate.name() == map);
        let found = found.as_mut().ok_or_else(|| absent(name, map))?;
        found.set_max_entries(entries).map_err(|error| failure(name, Step::Open, map, error, ""))
    }

    /// Has a map be one that another object file has in the kernel.
    pub(crate) fn share(&mut self, map: &str, other: &MapHandle) -> Result<(), EbpfError> {
        let name = self.name;
        let mut found = self.object.maps_mut().find(|candidate| candidate.name() == map);
        let found = found.as_mut().ok_or_else(|| absent(name, map))?;
        found.reuse_fd(other.as_fd()).map_err(|error| failure(name, Step::Open, map, error, ""))
    }

    /// Sets constants that the program reads.
    pub(crate) fn set(&mut self, section: &str, value: &[u8]) -> Result<(), EbpfError> {
        let name = self.name;
        let mut found = self.object.maps_mut().find(|candidate| candidate.name() == section);
        let found = found.as_mut().ok_or_else(|| absent(name, section))?;
        found
            .set_initial_value(value)
            .map_err(|error| failure(name, Step::Open, section, error, ""))
    }

    /// Has only some of the programs loaded.
    pub(crate) fn only(&mut self, programs: &[&str]) {
        for mut program in self.object.progs_mut() {
            let wanted = program.name().to_str().is_some_and(|name| programs.contains(&name));
            program.set_autoload(wanted);
        }
    }

    /// Hands maps and programs to the kernel.
    pub(crate) fn load(self) -> Result<Loaded, EbpfError> {
        let Opened { name, object } = self;
        let object = logged(|| object.load())
            .map_err(|(error, log)| failure(name, Step::Load, name, error, &log))?;
        Ok(Loaded { name, links: Vec::new(), object })
    }
}

impl Loaded {
    /// A program by its name.
    pub(crate) fn program(&self, name: &str) -> Result<ProgramMut<'_>, EbpfError> {
        let found = self.object.progs_mut().find(|program| program.name() == name);
        found.ok_or_else(|| absent(self.name, name))
    }

    /// A map by its name.
    pub(crate) fn map(&self, name: &str) -> Result<MapHandle, EbpfError> {
        let found = self.object.maps().find(|map| map.name() == name);
        let found = found.ok_or_else(|| absent(self.name, name))?;
        MapHandle::try_from(&found).map_err(|error| self.failure(Step::Use, name, error))
    }

    /// Attaches a program; `what` says to what.
    pub(crate) fn attach(
        &mut self,
        program: &str,
        what: &dyn Display,
        attach: impl FnOnce(&ProgramMut<'_>) -> libbpf_rs::Result<Link>,
    ) -> Result<(), EbpfError> {
        let attached = {
            let program = self.program(program)?;
            logged(|| attach(&program))
        };
        let link = attached.map_err(|(error, log)| {
            failure(self.name, Step::Attach, &what.to_string(), error, &log)
        })?;
        self.links.push(link);
        Ok(())
    }

    /// Attaches a program to what its section names.
    pub(crate) fn attach_as_named(&mut self, program: &'static str) -> Result<(), EbpfError> {
        self.attach(program, &program, |program| program.attach())
    }

    /// The programs that were loaded.
    pub(crate) fn programs(
        &self,
        names: &'static [&'static str],
    ) -> Result<Vec<Program>, EbpfError> {
        let loaded = self.object.progs().filter(|program| program.autoload());
        let mut programs = Vec::new();
        for program in loaded {
            let Some(name) = names.iter().find(|name| program.name() == **name) else { continue };
            let fd = program.as_fd().try_clone_to_owned().map_err(|source| EbpfError::Failed {
                program: self.name,
                step: Step::Use,
                what: (*name).to_owned(),
                source,
            })?;
            programs.push(Program::new(name, fd));
        }
        Ok(programs)
    }

    pub(crate) fn failure(&self, step: Step, what: &str, error: libbpf_rs::Error) -> EbpfError {
        failure(self.name, step, what, error, "")
    }
}

fn absent(program: &'static str, what: &str) -> EbpfError {
    let source = io::Error::new(io::ErrorKind::NotFound, "the compiled object has no such part");
    EbpfError::Failed { program, step: Step::Open, what: what.to_owned(), source }
}

/// What to say after a step failed: first what ails the machine, then what was answered.
pub(crate) fn failure(
    program: &'static str,
    step: Step,
    what: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    log: &str,
) -> EbpfError {
    failure_on(&SupportRoots::default(), program, step, what, error, log)
}

fn failure_on(
    roots: &SupportRoots,
    program: &'static str,
    step: Step,
    what: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    log: &str,
) -> EbpfError {
    if let Some(missing) = support::missing_capabilities(roots) {
        return EbpfError::NotPermitted { program, step, missing };
    }
    if step == Step::Load {
        if support::is_locked_down(roots) {
            return EbpfError::LockedDown { program };
        }
        if !support::has_btf(roots) {
            return EbpfError::NoBtf { program };
        }
        let source = io::Error::other(error);
        return EbpfError::Refused { program, source, log: log.trim_end().to_owned() };
    }
    let source = match log.lines().last() {
        Some(said) => io::Error::other(format!("{} ({said})", error.into())),
        None => io::Error::other(error),
    };
    EbpfError::Failed { program, step, what: what.to_owned(), source }
}

thread_local! {
    /// What libbpf has said on this thread since it was last asked to do something.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a step; a failure comes with what libbpf said meanwhile, the verifier's log in it.
fn logged<T>(step: impl FnOnce() -> libbpf_rs::Result<T>) -> Result<T, (libbpf_rs::Error, String)> {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        set_print(Some((PrintLevel::Warn, |_, text| {
            SAID.with_borrow_mut(|said| said.push_str(&text));
        })));
    });
    SAID.with_borrow_mut(String::clear);
    step().map_err(|error| (error, SAID.take()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refuse() -> EbpfError {
        let opened = Opened::open("refused", compiled!("refused.bpf.o")).unwrap();
        opened.load().unwrap_err()
    }

    #[test]
    fn a_refusal_shows_what_the_verifier_said() {
        if !crate::has_root_for("a_refusal_shows_what_the_verifier_said") {
            return;
        }
        let error = refuse();
        assert!(matches!(error, EbpfError::Refused { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("BPF program refused: the kernel refused to load it"), "{text}");
        assert!(text.contains("invalid mem access 'map_value_or_null'"), "{text}");
    }

    #[test]
    fn without_capabilities_those_are_named() {
        let thread = std::thread::spawn(|| {
            // SAFETY: capset with a header and two empty sets, of the kernel's own layout; it
            // takes capabilities from this thread alone.
            let answer = unsafe {
                let header = [0x2008_0522u32, 0];
                let none = [0u32; 6];
                libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr())
            };
            assert_eq!(answer, 0);
            refuse()
        });
        let error = thread.join().unwrap();
        assert!(matches!(error, EbpfError::NotPermitted { .. }), "{error}");
        assert!(error.to_string().contains("for want of CAP_BPF and CAP_PERFMON"), "{error}");
        assert!(error.to_string().contains("run as root"), "{error}");
    }

    #[test]
    fn what_ails_the_machine_comes_first() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("thread-self")).unwrap();
        fs::create_dir_all(root.join("kernel/security")).unwrap();
        fs::write(root.join("thread-self/status"), "CapEff:\t000001ffffffffff\n").unwrap();
        let roots = SupportRoots { procfs: root.to_owned(), sysfs: root.to_owned() };
        let fail = |step| failure_on(&roots, "sched", step, "on_switch", "no", "libbpf: what");
        assert!(matches!(fail(Step::Load), EbpfError::NoBtf { .. }));
        fs::write(root.join("kernel/security/lockdown"), "none [confidentiality]\n").unwrap();
        assert!(matches!(fail(Step::Load), EbpfError::LockedDown { .. }));
        let text = fail(Step::Attach).to_string();
        assert_eq!(text, "BPF program sched: cannot attach on_switch: no (libbpf: what)");
    }
}
