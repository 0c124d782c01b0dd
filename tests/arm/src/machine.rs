//! A virtual machine: its memory, its device tree, its file system, its QEMU.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use wattline_arm_bell::CPUS;

use crate::architecture::Architecture;
use crate::board::{self, MEMORY_BYTES};
use crate::initramfs::Initramfs;

/// What the device tree says of the register blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocks {
    /// Nothing: a module is told by parameters.
    Untold,
    /// Nodes that wattline's module binds to.
    Module,
    /// A CCI-400's node that mainline's arm-cci binds to. It knows of one CCI in a machine.
    MainlineCci400,
    /// The same of a CCI-550.
    MainlineCci550,
}

impl Blocks {
    fn nodes(self) -> String {
        let [cci400, cci550] = [board::CCI400, board::CCI550];
        match self {
            Blocks::Untold => String::new(),
            Blocks::Module => {
                let ppmu: Vec<_> =
                    board::PPMU.iter().map(|base| format!("<0x0 {base:#x} 0x0 0x2000>")).collect();
                format!(
                    "cci@{cci400:x} {{ compatible = \"wattline,cci-400\"; reg = <0x0 {cci400:#x} 0x0 0xe000>; }};
                     cci@{cci550:x} {{ compatible = \"wattline,cci-550\"; reg = <0x0 {cci550:#x} 0x0 0x90000>; }};
                     ppmu@{:x} {{ compatible = \"wattline,exynos-ppmu\"; reg = {}; }};",
                    board::PPMU[0],
                    ppmu.join(", ")
                )
            }
            Blocks::MainlineCci400 => {
                mainline("arm,cci-400", cci400, 0x1000, "arm,cci-400-pmu,r1", [0x9000, 0x5000], 5)
            }
            Blocks::MainlineCci550 => mainline(
                "arm,cci-550",
                cci550,
                0x1_0000,
                "arm,cci-550-pmu,r0",
                [0x1_0000, 0x9_0000],
                8,
            ),
        }
    }
}

/// A CCI and its PMU as mainline describes them: the CCI's base and control registers, the PMU's
/// offset and size. The interrupts are wired to nothing; the driver wants one for each counter.
/// [Documentation/devicetree/bindings/arm/arm,cci-400.yaml]
fn mainline(
    cci: &str,
    base: u64,
    control: u64,
    pmu: &str,
    [offset, size]: [u64; 2],
    counters: u64,
) -> String {
    let interrupts: Vec<_> = (100..100 + counters).map(|it| format!("<0 {it} 4>")).collect();
    format!(
        "cci@{base:x} {{
            compatible = \"{cci}\"; #address-cells = <1>; #size-cells = <1>;
            reg = <0x0 {base:#x} 0x0 {control:#x}>; ranges = <0x0 0x0 {base:#x} 0xc0000>;
            pmu@{offset:x} {{ compatible = \"{pmu}\"; reg = <{offset:#x} {size:#x}>;
                interrupts = {}; }};
        }};",
        interrupts.join(", ")
    )
}

/// The files of one machine.
#[derive(Debug)]
pub struct Machine {
    architecture: Architecture,
    folder: PathBuf,
}

impl Machine {
    /// Makes the memory, in `folder`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(architecture: Architecture, folder: &Path) -> io::Result<Self> {
        let machine = Machine { architecture, folder: folder.to_owned() };
        File::create(machine.memory())?.set_len(MEMORY_BYTES)?;
        Ok(machine)
    }

    /// The guest's memory, as a file.
    pub fn memory(&self) -> PathBuf {
        self.folder.join("memory")
    }

    /// Where the I2C adapter is to listen.
    pub fn i2c_socket(&self) -> PathBuf {
        self.folder.join("i2c")
    }

    /// Where QEMU listens for who talks to the guest's shell.
    pub fn control_socket(&self) -> PathBuf {
        self.folder.join("control")
    }

    /// What the guest's kernel said.
    pub fn console(&self) -> String {
        let bytes = fs::read(self.folder.join("console")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Starts it.
    ///
    /// # Errors
    /// If a file is missing or QEMU cannot be started; the message says which.
    pub fn start(&self, blocks: Blocks, target: &Path) -> io::Result<Child> {
        self.write_file_system(target)?;
        self.write_device_tree(blocks)?;
        let file = |name: &str| self.folder.join(name).display().to_string();
        let (emulator, _) = self.architecture.emulator();
        let mut qemu = Command::new(emulator);
        // SAFETY: between fork and exec this calls prctl alone, which allocates nothing.
        unsafe {
            // A test that is killed leaves no machine behind.
            qemu.pre_exec(|| prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from));
        }
        qemu.args(self.hardware())
            .args(["-dtb", &file("tree.dtb"), "-kernel"])
            .arg(self.architecture.kernel())
            .args(["-initrd", &file("files.cpio")])
            .args(["-append", "console=ttyAMA0 panic=-1 quiet loglevel=4"])
            .arg("-serial")
            .arg(format!("file:{}", file("console")))
            .arg("-chardev")
            .arg(format!("socket,id=i2c,path={}", file("i2c")))
            .args(["-device", "vhost-user-i2c-pci,chardev=i2c", "-device", "virtio-serial-pci"])
            .arg("-chardev")
            .arg(format!("socket,id=control,path={},server=on,wait=off", file("control")))
            .args(["-device", "virtserialport,chardev=control,name=control"])
            .stdin(Stdio::null())
            .stderr(File::create(self.folder.join("qemu"))?)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{emulator}: {error}")))
    }

    /// What QEMU said, if it complained.
    pub fn complaint(&self) -> String {
        fs::read_to_string(self.folder.join("qemu")).unwrap_or_default()
    }

    fn hardware(&self) -> Vec<String> {
        let memory = self.memory().display().to_string();
        let (_, processor) = self.architecture.emulator();
        [
            "-M",
            "virt,memory-backend=memory",
            "-object",
            &format!(
                "memory-backend-file,id=memory,size={MEMORY_BYTES},mem-path={memory},share=on"
            ),
            "-m",
            &format!("{}M", MEMORY_BYTES >> 20),
            "-cpu",
            processor,
            "-smp",
            &CPUS.as_flattened().len().to_string(),
            "-accel",
            "tcg,thread=multi",
            "-display",
            "none",
            "-no-reboot",
            "-nodefaults",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// QEMU's own tree, with ours added.
    fn write_device_tree(&self, blocks: Blocks) -> io::Result<()> {
        let file = |name: &str| self.folder.join(name);
        let (emulator, _) = self.architecture.emulator();
        let mut hardware = self.hardware();
        hardware[1] += &format!(",dumpdtb={}", file("qemu.dtb").display());
        tool(Command::new(emulator).args(hardware))?;
        tool(
            Command::new("dtc")
                .args(["-q", "-I", "dtb", "-O", "dts", "-o"])
                .args([file("tree.dts"), file("qemu.dtb")]),
        )?;
        let [start, bytes] = [board::REGISTERS, board::REGISTERS_BYTES];
        let mut tree = fs::read_to_string(file("tree.dts"))?;
        tree += &format!(
            "/ {{
                reserved-memory {{
                    #address-cells = <2>; #size-cells = <2>; ranges;
                    registers@{start:x} {{ reg = <0x0 {start:#x} 0x0 {bytes:#x}>; no-map; }};
                }};
                {}
            }};",
            blocks.nodes()
        );
        // QEMU's 32-bit processor has a performance monitor, of which its tree does not tell.
        if self.architecture == Architecture::Armv7 {
            tree +=
                "/ { pmu { compatible = \"arm,cortex-a15-pmu\"; interrupts = <1 7 0xf04>; }; };";
        }
        fs::write(file("tree.dts"), tree)?;
        tool(
            Command::new("dtc")
                .args(["-q", "-I", "dts", "-O", "dtb", "-o"])
                .args([file("tree.dtb"), file("tree.dts")]),
        )
    }

    fn write_file_system(&self, target: &Path) -> io::Result<()> {
        let architecture = self.architecture;
        let out = BufWriter::new(File::create(self.folder.join("files.cpio"))?);
        let mut files = Initramfs::new(out);
        for folder in ["dev", "proc", "sys", "tmp", "bin", "modules"] {
            files.folder(folder)?;
        }
        files.file("init", include_bytes!("init.sh"))?;
        files.file("board.toml", board::description().as_bytes())?;
        for program in ["busybox", "perf"] {
            files.copy(&format!("bin/{program}"), &architecture.tool(program))?;
        }
        let mut order = String::new();
        for module in architecture.modules() {
            let name = module.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.copy(&format!("modules/{name}"), &module)?;
            order += &format!("{name}\n");
        }
        files.file("modules/order", order.as_bytes())?;
        files.copy("modules/wattline_cci.ko", &architecture.module(target))?;
        let mut wanted = Vec::new();
        for program in ["wattline", "bell"] {
            let stripped = self.folder.join(program);
            tool(
                Command::new(format!("{}-strip", architecture.gnu()))
                    .args(["--strip-debug", "-o"])
                    .args([&stripped, &architecture.built(target, program)]),
            )?;
            files.copy(&format!("bin/{program}"), &stripped)?;
            wanted.extend(self.needs(&stripped)?);
        }
        // What they are linked to, and what that is linked to.
        let mut seen = BTreeSet::new();
        while let Some(name) = wanted.pop() {
            if seen.insert(name.clone()) {
                let library = self.library(&name)?;
                files.copy(&format!("lib/{name}"), &library)?;
                wanted.extend(self.needs(&library)?);
            }
        }
        files.finish()?;
        Ok(())
    }

    fn library(&self, name: &str) -> io::Result<PathBuf> {
        let places = self.architecture.libraries().map(|folder| folder.join(name));
        places.into_iter().find(|it| it.exists()).ok_or_else(|| {
            let message = format!("{name} is not among the libraries for {:?}", self.architecture);
            io::Error::new(io::ErrorKind::NotFound, message)
        })
    }

    /// Names of the libraries that a program or library is linked to.
    fn needs(&self, binary: &Path) -> io::Result<Vec<String>> {
        let readelf = format!("{}-readelf", self.architecture.gnu());
        let output = Command::new(readelf).arg("-d").arg(binary).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let name = |line: &str| {
            let (_, rest) = line.split_once("(NEEDED)")?;
            Some(rest.split_once('[')?.1.split_once(']')?.0.to_owned())
        };
        Ok(text.lines().filter_map(name).collect())
    }
}

/// Runs a tool; what it complains of becomes the error.
fn tool(command: &mut Command) -> io::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{program}: {}\n{complaint}", output.status)))
}
