//! What the vector index should hold, and what has to be done to get there. Pure.
//!
//! [`TextRules`] say which texts of an asset are embedded, [`mod@chunk`] cuts them, [`mod@plan`] compares the chunks with
//! what the stores hold, [`search`] scores them against a query.

pub mod chunk;
mod known_models;
pub mod markup;
pub mod packed;
pub mod plan;
pub mod search;
mod settings;
pub mod shard;
pub mod source;
pub mod text;
mod text_rules;
pub mod tokens;

pub use chunk::{Chunk, chunks, chunks_by, in_context};
pub use known_models::{KnownModel, known_model, known_names};
pub use plan::{Held, Namespace, Plan, Wanted, plan, wanted};
pub use search::{Answer, Hit, Query};
pub use settings::{
    ChunkSettings, LimitSettings, ModelSettings, Provider, Settings, SourceSettings, StoreKind, StoreSettings, Unit,
};
pub use shard::Shard;
pub use text::Text;
pub use text_rules::TextRules;
pub use tokens::Tokens;
