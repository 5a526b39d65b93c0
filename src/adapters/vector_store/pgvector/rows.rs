//! The rows of one scope, written and read in a transaction that is open.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::super::Point;
use super::fault::Fault;
use super::format::{Extension, alone, quoted};
use super::words;
use crate::adapters::postgres::{escaped, unescaped};
use crate::embedding::search::Candidate;
use crate::embedding::{Held, Namespace, Query};
use crate::ids::{AssetId, AssetKey, ChunkId, CollectionName, RepoPath, Sha256Hex};

/// How many rows come with one answer.
const PAGE: i64 = 5_000;
/// What one statement carries at most, in rows and about in bytes.
const ROWS: usize = 1_000;
const BYTES: usize = 8 << 20;
/// For each word of a query so many of the nearest chunks that hold it are looked at.
const OF_EACH_WORD: i64 = 100;

type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// The rows of one scope.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) client: &'a Client,
    /// The name of the schema.
    pub(super) schema: &'a str,
    pub(super) scope: &'a str,
}

/// A generation, and the table of its chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation {
    pub(super) namespace: Namespace,
    /// The table, as SQL names it.
    pub(super) table: String,
    /// The table's name by itself.
    pub(super) name: String,
    pub(super) dimension: usize,
}

/// What a name is found by.
fn key(name: &str) -> Vec<u8> {
    Sha256::digest(name).to_vec()
}

