//! What is known of models without asking their provider.

/// A model of OpenAI's, wherever it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownModel {
    /// Its name.
    pub name: &'static str,
    /// How many coordinates its vectors have.
    pub dimensions: u32,
    /// Whether it gives fewer when it is asked to.
    pub shortens: bool,
    /// US dollars for a million tokens: developers.openai.com/api/docs/pricing, as of November 2026.
    pub price: f64,
}

const KNOWN: [KnownModel; 3] = [
    KnownModel { name: "text-embedding-3-small", dimensions: 1536, shortens: true, price: 0.02 },
    KnownModel { name: "text-embedding-3-large", dimensions: 3072, shortens: true, price: 0.13 },
    KnownModel { name: "text-embedding-ada-002", dimensions: 1536, shortens: false, price: 0.10 },
];

/// The model of that name.
pub fn known_model(name: &str) -> Option<&'static KnownModel> {
    KNOWN.iter().find(|known| known.name == name)
}

/// The names of all that are known.
pub fn known_names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}
