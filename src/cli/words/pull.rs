//! The words of `pull` and `verify`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, Args, Command, Error};

use super::Format;
use crate::mirror::choice::Files;

/// The text of `--key`. An empty one is a mistake, as from a variable of a script that is not set: it must not switch off what
/// was asked for. An empty variable of the environment is how the action says that there is no key.
#[derive(Debug, Clone, Copy)]
pub struct KeyText;

impl TypedValueParser for KeyText {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        self.parse_ref_(command, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<String, Error> {
        let text = StringValueParser::new().parse_ref(command, arg, value)?;
        if text.trim().is_empty() && !(text.is_empty() && source == ValueSource::EnvVariable) {
            let why = "the key is empty, and without one nothing would be verified: name a public key of minisign or its file, \
                       or leave --key and STOCKROOM_VERIFICATION_KEY out\n";
            return Err(Error::raw(ErrorKind::InvalidValue, why).with_cmd(command));
        }
        Ok(text)
    }
}

/// What `pull` understands.
#[derive(Debug, Clone, Args)]
pub struct PullWords {
    /// Where the manifest is: https://…, a folder, file://…, git:URL#BRANCH[:FOLDER], github:OWNER/NAME#BRANCH, s3://… (gs, az).
    /// For one edition there, add edition-SHA256.json.
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// The folder that is brought to its state.
    #[arg(short = 'o', long = "output", value_name = "DIR", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub output: PathBuf,
    /// Which of the assets' files are fetched: `all`, `none`, or those with these roles.
    #[arg(long, value_name = "all|none|ROLE,…", default_value = "all")]
    pub files: Files,
    /// Take this collection alone; may be given several times.
    #[arg(long = "collection", value_name = "NAME")]
    pub collections: Vec<String>,
    /// Refuse a manifest that this key has not signed: a public key of minisign, or the file that it is in.
    #[arg(long, value_name = "KEY", env = "STOCKROOM_VERIFICATION_KEY", value_parser = KeyText)]
    pub key: Option<String>,
    /// Take an edition that is older than the one that the folder has, or another library's.
    #[arg(long)]
    pub allow_older: bool,
    /// Read over plain http, from any machine.
    #[arg(long)]
    pub allow_http: bool,
    /// Take the rest where some files cannot be fetched, and end with the exit code 3.
    #[arg(long)]
    pub keep_going: bool,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// What `verify` understands.
#[derive(Debug, Clone, Args)]
pub struct VerifyWords {
    /// Where the manifest is: what `pull` takes.
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Fetch and hash the assets' files too.
    #[arg(long)]
    pub files: bool,
    /// Demand that this key has signed it: a public key of minisign, or the file that it is in.
    #[arg(long, value_name = "KEY", env = "STOCKROOM_VERIFICATION_KEY", value_parser = KeyText)]
    pub key: Option<String>,
    /// Read over plain http, from any machine.
    #[arg(long)]
    pub allow_http: bool,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_key_is_a_mistake_unless_it_is_that_of_an_input_that_is_not_set() {
        let read = |text: &str, source| KeyText.parse_ref_(&Command::new("x"), None, OsStr::new(text), source);
        let (typed, set) = (ValueSource::CommandLine, ValueSource::EnvVariable);
        assert_eq!((read("RW", typed).unwrap().as_str(), read("", set).unwrap().as_str()), ("RW", ""));
        for (text, source) in [("", typed), (" ", typed), (" \n", set)] {
            let told = read(text, source).unwrap_err();
            assert!(told.to_string().contains("the key is empty") && told.exit_code() == 2, "{told}");
        }
    }
}
