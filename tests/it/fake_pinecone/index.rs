//! What an index does with records, within Pinecone's limits.

use std::collections::BTreeMap;

use serde_json::{Value, json};

type Records = BTreeMap<String, BTreeMap<String, Value>>;
type Outcome = Result<Value, (u16, String)>;

/// The most bytes of a record's metadata.
const METADATA: usize = 40 << 10;

/// An index: what was written, and what of it can be seen.
#[derive(Default)]
pub struct Index {
    pub dimension: usize,
    pub metric: String,
    written: Records,
    seen: Records,
}

fn refused(why: impl Into<String>) -> (u16, String) {
    (400, why.into())
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().map(|list| list.iter().filter_map(Value::as_f64).collect()).unwrap_or_default()
}

impl Index {
    pub fn new(dimension: usize, metric: &str) -> Self {
        Self { dimension, metric: metric.to_owned(), ..Self::default() }
    }

    pub fn settle(&mut self) {
        self.seen = self.written.clone();
    }

    pub fn counts(&self) -> Vec<(String, usize)> {
        self.written.iter().map(|(name, records)| (name.clone(), records.len())).collect()
    }

    pub fn stats(&self) -> Value {
        let each = self.seen.iter().map(|(name, records)| (name.clone(), json!({"vectorCount": records.len()})));
        let namespaces: serde_json::Map<String, Value> = each.collect();
        let total: usize = self.seen.values().map(BTreeMap::len).sum();
        json!({"namespaces": namespaces, "dimension": self.dimension, "indexFullness": 0, "totalVectorCount": total,
               "metric": self.metric, "vectorType": "dense"})
    }

    pub fn upsert(&mut self, namespace: &str, vectors: &[Value]) -> Outcome {
        if vectors.is_empty() || vectors.len() > 1_000 {
            return Err(refused(format!("{} vectors in a request", vectors.len())));
        }
        if namespace.len() > 512 || !namespace.is_ascii() {
            return Err(refused("Namespace is too long or has characters that it must not have"));
        }
        for vector in vectors {
            self.check(vector)?;
        }
        let records = self.written.entry(namespace.to_owned()).or_default();
        for vector in vectors {
            // Vectors are kept as 32-bit floats.
            let values: Vec<f32> = serde_json::from_value(vector["values"].clone()).unwrap();
            let mut vector = vector.clone();
            vector["values"] = json!(values);
            records.insert(vector["id"].as_str().unwrap_or_default().to_owned(), vector);
        }
        Ok(json!({"upsertedCount": vectors.len()}))
    }

    fn check(&self, vector: &Value) -> Result<(), (u16, String)> {
        let id = vector["id"].as_str().unwrap_or_default();
        if id.is_empty() || id.len() > 512 || !id.is_ascii() {
            return Err(refused(format!("Vector ID {id} must be ASCII and at most 512 characters")));
        }
        let values = numbers(&vector["values"]);
        if values.len() != self.dimension {
            let (have, want) = (values.len(), self.dimension);
            return Err(refused(format!("Vector dimension {have} does not match the dimension of the index {want}")));
        }
        if values.iter().all(|x| *x == 0.0) {
            return Err(refused("Dense vectors must contain at least one non-zero value"));
        }
        let metadata = vector["metadata"].as_object().cloned().unwrap_or_default();
        let size = json!(metadata).to_string().len();
        if size > METADATA {
            return Err(refused(format!(
                "Metadata size is {size} bytes, which exceeds the limit of 40960 bytes per vector"
            )));
        }
        let is_plain = |value: &Value| match value {
            Value::String(_) | Value::Bool(_) | Value::Number(_) => true,
            Value::Array(list) => list.iter().all(Value::is_string),
            Value::Null | Value::Object(_) => false,
        };
        match metadata.iter().find(|(_, value)| !is_plain(value)) {
            Some((key, value)) => Err(refused(format!(
                "Metadata value must be a string, number, boolean or list of strings, got '{value}' for field '{key}'"
            ))),
            None => Ok(()),
        }
    }

