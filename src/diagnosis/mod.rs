//! What is concluded from what was seen of everything that a run needs: of tokens, of repositories, of their workflows.
//!
//! Looking is for adapters; here it is decided what the sight means, and what to do next.

pub mod reception;
pub mod repository;
pub mod token;

/// How something is, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// A run can rely on it.
    Healthy,
    /// A run works, and something will be left out or is about to break.
    Degraded,
    /// A run that needs it fails.
    Unhealthy,
}

impl Health {
    /// Its name, in JSON and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What was concluded: how it is, what was found, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// How it is.
    pub health: Health,
    /// What was found, and what to do next, in a sentence.
    pub message: String,
}

impl Conclusion {
    /// All is well.
    pub fn healthy(message: impl Into<String>) -> Self {
        Self { health: Health::Healthy, message: message.into() }
    }

    /// Something is left out, or about to break.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self { health: Health::Degraded, message: message.into() }
    }

    /// Who needs it fails.
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self { health: Health::Unhealthy, message: message.into() }
    }

    /// Both together: the worse of the two, the sentences one after the other, the worse one first.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (first, second) = if other.health > self.health { (other, self) } else { (self, other) };
        Self { health: first.health, message: format!("{}; {}", first.message, second.message) }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name; a target's is that which `status` has for it.
    pub name: String,
    /// What was concluded of it.
    pub conclusion: Conclusion,
}

/// Everything that was looked at, in that order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnosis {
    /// What was looked at.
    pub services: Vec<Service>,
}

impl Diagnosis {
    /// Adds what was concluded of something.
    pub fn add(&mut self, name: impl Into<String>, conclusion: Conclusion) {
        self.services.push(Service { name: name.into(), conclusion });
    }

    /// The worst of what was found.
    pub fn overall(&self) -> Health {
        self.services.iter().map(|service| service.conclusion.health).max().unwrap_or(Health::Healthy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_of_two_comes_first() {
        let both = Conclusion::healthy("a").and(Conclusion::degraded("b")).and(Conclusion::degraded("c"));
        assert_eq!(both, Conclusion::degraded("b; a; c"));
    }

    #[test]
    fn overall_is_the_worst() {
        let mut diagnosis = Diagnosis::default();
        assert_eq!(diagnosis.overall(), Health::Healthy);
        diagnosis.add("a", Conclusion::unhealthy(""));
        diagnosis.add("b", Conclusion::degraded(""));
        assert_eq!(diagnosis.overall(), Health::Unhealthy);
    }
}
