//! Images: whether their first bytes are what their names say, and how large they are.

mod dimensions;

use std::io::Cursor;

use imagesize::{Compression, ImageError, ImageType};

use super::collection::Problem;
use super::layout::{FileRule, Presence};
use super::lfs;
use super::lint::Level;
use super::settings::Images;
use super::tree::{Contents, Entry};
use crate::finding::{Finding, Severity, codes};

pub use dimensions::Dimensions;

codes! {
    IMAGE_BROKEN "image-broken"
        "A file that is named as an image is empty, holds no image, or one whose first bytes are damaged. Export it \
         anew."
    IMAGE_FORMAT "image-format"
        "A file holds an image of another format than its name says, such as a JPEG in `icon.png`. Programs that go \
         by the name, and web servers, get it wrong: export it anew, or rename it."
    IMAGE_SIZE "image-size"
        "An image is not as wide, high or small as the collection's `images` wants it. Scale or compress it."
}

/// How much of an image is looked at, in bytes: almost always enough, and cheap.
const HEAD: usize = 4 * 1024;
/// How much of it where that does not tell what it is: an SVG may begin with a long remark.
const LONG_HEAD: usize = 64 * 1024;
/// How much of it where its size is asked for: a photograph's notes stand before that.
const LONGEST_HEAD: usize = 4 * 1024 * 1024;

/// What some images must be.
#[derive(Debug, Clone)]
pub struct ImageRule {
    /// Which files beside a record.
    pub files: FileRule,
    /// As stockroom.yml has it.
    pub settings: Images,
}

impl ImageRule {
    /// Makes a rule ready; the error is a place in it and a sentence.
    pub fn new(settings: &Images) -> Result<Self, Problem> {
        if settings.width.is_none() && settings.height.is_none() && settings.max_bytes.is_none() && !settings.square {
            let why = "nothing is asked of these images: name `width`, `height`, `square` or `max_bytes`";
            return Err((String::new(), why.to_owned()));
        }
        let files = FileRule::new(&settings.files, Presence::Optional).map_err(|why| ("/files".to_owned(), why))?;
        Ok(Self { files, settings: settings.clone() })
    }
}

/// A format of images that browsers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Png,
    Jpeg,
    Webp,
    Gif,
    Avif,
    Svg,
}

impl Format {
    fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "png" => Self::Png,
            "jpg" | "jpeg" => Self::Jpeg,
            "webp" => Self::Webp,
            "gif" => Self::Gif,
            "avif" => Self::Avif,
            "svg" => Self::Svg,
            _ => return None,
        })
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
            Self::Gif => "gif",
            Self::Avif => "avif",
            Self::Svg => "svg",
        }
    }
}

