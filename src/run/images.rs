//! `--images`: synthetic ones by their number, or a directory of photographs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wattline_inference::graph::{Graph, Shape};
use wattline_inference::input::{self, ChannelOrder, Preprocessing};
use wattline_inference::{Tensor, synthetic_image, zoo};
use wattline_trace::InputRecord;

use crate::progress;

/// A stream of synthetic images repeats after this many.
const DISTINCT_SYNTHETIC: u64 = 4;

/// What decoded photographs may take: they lie in memory while images are timed, so that reading
/// files does not disturb the timing, and a small board has little memory.
const MOST_BYTES: usize = 256 << 20;

/// Files that are named on standard error before the rest is only counted.
const NAMED: usize = 10;

/// What images a run is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Synthetic images on each component, or a directory: its JPEG and PNG files, by name, each
    /// once. With --policy in the stream that components share, where 0 is without end
    #[arg(long, value_name = "N|DIR", default_value = "20", value_parser = source)]
    images: Source,
    /// With a directory: images on each component, starting over when all were shown; 0 as above
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// With a directory: mean of red, green and blue, of 0 to 255, which is subtracted; the zoo's
    /// networks have their own, and a file's is torchvision's unless it is given
    #[arg(long, value_name = "R,G,B", value_parser = colours)]
    mean: Option<[f32; 3]>,
    /// With a directory: standard deviation of red, green and blue, which pixels are divided by
    #[arg(long, value_name = "R,G,B", value_parser = colours)]
    std: Option<[f32; 3]>,
    /// With a directory: the order in which the network takes the colours
    #[arg(long, value_name = "ORDER", value_enum)]
    channels: Option<Order>,
}

/// Where images come from.
#[derive(Debug, Clone)]
enum Source {
    Synthetic(u64),
    Directory(PathBuf),
}

impl Options {
    /// Whether the images have no end.
    pub(super) fn endless(&self) -> bool {
        matches!((&self.images, self.count), (Source::Synthetic(0), _) | (_, Some(0)))
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Order {
    Rgb,
    Bgr,
}

fn source(text: &str) -> Result<Source, String> {
    match text.parse() {
        Ok(count) => Ok(Source::Synthetic(count)),
        Err(_) if text.is_empty() => Err("expected a number or a directory".to_owned()),
        Err(_) => Ok(Source::Directory(text.into())),
    }
}

fn colours(text: &str) -> Result<[f32; 3], String> {
    let numbers: Result<Vec<f32>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    numbers
        .ok()
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| "expected three numbers: red,green,blue".to_owned())
}

/// The images of a run, ready for the network.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Distinct ones; a stream goes through them again and again.
    pub(super) tensors: Vec<Tensor>,
    /// Images on each component; 0 is without end.
    pub(super) count: u64,
    /// Files that were left out, each with the reason.
    pub(super) skipped: Vec<String>,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    Synthetic { seed: u64 },
    Directory { path: PathBuf, files: Vec<String>, preprocessing: Preprocessing },
}

/// Makes or decodes the images for `network`, whose graph is `graph`.
pub(super) fn load(options: &Options, network: &str, graph: &Graph, seed: u64) -> Result<Inputs> {
    let shape = graph.input_shape();
    match &options.images {
        Source::Synthetic(count) => {
            let photographs_only = [
                ("--count", options.count.is_some()),
                ("--mean", options.mean.is_some()),
                ("--std", options.std.is_some()),
                ("--channels", options.channels.is_some()),
            ];
            if let Some((option, _)) = photographs_only.iter().find(|(_, given)| *given) {
                bail!("{option} is for a directory of photographs, and --images {count} is none");
            }
            synthetic(shape, seed, *count)
        }
        Source::Directory(path) => {
            let preprocessing = preprocessing(options, network)?;
            directory(path, options.count, shape, preprocessing)
        }
    }
}

fn synthetic(shape: Shape, seed: u64, count: u64) -> Result<Inputs> {
    let distinct = if count == 0 { DISTINCT_SYNTHETIC } else { count.min(DISTINCT_SYNTHETIC) };
    let tensors = (0..distinct)
        .map(|index| Ok(synthetic_image(shape, seed, index)?))
        .collect::<Result<_>>()?;
    Ok(Inputs { tensors, count, skipped: Vec::new(), origin: Origin::Synthetic { seed } })
}