    pub fn fetch(&self, namespace: &str, ids: &[&str]) -> Outcome {
        if ids.is_empty() || ids.len() > 1_000 {
            return Err(refused("1 to 1000 ids may be fetched"));
        }
        let nothing = BTreeMap::new();
        let records = self.seen.get(namespace).unwrap_or(&nothing);
        let each = ids.iter().filter_map(|id| Some(((*id).to_owned(), records.get(*id)?.clone())));
        let vectors: serde_json::Map<String, Value> = each.collect();
        Ok(json!({"vectors": vectors, "namespace": namespace, "usage": {"readUnits": 1}}))
    }

    pub fn list(&self, namespace: &str, prefix: &str, limit: Option<&str>, token: Option<&str>) -> Outcome {
        let limit: usize = limit.and_then(|limit| limit.parse().ok()).unwrap_or(100);
        if limit == 0 || limit > 100 {
            return Err(refused("limit must be between 1 and 100"));
        }
        let nothing = BTreeMap::new();
        let records = self.seen.get(namespace).unwrap_or(&nothing);
        let after = |id: &&String| id.starts_with(prefix) && token.is_none_or(|token| id.as_str() > token);
        let mut ids: Vec<&String> = records.keys().filter(after).take(limit + 1).collect();
        let is_more = ids.len() > limit;
        ids.truncate(limit);
        let vectors: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        let mut answer = json!({"vectors": vectors, "namespace": namespace, "usage": {"readUnits": 1}});
        if is_more {
            answer["pagination"] = json!({"next": ids.last()});
        }
        Ok(answer)
    }

    pub fn delete(&mut self, namespace: &str, body: &Value) -> Outcome {
        let Some(records) = self.written.get_mut(namespace) else {
            return Err((404, "Namespace not found".to_owned()));
        };
        let ids = body["ids"].as_array().cloned().unwrap_or_default();
        match (body["deleteAll"] == true, ids.len()) {
            (true, 0) => records.clear(),
            (false, 1..=1_000) => ids.iter().for_each(|id| drop(records.remove(id.as_str().unwrap_or_default()))),
            _ => return Err(refused("1 to 1000 ids, or all, may be deleted")),
        }
        Ok(json!({}))
    }

    pub fn drop_namespace(&mut self, namespace: &str) -> Outcome {
        match self.written.remove(namespace) {
            Some(_) => Ok(json!({})),
            None => Err((404, "Namespace not found".to_owned())),
        }
    }

    pub fn query(&self, namespace: &str, body: &Value) -> Outcome {
        let top = body["topK"].as_u64().unwrap_or_default();
        let query = numbers(&body["vector"]);
        if top == 0 || top > 10_000 || query.len() != self.dimension {
            return Err(refused("topK must be between 1 and 10000, and the vector of the index's dimension"));
        }
        let nothing = BTreeMap::new();
        let records = self.seen.get(namespace).unwrap_or(&nothing);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let score = |record: &Value| {
            let values = numbers(&record["values"]);
            dot(&values, &query) / (dot(&values, &values) * dot(&query, &query)).sqrt()
        };
        let fits = |record: &&Value| fits(&record["metadata"], &body["filter"]);
        let mut scored: Vec<(f64, &Value)> =
            records.values().filter(fits).map(|record| (score(record), record)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.truncate(usize::try_from(top).unwrap_or(usize::MAX));
        let matched = |(score, record): &(f64, &Value)| {
            let mut found = json!({"id": record["id"], "score": score, "values": []});
            if body["includeMetadata"] == true {
                found["metadata"] = record["metadata"].clone();
            }
            found
        };
        let matches: Vec<Value> = scored.iter().map(matched).collect();
        Ok(json!({"matches": matches, "namespace": namespace, "usage": {"readUnits": 1}}))
    }
}

/// Whether metadata passes a filter of `$in`.
fn fits(metadata: &Value, filter: &Value) -> bool {
    let Some(filter) = filter.as_object() else { return true };
    filter.iter().all(|(key, wanted)| {
        let wanted = wanted["$in"].as_array().cloned().unwrap_or_default();
        let has = |value: &Value| wanted.contains(value);
        metadata[key].as_array().is_some_and(|list| list.iter().any(has)) || has(&metadata[key])
    })
}