/// What the first bytes of a file are.
#[derive(Debug, PartialEq, Eq)]
enum Holds {
    Image(Format),
    /// Something else, with its article.
    Other(&'static str),
    Unknown,
}

fn holds(head: &[u8]) -> Holds {
    // What is cut off within its first bytes is still known by them.
    let mut start = head.get(..64).unwrap_or(head).to_vec();
    start.resize(64, 0);
    match imagesize::image_type(&start) {
        Ok(ImageType::Png) => return Holds::Image(Format::Png),
        Ok(ImageType::Jpeg) => return Holds::Image(Format::Jpeg),
        Ok(ImageType::Webp) => return Holds::Image(Format::Webp),
        Ok(ImageType::Gif) => return Holds::Image(Format::Gif),
        Ok(ImageType::Heif(Compression::Av1)) => return Holds::Image(Format::Avif),
        // The family's own mark alone does not tell which of it: an AVIF may begin so.
        Ok(ImageType::Heif(Compression::Unknown)) if has(&start, b"avif") => {
            return Holds::Image(Format::Avif);
        }
        Ok(ImageType::Heif(_)) => return Holds::Other("a HEIC image or a film"),
        Ok(ImageType::Bmp) => return Holds::Other("a BMP image"),
        Ok(ImageType::Tiff) => return Holds::Other("a TIFF image"),
        Ok(ImageType::Psd) => return Holds::Other("a Photoshop file"),
        _ => {}
    }
    let start: Vec<u8> = head.iter().copied().filter(u8::is_ascii_graphic).take(4096).collect();
    let start = start.to_ascii_lowercase();
    if start.starts_with(b"<!doctypehtml") || start.starts_with(b"<html") {
        Holds::Other("a web page")
    } else if start.starts_with(b"<") && has(head, b"<svg") {
        Holds::Image(Format::Svg)
    } else if head.starts_with(b"%PDF") {
        Holds::Other("a PDF document")
    } else if head.starts_with(b"PK\x03\x04") {
        Holds::Other("a ZIP archive")
    } else {
        Holds::Unknown
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The width and the height of an image of a known format; `Err` where its first bytes are damaged.
fn size(format: Format, head: &[u8], is_whole: bool) -> Result<Option<(u64, u64)>, ()> {
    let kind = match format {
        Format::Png => ImageType::Png,
        Format::Jpeg => ImageType::Jpeg,
        Format::Webp => ImageType::Webp,
        Format::Gif => ImageType::Gif,
        Format::Avif => ImageType::Heif(Compression::Av1),
        Format::Svg => return Ok(None),
    };
    let mut reader = Cursor::new(head);
    if format == Format::Webp {
        // This format's reader begins where the file's own header ends.
        reader.set_position(12);
    }
    match kind.reader_size(&mut reader) {
        Ok(size) if size.width > 0 && size.height > 0 => {
            Ok(u64::try_from(size.width).ok().zip(u64::try_from(size.height).ok()))
        }
        Err(ImageError::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof && !is_whole => Ok(None),
        _ => Err(()),
    }
}

/// Whether the file is named as an image that is looked at.
pub fn is_image(entry: &Entry) -> bool {
    Format::of_extension(entry.path.extension()).is_some()
}

/// What is wrong with an image, and with regard to these rules.
pub fn findings(entry: &Entry, rules: &[&ImageRule], contents: &dyn Contents, level: Level) -> Vec<Finding> {
    let level = if is_image(entry) { level } else { Level::Off };
    if level == Level::Off && rules.is_empty() {
        return Vec::new();
    }
    let (mut head, mut bytes) = match contents.head(entry, HEAD) {
        Ok(read) => read,
        Err(error) => {
            let message = format!("the image cannot be read: {error}");
            let finding = Finding::error(&super::record::UNREADABLE, entry.path.clone(), message);
            let severity = if rules.is_empty() { Severity::Warning } else { Severity::Error };
            return vec![Finding { severity, ..finding }];
        }
    };
    if lfs::is_pointer(&head) {
        // What it stands for is not here; how large that is, the pointer says.
        bytes = lfs::LfsPointer::parse(&head).map_or(bytes, |pointer| pointer.bytes);
        return rules.iter().filter_map(|rule| too_heavy(entry, rule, bytes)).collect();
    }
    let wants_size =
        rules.iter().any(|rule| rule.settings.square || rule.settings.width.or(rule.settings.height).is_some());
    let read = |head: &[u8]| match holds(head) {
        Holds::Image(format) => size(format, head, u64::try_from(head.len()).is_ok_and(|read| read >= bytes)),
        Holds::Other(_) | Holds::Unknown => Ok(None),
    };
    let mut pixels = read(&head);
    for (is_wanted, most) in [(true, LONG_HEAD), (wants_size, LONGEST_HEAD)] {
        let is_whole = u64::try_from(head.len()).is_ok_and(|read| read >= bytes);
        let is_settled = holds(&head) != Holds::Unknown && (!wants_size || pixels != Ok(None));
        if is_whole || is_settled || !is_wanted {
            break;
        }
        head = contents.head(entry, most).map_or(head, |(head, _)| head);
        pixels = read(&head);
    }
    // A rule that nobody can verify is not kept.
    let (is_told, is_damaged) = (pixels.ok().flatten().is_some(), pixels.is_err());
    if wants_size
        && !is_told
        && let Some(broken) = content(entry, &head, is_damaged, Level::Error)
    {
        return vec![broken];
    }
    let mut findings: Vec<Finding> = content(entry, &head, is_damaged, level).into_iter().collect();
    let mut is_unknown_told = false;
    for rule in rules {
        findings.extend(too_heavy(entry, rule, bytes));
        if is_told || !is_unknown_told {
            let wrong = wrong_size(entry, rule, pixels.ok().flatten());
            is_unknown_told |= wrong.is_some();
            findings.extend(wrong);
        }
    }
    findings
}

fn content(entry: &Entry, head: &[u8], is_damaged: bool, level: Level) -> Option<Finding> {
    let name = entry.path.file_name();
    let wanted = Format::of_extension(entry.path.extension())?;
    let kind = wanted.extension().to_uppercase();
    let export = format!("export it anew as {kind}");
    let broken = |why: String| {
        level.finding(&IMAGE_BROKEN, &entry.path, format!("{name:?} {why}")).map(|f| f.help(export.clone()))
    };
    if head.is_empty() {
        return broken("is empty: it has 0 bytes".to_owned());
    }
    match holds(head) {
        Holds::Image(format) if format == wanted && is_damaged => {
            broken(format!("is damaged: its first bytes are no whole {kind} image"))
        }
        Holds::Image(format) if format == wanted => None,
        Holds::Image(format) => {
            let article = if format == Format::Svg { "an" } else { "a" };
            let shown = match format.extension() {
                "jpg" => "JPEG".to_owned(),
                extension => extension.to_uppercase(),
            };
            let message = format!("{name:?} holds {article} {shown} image");
            let finding = level.finding(&IMAGE_FORMAT, &entry.path, message)?;
            let renamed = format!("{}.{}", entry.path.stem(), format.extension());
            Some(finding.help(format!("{export}, or rename it to {renamed:?}")))
        }
        Holds::Other(what) => broken(format!("holds {what} and no {kind} image")),
        Holds::Unknown if wanted == Format::Svg && !is_utf8_start(head) => None,
        Holds::Unknown => broken(format!("holds no {kind} image")),
    }
}

/// Whether these bytes begin a text in UTF-8; an SVG in another encoding is left to others.
fn is_utf8_start(head: &[u8]) -> bool {
    !head.starts_with(b"\xff\xfe") && !head.starts_with(b"\xfe\xff") && !head.contains(&0)
}

fn too_heavy(entry: &Entry, rule: &ImageRule, bytes: u64) -> Option<Finding> {
    let most = rule.settings.max_bytes.filter(|most| bytes > *most)?;
    let message = format!("{:?} has {bytes} bytes, and at most {most} are wanted", entry.path.file_name());
    Some(Finding::error(&IMAGE_SIZE, entry.path.clone(), message).help("scale it down, or compress it more"))
}

fn wrong_size(entry: &Entry, rule: &ImageRule, pixels: Option<(u64, u64)>) -> Option<Finding> {
    let Images { width, height, square, .. } = rule.settings;
    if !square && width.is_none() && height.is_none() {
        return None;
    }
    let name = entry.path.file_name();
    let wanted = match (width, height) {
        (Some(width), Some(height)) => format!("{width} × {height} pixels"),
        (Some(width), None) if square => format!("{width} × {width} pixels"),
        (None, Some(height)) if square => format!("{height} × {height} pixels"),
        (Some(width), None) => format!("{width} pixels of width"),
        (None, Some(height)) => format!("{height} pixels of height"),
        (None, None) => "a square".to_owned(),
    };
    let Some((wide, high)) = pixels else {
        let message = format!("how large {name:?} is cannot be told, and {wanted} is wanted");
        return Some(Finding::error(&IMAGE_SIZE, entry.path.clone(), message).help("export it anew"));
    };
    let fits = |wanted: Option<u32>, is: u64| wanted.is_none_or(|wanted| u64::from(wanted) == is);
    if fits(width, wide) && fits(height, high) && (!square || wide == high) {
        return None;
    }
    let message = format!("{name:?} has {wide} × {high} pixels, and {wanted} is wanted");
    Some(Finding::error(&IMAGE_SIZE, entry.path.clone(), message).help("scale or crop it"))
}

#[cfg(test)]
mod tests;
