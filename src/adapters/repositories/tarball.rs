//! All of a repository in one request, as GitHub packs it: kept in a file without a name, and unpacked one file at a time.
//!
//! A name in it counts for nothing. What is in it is known by its content alone: an archive leaves files out and rewrites
//! others, where `.gitattributes` says so.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Seek as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::sync::mpsc;

use super::{RepositoryError, Take, blob_of};
use crate::adapters::archive::{Bounds, Packed, each};
use crate::adapters::http::{Pace, Policy, Reply, Trouble, head, send};
use crate::embedding::source::MAX_FILE_BYTES;
use crate::ids::{BlobId, RepoSlug};

/// The size of all files of a repository that is fetched whole.
pub(super) const MAX_WHOLE: u64 = 512 << 20;
/// The most that may come, packed: what does not compress becomes a little larger.
const MAX_PACKED: u64 = MAX_WHOLE + (64 << 20);
/// What may come of it: the files, and what stands between them.
const BOUNDS: Bounds = Bounds { unpacked: 2 * MAX_WHOLE, entries: 1_000_000, file: MAX_FILE_BYTES };
/// How many contents are unpacked before the first of them is taken.
const AHEAD: usize = 8;
/// The most time for all of it.
const DEADLINE: Duration = Duration::from_secs(600);

/// Fetches the archive at the address that GitHub has given, and gives each wanted content in it to `take`, once. What is left
/// over is given back. No token goes along: the address is enough, and it is another server's.
pub(super) async fn fetch(
    client: &reqwest::Client,
    pace: &dyn Pace,
    repo: &RepoSlug,
    address: &str,
    wanted: BTreeSet<BlobId>,
    take: &mut Take<'_>,
) -> Result<BTreeSet<BlobId>, RepositoryError> {
    let refused = |why: String| RepositoryError::Refused(format!("the archive of {repo} is of no use: {why}"));
    let url = Url::parse(address).map_err(|_| refused("GitHub gives no address for it".to_owned()))?;
    let is_local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if url.scheme() != "https" && !is_local {
        return Err(refused("GitHub gives an address for it that is not encrypted".to_owned()));
    }
    let disk = |error: io::Error| refused(format!("it cannot be kept on this disk ({error})"));
    let file = tempfile::tempfile().map_err(disk)?;
    let fault = Arc::new(Mutex::new(None));
    let policy = Policy { deadline: DEADLINE, attempts: 4, ..Policy::idempotent() };
    let reply = send(&policy, pace, || one_try(client, url.clone(), &file, &fault)).await;
    if let Some(error) = fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(disk(error));
    }
    let reply = reply.map_err(|error| RepositoryError::Away(format!("the archive of {repo} did not come: {error}")))?;
    if reply.status != 200 {
        return Err(refused(format!("the server that has it answers {}", reply.status)));
    }
    let (give, mut given) = mpsc::channel(AHEAD);
    let unpacking = tokio::task::spawn_blocking(move || unpack(file, wanted, &give));
    while let Some((id, content)) = given.recv().await {
        let content: Vec<u8> = content;
        take(&id, &content).map_err(refused)?;
    }
    unpacking.await.map_err(|_| refused("it could not be unpacked".to_owned()))?.map_err(refused)
}

/// One request, whose body goes into the file from its beginning.
async fn one_try(
    client: &reqwest::Client,
    url: Url,
    file: &File,
    fault: &Mutex<Option<io::Error>>,
) -> Result<Reply, Trouble> {
    let failed = |error: io::Error| {
        *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        // Another try would meet the same disk: this status is final, and no server's.
        Ok(Reply::with_status(0))
    };
    let mut response = client.get(url).send().await.map_err(|error| Trouble::of(&error))?;
    if response.status() != 200 {
        return Ok(head(response));
    }
    let mut writer = file;
    if let Err(error) = writer.rewind().and_then(|()| file.set_len(0)) {
        return failed(error);
    }
    let mut bytes = 0_u64;
    while let Some(piece) = response.chunk().await.map_err(|error| Trouble::of(&error))? {
        bytes = bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if bytes > MAX_PACKED {
            return failed(io::Error::other(format!("it is larger than {} MiB", MAX_PACKED >> 20)));
        }
        if let Err(error) = writer.write_all(&piece) {
            return failed(error);
        }
    }
    Ok(head(response))
}

/// Gives each wanted content on, and those back that are not in the archive.
fn unpack(
    mut file: File,
    mut wanted: BTreeSet<BlobId>,
    give: &mpsc::Sender<(BlobId, Vec<u8>)>,
) -> Result<BTreeSet<BlobId>, String> {
    file.rewind().map_err(|error| error.to_string())?;
    each(BufReader::new(file), BOUNDS, &mut |packed: Packed<'_, BufReader<File>>| {
        if packed.bytes > MAX_FILE_BYTES {
            return Ok(());
        }
        let Some(content) = packed.content()? else { return Ok(()) };
        if let Some(id) = blob_of(&content).filter(|id| wanted.remove(id)) {
            // Who waits for it has given up otherwise, and knows why.
            give.blocking_send((id, content)).map_err(|_| "nobody takes it".to_owned())?;
        }
        Ok(())
    })?;
    Ok(wanted)
}
