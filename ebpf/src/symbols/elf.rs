//! What an ELF file says of its functions, segments and libraries.

use std::fs::File;
use std::path::{Path, PathBuf};

use object::read::{Object, ObjectSection, ObjectSegment, ObjectSymbol, ReadCache, SymbolKind};
use object::{Architecture, Endianness};

use super::error::SymbolError;
use super::names::FunctionName;
use super::notes;

/// A program or library. Of a large one only what is asked for is read.
#[derive(Debug)]
pub(super) struct Elf {
    path: PathBuf,
    data: ReadCache<File>,
}

/// What the dynamic section says.
#[derive(Debug, Default)]
pub(super) struct Dynamic {
    /// Libraries it is linked with.
    pub(super) needed: Vec<String>,
    /// Directories it wants them looked for in.
    pub(super) search: Vec<String>,
}

impl Elf {
    pub(super) fn open(path: &Path) -> Result<Self, SymbolError> {
        let unreadable = |source| SymbolError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(SymbolError::NotElf { path: path.to_owned(), reason: "no file".into() });
        }
        let elf = Elf { path: path.to_owned(), data: ReadCache::new(file) };
        elf.parse()?;
        Ok(elf)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn parse(&self) -> Result<object::File<'_, &ReadCache<File>>, SymbolError> {
        object::File::parse(&self.data).map_err(|error| self.damaged(&error))
    }

    fn damaged(&self, error: &object::Error) -> SymbolError {
        SymbolError::NotElf { path: self.path.clone(), reason: error.to_string() }
    }

    /// Every function that is defined here, once for each of its names.
    pub(super) fn functions(&self) -> Result<Vec<FunctionName>, SymbolError> {
        let file = self.parse()?;
        let symbols = file.symbols().chain(file.dynamic_symbols());
        let defined = symbols.filter(|it| it.is_definition() && it.kind() == SymbolKind::Text);
        let mut functions: Vec<_> = defined
            .filter_map(|symbol| Some(FunctionName::new(symbol.name().ok()?, symbol.address())))
            .collect();
        functions.sort_by(|a, b| (a.address, &a.raw).cmp(&(b.address, &b.raw)));
        functions.dedup_by(|a, b| a.address == b.address && a.raw == b.raw);
        Ok(functions)
    }

    /// Where in the file a function's first instruction is, by the program headers.
    pub(super) fn file_offset(&self, function: &FunctionName) -> Result<u64, SymbolError> {
        let unprobeable = |reason| SymbolError::Unprobeable {
            name: function.shown().to_owned(),
            binary: self.path.clone(),
            reason,
        };
        let file = self.parse()?;
        if file.architecture() == Architecture::Arm && function.address & 1 == 1 {
            return Err(unprobeable("the kernel probes no Thumb code; build it with -marm"));
        }
        let within = |segment: &object::Segment<'_, '_, &ReadCache<File>>| {
            let into = function.address.checked_sub(segment.address())?;
            let (start, bytes) = segment.file_range();
            (into < bytes).then_some(start + into)
        };
        let offset = file.segments().find_map(|segment| within(&segment));
        offset.ok_or_else(|| unprobeable("it lies in no segment that is loaded from the file"))
    }

    /// Every USDT probe as PROVIDER:NAME, once.
    pub(super) fn usdt_probes(&self) -> Result<Vec<String>, SymbolError> {
        let file = self.parse()?;
        let Some(section) = file.section_by_name(notes::SECTION) else { return Ok(Vec::new()) };
        let data = section.data().map_err(|error| self.damaged(&error))?;
        let address_bytes = if file.is_64() { 8 } else { 4 };
        let big = file.endianness() == Endianness::Big;
        let mut probes = notes::probes(data, address_bytes, big);
        probes.sort_unstable();
        probes.dedup();
        Ok(probes)
    }

    /// The libraries it is linked with; none for a program that is linked statically.
    pub(super) fn dynamic(&self) -> Result<Dynamic, SymbolError> {
        // [System V gABI, chapter 5: the dynamic section]
        const NEEDED: u64 = 1;
        const RPATH: u64 = 15;
        const RUNPATH: u64 = 29;
        let file = self.parse()?;
        let data = |name| file.section_by_name(name).and_then(|section| section.data().ok());
        let (Some(table), Some(strings)) = (data(".dynamic"), data(".dynstr")) else {
            return Ok(Dynamic::default());
        };
        let word = if file.is_64() { 8 } else { 4 };
        let big = file.endianness() == Endianness::Big;
        let mut dynamic = Dynamic::default();
        for entry in table.chunks_exact(2 * word) {
            let tag = notes::number(&entry[..word], big);
            let value = notes::number(&entry[word..], big);
            let text = || notes::text_at(strings, usize::try_from(value).ok()?);
            match tag {
                NEEDED => dynamic.needed.extend(text()),
                RPATH | RUNPATH => {
                    let paths = text().unwrap_or_default();
                    dynamic.search.extend(paths.split(':').map(str::to_owned));
                }
                _ => {}
            }
        }
        Ok(dynamic)
    }
}
