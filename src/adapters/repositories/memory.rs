//! Repositories in memory, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use git2::{ObjectType, Oid};

use super::{Repositories, RepositoryError, Take, Wanted, blob_of, is_meant};
use crate::embedding::source::{Listed, Listing};
use crate::ids::{BlobId, CommitId, RepoPath, RepoSlug};

/// Repositories in memory.
#[derive(Debug, Default)]
pub struct MemoryRepositories {
    repositories: Mutex<BTreeMap<RepoSlug, Repository>>,
}

#[derive(Debug, Default)]
struct Repository {
    description: String,
    topics: Vec<String>,
    is_away: bool,
    refs: BTreeMap<String, CommitId>,
    commits: BTreeMap<CommitId, BTreeMap<RepoPath, Vec<u8>>>,
    /// The blobs that were fetched, in order.
    fetched: Vec<BlobId>,
}

impl MemoryRepositories {
    /// Makes a branch or a tag a new commit with these files, which is what HEAD is then; a repository comes with its first one.
    pub fn publish(&self, repo: &RepoSlug, reference: &str, files: &[(&str, &[u8])]) -> Option<CommitId> {
        let files: BTreeMap<RepoPath, Vec<u8>> =
            files.iter().map(|(path, bytes)| (RepoPath::new(*path), bytes.to_vec())).collect();
        let id = Oid::hash_object(ObjectType::Commit, format!("{reference} {files:?}").as_bytes()).ok()?;
        let commit = CommitId::parse(&id.to_string()).ok()?;
        self.with(repo, |repository| {
            repository.commits.insert(commit.clone(), files);
            for name in [reference, "HEAD"] {
                repository.refs.insert(name.to_owned(), commit.clone());
            }
        });
        Some(commit)
    }

    /// Makes a repository say this of itself.
    pub fn describe(&self, repo: &RepoSlug, description: &str, topics: &[&str]) {
        self.with(repo, |repository| {
            description.clone_into(&mut repository.description);
            repository.topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        });
    }

    /// Makes a repository one that cannot be reached, or can again.
    pub fn set_away(&self, repo: &RepoSlug, is_away: bool) {
        self.with(repo, |repository| repository.is_away = is_away);
    }

    /// The blobs that were fetched of a repository since it was asked last.
    pub fn take_fetched(&self, repo: &RepoSlug) -> Vec<BlobId> {
        self.with(repo, |repository| std::mem::take(&mut repository.fetched))
    }

    fn with<T>(&self, repo: &RepoSlug, act: impl FnOnce(&mut Repository) -> T) -> T {
        let mut all = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        act(all.entry(repo.clone()).or_default())
    }

    fn read<T>(&self, repo: &RepoSlug, look: impl FnOnce(&mut Repository) -> T) -> Result<T, RepositoryError> {
        let mut all = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(repo) {
            Some(repository) if repository.is_away => {
                Err(RepositoryError::Away(format!("{repo} cannot be asked for: it is away")))
            }
            Some(repository) => Ok(look(repository)),
            None => Err(RepositoryError::NotThere(format!("{repo} is not there"))),
        }
    }
}

impl Repository {
    fn files(&self, repo: &RepoSlug, commit: &CommitId) -> Result<&BTreeMap<RepoPath, Vec<u8>>, RepositoryError> {
        let missing = || RepositoryError::NotThere(format!("{repo} has no commit {commit}"));
        self.commits.get(commit).ok_or_else(missing)
    }
}

#[async_trait]
impl Repositories for MemoryRepositories {
    async fn of(&self, owner: &str, keyword: Option<&str>) -> Result<Vec<RepoSlug>, RepositoryError> {
        let all = self.repositories.lock().unwrap_or_else(PoisonError::into_inner);
        let of_owner = || all.iter().filter(|(slug, _)| slug.owner().eq_ignore_ascii_case(owner));
        if of_owner().next().is_none() {
            return Err(RepositoryError::NotThere(format!("there is no organisation or user {owner}")));
        }
        let meant = of_owner().filter(|(slug, of)| {
            is_meant(slug.name(), Some(&of.description), of.topics.iter().map(String::as_str), keyword)
        });
        Ok(meant.map(|(slug, _)| slug.clone()).collect())
    }

    async fn head(&self, repo: &RepoSlug, reference: Option<&str>) -> Result<Option<CommitId>, RepositoryError> {
        let name = reference.unwrap_or("HEAD");
        self.read(repo, |repository| {
            let by_id = || CommitId::parse(name).ok().filter(|id| repository.commits.contains_key(id));
            match repository.refs.get(name).cloned().or_else(by_id) {
                Some(commit) => Ok(Some(commit)),
                None if repository.commits.is_empty() => Ok(None),
                None => Err(RepositoryError::NotThere(format!("{repo} has no branch, tag or commit {name:?}"))),
            }
        })?
    }

    async fn list(&self, repo: &RepoSlug, commit: &CommitId) -> Result<Listing, RepositoryError> {
        let listed = |(path, bytes): (&RepoPath, &Vec<u8>)| {
            let (blob, bytes) = (blob_of(bytes)?, u64::try_from(bytes.len()).ok()?);
            Some((path.clone(), Listed { blob, bytes }))
        };
        self.read(repo, |repository| Ok(repository.files(repo, commit)?.iter().filter_map(listed).collect()))?
    }

    async fn fetch(&self, wanted: &Wanted, take: &mut Take<'_>) -> Result<(), RepositoryError> {
        let contents = self.read(&wanted.repo, |repository| {
            let files = repository.files(&wanted.repo, &wanted.commit)?.values();
            let contents: BTreeMap<BlobId, Vec<u8>> =
                files.filter_map(|bytes| Some((blob_of(bytes)?, bytes.clone()))).collect();
            repository.fetched.extend(wanted.blobs.keys().cloned());
            Ok(contents)
        })??;
        let fetched: BTreeSet<&BlobId> = wanted.blobs.keys().collect();
        for id in fetched {
            let missing = || RepositoryError::NotThere(format!("{} has no blob {id}", wanted.repo));
            take(id, contents.get(id).ok_or_else(missing)?).map_err(RepositoryError::Refused)?;
        }
        Ok(())
    }
}
