//! A folder that follows a manifest, on the disk: what was fetched is staged in it, and gets its place by renames that a journal
//! tells of beforehand. Whoever is killed among them is finished by the next one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::adapters::turn::Turn;
use crate::adapters::whole_file;
use crate::ids::Sha256Hex;
use crate::mirror::journal::{JOURNAL, Journal, Move, STAGED, STAGED_RECORD};
use crate::mirror::names::{OWN, folders};
use crate::mirror::plan::{Ground as _, Plan, ROOT, Seen};
use crate::mirror::record::{RECORD, Record};

mod ground;
#[cfg(test)]
mod tests;

/// The most bytes that are read of a file at once.
const MOST_READ: u64 = 256 << 20;
/// What is nobody's source among what is remembered: git is told so. The record is, for who commits the folder.
const HIDDEN: &[u8] = b"staged/\njournal.json\nturn.lock\n";

/// Why the folder cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FolderError {
    /// The system refuses.
    #[error("{place} cannot be {what}: {why}")]
    Unusable {
        /// The file or folder.
        place: String,
        /// `read` or `written`.
        what: &'static str,
        /// What the system says.
        why: String,
    },
    /// Something that is no folder stands where one must be.
    #[error("{place} is {what}, which is not followed; take it away, or name another folder")]
    InTheWay {
        /// The place.
        place: String,
        /// What it is.
        what: &'static str,
    },
    /// What is remembered of earlier pulls cannot be understood.
    #[error(
        "{place} cannot be understood: {why}. Delete it, and the next pull compares every file with what it should be"
    )]
    Damaged {
        /// The file.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// A pull that was killed cannot be finished.
    #[error(
        "an earlier pull was ended in the middle, and {place} cannot be brought to its end: {why}. Delete {journal}, and the \
         next pull compares every file with what it should be"
    )]
    Unfinished {
        /// The file.
        place: String,
        /// What is wrong.
        why: String,
        /// The journal.
        journal: String,
    },
    /// The disk has no room for what would be fetched.
    #[error(
        "{wanted} bytes would have to be fetched, and the disk of {place} has room for {free}: make room, or take less of the \
         manifest with --collection or --files"
    )]
    Full {
        /// The folder.
        place: String,
        /// How many bytes are wanted.
        wanted: u64,
        /// How many bytes there is room for.
        free: u64,
    },
    /// Another pull is at work.
    #[error("another pull is at work in {0}; let it end, and pull again")]
    Busy(String),
}

/// The folder.
#[derive(Debug, Clone)]
pub struct MirrorFolder {
    folder: PathBuf,
}

