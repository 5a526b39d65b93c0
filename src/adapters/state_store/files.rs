//! What is known of files, as rows and back.

use crate::catalog::fact::{FileFact, FileFacts};
use crate::catalog::image::Dimensions;
use crate::ids::BlobId;
use crate::state::row::FileRow;

/// A row for each file.
pub(super) fn rows_of(files: &FileFacts) -> Vec<FileRow> {
    let row = |(blob, fact): (&BlobId, &FileFact)| FileRow {
        blob: blob.clone(),
        sha256: fact.sha256.clone(),
        bytes: fact.bytes,
        image: fact.image.map(|image| (image.width, image.height)),
    };
    files.iter().map(row).collect()
}

/// What a row says.
pub(super) fn fact_of(row: FileRow) -> (BlobId, FileFact) {
    let image = row.image.map(|(width, height)| Dimensions { width, height });
    (row.blob, FileFact { sha256: row.sha256, bytes: row.bytes, image })
}