impl Rows<'_> {
    fn in_schema(&self, table: &str) -> String {
        format!("{}.{table}", quoted(self.schema))
    }

    fn generation_of(&self, row: &Row) -> Result<Generation, Fault> {
        let (id, dimension): (i32, i32) = (row.get(0), row.get(2));
        let name = format!("index_chunks_{id}");
        let dimension = usize::try_from(dimension).map_err(|_| Fault::Damaged(format!("{name} has no dimension")))?;
        let namespace = Namespace::from_store(unescaped(row.get(1))?);
        Ok(Generation { namespace, table: self.in_schema(&name), name, dimension })
    }

    /// The generations of the scope.
    pub(super) async fn generations(&self) -> Result<Vec<Generation>, Fault> {
        let select = format!(
            "SELECT g.id, g.name, g.dimension FROM {} g JOIN {} s ON s.id = g.scope WHERE s.key = $1 ORDER BY g.id",
            self.in_schema("index_generations"),
            self.in_schema("index_scopes")
        );
        let rows = self.client.query_typed(&select, &[(&key(self.scope), Type::BYTEA)]).await?;
        rows.iter().map(|row| self.generation_of(row)).collect()
    }

    /// One generation, if it is there. `keep` keeps it there until the transaction ends.
    pub(super) async fn generation(&self, namespace: &Namespace, keep: bool) -> Result<Option<Generation>, Fault> {
        let select = format!(
            "SELECT g.id, g.name, g.dimension FROM {} g JOIN {} s ON s.id = g.scope WHERE s.key = $1 AND g.key = $2 {}",
            self.in_schema("index_generations"),
            self.in_schema("index_scopes"),
            if keep { "FOR KEY SHARE OF g" } else { "" }
        );
        let values = [(&key(self.scope) as _, Type::BYTEA), (&key(namespace.as_str()) as _, Type::BYTEA)];
        let rows = self.client.query_typed(&select, &values).await?;
        rows.first().map(|row| self.generation_of(row)).transpose()
    }

    /// One generation, made if need be.
    pub(super) async fn made(
        &self,
        namespace: &Namespace,
        dimension: usize,
        extension: &Extension,
    ) -> Result<Generation, Fault> {
        if let Some(found) = self.generation(namespace, true).await? {
            return Ok(found);
        }
        alone(self.client).await?;
        // Another session may have been faster.
        if let Some(found) = self.generation(namespace, true).await? {
            return Ok(found);
        }
        let number = i32::try_from(dimension).map_err(|_| Fault::refused("vectors cannot be that long"))?;
        self.name_scope().await?;
        let insert = format!(
            "INSERT INTO {} (scope, key, name, dimension) SELECT id, $2, $3, $4 FROM {} WHERE key = $1",
            self.in_schema("index_generations"),
            self.in_schema("index_scopes")
        );
        let (scope, own, name) = (key(self.scope), key(namespace.as_str()), escaped(namespace.as_str()));
        let values: [Value<'_>; 4] =
            [(&scope, Type::BYTEA), (&own, Type::BYTEA), (&name, Type::TEXT), (&number, Type::INT4)];
        self.client.execute_typed(&insert, &values).await?;
        let made = self.generation(namespace, true).await?;
        let made = made.ok_or_else(|| Fault::Damaged("a generation that was made is not there".to_owned()))?;
        let create = format!(
            "CREATE TABLE {} (
                 id TEXT COLLATE \"C\" PRIMARY KEY,
                 collection TEXT NOT NULL,
                 asset TEXT NOT NULL,
                 path TEXT NOT NULL,
                 position BIGINT NOT NULL,
                 hash TEXT NOT NULL,
                 text TEXT NOT NULL,
                 words INTEGER[] NOT NULL,
                 vector {}.halfvec({dimension}) NOT NULL
             )",
            made.table, extension.schema
        );
        self.client.batch_execute(&create).await?;
        Ok(made)
    }

    async fn name_scope(&self) -> Result<(), Fault> {
        let insert = format!(
            "INSERT INTO {} (key, name) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING",
            self.in_schema("index_scopes")
        );
        let (key, name) = (key(self.scope), escaped(self.scope));
        self.client.execute_typed(&insert, &[(&key, Type::BYTEA), (&name, Type::TEXT)]).await?;
        Ok(())
    }

    /// The scope's mark.
    pub(super) async fn mark(&self) -> Result<Option<String>, Fault> {
        let select = format!("SELECT mark FROM {} WHERE key = $1", self.in_schema("index_scopes"));
        let rows = self.client.query_typed(&select, &[(&key(self.scope), Type::BYTEA)]).await?;
        let mark = rows.first().and_then(|row| row.get::<_, Option<&str>>(0));
        Ok(mark.map(unescaped).transpose()?)
    }

    /// Marks the scope.
    pub(super) async fn set_mark(&self, mark: &str) -> Result<(), Fault> {
        self.name_scope().await?;
        let update = format!("UPDATE {} SET mark = $2 WHERE key = $1", self.in_schema("index_scopes"));
        let (key, mark) = (key(self.scope), escaped(mark));
        self.client.execute_typed(&update, &[(&key, Type::BYTEA), (&mark, Type::TEXT)]).await?;
        Ok(())
    }

    /// Takes a generation away, with its table.
    pub(super) async fn drop_generation(&self, generation: &Generation) -> Result<(), Fault> {
        let delete = format!(
            "DELETE FROM {} g USING {} s WHERE s.id = g.scope AND s.key = $1 AND g.key = $2",
            self.in_schema("index_generations"),
            self.in_schema("index_scopes")
        );
        let values = [(&key(self.scope) as _, Type::BYTEA), (&key(generation.namespace.as_str()) as _, Type::BYTEA)];
        self.client.execute_typed(&delete, &values).await?;
        self.client.batch_execute(&format!("DROP TABLE {}", generation.table)).await?;
        Ok(())
    }
}

/// The chunks of a generation.
pub(super) struct Chunks<'a> {
    pub(super) client: &'a Client,
    pub(super) generation: &'a Generation,
    pub(super) extension: &'a Extension,
}