impl MirrorFolder {
    /// A folder that may not be there yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn place(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    fn error(&self, path: &str, what: &'static str) -> impl Fn(io::Error) -> FolderError + use<> {
        let place = self.place(path).display().to_string();
        move |error| FolderError::Unusable { place: place.clone(), what, why: error.to_string() }
    }

    /// Whether something was pulled into it before; refused where no folder can be.
    pub fn is_followed(&self) -> Result<bool, FolderError> {
        for (path, may_be) in [("", true), (OWN, false)] {
            let place = self.place(path);
            let is_folder = match may_be {
                // Whoever names a folder may mean one that a link leads to.
                true => fs::metadata(&place).map(|facts| facts.is_dir()),
                false => fs::symlink_metadata(&place).map(|facts| facts.is_dir()),
            };
            match is_folder {
                Ok(false) => {
                    let (place, what) = (place.display().to_string(), "no folder");
                    return Err(FolderError::InTheWay { place, what });
                }
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(self.error(path, "read")(error)),
                Err(_) => return Ok(false),
                Ok(true) => {}
            }
        }
        Ok(true)
    }

    /// Whoever has planted a link where something is remembered or staged would have it written through.
    fn refuse_links(&self) -> Result<(), FolderError> {
        let refuse_unless = |place: &Path, fits: fn(fs::FileType) -> bool, what| match fs::symlink_metadata(place) {
            Ok(facts) if !fits(facts.file_type()) => {
                Err(FolderError::InTheWay { place: place.display().to_string(), what })
            }
            _ => Ok(()),
        };
        for name in ["pull.json", "journal.json", "turn.lock", ".gitignore"] {
            refuse_unless(&self.place(OWN).join(name), |kind| kind.is_file(), "no ordinary file")?;
        }
        let staged = self.place(STAGED);
        refuse_unless(&staged, |kind| kind.is_dir(), "no folder")?;
        let entries = match fs::read_dir(&staged) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(self.error(STAGED, "read"))?,
        };
        for entry in entries {
            let entry = entry.map_err(self.error(STAGED, "read"))?;
            if !entry.file_type().map_err(self.error(STAGED, "read"))?.is_file() {
                let place = entry.path().display().to_string();
                return Err(FolderError::InTheWay { place, what: "no ordinary file" });
            }
        }
        Ok(())
    }

    /// Says that somebody else is at work.
    pub fn busy(&self) -> FolderError {
        FolderError::Busy(self.folder.display().to_string())
    }

    /// Takes the right to change the folder, which ends with what is returned.
    pub fn turn(&self) -> Result<Turn, FolderError> {
        self.is_followed()?;
        self.refuse_links()?;
        fs::create_dir_all(self.place(OWN)).map_err(self.error(OWN, "written"))?;
        Turn::take(&self.place(OWN)).ok_or_else(|| self.busy())
    }

    /// What the folder remembers; none where nothing was pulled into it.
    pub fn record(&self) -> Result<Option<Record>, FolderError> {
        let Some(bytes) = self.file(RECORD)? else { return Ok(None) };
        let damaged = |why| FolderError::Damaged { place: self.place(RECORD).display().to_string(), why };
        Record::parse(&bytes).map(Some).map_err(damaged)
    }

    /// The root that was placed last, if it is still that one.
    pub fn root(&self, record: &Record) -> Option<Vec<u8>> {
        let bytes = self.file(ROOT).ok().flatten();
        bytes.filter(|bytes| Sha256Hex::of(bytes) == record.root)
    }

    fn file(&self, path: &str) -> Result<Option<Vec<u8>>, FolderError> {
        let place = self.place(path);
        match fs::symlink_metadata(&place) {
            Ok(facts) if facts.is_file() => {}
            Ok(_) => {
                return Err(FolderError::InTheWay { place: place.display().to_string(), what: "no ordinary file" });
            }
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(self.error(path, "read")(error)),
        }
        let mut bytes = Vec::new();
        let read = whole_file::without_links()
            .read(true)
            .open(&place)
            .and_then(|file| file.take(MOST_READ).read_to_end(&mut bytes));
        read.map(|_| Some(bytes)).map_err(self.error(path, "read"))
    }

    /// Where something of this name is staged.
    pub fn staged(&self, name: &str) -> PathBuf {
        self.place(STAGED).join(name)
    }

    /// A document that was staged under this name; it has to be looked at like one that was fetched.
    pub fn staged_bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.file(&format!("{STAGED}/{name}")).ok().flatten()
    }

    /// Whether a file of this digest was staged whole.
    pub fn is_staged(&self, sha256: &Sha256Hex, bytes: u64) -> bool {
        let path = format!("{STAGED}/{sha256}");
        let mut ground = self.clone();
        ground.look(&path) == Seen::File(bytes) && ground.digest(&path).as_ref() == Some(sha256)
    }

    /// Refuses files of these digests and sizes that the disk has no room for. What there is of one already counts for it.
    pub fn refuse_overflow<'f>(&self, files: impl Iterator<Item = (&'f Sha256Hex, u64)>) -> Result<(), FolderError> {
        let begun = |sha256: &Sha256Hex| {
            fs::symlink_metadata(self.staged(&format!("{sha256}.part"))).map_or(0, |facts| facts.len())
        };
        let wanted = files.map(|(sha256, bytes)| bytes.saturating_sub(begun(sha256))).fold(0, u64::saturating_add);
        match self.free() {
            Some(free) if wanted > free => {
                Err(FolderError::Full { place: self.folder.display().to_string(), wanted, free })
            }
            _ => Ok(()),
        }
    }

    /// How many bytes the disk has room for, where the system says so.
    #[cfg(unix)]
    fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.place(STAGED)).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// How many bytes the disk has room for, where the system says so.
    #[cfg(not(unix))]
    fn free(&self) -> Option<u64> {
        None
    }

    /// Makes room for what is fetched.
    pub fn prepare(&self) -> Result<(), FolderError> {
        match fs::symlink_metadata(self.place(STAGED)) {
            Ok(facts) if !facts.is_dir() => {
                let place = self.place(STAGED).display().to_string();
                return Err(FolderError::InTheWay { place, what: "no folder" });
            }
            _ => {}
        }
        fs::create_dir_all(self.place(STAGED)).map_err(self.error(STAGED, "written"))?;
        let hidden = self.place(OWN).join(".gitignore");
        match fs::symlink_metadata(&hidden) {
            Ok(_) => Ok(()),
            Err(_) => whole_file::anew(&hidden).and_then(|mut file| file.write_all(HIDDEN)),
        }
        .map_err(self.error(OWN, "written"))
    }

    /// Stages bytes under a name.
    pub fn stage(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let written = whole_file::anew(&self.staged(name)).and_then(|mut file| file.write_all(bytes));
        written.map_err(self.error(STAGED, "written"))
    }

    /// Stages what a file of the folder holds; false where that is not what it should be.
    pub fn stage_copy(&self, sha256: &Sha256Hex, path: &str) -> Result<bool, FolderError> {
        let target = self.staged(sha256.as_str());
        match copy(&self.place(path), &target) {
            Ok(_) => {}
            Err(error) if is_absence(&error) => return Ok(false),
            Err(error) => return Err(self.error(STAGED, "written")(error)),
        }
        let digest = File::open(&target).and_then(|mut file| Sha256Hex::of_stream(&mut file));
        Ok(digest.map_err(self.error(STAGED, "read"))?.0 == *sha256)
    }

    /// Puts everything into its place, all of which is staged by its SHA-256. Before the journal is written, nothing has
    /// changed; from then on, this or the next pull brings it to its end. Gives the paths of what somebody has changed since the
    /// plan was made, and which is left.
    pub fn apply(&self, plan: &Plan) -> Result<Vec<String>, FolderError> {
        let mut moves: Vec<Move> = Vec::new();
        let mut used = std::collections::BTreeMap::new();
        for placement in &plan.place {
            let count: &mut usize = used.entry(&placement.sha256).or_default();
            let staged =
                if *count == 0 { placement.sha256.to_string() } else { format!("{}.{count}", placement.sha256) };
            if *count > 0 {
                let copied = copy(&self.staged(placement.sha256.as_str()), &self.staged(&staged));
                copied.map_err(self.error(STAGED, "written"))?;
            }
            *count += 1;
            let (path, sha256) = (placement.path.clone(), placement.sha256.clone());
            moves.push(Move { staged, path, sha256, before: placement.before.clone() });
        }
        let record = plan.record.to_bytes();
        let sha256 = Sha256Hex::of(&record);
        self.stage(STAGED_RECORD, &record)?;
        moves.push(Move { staged: STAGED_RECORD.to_owned(), path: RECORD.to_owned(), sha256, before: None });
        let journal = Journal::new(plan.clear.clone(), moves, plan.remove.clone());
        self.refuse_strange_folders(&journal)?;
        self.refuse_closed_folders(&journal)?;
        self.settle_on_disk(&journal)?;
        whole_file::write(&self.place(JOURNAL), &journal.to_bytes()).map_err(self.error(JOURNAL, "written"))?;
        self.carry_out(&journal)
    }

    /// Brings a pull to its end that was killed among its renames, if there was one; gives the paths of what was left.
    pub fn finish(&self) -> Result<Option<Vec<String>>, FolderError> {
        whole_file::clear_partial(&self.place(OWN)).map_err(self.error(OWN, "read"))?;
        let Some(bytes) = self.file(JOURNAL)? else { return Ok(None) };
        let journal = Journal::parse(&bytes).map_err(|why| self.unfinished(JOURNAL, &why))?;
        self.refuse_strange_folders(&journal)?;
        self.refuse_strange_contents(&journal)?;
        self.carry_out(&journal).map(Some)
    }

    /// What is still staged must be what the journal says, before the first of it is moved.
    fn refuse_strange_contents(&self, journal: &Journal) -> Result<(), FolderError> {
        for one in &journal.place {
            let staged = format!("{STAGED}/{}", one.staged);
            let mut ground = self.clone();
            if ground.look(&staged) != Seen::Nothing && ground.digest(&staged).as_ref() != Some(&one.sha256) {
                return Err(self.unfinished(&staged, &"it is not what was staged"));
            }
            if one.is_record()
                && let Some(bytes) = self.staged_bytes(&one.staged)
            {
                Record::parse(&bytes).map_err(|why| self.unfinished(&staged, &why))?;
            }
        }
        Ok(())
    }

    fn unfinished(&self, path: &str, why: &dyn std::fmt::Display) -> FolderError {
        let (place, journal) = (self.place(path).display().to_string(), self.place(JOURNAL).display().to_string());
        FolderError::Unfinished { place, why: why.to_string(), journal }
    }

    /// Folders on the way have to be folders of the same disk: links lead elsewhere, and renames go no further than a disk.
    fn refuse_strange_folders(&self, journal: &Journal) -> Result<(), FolderError> {
        let disk = fs::symlink_metadata(self.place(OWN)).map(|facts| disk_of(&facts)).ok();
        let paths = journal.place.iter().map(|one| one.path.as_str());
        let paths = paths.chain(journal.clear.iter().map(|(path, _)| path.as_str()));
        for folder in folders(paths.chain(journal.remove.iter().map(|(path, _)| path.as_str()))) {
            let Ok(facts) = fs::symlink_metadata(self.place(folder)) else { continue };
            let strange = match () {
                () if facts.is_symlink() => "a symbolic link",
                () if facts.is_dir() && Some(disk_of(&facts)) != disk => "on another disk than the folder around it",
                () => continue,
            };
            return Err(FolderError::InTheWay { place: self.place(folder).display().to_string(), what: strange });
        }
        Ok(())
    }

    /// Whatever would end the renames in the middle has to be found out before the first of them.
    fn refuse_closed_folders(&self, journal: &Journal) -> Result<(), FolderError> {
        let gone = journal.clear.iter().chain(&journal.remove).map(|(path, _)| path.as_str());
        let paths = journal.place.iter().map(|one| one.path.as_str()).chain(gone);
        let parents: BTreeSet<&str> =
            paths.map(|path| path.rsplit_once('/').map_or("", |(folder, _)| folder)).collect();
        let mut tried = BTreeSet::new();
        for mut folder in parents {
            // What is not there yet is made in the nearest folder that is.
            while !folder.is_empty() && self.clone().look(folder) != Seen::Folder {
                folder = folder.rsplit_once('/').map_or("", |(outer, _)| outer);
            }
            if tried.insert(folder) {
                try_renames(&self.staged(STAGED_RECORD), &self.place(folder)).map_err(self.error(folder, "written"))?;
            }
        }
        Ok(())
    }

    /// What is staged must outlive a power cut before the journal speaks of it.
    fn settle_on_disk(&self, journal: &Journal) -> Result<(), FolderError> {
        #[cfg(target_os = "linux")]
        {
            let _ = journal;
            // One call for all files, of which there may be tens of thousands.
            let synced = File::open(self.place(STAGED)).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?));
            synced.map_err(self.error(STAGED, "written"))
        }
        #[cfg(not(target_os = "linux"))]
        {
            let each = journal.place.iter().map(|one| File::open(self.staged(&one.staged))?.sync_all());
            each.collect::<io::Result<()>>().map_err(self.error(STAGED, "written"))
        }
    }

    /// Moves everything into its place; what somebody has changed meanwhile is left, and its paths are given back.
    fn carry_out(&self, journal: &Journal) -> Result<Vec<String>, FolderError> {
        let mut left = Vec::new();
        self.take_all(&journal.clear)?;
        for one in &journal.place {
            if !self.put(one).map_err(|error| self.unfinished(&one.path, &error))? {
                left.push(one.path.clone());
            }
        }
        self.take_all(&journal.remove)?;
        fs::remove_file(self.place(JOURNAL)).map_err(self.error(JOURNAL, "written"))?;
        self.clear_staged();
        Ok(left)
    }

    /// Takes files away that are what was placed.
    fn take_all(&self, files: &[(String, Sha256Hex)]) -> Result<(), FolderError> {
        let mut ground = self.clone();
        for (path, sha256) in files {
            if ground.look(path) == Seen::Nothing || ground.digest(path).as_ref() == Some(sha256) {
                self.take_away(path).map_err(|error| self.unfinished(path, &error))?;
            }
        }
        Ok(())
    }

    /// Takes away what was staged and is not needed any more.
    pub fn clear_staged(&self) {
        // What stays is taken away by the next one.
        let _ = fs::remove_dir_all(self.place(STAGED));
    }

    /// Renames into place, unless what stands there is somebody else's; whether it has its place. What is not staged any more
    /// has its place already, or the journal cannot be followed.
    fn put(&self, one: &Move) -> io::Result<bool> {
        let (staged, target) = (self.staged(&one.staged), self.place(&one.path));
        let mut ground = self.clone();
        match ground.look(&one.path) {
            Seen::Nothing => {}
            _ if one.is_record() => {}
            Seen::File(bytes) => {
                let Some(found) = ground.digest(&one.path) else { return Ok(false) };
                if found == one.sha256 {
                    return Ok(true);
                }
                if Some((found, bytes)) != one.before {
                    return Ok(false);
                }
            }
            // Folders that hold nothing give way.
            Seen::Folder if remove_empty(&target).is_ok() => {}
            Seen::Folder | Seen::Other(_) => return Ok(false),
        }
        match target.parent().map_or(Ok(()), fs::create_dir_all) {
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory) => {
                return Ok(false);
            }
            made => made?,
        }
        match fs::rename(&staged, &target) {
            Err(error) if error.kind() == ErrorKind::NotFound && one.is_record() => {
                let is_there = ground.digest(&one.path).as_ref() == Some(&one.sha256);
                if is_there { Ok(true) } else { Err(error) }
            }
            renamed => renamed.map(|()| true),
        }
    }

    /// Takes a file away, and the folders that are empty without it.
    fn take_away(&self, path: &str) -> io::Result<()> {
        let place = self.place(path);
        match fs::symlink_metadata(&place) {
            Ok(facts) if facts.is_file() => fs::remove_file(&place)?,
            // A folder of what has been placed since, or one that was taken away already.
            Ok(_) => return Ok(()),
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(error),
        }
        let mut end = path.len();
        while let Some(slash) = path.get(..end).and_then(|head| head.rfind('/')) {
            end = slash;
            if fs::remove_dir(self.place(path.get(..end).unwrap_or_default())).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Takes a folder away that holds nothing but folders; a file in it, at any depth, stays with all around it.
fn remove_empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        remove_empty(&entry.path())?;
    }
    fs::remove_dir(folder)
}

/// Whether what is staged can be renamed into a folder, and files in it can go. Nothing changes: a rename to `.` never
/// succeeds, and tells beforehand whether the folder is on another disk.
#[cfg(unix)]
fn try_renames(staged: &Path, folder: &Path) -> io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
    match fs::rename(staged, folder.join(".")) {
        Err(error) if matches!(error.kind(), ErrorKind::CrossesDevices | ErrorKind::ReadOnlyFilesystem) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn try_renames(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

/// Copies a file to where no link is followed.
fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    let mut file = whole_file::without_links().read(true).open(from)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    io::copy(&mut file, &mut whole_file::anew(to)?)
}

/// Whether nothing is there, not even a folder around it.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(unix)]
fn disk_of(facts: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    facts.dev()
}

#[cfg(not(unix))]
fn disk_of(_: &fs::Metadata) -> u64 {
    0
}
