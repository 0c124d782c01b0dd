//! The files that a command or a process runs: the program, then its libraries.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::elf::Elf;
use super::error::SymbolError;

/// Where the loader looks when nothing else is said. [ld.so(8)]
const STANDARD: &[&str] = &["/lib", "/usr/lib", "/lib64", "/usr/lib64"];

/// The file of a command, looked for in `PATH` where it has no slash, as execvp(3) does.
pub fn find_command(command: &Path) -> io::Result<PathBuf> {
    let executable = |path: &Path| {
        let mode = fs::metadata(path).map(|it| (it.is_file(), it.permissions().mode()));
        mode.is_ok_and(|(is_file, mode)| is_file && mode & 0o111 != 0)
    };
    if command.as_os_str().as_encoded_bytes().contains(&b'/') {
        // Says why, where it is not there.
        fs::metadata(command)?;
        return match executable(command) {
            true => Ok(command.to_owned()),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let mut found = std::env::split_paths(&path).map(|directory| directory.join(command));
    found.find(|path| executable(path)).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The program and the libraries it is linked with, as the dynamic loader would find them. Of a
/// script, those of its interpreter. Libraries that are loaded later (plug-ins, Python's modules)
/// are not among them.
///
/// # Errors
/// [`SymbolError`] if the program itself is no ELF file.
pub fn of_command(program: &Path) -> Result<Vec<PathBuf>, SymbolError> {
    let program = interpreter(program).unwrap_or_else(|| program.to_owned());
    let program = fs::canonicalize(&program).unwrap_or(program);
    Elf::open(&program)?;
    let configured = configured_directories();
    let mut found = vec![program.clone()];
    let mut waiting = VecDeque::from([program]);
    while let Some(path) = waiting.pop_front() {
        let Ok(dynamic) = Elf::open(&path).and_then(|elf| elf.dynamic()) else { continue };
        let origin = path.parent().unwrap_or(Path::new("/")).display().to_string();
        let own = dynamic.search.iter().map(|it| PathBuf::from(it.replace("$ORIGIN", &origin)));
        let directories: Vec<_> = own.chain(configured.iter().cloned()).collect();
        for library in dynamic.needed {
            let mut candidates = directories.iter().map(|directory| directory.join(&library));
            let Some(file) = candidates.find(|file| file.is_file()) else { continue };
            let file = fs::canonicalize(&file).unwrap_or(file);
            if !found.contains(&file) {
                found.push(file.clone());
                waiting.push_back(file);
            }
        }
    }
    Ok(found)
}

/// The files that a process has mapped to execute, its program first.
///
/// # Errors
/// [`SymbolError::NoProcess`], [`SymbolError::NoProgram`] or [`SymbolError::Hidden`].
pub fn of_process(pid: u32) -> Result<Vec<PathBuf>, SymbolError> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound if process.exists() => SymbolError::NoProgram { pid },
        // Read as it ends, what was open answers ESRCH.
        _ if !process.exists() => SymbolError::NoProcess { pid },
        _ => SymbolError::Hidden { pid, source },
    };
    let maps = fs::read_to_string(process.join("maps")).map_err(refused)?;
    let mut found = vec![fs::read_link(process.join("exe")).map_err(refused)?];
    for line in maps.lines().filter(|line| line.contains("xp ")) {
        let path = line.find('/').map(|at| Path::new(&line[at..]));
        if let Some(path) = path.filter(|path| !found.iter().any(|known| known == path)) {
            found.push(path.to_owned());
        }
    }
    Ok(found)
}

/// From `#!/usr/bin/env python3 -u` the file of python3.
fn interpreter(program: &Path) -> Option<PathBuf> {
    let mut start = [0; 256];
    let length = fs::File::open(program).ok()?.read(&mut start).ok()?;
    let text = start[..length].strip_prefix(b"#!")?;
    let line = std::str::from_utf8(text.split(|&byte| byte == b'\n').next()?).ok()?;
    let mut words = line.split_whitespace();
    let first = Path::new(words.next()?);
    match first.file_name()?.to_str()? {
        "env" => find_command(Path::new(words.find(|word| !word.starts_with('-'))?)).ok(),
        _ => Some(first.to_owned()),
    }
}

/// `LD_LIBRARY_PATH`, what ld.so.conf lists, and the standard directories.
fn configured_directories() -> Vec<PathBuf> {
    let wished = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> =
        std::env::split_paths(&wished).filter(|path| !path.as_os_str().is_empty()).collect();
    let mut files = vec![PathBuf::from("/etc/ld.so.conf")];
    let drop_ins = fs::read_dir("/etc/ld.so.conf.d").into_iter().flatten().flatten();
    files.extend(drop_ins.map(|entry| entry.path()));
    files[1..].sort();
    for text in files.iter().filter_map(|file| fs::read_to_string(file).ok()) {
        directories.extend(text.lines().filter(|it| it.starts_with('/')).map(PathBuf::from));
    }
    directories.extend(STANDARD.iter().map(PathBuf::from));
    directories
}
