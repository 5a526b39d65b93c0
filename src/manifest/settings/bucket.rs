//! Addresses of buckets: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.

/// Whose interface a bucket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon S3, and what speaks its language: Cloudflare R2, MinIO, Backblaze B2 and others.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage; the bucket is a container.
    Azure,
}

/// A bucket, and the part of it that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAddress {
    /// Whose it is.
    pub cloud: Cloud,
    /// Its name.
    pub bucket: String,
    /// What the names of all files begin with, without a slash at either end; empty for the whole bucket.
    pub prefix: String,
}

/// The schemes of addresses.
const SCHEMES: [(&str, Cloud); 3] = [("s3://", Cloud::S3), ("gs://", Cloud::Google), ("az://", Cloud::Azure)];

impl BucketAddress {
    /// Takes an address; the error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('@') {
            // What stands before it may be a password, so it is not repeated.
            return Err("the address of a bucket has no @: what opens the bucket stands in the environment".to_owned());
        }
        let found = SCHEMES.iter().find_map(|(scheme, cloud)| Some((*cloud, text.strip_prefix(scheme)?)));
        let Some((cloud, rest)) = found else {
            return Err(format!(
                "{text:?} is no address of a bucket; it begins with s3://, gs:// or az://, as in \"s3://my-bucket/assets\""
            ));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_name = |name: &str| (1..=255).contains(&name.len()) && name.bytes().all(is_allowed);
        if !is_name(bucket) || !bucket.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Err(format!("{bucket:?} in {text:?} is no name of a bucket"));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_step = |step: &str| is_name(step) && step.bytes().any(|byte| byte != b'.');
        if !prefix.is_empty() && !prefix.split('/').all(is_step) {
            return Err(format!(
                "{prefix:?} in {text:?} is no prefix to publish below: it has letters, digits, hyphens, dots and underscores \
                 between slashes"
            ));
        }
        Ok(Self { cloud, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// Whether this text is meant as the address of a bucket, well formed or not.
    pub fn is_meant(text: &str) -> bool {
        SCHEMES.iter().any(|(scheme, _)| text.starts_with(scheme))
    }
}

impl std::fmt::Display for BucketAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = SCHEMES.iter().find(|(_, cloud)| *cloud == self.cloud).map_or("", |(scheme, _)| scheme);
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "{scheme}{}{slash}{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_bucket_and_a_prefix() {
        for (text, shown, prefix) in [
            ("s3://my-bucket", "s3://my-bucket", ""),
            ("s3://my-bucket/", "s3://my-bucket", ""),
            ("gs://b.example.org/a/b/", "gs://b.example.org/a/b", "a/b"),
            ("az://container/v1.2", "az://container/v1.2", "v1.2"),
        ] {
            let address = BucketAddress::parse(text).unwrap();
            assert_eq!((address.to_string().as_str(), address.prefix.as_str()), (shown, prefix));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_sentence() {
        for (text, why) in [
            ("https://bucket/x", "begins with s3://"),
            ("S3://bucket", "begins with s3://"),
            ("s3://", "no name of a bucket"),
            ("s3:///x", "no name of a bucket"),
            ("s3://user:password@bucket/x", "has no @"),
            ("s3://-b", "no name of a bucket"),
            ("s3://bucket/../x", "no prefix"),
            ("s3://bucket/a//b", "no prefix"),
            ("s3://bucket/a b", "no prefix"),
            ("s3://bucket/x?y", "no prefix"),
        ] {
            let refused = BucketAddress::parse(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