impl Chunks<'_> {
    /// The distance of a row's vector from the one of the first value, as SQL.
    fn distance(&self) -> String {
        let (extension, dimension) = (&self.extension.schema, self.generation.dimension);
        format!("(vector OPERATOR({extension}.<=>) $1::{extension}.halfvec({dimension}))")
    }

    /// All of them, without texts and vectors.
    pub(super) async fn held(&self) -> Result<BTreeMap<ChunkId, Held>, Fault> {
        let select = format!(
            "SELECT id, collection, asset, path, position, hash FROM {} WHERE id > $1 ORDER BY id LIMIT $2",
            self.generation.table
        );
        let (mut all, mut after) = (BTreeMap::new(), String::new());
        loop {
            let values: [Value<'_>; 2] = [(&after, Type::TEXT), (&PAGE, Type::INT8)];
            let rows = self.client.query_typed(&select, &values).await?;
            let Some(last) = rows.last() else { return Ok(all) };
            after = last.get(0);
            for row in &rows {
                let index: i64 = row.get(4);
                let held = Held {
                    asset: asset(row, 1)?,
                    path: RepoPath::new(unescaped(row.get(3))?),
                    index: u32::try_from(index).map_err(|_| Fault::Damaged(format!("a chunk has place {index}")))?,
                    hash: Sha256Hex::parse(row.get(5))?,
                    certain: true,
                };
                all.insert(ChunkId::from_store(unescaped(row.get(0))?), held);
            }
        }
    }

    /// The vectors of some of them.
    pub(super) async fn vectors(&self, ids: &[ChunkId]) -> Result<BTreeMap<ChunkId, Vec<f32>>, Fault> {
        let select = format!("SELECT id, vector::real[] FROM {} WHERE id = ANY($1)", self.generation.table);
        let mut found = BTreeMap::new();
        for ids in ids.chunks(ROWS) {
            let ids: Vec<_> = ids.iter().map(|id| escaped(id.as_str())).collect();
            for row in self.client.query_typed(&select, &[(&ids, Type::TEXT_ARRAY)]).await? {
                found.insert(ChunkId::from_store(unescaped(row.get(0))?), row.get(1));
            }
        }
        Ok(found)
    }

    /// Writes points, in place of those with the same ids.
    pub(super) async fn put(&self, points: &[Point]) -> Result<(), Fault> {
        let dimension = self.generation.dimension;
        let columns = ["collection", "asset", "path", "position", "hash", "text", "words", "vector"];
        let set: Vec<String> = columns.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        // The vectors come as one row of numbers: an array of arrays cannot be taken apart. Of two with one id the last counts.
        let insert = format!(
            "INSERT INTO {} (id, {})
                 SELECT DISTINCT ON (id) id, collection, asset, path, position, hash, text, words::integer[],
                        ($9::real[])[(n - 1) * {dimension} + 1 : n * {dimension}]::{}.halfvec({dimension})
                 FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) WITH ORDINALITY
                     AS given (id, collection, asset, path, position, hash, text, words, n)
                 ORDER BY id, n DESC
                 ON CONFLICT (id) DO UPDATE SET {}",
            self.generation.table,
            columns.join(", "),
            self.extension.schema,
            set.join(", ")
        );
        let mut rest = points;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(fitting(rest));
            let columns = Columns::of(now);
            self.client.execute_typed(&insert, &columns.values()).await?;
            rest = later;
        }
        Ok(())
    }

    /// Takes some of them away.
    pub(super) async fn delete(&self, ids: &[ChunkId]) -> Result<(), Fault> {
        let delete = format!("DELETE FROM {} WHERE id = ANY($1)", self.generation.table);
        for ids in ids.chunks(ROWS) {
            let ids: Vec<_> = ids.iter().map(|id| escaped(id.as_str())).collect();
            self.client.execute_typed(&delete, &[(&ids, Type::TEXT_ARRAY)]).await?;
        }
        Ok(())
    }

    /// The nearest chunks, and of each word of the query the nearest that hold it.
    pub(super) async fn candidates(&self, query: &Query, most: usize) -> Result<Vec<Candidate>, Fault> {
        let (table, distance) = (&self.generation.table, self.distance());
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.client.batch_execute(&format!("SET LOCAL hnsw.ef_search = {most}")).await?;
        // `+ 0` keeps the index of the vectors out, which would look for the word among the nearest alone.
        let select = format!(
            "WITH near AS MATERIALIZED (SELECT id FROM {table} ORDER BY {distance} LIMIT $2),
                  worded AS MATERIALIZED (
                      SELECT of_word.id FROM unnest($3) AS asked (word) CROSS JOIN LATERAL (
                          SELECT id FROM {table} WHERE words @> ARRAY[asked.word] ORDER BY {distance} + 0 LIMIT $4
                      ) AS of_word
                  )
             SELECT id, collection, asset, path, text, (1 - {distance})::real FROM {table}
                 WHERE id IN (SELECT id FROM near UNION SELECT id FROM worded)"
        );
        let words = words::asked(&query.text);
        let values: [Value<'_>; 4] = [
            (&query.vector, Type::FLOAT4_ARRAY),
            (&most, Type::INT8),
            (&words, Type::INT4_ARRAY),
            (&OF_EACH_WORD, Type::INT8),
        ];
        let rows = self.client.query_typed(&select, &values).await?;
        let candidate = |row: &Row| {
            Ok(Candidate {
                id: ChunkId::from_store(unescaped(row.get(0))?),
                asset: asset(row, 1)?,
                path: RepoPath::new(unescaped(row.get(3))?),
                text: unescaped(row.get(4))?,
                cosine: row.get(5),
            })
        };
        rows.iter().map(candidate).collect()
    }

    /// How many there are.
    pub(super) async fn count(&self) -> Result<u64, Fault> {
        let rows = self.client.query_typed(&format!("SELECT count(*) FROM {}", self.generation.table), &[]).await?;
        Ok(rows.first().map_or(0, |row| u64::try_from(row.get::<_, i64>(0)).unwrap_or(0)))
    }

    /// Builds what makes searching fast, where it is not there.
    pub(super) async fn index(&self) -> Result<(), Fault> {
        let Generation { name, table, .. } = self.generation;
        let extension = &self.extension.schema;
        self.client
            .batch_execute(&format!(
                "CREATE INDEX IF NOT EXISTS {name}_words ON {table} USING gin (words);
                 CREATE INDEX IF NOT EXISTS {name}_near ON {table} USING hnsw (vector {extension}.halfvec_cosine_ops);
                 ANALYZE {table}"
            ))
            .await?;
        Ok(())
    }

    /// Whether [`Self::index`] was done.
    pub(super) async fn is_indexed(&self, schema: &str) -> Result<bool, Fault> {
        let select = "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                          WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'i'";
        let name = format!("{}_near", self.generation.name);
        let values: [Value<'_>; 2] = [(&schema, Type::TEXT), (&name, Type::TEXT)];
        Ok(!self.client.query_typed(select, &values).await?.is_empty())
    }
}

