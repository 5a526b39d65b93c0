//! The collections: whose they are, how they are made, and what is kept of the library beside its chunks.

use http::Method;
use serde_json::{Value, json};

use super::super::VectorStoreError;
use super::Qdrant;
use super::wire::{Collection, Collections, Note, Root, id_of};

/// The format that this version writes.
const FORMAT: i64 = 1;
/// The oldest version whose interface has what is asked here.
const OLDEST: (u32, u32) = (1, 12);

impl Qdrant {
    pub(super) fn marks(&self) -> String {
        format!("/collections/{}-marks", self.name)
    }

    pub(super) fn collection(&self, dimension: usize) -> String {
        format!("/collections/{}-{dimension}", self.name)
    }

    /// The server's version, if it is Qdrant and new enough.
    pub(super) async fn version(&self) -> Result<String, VectorStoreError> {
        let answer = self.ask(Method::GET, "/", None).await?;
        let Root { title, version } = self.server.parse(&answer)?;
        if !title.to_lowercase().contains("qdrant") {
            return Err(self.server.unusable(
                "what answers there is not Qdrant. Give the address of its REST API as `embed.store.url`; its port is 6333 \
                 where nobody has changed it",
            ));
        }
        let version: String =
            version.chars().filter(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).take(30).collect();
        let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if (major, minor) < OLDEST {
            let (a, b) = OLDEST;
            return Err(self
                .server
                .unusable(format!("it is Qdrant {version}, and {a}.{b} or newer is needed. Update it")));
        }
        Ok(version)
    }

    /// What is kept under an id in the collection of marks; none where that collection is not there.
    pub(super) async fn note(&self, id: &str) -> Result<Option<Vec<Note>>, VectorStoreError> {
        let body = json!({"ids": [id], "with_payload": true}).to_string();
        let answer = self.ask(Method::POST, &format!("{}/points", self.marks()), Some(body)).await?;
        if answer.status == 404 { Ok(None) } else { Ok(Some(self.parse(&answer)?)) }
    }

    /// Whether there is an index of a format that we know.
    pub(super) async fn is_there(&self) -> Result<bool, VectorStoreError> {
        if self.known(|known| known.is_there) {
            return Ok(true);
        }
        let Some(notes) = self.note(&format_id()).await? else {
            // A 404 may also come from a server that is something else altogether.
            self.version().await?;
            return Ok(false);
        };
        let Some(format) = notes.first().map(|note| note.payload["format"].as_i64()) else {
            let why = format!(
                "the collection {}-marks is there, and is not ours. Delete it if nobody needs it, or choose another \
                 `embed.store.name`",
                self.name
            );
            return if self.is_empty().await? { Ok(false) } else { Err(self.server.unusable(why)) };
        };
        match format {
            Some(FORMAT) => {}
            Some(found) if found > FORMAT => {
                let place = self.server.place().to_owned();
                return Err(VectorStoreError::Newer { place, found, known: FORMAT });
            }
            other => {
                let why = format!("its format is {other:?}. Delete the collections {}-…", self.name);
                return Err(self.server.unusable(why));
            }
        }
        self.known(|known| known.is_there = true);
        Ok(true)
    }

    /// Whether the collection of marks has no point: then a run was stopped while it made it.
    async fn is_empty(&self) -> Result<bool, VectorStoreError> {
        let body = json!({"limit": 1, "with_payload": false, "with_vector": false}).to_string();
        let answer = self.ask(Method::POST, &format!("{}/points/scroll", self.marks()), Some(body)).await?;
        let page: Value = self.parse(&answer)?;
        Ok(page["points"].as_array().is_some_and(Vec::is_empty))
    }

    /// Makes a collection, unless it is there.
    async fn make(&self, path: &str, settings: &Value) -> Result<(), VectorStoreError> {
        let answer = self.ask(Method::PUT, path, Some(settings.to_string())).await?;
        // Another run, or a request whose answer was lost, was faster.
        if answer.status == 409 { Ok(()) } else { self.parse::<Value>(&answer).map(drop) }
    }