/// What is done to pixels: as the zoo says for its networks, as torchvision does for a file, and
/// as the user wishes for either.
fn preprocessing(options: &Options, network: &str) -> Result<Preprocessing> {
    let of_zoo = zoo::preprocessing(network).ok();
    let order = options.channels.map(|order| match order {
        Order::Rgb => ChannelOrder::Rgb,
        Order::Bgr => ChannelOrder::Bgr,
    });
    let preprocessing = of_zoo
        .unwrap_or(Preprocessing::TORCHVISION)
        .with(order, options.mean, options.std)
        .context("--mean and --std")?;
    eprintln!("wattline: photographs: {preprocessing}");
    if of_zoo.is_some() {
        eprintln!("wattline: {network}'s weights are drawn, not trained: its classes mean nothing");
    } else if options.mean.is_none() && options.std.is_none() {
        eprintln!(
            "wattline: these are torchvision's constants; --mean, --std and --channels set others"
        );
    }
    Ok(preprocessing)
}

fn directory(
    path: &Path,
    count: Option<u64>,
    shape: Shape,
    preprocessing: Preprocessing,
) -> Result<Inputs> {
    let mut files = input::image_files(path).context("--images")?;
    // No more files are decoded than will be shown.
    let shown = count.filter(|&count| count > 0);
    files.truncate(shown.map_or(files.len(), |count| usize::try_from(count).unwrap_or(usize::MAX)));
    let most = (MOST_BYTES / (shape.elements() * size_of::<f32>())).max(1);
    if files.len() > most {
        bail!(
            "--images {}: its {} images of {shape} would take more than {} MB; show the first {most} \
             with --count {most}, or split the directory",
            path.display(),
            files.len(),
            MOST_BYTES >> 20
        );
    }
    let mut tensors = Vec::new();
    let (mut names, mut skipped) = (Vec::new(), Vec::new());
    let bar = progress::bar("decoding", files.len() as u64);
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match input::decode(file, shape, &preprocessing) {
            Ok(tensor) => {
                tensors.push(tensor);
                names.push(name);
            }
            Err(error @ input::ImageError::Channels(_)) => bail!("--images: a photograph {error}"),
            Err(error) => {
                skipped.push(format!("left out {name}: it {error}").trim_end().to_owned())
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    skipped.iter().take(NAMED).for_each(|why| eprintln!("wattline: {why}"));
    if skipped.len() > NAMED {
        eprintln!("wattline: and {} more, all named in events.csv", skipped.len() - NAMED);
    }
    if tensors.is_empty() {
        bail!(
            "--images {}: none of its {} image files could be read; give a directory of whole JPEG \
             or PNG files",
            path.display(),
            files.len()
        );
    }
    let count = count.unwrap_or(tensors.len() as u64);
    let origin = Origin::Directory { path: path.to_owned(), files: names, preprocessing };
    Ok(Inputs { tensors, count, skipped, origin })
}

impl Inputs {
    /// How distinct image `index` is called.
    pub(super) fn name(&self, index: usize) -> String {
        match &self.origin {
            Origin::Synthetic { .. } => format!("synthetic {index}"),
            Origin::Directory { files, .. } => files[index].clone(),
        }
    }

    /// What they are, in words.
    pub(super) fn in_words(&self) -> String {
        let distinct = self.tensors.len();
        match &self.origin {
            Origin::Synthetic { seed } => {
                format!("{distinct} distinct synthetic inputs, seed {seed}")
            }
            Origin::Directory { path, .. } => format!("{distinct} images of {}", path.display()),
        }
    }

    /// What the manifest says of them.
    pub(super) fn record(&self) -> InputRecord {
        let (preprocessing, files) = match &self.origin {
            Origin::Synthetic { .. } => (None, Vec::new()),
            Origin::Directory { files, preprocessing, .. } => {
                (Some(preprocessing.to_string()), files.clone())
            }
        };
        let source = self.in_words();
        InputRecord { source, preprocessing, files, skipped: self.skipped.len() as u64 }
    }
}