fn asset(row: &Row, at: usize) -> Result<AssetKey, Fault> {
    let (collection, id) = (unescaped(row.get(at))?, unescaped(row.get(at + 1))?);
    Ok(AssetKey { collection: CollectionName::new(collection), id: AssetId::new(id) })
}

/// How many of the points go into one statement; at least one.
fn fitting(points: &[Point]) -> usize {
    let mut bytes = 0;
    let fits = points.iter().take(ROWS).take_while(|point| {
        // A word of a text makes up to twelve bytes of digits.
        bytes += 4 * point.vector.len() + 3 * point.chunk.text.len() + 500;
        bytes <= BYTES
    });
    fits.count().max(1)
}

/// Points, column by column.
#[derive(Default)]
struct Columns<'p> {
    texts: [Vec<std::borrow::Cow<'p, str>>; 7],
    positions: Vec<i64>,
    vectors: Vec<f32>,
}

impl<'p> Columns<'p> {
    fn of(points: &'p [Point]) -> Self {
        let mut columns = Self::default();
        for Point { chunk: c, vector } in points {
            let numbers: Vec<String> = words::numbers(&c.text).iter().map(ToString::to_string).collect();
            let texts = [
                escaped(c.id.as_str()),
                escaped(c.asset.collection.as_str()),
                escaped(c.asset.id.as_str()),
                escaped(c.path.as_str()),
                escaped(c.hash.as_str()),
                escaped(&c.text),
                format!("{{{}}}", numbers.join(",")).into(),
            ];
            for (column, text) in columns.texts.iter_mut().zip(texts) {
                column.push(text);
            }
            columns.positions.push(i64::from(c.index));
            columns.vectors.extend_from_slice(vector);
        }
        columns
    }

    fn values(&self) -> [Value<'_>; 9] {
        let [id, collection, asset, path, hash, text, words] = &self.texts;
        [
            (id, Type::TEXT_ARRAY),
            (collection, Type::TEXT_ARRAY),
            (asset, Type::TEXT_ARRAY),
            (path, Type::TEXT_ARRAY),
            (&self.positions, Type::INT8_ARRAY),
            (hash, Type::TEXT_ARRAY),
            (text, Type::TEXT_ARRAY),
            (words, Type::TEXT_ARRAY),
            (&self.vectors, Type::FLOAT4_ARRAY),
        ]
    }
}