    pub(super) async fn keep(&self, id: &str, payload: &Value) -> Result<(), VectorStoreError> {
        let body = json!({"points": [{"id": id, "vector": {}, "payload": payload}]}).to_string();
        let answer = self.ask(Method::PUT, &format!("{}/points?wait=true", self.marks()), Some(body)).await?;
        self.parse::<Value>(&answer).map(drop)
    }

    /// Makes the collection of marks, unless it is there.
    pub(super) async fn begin(&self) -> Result<(), VectorStoreError> {
        if self.is_there().await? {
            return Ok(());
        }
        let ours = self.dimensions().await?;
        if let Some(dimension) = ours.first() {
            // Another run may have made both meanwhile.
            if self.is_there().await? {
                return Ok(());
            }
            return Err(self.server.unusable(format!(
                "the collection {0}-{dimension} is there without {0}-marks, so it is somebody else's. Delete it if nobody \
                 needs it, or choose another `embed.store.name`",
                self.name
            )));
        }
        self.make(&self.marks(), &json!({"vectors": {}})).await?;
        self.keep(&format_id(), &json!({"format": FORMAT, "of": "stockroom"})).await?;
        self.known(|known| known.is_there = true);
        Ok(())
    }

    /// The lengths of vectors for which there is a collection.
    pub(super) async fn dimensions(&self) -> Result<Vec<usize>, VectorStoreError> {
        let answer = self.ask(Method::GET, "/collections", None).await?;
        let Collections { collections } = self.parse(&answer)?;
        let dimension = |name: &str| {
            let digits = name.strip_prefix(&self.name)?.strip_prefix('-')?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let mut all: Vec<usize> = collections.iter().filter_map(|collection| dimension(&collection.name)).collect();
        all.sort_unstable();
        Ok(all)
    }

    /// The collections that may hold something of ours; none where nothing was ever written.
    pub(super) async fn collections(&self) -> Result<Vec<String>, VectorStoreError> {
        if !self.is_there().await? {
            return Ok(Vec::new());
        }
        Ok(self.dimensions().await?.into_iter().map(|dimension| self.collection(dimension)).collect())
    }

    /// Makes a collection for vectors of this length, unless it is there; one that is otherwise is left alone.
    pub(super) async fn prepare(&self, dimension: usize) -> Result<(), VectorStoreError> {
        if self.known(|known| known.ready.contains(&dimension)) {
            return Ok(());
        }
        self.begin().await?;
        let path = self.collection(dimension);
        let mut answer = self.ask(Method::GET, &path, None).await?;
        if answer.status == 404 {
            let vectors = json!({"size": dimension, "distance": "Cosine"});
            self.make(&path, &json!({"vectors": vectors, "on_disk_payload": true})).await?;
            answer = self.ask(Method::GET, &path, None).await?;
        }
        let collection: Collection = self.parse(&answer)?;
        if !collection.takes(dimension) {
            return Err(self.server.unusable(format!(
                "the collection {}-{dimension} does not keep vectors of {dimension} numbers by cosine, so it is not ours. \
                 Delete it if nobody needs it, or choose another `embed.store.name`",
                self.name
            )));
        }
        let indexes = [
            ("scope", json!({"type": "keyword", "is_tenant": true})),
            ("namespace", json!({"type": "keyword"})),
            ("text", json!({"type": "text", "tokenizer": "word", "lowercase": true, "min_token_len": 1})),
        ];
        for (field, schema) in indexes.iter().filter(|(field, _)| !collection.payload_schema.contains_key(*field)) {
            let body = json!({"field_name": field, "field_schema": schema}).to_string();
            let answer = self.ask(Method::PUT, &format!("{path}/index?wait=true"), Some(body)).await?;
            self.parse::<Value>(&answer)?;
        }
        self.known(|known| known.ready.insert(dimension));
        Ok(())
    }
}

/// Where the format is kept.
pub(super) fn format_id() -> String {
    id_of(["format"])
}
